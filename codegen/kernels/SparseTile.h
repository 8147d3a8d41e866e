// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The register tile of weights whose panels hold only the blocks that are not
// zero (#adze.blocks): MR rows times one panel after the other, each with a
// list of blocks of its own. Blocks are added in ascending order of K, one
// chain per output, whatever the tile: what is left out would have added zero.
// Pairs of bf16 are multiplied in tile registers where there is AMX.
#ifndef ADZE_CODEGEN_KERNELS_SPARSETILE_H
#define ADZE_CODEGEN_KERNELS_SPARSETILE_H

#include "MicroTile.h"
#include "QuantizedRows.h"

namespace adze {

struct SparseTile {
  BlocksFormatAttr format; // null: the weight is not sparse
  /// Rows of codes, which integer elements are multiplied with as they are; or,
  /// with a `rowType`, rows of floats.
  QuantizedRows rows;
  mlir::Type rowType;

  /// The elements, where they are integers.
  IntegerFormatAttrInterface codes() const;
  bool multipliesCodes() const { return !rowType; }
  /// Blocks of 32 that are multiplied exactly before they are scaled and added:
  /// what share all scales; 0: all. With a minimum, which is multiplied with
  /// the sum of those x that meet a block, one.
  int64_t groupBlocks() const;
  /// Whether the one scale of an output channel is left to the end.
  bool scalesLast() const {
    return multipliesCodes() && codes().getGroup() == 0 &&
           !codes().hasMinimum();
  }
  /// Whether that of a row is, of which several blocks are added: as
  /// IntegerTile has it.
  bool rowScalesLast() const {
    return multipliesCodes() && rows.group == 0 && codes().getGroup() != 0;
  }
};

TileShapes sparseTileShapes(const KernelTarget &target, const SparseTile &tile);

/// The tile function
///   (x, rowBytes, panels, panelBytes, k, out, outBytes, count, header, scales,
///    zeros, left, ahead, aheadBytes)
/// for `count` panels: out[r][16 p + lane] as getTile and getIntegerTile have
/// it, with the same bits, but for weights with a minimum, where a block of K
/// is 32 elements whatever the groups are. Tiles, scales and zero points begin
/// so many bytes behind the start of a panel. Tiles of few rows prefetch each
/// panel while they read the one before it, as far as the `left` that there
/// are; others so many bytes from `ahead` on with each panel.
mlir::func::FuncOp getSparseTile(KernelEmitter &e, const KernelTarget &target,
                                 const SparseTile &tile, int64_t rows);

/// Begins a function of that name with those arguments.
mlir::func::FuncOp beginSparseTile(KernelEmitter &e, llvm::StringRef name);

} // namespace adze

#endif // ADZE_CODEGEN_KERNELS_SPARSETILE_H
