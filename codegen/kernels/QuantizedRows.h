// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Quantized rows in memory (BufferType with a group): where codes, scales and
// sums of a row lie for a K known at run time, and the loops that write one.
#ifndef ADZE_CODEGEN_KERNELS_QUANTIZEDROWS_H
#define ADZE_CODEGEN_KERNELS_QUANTIZEDROWS_H

#include "KernelEmitter.h"
#include "KernelParams.h"

namespace adze {

struct QuantizedRows {
  /// Elements that share a scale; 0: the whole row.
  int64_t group = 0;
  /// Elements of one sum of codes.
  int64_t sums = 0;

  static QuantizedRows read(KernelParams &params,
                            llvm::StringRef group = "group",
                            llvm::StringRef sums = "sums");

  mlir::Value scalesOffset(KernelEmitter &e, mlir::Value k) const;
  mlir::Value sumsOffset(KernelEmitter &e, mlir::Value k) const;
  mlir::Value rowBytes(KernelEmitter &e, mlir::Value k) const;
};

/// Emits 16 columns of a row from `column` on as f32; those from K on are zero.
using ColumnLoader =
    llvm::function_ref<mlir::FailureOr<mlir::Value>(mlir::Value column)>;

/// 16 stored elements from `column` of a row on, zero from `columns` on; a
/// short last part goes through `staging` (a line).
mlir::Value loadPadded(KernelEmitter &e, mlir::Value row, mlir::Type element,
                       mlir::Value column, mlir::Value columns,
                       mlir::Value staging);

/// Emits the codes, the scale and the sums of the groups [first, end) of the
/// row at `row`. Columns are loaded twice: for the largest, then for the codes;
/// once where `ranges` (null: none) points to the f32 ranges of all groups.
llvm::LogicalResult emitQuantizedGroups(KernelEmitter &e,
                                        const QuantizedRows &layout,
                                        mlir::Value row, mlir::Value k,
                                        mlir::Value first, mlir::Value end,
                                        mlir::Value ranges, ColumnLoader load);

/// Zeroes what fills up the parts of a row to whole lines.
void emitRowPadding(KernelEmitter &e, const QuantizedRows &layout,
                    mlir::Value row, mlir::Value k);

/// All groups of a row, and the padding.
llvm::LogicalResult emitQuantizedRow(KernelEmitter &e,
                                     const QuantizedRows &layout,
                                     mlir::Value row, mlir::Value k,
                                     mlir::Value ranges, ColumnLoader load);

} // namespace adze

#endif // ADZE_CODEGEN_KERNELS_QUANTIZEDROWS_H
