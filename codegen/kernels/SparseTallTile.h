// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tall tiles of weights without their blocks of zeros, for dots of bytes in 16
// lanes: their lanes are rows, transposed beforehand (TransposedRows.h), and
// what they broadcast are codes of the weight. So 24 dots take 3 lines of rows
// and 8 broadcasts, where the tiles of SparseTile.h, whose panels have a list
// of blocks each and so share no row, take a broadcast for each dot. Their bits
// are the same.
#ifndef ADZE_CODEGEN_KERNELS_SPARSETALLTILE_H
#define ADZE_CODEGEN_KERNELS_SPARSETALLTILE_H

#include "SparseTile.h"
#include "TransposedRows.h"

namespace adze {

/// Lines of 16 rows of the tall tiles that the weight has, by falling height;
/// none if it has no such tiles.
llvm::ArrayRef<int64_t> sparseTallTiles(const KernelTarget &target,
                                        const SparseTile &tile);

/// The rows that they take.
TransposedRows transposedRows(const SparseTile &tile);

/// The tile function, as getSparseTile, but x points to transposed rows.
mlir::func::FuncOp getSparseTallTile(KernelEmitter &e, const SparseTile &tile,
                                     int64_t lines);

} // namespace adze

#endif // ADZE_CODEGEN_KERNELS_SPARSETALLTILE_H
