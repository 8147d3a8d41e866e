// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What kernels read #adze.masked with. Elements and scales are found by what a
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

/// The mask of one half of a step.
Value loadMask(FormatEmitter &e, Value record, int64_t half) {
  return e.load(e.b.getI64Type(), record, e.index(8 * half), 1);
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
  records = e.alignTo(e.add(records, kLine), kLine);
  if (!getCodes())
    return e.add(records, kLine);
  int64_t scaleBytes = getCodes().getScaleType().getIntOrFloatBitWidth() / 8;
  Value groups = getGroup() ? e.ceilDiv(cols, getGroup()) : e.index(1);
  return e.add(records,
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
  if (getCodes().getBits() == 8) {
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
  Type type = getCodes().getScaleType();
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

SmallVector<Value> MaskedFormatAttr::emitLines(OpBuilder &b, Location loc,
                                               Value panel, Value step) const {
  FormatEmitter e = {b, loc};
  int64_t bytes = getFloats().getElementBytes(), inLine = kLine / bytes;
  Type line = e.vector(inLine, b.getIntegerType(8 * bytes));
  Type bits = b.getIntegerType(inLine);
  Value record = recordOf(e, *this, panel, step);
  Value from = e.index(kMaskBytes);
  SmallVector<Value> lines;
  for (int64_t i = 0; i < kStepColumns * kPanelRows / inLine; ++i) {
    Value mask = e.load(bits, record, e.index(i * inLine / 8), 1);
    lines.push_back(
        kernel::ExpandLoadOp::create(b, loc, line, e.at(record, from), mask));
    from = e.add(from, e.mul(countBits(e, mask), bytes));
  }
  return lines;
}

namespace {

/// Where an element is in its panel: the part of the code below that integers
/// and floats share.
struct Place {
  Value panel, lane, record;
  Value half;   ///< i1: the second half of the step's bits
  Value held;   ///< i1: whether the element is kept
  Value index;  ///< how many of the same half are kept before it
  Value before; ///< how many of the first half are, if it is in the second
};

Place findPlace(FormatEmitter &e, MaskedFormatAttr format, Value base,
                int64_t cols, int64_t depth, Value row, Value k) {
  constexpr int64_t kStep = MaskedFormatAttr::kStepColumns;
  OpBuilder &b = e.b;
  Location loc = e.loc;
  Place at;
  at.panel =
      e.at(base, e.mul(e.div(row, kPanelRows), format.getPanelBytes(cols)));
  at.lane = e.rem(row, kPanelRows);
  at.record = recordOf(e, format, at.panel, e.div(k, kStep));
  Value within = e.rem(k, kStep);
  Value bit = e.add(
      e.mul(e.add(e.mul(e.div(within, depth), kPanelRows), at.lane), depth),
      e.rem(within, depth));
  at.half = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::uge, bit,
                                  e.index(kQuadCodes));
  Value first = loadMask(e, at.record, 0);
  Value mask = arith::SelectOp::create(b, loc, at.half,
                                       loadMask(e, at.record, 1), first);
  Type i64 = b.getI64Type();
  Value shift = arith::IndexCastOp::create(b, loc, i64, e.rem(bit, kQuadCodes));
  Value above = arith::ShLIOp::create(b, loc, e.constant(i64, 1), shift);
  Value below = arith::SubIOp::create(b, loc, above, e.constant(i64, 1));
  at.held = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne,
                                  arith::AndIOp::create(b, loc, mask, above),
                                  e.constant(i64, 0));
  at.index = countBits(e, arith::AndIOp::create(b, loc, mask, below));
  at.before =
      arith::SelectOp::create(b, loc, at.half, countBits(e, first), e.index(0));
  return at;
}

/// The code of an element, less that for zero, times its scale. Behind the last
/// code are scales: it may be read, if not used.
Value loadCode(FormatEmitter &e, IntFormatAttr codes, const Place &at,
               int64_t cols, Value k) {
  OpBuilder &b = e.b;
  Location loc = e.loc;
  IntPanel dense(codes, cols);
  int64_t bits = codes.getBits();
  Value place = bits == 8 ? e.add(at.index, at.before) : at.index;
  Type i32 = b.getI32Type();
  Value code =
      e.loadBytes(at.record, e.add(place, MaskedFormatAttr::kMaskBytes), 0, 1);
  Value shift = e.constant(i32, 24);
  if (bits == 4) // the nibble to the top
    shift = arith::SelectOp::create(b, loc, at.half, e.constant(i32, 24),
                                    e.constant(i32, 28));
  Value steps =
      arith::ShRSIOp::create(b, loc, arith::ShLIOp::create(b, loc, code, shift),
                             e.constant(i32, 32 - bits));
  Value scaleAt =
      e.add(loadWord(e, at.panel, e.index(0)),
            e.mul(e.add(e.mul(e.div(k, dense.group), kPanelRows), at.lane),
                  dense.scaleBytes));
  Value scale = e.loadFloats(codes.getScaleType(), at.panel, scaleAt, 0,
                             dense.scaleBytes);
  return arith::MulFOp::create(b, loc, scale, e.toFloat(steps));
}

} // namespace

Value MaskedFormatAttr::emitLoadElement(OpBuilder &b, Location loc, Value base,
                                        bool panels, int64_t cols, Value row,
                                        Value k) const {
  if (!panels)
    return getElement().emitLoadElement(b, loc, base, panels, cols, row, k);
  FormatEmitter e = {b, loc};
  IntFormatAttr codes = getCodes();
  int64_t depth = codes ? 4 : getPanelDepth();
  Place at = findPlace(e, *this, base, cols, depth, row, k);
  Value value;
  if (codes) {
    value = loadCode(e, codes, at, cols, k);
  } else {
    // Behind the last one is padding.
    int64_t bytes = getFloats().getElementBytes();
    Value place = e.add(e.mul(e.add(at.index, at.before), bytes), kMaskBytes);
    value = e.loadFloats(getFloats().getElementType(), at.record, place, 0, 1);
  }
  Value nothing = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0));
  return arith::SelectOp::create(b, loc, at.held, value, nothing);
}
