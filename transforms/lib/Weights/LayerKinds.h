// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Layer kinds: which layers a function serves, and making several kinds of one
// where its layers are to differ.
#ifndef ADZE_LIB_WEIGHTS_LAYERKINDS_H
#define ADZE_LIB_WEIGHTS_LAYERKINDS_H

#include "adze/Dialect/Adze/Adze.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace adze::detail {

/// The layers that `adze.repeat` applies each function to, by its name.
llvm::MapVector<mlir::StringAttr, llvm::SetVector<int64_t>>
layersOfKinds(mlir::ModuleOp module);

/// The weights per layer that `op` and what is in it reads, and what those are
/// made of.
llvm::SetVector<mlir::Operation *> weightsPerLayer(mlir::SymbolTable &symbols,
                                                   mlir::Operation *op);

/// What tells layers of a kind apart: those with equal ones stay one kind.
using LayerKey = llvm::function_ref<std::string(
    mlir::func::FuncOp kind, llvm::ArrayRef<mlir::Operation *> weights,
    int64_t layer)>;

/// Makes each kind whose layers have different keys several: copies of its
/// function over copies of its weights with `layers [...]`. `adze.repeat` is
/// cut where the kind changes. Gives whether there were any; remarks of `pass`
/// say which.
bool splitKinds(mlir::ModuleOp module, llvm::StringRef pass, LayerKey key);

/// Puts runs of layers in place of `repeat`: of each layer the function that
/// `kindOf` names, none where that is null.
void rewriteRepeat(RepeatOp repeat,
                   llvm::function_ref<mlir::StringAttr(int64_t)> kindOf);

/// Drops those weights that nothing reads, and then those that those read.
void eraseUnused(mlir::ModuleOp module,
                 llvm::SetVector<mlir::Operation *> &weights);

} // namespace adze::detail

#endif // ADZE_LIB_WEIGHTS_LAYERKINDS_H
