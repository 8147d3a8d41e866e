// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tiles of linears by Intel AMX: blocks of 16 rows times 16 channels, each in a
// tile register, over 64 bytes of K at a time. Lines of a panel are rows of an
// AMX operand as they are: quads of codes, pairs of bf16.
//
// Why the bits of linears of codes are those of all tiles: a tile register's
// sums are 32-bit integers, which are exact (below 2^31 for K up to 65793) and
// modulo 2^32 the same in any order anyway. They leave the register at the end
// of each block of K, and IntegerBlocks, which every tile of codes uses, takes
// the zero off and adds the blocks to the f32 sum, ascending. What of a block
// is multiplied where decides nothing. Padding adds nothing: x has zero codes
// behind K.
//
// tdpbf16ps adds 16 even and 16 odd products of 32 k in f32 chains of their
// own, then both to the sum: near the chain of other variants, not the same.
// Its order depends on k alone, so that rows do not depend on each other.
#ifndef ADZE_CODEGEN_KERNELS_AMXTILE_H
#define ADZE_CODEGEN_KERNELS_AMXTILE_H

#include "IntegerTile.h"

namespace adze {

/// The tiles that multiply by AMX, instead of or in front of `others`, those of
/// the target without. Of codes only the tall ones do: integer dots are exact,
/// so that bits do not depend on which. Of bf16 all do: AMX adds in an order of
/// its own, which must not depend on the number of rows. `others` where AMX has
/// nothing to multiply.
TileShapes amxShapes(const KernelTarget &target, const TileTypes &types,
                     const TileShapes &others);
TileShapes amxShapes(const KernelTarget &target, const IntegerTile &tile,
                     const TileShapes &others);

/// The functions of tiles, as getTile and getIntegerTile (which has the two
/// arguments more), or null for a shape that is not for AMX. A rest of K below
/// 32 of bf16 rows is added by getContinuingTile, for all shapes alike.
mlir::func::FuncOp getAmxTile(KernelEmitter &e, const KernelTarget &target,
                              const TileTypes &types, int64_t rows,
                              int64_t panels);
mlir::func::FuncOp getAmxTile(KernelEmitter &e, const KernelTarget &target,
                              const IntegerTile &tile, int64_t rows,
                              int64_t panels);

} // namespace adze

#endif // ADZE_CODEGEN_KERNELS_AMXTILE_H
