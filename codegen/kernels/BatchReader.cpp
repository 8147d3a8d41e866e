// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "BatchReader.h"
#include "adze/abi.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace adze;

static constexpr int64_t kPage = ADZE_KV_PAGE_POSITIONS;

Value BatchReader::page(Value sequence, Value page) {
  return element(offsetof(BatchView, pages),
                 e.add(e.mul(sequence, pagesPerSequence()), page));
}

int64_t KVLayout::valuePanelBytes() const { return kPage * kLanes * bytes(); }
int64_t KVLayout::scalesOffset(bool isKey) const {
  int64_t codes = isKey ? kPage / kLanes * keyPanelBytes()
                        : valueColumns() / kLanes * valuePanelBytes();
  return (isKey ? 0 : keyBytes()) + llvm::alignTo(codes, kLineBytes);
}
int64_t KVLayout::keyBytes() const {
  return scalesOffset(true) + (isQuantized() ? kPage * 4 : 0);
}
int64_t KVLayout::valueBytes() const {
  return scalesOffset(false) - keyBytes() + (isQuantized() ? kPage * 4 : 0);
}

int64_t adze::kvHeadBytes(int64_t headDim, Type elementType) {
  return KVLayout{headDim, elementType}.headBytes();
}

Value adze::headPage(KernelEmitter &e, BatchReader &batch,
                     const KVLayout &layout, Value cache, Value layer,
                     Value sequence, Value pageIndex, Value head) {
  Value offset = e.mul(batch.page(sequence, pageIndex), batch.pageBytes());
  offset = e.add(offset, e.mul(layer, batch.layerBytes()));
  offset = e.add(offset, e.mul(head, layout.headBytes()));
  return e.at(cache, offset);
}

Value adze::largerMagnitude(KernelEmitter &e, Value x, Value before) {
  Value bits = arith::AndIOp::create(
      e.b, e.loc, arith::BitcastOp::create(e.b, e.loc, e.vi32, x),
      e.splatI32(0x7fffffff));
  return arith::MaxUIOp::create(e.b, e.loc, bits, before);
}

Value adze::largestMagnitude(KernelEmitter &e, Value magnitudes) {
  return arith::BitcastOp::create(
      e.b, e.loc, e.f32,
      vector::ReductionOp::create(e.b, e.loc, vector::CombiningKind::MAXUI,
                                  magnitudes));
}

/// Codes of `count` channels as adze.quantize rounds them, those of keys 128
/// higher; returns the scale.
static Value storeHeadCodes(KernelEmitter &e, bool isKey, int64_t count,
                            Value from, Value to) {
  Value magnitudes = e.splatI32(0);
  for (int64_t d = 0; d < count; d += kLanes)
    magnitudes =
        largerMagnitude(e, e.loadLanes(e.f32, e.at(from, d * 4)), magnitudes);
  Value largest = largestMagnitude(e, magnitudes);
  Value zero = e.constantF32(0), top = e.constantF32(127);
  Value none = arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OEQ,
                                     largest, zero);
  Value inverse = e.broadcast(e.select(none, zero, e.divf(top, largest)));
  for (int64_t d = 0; d < count; d += kLanes) {
    Value scaled = e.mulf(e.loadLanes(e.f32, e.at(from, d * 4)), inverse);
    Value codes = arith::FPToSIOp::create(
        e.b, e.loc, e.vi32, math::RoundEvenOp::create(e.b, e.loc, scaled));
    if (isKey)
      codes = arith::AddIOp::create(e.b, e.loc, codes, e.splatI32(128));
    e.store(
        arith::TruncIOp::create(e.b, e.loc, e.lanesOf(e.b.getI8Type()), codes),
        e.at(to, d), 1);
  }
  return e.divf(largest, top);
}

void adze::appendHead(KernelEmitter &e, const KVLayout &layout, bool isKey,
                      Value headPage, Value slot, Value head, Value from) {
  int64_t bytes = layout.bytes(), depth = layout.depth();
  Value zero = e.constant(0);
  if (layout.isQuantized()) {
    Value scale = storeHeadCodes(e, isKey, layout.valueColumns(), head, from);
    e.store(scale,
            e.at(e.at(headPage, layout.scalesOffset(isKey)), e.mul(slot, 4)),
            4);
  } else {
    for (int64_t d = 0; d < layout.headDim; d += kLanes)
      e.storeLanes(e.loadLanes(e.f32, e.at(head, d * 4)), layout.element,
                   e.at(from, d * bytes));
  }
  if (isKey) {
    // Channels of a position are one line apart, kk of them together.
    Value panel = e.div(slot, kLanes), lane = e.rem(slot, kLanes);
    int64_t unitBytes = depth * bytes;
    Value to = e.at(headPage, e.add(e.mul(panel, layout.keyPanelBytes()),
                                    e.mul(lane, unitBytes)));
    Type unit = e.b.getIntegerType(unitBytes * 8);
    e.loop(zero, e.constant(layout.keyColumns() / depth), 1, [&](Value u) {
      e.store(e.load(unit, e.at(from, e.mul(u, unitBytes)), bytes),
              e.at(to, e.mul(u, layout.lineBytes())), unitBytes);
    });
    return;
  }
  // 16 channels of a position are one line, or every second element of one
  // (bf16), or every fourth (i8).
  Value unit = e.div(slot, depth), inner = e.rem(slot, depth);
  Value to =
      e.at(headPage,
           e.add(e.constant(layout.keyBytes()),
                 e.add(e.mul(unit, layout.lineBytes()), e.mul(inner, bytes))));
  Type word = e.b.getIntegerType(bytes * 8);
  e.loop(zero, e.constant(layout.headDim), 1, [&](Value d) {
    Value place = e.add(e.mul(e.div(d, kLanes), layout.valuePanelBytes()),
                        e.mul(e.rem(d, kLanes), depth * bytes));
    e.store(e.load(word, e.at(from, e.mul(d, bytes)), bytes), e.at(to, place),
            bytes);
  });
}
