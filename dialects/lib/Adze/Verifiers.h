// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What verifiers of several levels share: symbols that an op refers to, and
// ranges of layers. `constraint` ends the message, such as " (C2)".
#ifndef ADZE_DIALECTS_LIB_ADZE_VERIFIERS_H
#define ADZE_DIALECTS_LIB_ADZE_VERIFIERS_H

#include "adze/Dialect/Adze/Adze.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace adze {

/// Finds a weight and checks that a layer index is given where it is one per
/// layer. Null after an error.
WeightOp checkedWeight(mlir::Operation *op, mlir::FlatSymbolRefAttr name,
                       bool hasLayer, llvm::StringRef constraint);

/// The same for keys and values.
StateOp checkedState(mlir::Operation *op, mlir::FlatSymbolRefAttr name,
                     bool hasLayer, llvm::StringRef constraint);

/// Layers first .. first + count - 1 of `callee`: their range, and that each
/// weight and state per layer that it names has them.
mlir::LogicalResult verifyLayers(mlir::Operation *op, mlir::func::FuncOp callee,
                                 int64_t first, int64_t count,
                                 llvm::StringRef rangeConstraint,
                                 llvm::StringRef layerConstraint);

} // namespace adze

#endif // ADZE_DIALECTS_LIB_ADZE_VERIFIERS_H
