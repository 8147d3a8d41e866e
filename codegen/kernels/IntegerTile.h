// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The register tile of integer weights and quantized rows: MR rows times NR
// panels of codes. Integer dots are exact within a block of K; blocks are added
// in ascending order, one f32 chain per output, so that bits depend neither on
// the tile nor on the variant.
#ifndef ADZE_CODEGEN_KERNELS_INTEGERTILE_H
#define ADZE_CODEGEN_KERNELS_INTEGERTILE_H

#include "MicroTile.h"
#include "QuantizedRows.h"

namespace adze {

struct IntegerTile {
  IntegerFormatAttrInterface format;
  QuantizedRows rows;

  /// Elements of K that share all scales; 0: all.
  int64_t block() const { return std::gcd(format.getGroup(), rows.group); }
  /// Whether the one scale of an output channel is left to the end.
  bool scalesLast() const {
    return format.getGroup() == 0 && !format.hasMinimum();
  }
  /// Whether that of a row is, of which several blocks are added.
  bool rowScalesLast() const {
    return rows.group == 0 && format.getGroup() != 0;
  }
};

/// What a block of K adds to the f32 sums of a row, whatever multiplied its
/// codes: one order of operations for all tiles. `row` points to a quantized
/// row.
class IntegerBlocks {
public:
  IntegerBlocks(KernelEmitter &e, const IntegerTile &tile, mlir::Value k)
      : e(e), tile(tile), k(k), scales(tile.rows.scalesOffset(e, k)),
        sums(tile.rows.sumsOffset(e, k)) {}

  /// What the weights' zero takes off an integer dot, in all lanes.
  mlir::Value start(mlir::Value row, mlir::Value block) const;

  /// Scales (none where they come last) and minima of panels in a block.
  struct Factors {
    KernelEmitter::Values scales, minima;
  };
  Factors ofPanels(llvm::ArrayRef<mlir::Value> panels, mlir::Value block) const;
  /// A row's scale in all lanes (none where it comes last), and what it is to
  /// take of the minima.
  struct RowFactors {
    mlir::Value scale, shift;
  };
  RowFactors ofRow(mlir::Value row, mlir::Value block) const;
  /// All three for 16 blocks from `block` (a multiple of 16) on, a lane for
  /// each; those behind the last are anything. Null where the format has no
  /// zero and no minima, or the row's scale comes last.
  struct RowLines {
    mlir::Value start, scale, shift;
  };
  RowLines linesOf(mlir::Value row, mlir::Value block) const;

  /// `sum` and the dot (with its start) of a row and panel p.
  mlir::Value add(mlir::Value dot, const Factors &panels, int64_t p,
                  const RowFactors &row, mlir::Value sum) const;

  /// The scale of a row that comes last, in all lanes; else null.
  mlir::Value lastOfRow(mlir::Value row) const;

private:
  using Values = KernelEmitter::Values;

  mlir::Value sumOf(mlir::Value row, mlir::Value block) const;
  mlir::Value scalesOf(mlir::Value row, mlir::Value block) const;
  /// The sums of 16 blocks, a lane for each.
  mlir::Value sumsOf(mlir::Value row, mlir::Value block) const;
  mlir::Value groupOf(mlir::Value block, int64_t group) const;

  KernelEmitter &e;
  const IntegerTile &tile;
  mlir::Value k, scales, sums;
};

/// Whether tiles of few rows unpack what they multiply, each for itself, as
/// that keeps no dot waiting. Expanding the codes of a mask does, everywhere.
bool unpacksInPlace(const KernelTarget &target, const IntegerTile &tile);

/// The tiles of codes that a target runs well.
TileShapes integerTileShapes(const KernelTarget &target,
                             const IntegerTile &tile);

/// The tile function, as getTile (MicroTile.h) with two arguments more, ahead
/// and aheadBytes: of each block of K so many bytes from `ahead` on are
/// prefetched, the next block's behind them; tiles of few rows, and all with
/// aheadBytes = 0, prefetch from there as much as they read. x points to
/// quantized rows. For each block b, ascending:
///   i = sum over k in b of (code - zero) * x code, exact
///   out = fma(float(i), weight scale * x scale, out)
///   out = fma(x scale * float(sum of x codes in b), minimum, out), if any
/// with a single weight scale, fma(float(i), x scale, out), times it at the
/// end; with a single x scale and several of the weight, the same without the x
/// scale, times it at the end.
mlir::func::FuncOp getIntegerTile(KernelEmitter &e, const KernelTarget &target,
                                  const IntegerTile &tile, int64_t rows,
                                  int64_t panels);

/// The function of such a tile, called `prefix` and what it is a tile of;
/// `emit` writes the body of one that is new.
mlir::func::FuncOp
integerTileFunction(KernelEmitter &e, llvm::StringRef prefix,
                    const IntegerTile &tile, int64_t rows, int64_t panels,
                    llvm::function_ref<void(mlir::func::FuncOp)> emit);

} // namespace adze

#endif // ADZE_CODEGEN_KERNELS_INTEGERTILE_H
