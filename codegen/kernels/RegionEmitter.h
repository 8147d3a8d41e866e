// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The scalar region of a linear or map, written out on 16 lanes, and the walk
// over columns whose last part is shorter. Private to codegen/kernels.
#ifndef ADZE_CODEGEN_KERNELS_REGIONEMITTER_H
#define ADZE_CODEGEN_KERNELS_REGIONEMITTER_H

#include "KernelEmitter.h"

namespace adze {

/// Emits the ops of `region` (one block, ends in adze.yield) on vectors of 16
/// lanes. An op that is neither arith nor expanded here is a diagnostic.
mlir::FailureOr<mlir::Value> emitRegion(KernelEmitter &e, mlir::Region &region,
                                        mlir::ValueRange arguments);

/// A row of elements that columns are read from or written to.
struct ColumnStream {
  mlir::Value row; // pointer to column 0
  mlir::Type element;
};

/// Columns column .. column + 15 of a row of `columns`, of which fewer may
/// exist: reads the inputs, calls `compute`, writes what it returns. Columns
/// that do not exist are neither read nor written; `compute` sees arbitrary
/// values there. `staging` is (inputs + 1) lines of scratch.
llvm::LogicalResult emitColumns(
    KernelEmitter &e, mlir::Value column, mlir::Value columns,
    llvm::ArrayRef<ColumnStream> inputs, ColumnStream output,
    mlir::Value staging,
    llvm::function_ref<mlir::FailureOr<mlir::Value>(mlir::ValueRange)> compute);

} // namespace adze

#endif // ADZE_CODEGEN_KERNELS_REGIONEMITTER_H
