// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The BatchView and the KV pages, as emitted code reads and writes them.
// Private to codegen/kernels.
#ifndef ADZE_CODEGEN_KERNELS_BATCHREADER_H
#define ADZE_CODEGEN_KERNELS_BATCHREADER_H

#include "KernelEmitter.h"
#include "adze/Codegen/KernelBuilder.h"

namespace adze {

/// Reads the fields of a BatchView.
class BatchReader {
public:
  BatchReader(KernelEmitter &e, mlir::Value batch) : e(e), batch(batch) {}

  mlir::Value sequences() { return field(offsetof(BatchView, sequences)); }
  mlir::Value pageBytes() { return field(offsetof(BatchView, pageBytes)); }
  mlir::Value layerBytes() { return field(offsetof(BatchView, layerBytes)); }
  mlir::Value pagesPerSequence() {
    return field(offsetof(BatchView, pagesPerSeq));
  }
  mlir::Value position(mlir::Value row) {
    return element(offsetof(BatchView, positions), row);
  }
  mlir::Value sequence(mlir::Value row) {
    return element(offsetof(BatchView, seqs), row);
  }
  mlir::Value rowBegin(mlir::Value sequence) {
    return element(offsetof(BatchView, rowBegin), sequence);
  }
  /// Pool page of the `page`-th 64 positions of a sequence.
  mlir::Value page(mlir::Value sequence, mlir::Value page);

private:
  mlir::Value field(int64_t offset) { return e.loadI64(e.at(batch, offset)); }
  mlir::Value element(int64_t offset, mlir::Value i) {
    return e.loadI32(e.at(e.loadPtr(e.at(batch, offset)), e.mul(i, 4)));
  }

  KernelEmitter &e;
  mlir::Value batch;
};

/// The page of one layer and KV head. With kk elements together (panelDepth):
///   K block [64 / 16][Dk / kk][16][kk]  16 positions in lanes
///   V block [Dv / 16][64 / kk][16][kk]  16 channels in lanes
/// where Dk is the head size rounded up to whole 64 bytes and Dv to 16. A page
/// is zeroed before reuse, so what no position has written is zero.
///
/// An i8 cache (kk = 4) holds codes, those of keys 128 above what they stand
/// for, those of values signed; behind each block 64 f32 scales, one for each
/// position.
struct KVLayout {
  int64_t headDim;
  mlir::Type element;

  int64_t bytes() const { return KernelEmitter::bytesOf(element); }
  int64_t depth() const { return panelDepth(element); }
  /// Of 16 positions or channels, those elements that lie together.
  int64_t lineBytes() const { return kLanes * depth() * bytes(); }
  int64_t keyColumns() const { return llvm::alignTo(headDim, 4 / bytes()); }
  int64_t valueColumns() const { return llvm::alignTo(headDim, kLanes); }
  /// 16 positions of a K block; 16 channels of a V block.
  int64_t keyPanelBytes() const { return keyColumns() * kLanes * bytes(); }
  int64_t valuePanelBytes() const;
  bool isQuantized() const { return element.isInteger(8); }
  /// From a head's page to the scales of its keys or values.
  int64_t scalesOffset(bool isKey) const;
  int64_t keyBytes() const;
  int64_t valueBytes() const;
  int64_t headBytes() const { return keyBytes() + valueBytes(); }
  int64_t stagingBytes() const { return valueColumns() * bytes(); }
};

/// Pointer to a head's K block in the page that holds `position` of `sequence`.
mlir::Value headPage(KernelEmitter &e, BatchReader &batch,
                     const KVLayout &layout, mlir::Value cache,
                     mlir::Value layer, mlir::Value sequence,
                     mlir::Value pageIndex, mlir::Value head);

/// max(|x|, before) in 16 lanes of i32: the bits of floats, which are in the
/// same order; a NaN is above all, so that it ends up in a scale and is not
/// lost.
mlir::Value largerMagnitude(KernelEmitter &e, mlir::Value x,
                            mlir::Value before);
/// The largest of 16 lanes, as f32.
mlir::Value largestMagnitude(KernelEmitter &e, mlir::Value magnitudes);

/// Rounds one head of a key (`isKey`) or value to the cache's type and writes
/// it to its position: `from` is headDim f32, then zeros up to a multiple
/// of 16. `staging` holds KVLayout::stagingBytes().
void appendHead(KernelEmitter &e, const KVLayout &layout, bool isKey,
                mlir::Value headPage, mlir::Value slot, mlir::Value from,
                mlir::Value staging);

} // namespace adze

#endif // ADZE_CODEGEN_KERNELS_BATCHREADER_H
