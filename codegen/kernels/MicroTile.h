// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The register tile that linears and attention share: MR rows times NR panels
// of 16 channels, one accumulator chain per output in ascending k. A tile is a
// private function of the module, made once per shape and pair of types, so
// that all kernels of a module share its code.
#ifndef ADZE_CODEGEN_KERNELS_MICROTILE_H
#define ADZE_CODEGEN_KERNELS_MICROTILE_H

#include "KernelEmitter.h"
#include "adze/Codegen/KernelBuilder.h"

namespace adze {

/// What a tile multiplies. `rowType` is the element type of the rows in memory
/// (f32 or bf16), `panelType` that of the panels (f32, bf16 or f16).
struct TileTypes {
  mlir::Type rowType, panelType;
  /// Elements along k of one channel that lie together in a panel, and the
  /// bytes that those of its 16 channels take.
  int64_t depth() const { return panelDepth(panelType); }
  int64_t lineBytes() const {
    return kLanes * depth() * KernelEmitter::bytesOf(panelType);
  }
  bool usesDot(const KernelTarget &target) const {
    return target.hasBF16Dot && rowType.isBF16() && panelType.isBF16();
  }
};

/// A tile: so many rows times so many panels.
struct TileShape {
  int64_t rows, panels;
};
/// The tiles that a target runs well, by falling rows down to one: each takes
/// what rows the ones before left. Few rows go with many panels (decode: bound
/// by memory, the chains of several panels hide latency).
using TileShapes = llvm::SmallVector<TileShape, 4>;
TileShapes tileShapes(const KernelTarget &target, const TileTypes &types);

/// Widest row step of any target: what scratch is laid out for.
inline constexpr int64_t kMaxTileRows = 8;

/// Cuts `total` panels into pieces of at most `width`.
llvm::SmallVector<int64_t> splitPanels(int64_t total, int64_t width);

/// The tile function
///   (x, rowBytes, panels, panelBytes, k, out, outBytes, count):
///   out[r][16 p + lane] = sum over k of x[r][k] * panel p [k][lane]
/// x, panels and out are pointers, the rest is index. `out` is f32. Of the
/// panels `count` exist; beyond them `out` gets what is in the last one: a tile
/// for each lower count would cost more code than such a rest costs time.
mlir::func::FuncOp getTile(KernelEmitter &e, const KernelTarget &target,
                           const TileTypes &types, int64_t rows,
                           int64_t panels);

/// The same for sums that `out` holds already: continues their chains.
mlir::func::FuncOp getContinuingTile(KernelEmitter &e,
                                     const KernelTarget &target,
                                     const TileTypes &types, int64_t rows,
                                     int64_t panels);

/// What a tile of attention prefetches: with each line of a panel that it
/// reads, `step` bytes more (at most a line) from `first` on.
struct Ahead {
  mlir::Value first, step;
};

/// Without `count`, with (ahead, step) in its place: see Ahead.
mlir::func::FuncOp getPrefetchingTile(KernelEmitter &e,
                                      const KernelTarget &target,
                                      const TileTypes &types, int64_t rows,
                                      int64_t panels);

/// The most segments of a segmented tile.
inline constexpr int64_t kMaxSegments = 4;

/// The tile function over several segments of `k` elements each
///   (x, rowBytes, bases, segments, offset, panelBytes, k, out, outBytes,
///    aheadOffset, step):
/// segment s has its panels at bases[s] + offset and continues the same
/// accumulators; k is a multiple of 8 * depth. Meanwhile it prefetches from
/// bases[kMaxSegments + s] + aheadOffset on.
mlir::func::FuncOp getSegmentedTile(KernelEmitter &e,
                                    const KernelTarget &target,
                                    const TileTypes &types, int64_t rows,
                                    int64_t panels);

/// The tile function, of a `k` that is a multiple of 8, for panels of `format`,
/// whose element is `panelType`: zeros are put between what is kept in
/// registers.
mlir::func::FuncOp getMaskedTile(KernelEmitter &e, const KernelTarget &target,
                                 const TileTypes &types,
                                 MaskedFormatAttr format, int64_t rows,
                                 int64_t panels);

} // namespace adze

#endif // ADZE_CODEGEN_KERNELS_MICROTILE_H
