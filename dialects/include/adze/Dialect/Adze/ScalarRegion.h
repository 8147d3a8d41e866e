// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a scalar region may hold: shared by the ops that carry one (linear, map,
// kernel), by the passes that fill it, and by the builders that emit it.
#ifndef ADZE_DIALECT_ADZE_SCALARREGION_H
#define ADZE_DIALECT_ADZE_SCALARREGION_H

#include "mlir/IR/Operation.h"
#include "mlir/IR/Region.h"

namespace adze {

/// True for a pure op that maps scalars, vectors and tensors element by element
/// (a plug-in's too): the ops that fusion may move into a scalar region.
bool isScalarRegionOp(mlir::Operation *op);

/// Checks that `region` is one block of `arguments` f32 arguments, of scalar
/// region ops, that yields one f32. Emits the error on `op`.
mlir::LogicalResult verifyScalarRegion(mlir::Operation *op,
                                       mlir::Region &region, unsigned arguments,
                                       llvm::StringRef constraint);

} // namespace adze

#endif // ADZE_DIALECT_ADZE_SCALARREGION_H
