// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What kernels read #adze.masked with. Codes and scales are found by what a
// panel's header says, so that the code depends on the element and on `even`
// alone: weights that keep other amounts share it.

#include "EmitSupport.h"
#include "MaskedLayout.h"
#include "adze/Dialect/AdzeKernel/AdzeKernel.h"

using namespace mlir;
using namespace adze;
using namespace adze::detail;

namespace {

/// A u32 as an index.
Value loadWord(FormatEmitter &e, Value panel, Value at) {
  return arith::IndexCastUIOp::create(e.b, e.loc, e.b.getIndexType(),
                                      e.load(e.b.getI32Type(), panel, at, 4));
}

/// Where the record of a step begins.
Value recordOf(FormatEmitter &e, MaskedFormatAttr format, Value panel,
               Value step) {
  Value at;
  if (format.getEven()) {
    Value bytes = loadWord(e, panel, e.index(4));
    at = e.add(arith::MulIOp::create(e.b, e.loc, step, bytes), kLine);
  } else {
    at = loadWord(e, panel, e.add(e.mul(step, 4), kLine));
  }
  return e.at(panel, at);
}

Value loadMask(FormatEmitter &e, Value record, int64_t quad) {
  return e.load(e.b.getI64Type(), record, e.index(8 * quad), 1);
}

Value countBits(FormatEmitter &e, Value mask) {
  Value count = LLVM::CtPopOp::create(e.b, e.loc, mask.getType(), mask);
  return arith::IndexCastUIOp::create(e.b, e.loc, e.b.getIndexType(), count);
}

} // namespace

Value MaskedFormatAttr::emitPanelBytes(OpBuilder &b, Location loc,
                                       Value cols) const {
  FormatEmitter e = {b, loc};
  Value steps = e.ceilDiv(cols, kStepColumns);
  Value records = getEven()
                      ? e.mul(steps, kMaskBytes + getKeep())
                      : e.add(e.alignTo(e.mul(steps, 4), kLine), getKeep());
  int64_t scaleBytes = getElement().getScaleType().getIntOrFloatBitWidth() / 8;
  Value groups = getGroup() ? e.ceilDiv(cols, getGroup()) : e.index(1);
  return e.add(e.alignTo(e.add(records, kLine), kLine),
               e.alignTo(e.mul(groups, kPanelRows * scaleBytes), kLine));
}

SmallVector<Value> MaskedFormatAttr::emitCodes(OpBuilder &b, Location loc,
                                               Value panel, Value,
                                               Value step) const {
  FormatEmitter e = {b, loc};
  Type line = e.vector(kLine, b.getI8Type());
  Value record = recordOf(e, *this, panel, step);
  Value masks[2] = {loadMask(e, record, 0), loadMask(e, record, 1)};
  Value first = e.at(record, e.index(kMaskBytes));
  Value zero = e.constant(line, getZeroCode());
  auto expand = [&](Value from, Value mask) {
    return kernel::ExpandLoadOp::create(b, loc, line, from, mask).getResult();
  };
  auto codes = [&](Value differences) {
    return Value(arith::XOrIOp::create(b, loc, differences, zero));
  };
  // Adding the code for zero is one bit: code - zero has the others.
  if (getElement().getBits() == 8) {
    Value second = e.at(first, countBits(e, masks[0]));
    return {codes(expand(first, masks[0])), codes(expand(second, masks[1]))};
  }
  Value low = arith::AndIOp::create(b, loc, expand(first, masks[0]),
                                    e.constant(line, 15));
  Value high = arith::ShRUIOp::create(b, loc, expand(first, masks[1]),
                                      e.constant(line, 4));
  return {codes(low), codes(high)};
}

Value MaskedFormatAttr::emitScale(OpBuilder &b, Location loc, Value panel,
                                  Value, Value group) const {
  FormatEmitter e = {b, loc};
  Type type = getElement().getScaleType();
  int64_t stride = kPanelRows * type.getIntOrFloatBitWidth() / 8;
  Value at = e.add(loadWord(e, panel, e.index(0)), e.mul(group, stride));
  return e.loadFloats(type, panel, at, kPanelRows, stride);
}

/// There are no minima without zero points.
Value MaskedFormatAttr::emitMinimum(OpBuilder &b, Location loc, Value, Value,
                                    Value) const {
  FormatEmitter e = {b, loc};
  return arith::ConstantOp::create(
      b, loc,
      DenseElementsAttr::get(
          cast<VectorType>(e.vector(kPanelRows, b.getF32Type())), 0.0f));
}

Value MaskedFormatAttr::emitLoadElement(OpBuilder &b, Location loc, Value base,
                                        bool panels, int64_t cols, Value row,
                                        Value k) const {
  if (!panels)
    return getElement().emitLoadElement(b, loc, base, panels, cols, row, k);
  FormatEmitter e = {b, loc};
  MaskedPanel at(*this, cols);
  Type i64 = b.getI64Type();
  auto toI64 = [&](Value v) {
    return Value(arith::IndexCastOp::create(b, loc, i64, v));
  };
  Value panel = e.at(base, e.mul(e.div(row, kPanelRows), at.bytes));
  Value lane = e.rem(row, kPanelRows);
  Value record = recordOf(e, *this, panel, e.div(k, kStepColumns));
  Value isSecond = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::uge,
                                         e.rem(k, kStepColumns), e.index(4));
  Value first = loadMask(e, record, 0);
  Value mask =
      arith::SelectOp::create(b, loc, isSecond, loadMask(e, record, 1), first);
  Value bit = toI64(e.add(e.mul(lane, 4), e.rem(k, 4)));
  Value one = e.constant(i64, 1);
  Value above = arith::ShLIOp::create(b, loc, one, bit);
  Value below = arith::SubIOp::create(b, loc, above, one);
  Value held = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne,
                                     arith::AndIOp::create(b, loc, mask, above),
                                     e.constant(i64, 0));
  Value place =
      countBits(e, arith::AndIOp::create(b, loc, mask, below).getResult());
  int64_t bits = getElement().getBits();
  if (bits == 8)
    place =
        e.add(place, arith::SelectOp::create(b, loc, isSecond,
                                             countBits(e, first), e.index(0)));
  // Behind the last code are scales: it may be read, if not used.
  Type i32 = b.getI32Type();
  Value code = e.loadBytes(record, e.add(place, kMaskBytes), 0, 1);
  Value shift = e.constant(i32, 24);
  if (bits == 4) // the nibble to the top
    shift = arith::SelectOp::create(b, loc, isSecond, e.constant(i32, 24),
                                    e.constant(i32, 28));
  Value steps =
      arith::ShRSIOp::create(b, loc, arith::ShLIOp::create(b, loc, code, shift),
                             e.constant(i32, 32 - bits));
  Value scaleAt =
      e.add(loadWord(e, panel, e.index(0)),
            e.mul(e.add(e.mul(e.div(k, at.element.group), kPanelRows), lane),
                  at.element.scaleBytes));
  Value scale = e.loadFloats(getElement().getScaleType(), panel, scaleAt, 0,
                             at.element.scaleBytes);
  Value value = arith::MulFOp::create(b, loc, scale, e.toFloat(steps));
  Value nothing = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0));
  return arith::SelectOp::create(b, loc, held, value, nothing);
}
