// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "BatchReader.h"
#include "adze/abi.h"

using namespace mlir;
using namespace adze;

static constexpr int64_t kPage = ADZE_KV_PAGE_POSITIONS;

Value BatchReader::page(Value sequence, Value page) {
  Value stride = field(offsetof(BatchView, pagesPerSeq));
  return element(offsetof(BatchView, pages),
                 e.add(e.mul(sequence, stride), page));
}

int64_t KVLayout::valuePanelBytes() const { return kPage * kLanes * bytes(); }
int64_t KVLayout::keyBytes() const {
  return llvm::alignTo(kPage / kLanes * keyPanelBytes(), kLineBytes);
}
int64_t KVLayout::valueBytes() const {
  return llvm::alignTo(valueColumns() / kLanes * valuePanelBytes(), kLineBytes);
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

void adze::appendHead(KernelEmitter &e, const KVLayout &layout, bool isKey,
                      Value headPage, Value slot, Value from) {
  int64_t bytes = layout.bytes(), depth = layout.depth();
  Value zero = e.constant(0);
  if (isKey) {
    // Channels of a position are one line apart, kk of them together.
    Value panel = e.div(slot, kLanes), lane = e.rem(slot, kLanes);
    Value to = e.at(headPage, e.add(e.mul(panel, layout.keyPanelBytes()),
                                    e.mul(lane, 4)));
    e.loop(zero, e.constant(layout.keyColumns() / depth), 1, [&](Value u) {
      e.store(e.load(e.i32, e.at(from, e.mul(u, 4)), bytes),
              e.at(to, e.mul(u, kLineBytes)), 4);
    });
    return;
  }
  // 16 channels of a position are one line (f32), or every second element of
  // one (16 bit).
  Value unit = e.div(slot, depth), inner = e.rem(slot, depth);
  Value to = e.at(headPage,
                  e.add(e.constant(layout.keyBytes()),
                        e.add(e.mul(unit, kLineBytes), e.mul(inner, bytes))));
  Type word = e.b.getIntegerType(bytes * 8);
  e.loop(zero, e.constant(layout.headDim), 1, [&](Value d) {
    Value place = e.add(e.mul(e.div(d, kLanes), layout.valuePanelBytes()),
                        e.mul(e.rem(d, kLanes), 4));
    e.store(e.load(word, e.at(from, e.mul(d, bytes)), bytes), e.at(to, place),
            bytes);
  });
}
