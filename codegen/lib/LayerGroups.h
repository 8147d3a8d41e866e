// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Layer kinds that differ in numbers only. Where layers have sizes or formats
// of their own, each is a kind, scheduled on its own; most of the schedules are
// alike but for offsets, sizes and the kernels called. Those become one emitted
// function with a table of a row per layer, so that code and compile time do
// not grow with the number of different layers. Private to codegen/lib.
#ifndef ADZE_CODEGEN_LIB_LAYERGROUPS_H
#define ADZE_CODEGEN_LIB_LAYERGROUPS_H

#include "adze/Dialect/Adze/Adze.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace adze {

struct LayerGroup {
  /// Scheduled functions with the same ops, the first one is emitted.
  llvm::SmallVector<mlir::func::FuncOp> members;
  /// With several members: the layers that run, firstLayer on, and which member
  /// each of them is (of a layer that does not run, any).
  int64_t firstLayer = 0;
  llvm::SmallVector<unsigned> memberOf;

  mlir::StringRef name() const {
    return mlir::func::FuncOp(members.front()).getName();
  }
};

/// The layer functions of a scheduled module, those that differ in numbers only
/// together. A function that some layer shares with another one of its group
/// stays alone: the table has one row per layer.
llvm::SmallVector<LayerGroup> groupLayers(mlir::ModuleOp scheduled);

} // namespace adze

#endif // ADZE_CODEGEN_LIB_LAYERGROUPS_H
