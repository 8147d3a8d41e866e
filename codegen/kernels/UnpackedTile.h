// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tall tiles of codes for dots of bytes: a part of K is unpacked to L1 once for
// all rows of the tile, while the part before it is multiplied. Blocks are
// added by IntegerBlocks, so that the bits are those of all tiles.
#ifndef ADZE_CODEGEN_KERNELS_UNPACKEDTILE_H
#define ADZE_CODEGEN_KERNELS_UNPACKEDTILE_H

#include "IntegerTile.h"

namespace adze {

/// `others`, with the tall tiles in front that a target with dots of bytes in
/// 16 lanes has.
TileShapes unpackedShapes(const KernelTarget &target, const IntegerTile &tile,
                          const TileShapes &others);

/// The function of a tall tile, as getIntegerTile, or null for other shapes.
mlir::func::FuncOp getUnpackedTile(KernelEmitter &e, const KernelTarget &target,
                                   const IntegerTile &tile, int64_t rows,
                                   int64_t panels);

} // namespace adze

#endif // ADZE_CODEGEN_KERNELS_UNPACKEDTILE_H
