// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Quantized rows transposed, 48 at a time, for tiles whose lanes are rows: what
// such a tile broadcasts are weights. Of each block of 32 codes there are the
// quads of codes of all rows, one after the other, and what the code of the
// weight's zero takes off the block; behind the blocks there are the scales.
#ifndef ADZE_CODEGEN_KERNELS_TRANSPOSEDROWS_H
#define ADZE_CODEGEN_KERNELS_TRANSPOSEDROWS_H

#include "QuantizedRows.h"

namespace adze {

/// Four lines from the first 16 bytes of 16 rows, which are `stride` bytes
/// apart: line i holds the i-th 32 bits of each.
KernelEmitter::Values emitTransposedQuads(KernelEmitter &e, mlir::Value rows,
                                          mlir::Value stride);

struct TransposedRows {
  QuantizedRows rows;
  /// The code of the weight's zero.
  int64_t zero = 0;

  /// Rows of a tile, and the lines that they fill.
  static constexpr int64_t kLines = 3, kRows = kLines * kLanes;
  /// Codes of a block, and its quads of them.
  static constexpr int64_t kBlock = 32, kQuads = kBlock / 4;
  /// Of a quad, a start or a scale of all rows.
  static constexpr int64_t kStride = kLines * kLineBytes;
  /// The starts lie behind the quads.
  static constexpr int64_t kStartsOffset = kQuads * kStride;
  static constexpr int64_t kBlockBytes = kStartsOffset + kStride;

  mlir::Value scalesOffset(KernelEmitter &e, mlir::Value k) const;
  /// Bytes of a tile.
  mlir::Value tileBytes(KernelEmitter &e, mlir::Value k) const;
  int64_t tileBytes(int64_t k) const;

  /// The function (x, rowBytes, k, tile) that transposes 48 rows.
  mlir::func::FuncOp getFunction(KernelEmitter &e) const;

private:
  void emit(KernelEmitter &e, mlir::ValueRange args) const;
};

} // namespace adze

#endif // ADZE_CODEGEN_KERNELS_TRANSPOSEDROWS_H
