// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What kernels read #adze.blocks with: sizes of a panel and the scales of a
// block, and single elements, whose block is looked for in the list.

#include "BlocksLayout.h"
#include "EmitSupport.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace adze;
using namespace adze::detail;

static IntFormatAttr codesOf(BlocksFormatAttr format) {
  return dyn_cast<IntFormatAttr>(Attribute(format.getElement()));
}

/// Sets of 16 scales of a panel with so many columns.
static Value emitSets(FormatEmitter &e, BlocksFormatAttr format, Value cols) {
  IntFormatAttr codes = codesOf(format);
  if (BlocksPanel::perBlock(codes))
    return e.index(format.getKeep());
  return codes.getGroupSize() ? e.ceilDiv(cols, codes.getGroupSize())
                              : e.index(1);
}

Value BlocksFormatAttr::emitZerosOffset(OpBuilder &b, Location loc,
                                        Value cols) const {
  FormatEmitter e = {b, loc};
  IntFormatAttr codes = codesOf(*this);
  if (!codes)
    return e.index(getScalesOffset());
  int64_t bytes = codes.getScaleType().getIntOrFloatBitWidth() / 8;
  return e.add(
      e.alignTo(e.mul(emitSets(e, *this, cols), kPanelRows * bytes), kLine),
      getScalesOffset());
}

Value BlocksFormatAttr::emitPanelBytes(OpBuilder &b, Location loc,
                                       Value cols) const {
  FormatEmitter e = {b, loc};
  Value zeros = emitZerosOffset(b, loc, cols);
  IntFormatAttr codes = codesOf(*this);
  if (!codes || !codes.getZeros())
    return zeros;
  return e.add(zeros,
               e.alignTo(e.mul(emitSets(e, *this, cols), kPanelRows), kLine));
}

/// The set of scales of the block at `place` of the list.
static Value emitSet(FormatEmitter &e, IntFormatAttr codes, Value place,
                     Value block) {
  if (BlocksPanel::perBlock(codes))
    return place;
  if (!codes.getGroupSize())
    return e.index(0);
  return e.div(block, codes.getGroupSize() / BlocksFormatAttr::kBlockColumns);
}

Value BlocksFormatAttr::emitScale(OpBuilder &b, Location loc, Value scales,
                                  Value place, Value block) const {
  FormatEmitter e = {b, loc};
  IntFormatAttr codes = codesOf(*this);
  int64_t stride =
      kPanelRows * codes.getScaleType().getIntOrFloatBitWidth() / 8;
  return e.loadFloats(codes.getScaleType(), scales,
                      e.mul(emitSet(e, codes, place, block), stride),
                      kPanelRows, stride);
}

/// As that of #adze.int.
Value BlocksFormatAttr::emitMinimum(OpBuilder &b, Location loc, Value scales,
                                    Value zeros, Value place,
                                    Value block) const {
  FormatEmitter e = {b, loc};
  IntFormatAttr codes = codesOf(*this);
  Value own =
      e.loadBytes(zeros, e.mul(emitSet(e, codes, place, block), kPanelRows),
                  kPanelRows, kPanelRows);
  Value shift = arith::SubIOp::create(
      b, loc, e.constant(own.getType(), codes.getZeroCode()), own);
  return arith::MulFOp::create(b, loc, emitScale(b, loc, scales, place, block),
                               e.toFloat(shift));
}

namespace {

/// An index of the list, or its length, which is before it.
Value loadWord(FormatEmitter &e, Value panel, Value at) {
  Value word = e.load(e.b.getI16Type(), panel, e.mul(at, 2), 2);
  return arith::IndexCastUIOp::create(e.b, e.loc, e.b.getIndexType(), word);
}

/// The place of `block` in the list, or the list's length.
Value findPlace(FormatEmitter &e, Value panel, Value block) {
  Value count = loadWord(e, panel, e.index(0));
  auto loop = scf::ForOp::create(
      e.b, e.loc, e.index(0), count, e.index(1), ValueRange{count},
      [&](OpBuilder &b, Location loc, Value i, ValueRange found) {
        FormatEmitter inside = {b, loc};
        Value here = arith::CmpIOp::create(
            b, loc, arith::CmpIPredicate::eq,
            loadWord(inside, panel, inside.add(i, 1)), block);
        Value place = arith::SelectOp::create(b, loc, here, i, found[0]);
        scf::YieldOp::create(b, loc, place);
      });
  return loop.getResult(0);
}

/// The value of channel `lane`, element `k` of the block in `tile`.
Value emitElement(FormatEmitter &e, IntFormatAttr codes, const BlocksPanel &at,
                  Value panel, Value tile, Value set, Value lane, Value k) {
  int64_t bits = storedBits(codes);
  Value unit = e.add(e.mul(e.div(k, 32 / bits), kLine), e.mul(lane, 4));
  Value code = e.loadBytes(tile, e.add(unit, e.rem(k, 4)), 0, 1);
  Type i32 = e.b.getI32Type();
  if (bits == 4) {
    Value shift = arith::IndexCastOp::create(e.b, e.loc, i32,
                                             e.mul(e.rem(e.div(k, 4), 2), 4));
    code = arith::AndIOp::create(
        e.b, e.loc, arith::ShRUIOp::create(e.b, e.loc, code, shift),
        e.constant(i32, 15));
  }
  Value place = e.add(e.mul(set, kPanelRows), lane);
  Value zero = codes.getZeros()
                   ? e.loadBytes(panel, e.add(place, at.zeros), 0, 1)
                   : e.constant(i32, codes.getZeroCode());
  Value steps = e.toFloat(arith::SubIOp::create(e.b, e.loc, code, zero));
  Value scale = e.loadFloats(codes.getScaleType(), panel,
                             e.add(e.mul(place, at.scaleBytes), at.scales), 0,
                             at.scaleBytes);
  return arith::MulFOp::create(e.b, e.loc, scale, steps);
}

} // namespace

Value BlocksFormatAttr::emitLoadElement(OpBuilder &b, Location loc, Value base,
                                        bool panels, int64_t cols, Value row,
                                        Value k) const {
  if (!panels)
    return getElement().emitLoadElement(b, loc, base, panels, cols, row, k);
  FormatEmitter e = {b, loc};
  BlocksPanel at(*this, cols);
  Value panel = e.at(base, e.mul(e.div(row, kPanelRows), at.bytes));
  Value lane = e.rem(row, kPanelRows);
  Value block = e.div(k, kBlockColumns), within = e.rem(k, kBlockColumns);
  Value place = findPlace(e, panel, block);
  Value held = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, place,
                                     loadWord(e, panel, e.index(0)));
  // There is always a first tile to read from, if not to use.
  Value safe = arith::SelectOp::create(b, loc, held, place, e.index(0));
  Value tile = e.at(panel, e.add(e.mul(safe, at.tileBytes), at.tiles));
  Value value;
  if (IntFormatAttr codes = codesOf(*this))
    value = emitElement(e, codes, at, panel, tile,
                        emitSet(e, codes, safe, block), lane, within);
  else
    value = getElement().emitLoadElement(b, loc, tile, /*panels=*/true,
                                         kBlockColumns, lane, within);
  Value nothing = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0));
  return arith::SelectOp::create(b, loc, held, value, nothing);
}
