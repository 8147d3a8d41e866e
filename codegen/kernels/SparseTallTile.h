// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The tall tile of weights without their blocks of zeros, for dots of bytes in
// 16 lanes: its lanes are rows, transposed beforehand (TransposedRows.h), and
// what it broadcasts are codes of the weight. So 24 dots take 3 lines of rows
// and 8 broadcasts, where the tiles of SparseTile.h, whose panels have a list
// of blocks each and so share no row, take a broadcast for each dot. Its bits
// are theirs.
#ifndef ADZE_CODEGEN_KERNELS_SPARSETALLTILE_H
#define ADZE_CODEGEN_KERNELS_SPARSETALLTILE_H

#include "SparseTile.h"
#include "TransposedRows.h"

namespace adze {

/// Whether the weight has a tall tile.
bool hasSparseTallTile(const KernelTarget &target, const SparseTile &tile);

/// The rows that it takes.
TransposedRows transposedRows(const SparseTile &tile);

/// The tile function, as getSparseTile (of TransposedRows::kRows rows), but x
/// points to transposed rows.
mlir::func::FuncOp getSparseTallTile(KernelEmitter &e, const SparseTile &tile);

} // namespace adze

#endif // ADZE_CODEGEN_KERNELS_SPARSETALLTILE_H
