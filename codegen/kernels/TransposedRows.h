// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Quantized rows transposed, for tiles whose lanes are rows: what such a tile
// broadcasts are weights. A tile is of one to three lines of 16 rows. Of each
// block of 32 codes there are the quads of codes of all rows, one after the
// other, and what the code of the weight's zero takes off the block; behind the
// blocks there are the scales.
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

  /// The most lines of a tile.
  static constexpr int64_t kMostLines = 3;
  /// Codes of a block, and its quads of them; behind these lie the starts.
  static constexpr int64_t kBlock = 32, kQuads = kBlock / 4;
  /// Lines of a block for each line of the tile.
  static constexpr int64_t kBlockLines = kQuads + 1;

  /// Bytes of a tile for each of its lines, and those of them before scales.
  mlir::Value lineBytes(KernelEmitter &e, mlir::Value k) const;
  int64_t lineBytes(int64_t k) const;
  mlir::Value blocksBytes(KernelEmitter &e, mlir::Value k) const;

  /// The function (x, rowBytes, k, tile, lines) that transposes rows.
  mlir::func::FuncOp getFunction(KernelEmitter &e) const;

private:
  void emit(KernelEmitter &e, mlir::ValueRange args) const;
};

} // namespace adze

#endif // ADZE_CODEGEN_KERNELS_TRANSPOSEDROWS_H
