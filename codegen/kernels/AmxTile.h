// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tiles of linears by Intel AMX: blocks of 16 rows times 16 channels, each in a
// tile register, over 64 bytes of K (or fewer) at a time. Lines of a panel are
// rows of an AMX operand as they are: quads of codes, pairs of bf16.
//
// Why the bits of linears of codes are those of all tiles: a tile register's
// sums are 32-bit integers, which are exact (below 2^31 for K up to 65793) and
// modulo 2^32 the same in any order anyway. They leave the register for memory
// at the end of each block of K, and IntegerBlocks, which every tile of codes
// uses, adds the blocks to the f32 sum, ascending. What of a block is
// multiplied where decides nothing. Padding adds nothing: x has zero codes
// behind K.
//
// tdpbf16ps adds 16 even and 16 odd products of 32 k in f32 chains of their
// own, then both to the sum: near the chain of other variants, not the same.
// Its order depends on k alone, so that rows do not depend on each other.
#ifndef ADZE_CODEGEN_KERNELS_AMXTILE_H
#define ADZE_CODEGEN_KERNELS_AMXTILE_H

#include "IntegerTile.h"

namespace adze {

/// Whether AMX makes the products of such rows and panels, for tiles of all
/// heights.
bool amxMultiplies(const KernelTarget &target, const TileTypes &types);

/// Rows of a tile register; its row is a line.
inline constexpr int64_t kAmxRows = 16;

/// What tiles of `rows` rows by `panels` panels are made of: accumulators, of
/// the first 16 rows all panels, and so on.
class AmxTiles {
public:
  using Values = KernelEmitter::Values;
  static constexpr llvm::StringLiteral kBF16Dot = "llvm.x86.tdpbf16ps.internal";

  /// `dot` is an intrinsic, which multiplies `depthBytes` of K. Fewer than 16
  /// rows are one register of so many.
  AmxTiles(KernelEmitter &e, llvm::StringRef dot, int64_t rows, int64_t panels,
           int64_t depthBytes = kLineBytes);

  Values zeros();
  /// What `store` left.
  Values load(mlir::Value place, mlir::Value rowBytes);
  /// Adds `depthBytes` of each row from `x` on times a quarter as many lines
  /// from each of `w` on.
  void multiply(mlir::Value x, mlir::Value rowBytes,
                llvm::ArrayRef<mlir::Value> w, Values &acc);
  /// Row r of panel p to `place` + r * rowBytes + p lines.
  void store(llvm::ArrayRef<mlir::Value> acc, mlir::Value place,
             mlir::Value rowBytes);
  /// Pointers to so many panels; those from `count` on are the last one.
  Values panelPointers(mlir::Value first, mlir::Value panelBytes,
                       mlir::Value count, int64_t number);

protected:
  KernelEmitter &e;
  llvm::StringRef dot;
  int64_t rows, panels, depthBytes, height;
  mlir::Type type;

private:
  mlir::Value i16(int64_t value);
  mlir::Value i64(mlir::Value index);
  mlir::Value load(int64_t count, int64_t bytes, mlir::Value pointer,
                   mlir::Value stride);
  mlir::Value placeOf(int64_t i, mlir::Value place, mlir::Value rowBytes);
  mlir::Value call(llvm::StringRef name, mlir::Type result,
                   mlir::ValueRange operands);
};

/// `tall`, and of the others those that are less high than a tile register.
TileShapes withTall(const TileShapes &tall, const TileShapes &others);

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
/// 32 of bf16 rows is added by getContinuingTile, for all shapes alike. With
/// `continues`, as that.
mlir::func::FuncOp getAmxTile(KernelEmitter &e, const KernelTarget &target,
                              const TileTypes &types, int64_t rows,
                              int64_t panels, bool continues = false);
mlir::func::FuncOp getAmxTile(KernelEmitter &e, const KernelTarget &target,
                              const IntegerTile &tile, int64_t rows,
                              int64_t panels);

} // namespace adze

#endif // ADZE_CODEGEN_KERNELS_AMXTILE_H
