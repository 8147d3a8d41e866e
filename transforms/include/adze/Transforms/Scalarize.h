// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Elementwise ops on rows, rewritten on the scalars of a region.
#ifndef ADZE_TRANSFORMS_SCALARIZE_H
#define ADZE_TRANSFORMS_SCALARIZE_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"

namespace adze {

/// True for an elementwise op on f32 rows that can be cloned on scalars: one
/// tensor result, and operands of its shape that are f32 rows (one at least) or
/// splat constants.
bool isElementwiseOnRows(mlir::Operation *op);

/// The scalar a splat constant holds, built at `builder`; null if `value` is no
/// splat constant.
mlir::Value scalarOfSplat(mlir::OpBuilder &builder, mlir::Value value);

/// Clones `op` on scalars; operands are looked up in `mapping`, and the result
/// is added to it.
mlir::Value cloneOnScalars(mlir::OpBuilder &builder, mlir::Operation *op,
                           mlir::IRMapping &mapping);

} // namespace adze

#endif // ADZE_TRANSFORMS_SCALARIZE_H
