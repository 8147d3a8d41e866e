// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What kernels read #adze.int with: the panels' codes and scales as vectors,
// and single elements.

#include "EmitSupport.h"
#include "IntLayout.h"

using namespace mlir;
using namespace adze;
using namespace adze::detail;

namespace {

/// IntPanel for a K that is known at run time.
struct EmittedPanel {
  EmittedPanel(FormatEmitter &e, IntFormatAttr format, Value cols) {
    int64_t scaleBytes = format.getScaleType().getIntOrFloatBitWidth() / 8;
    scales = e.mul(e.ceilDiv(cols, 8), kPanelRows * storedBits(format));
    Value groups = format.getGroupSize()
                       ? e.ceilDiv(cols, format.getGroupSize())
                       : e.index(1);
    zeros =
        e.add(scales, e.alignTo(e.mul(groups, kPanelRows * scaleBytes), kLine));
    bytes = format.getZeros()
                ? e.add(zeros, e.alignTo(e.mul(groups, kPanelRows), kLine))
                : zeros;
  }
  Value scales, zeros, bytes;
};

} // namespace

Value IntFormatAttr::emitPanelBytes(OpBuilder &b, Location loc,
                                    Value cols) const {
  FormatEmitter e = {b, loc};
  return EmittedPanel(e, *this, cols).bytes;
}

SmallVector<Value> IntFormatAttr::emitCodes(OpBuilder &b, Location loc,
                                            Value panel, Value,
                                            Value step) const {
  FormatEmitter e = {b, loc};
  Type line = e.vector(kLine, b.getI8Type());
  if (getBits() == 8) {
    Value at = e.mul(step, 2 * kLine);
    return {e.load(line, panel, at, kLine),
            e.load(line, panel, e.add(at, kLine), kLine)};
  }
  Value both = e.load(line, panel, e.mul(step, kLine), kLine);
  return {arith::AndIOp::create(b, loc, both, e.constant(line, 15)),
          arith::ShRUIOp::create(b, loc, both, e.constant(line, 4))};
}

Value IntFormatAttr::emitScale(OpBuilder &b, Location loc, Value panel,
                               Value cols, Value group) const {
  FormatEmitter e = {b, loc};
  int64_t stride = kPanelRows * getScaleType().getIntOrFloatBitWidth() / 8;
  Value at = e.add(EmittedPanel(e, *this, cols).scales, e.mul(group, stride));
  return e.loadFloats(getScaleType(), panel, at, kPanelRows, stride);
}

/// value = scale * (code - own zero)
///       = scale * (code - zero code) + scale * (zero code - own zero)
Value IntFormatAttr::emitMinimum(OpBuilder &b, Location loc, Value panel,
                                 Value cols, Value group) const {
  FormatEmitter e = {b, loc};
  Value at =
      e.add(EmittedPanel(e, *this, cols).zeros, e.mul(group, kPanelRows));
  Value zeros = e.loadBytes(panel, at, kPanelRows, kPanelRows);
  Value shift = arith::SubIOp::create(
      b, loc, e.constant(zeros.getType(), getZeroCode()), zeros);
  return arith::MulFOp::create(b, loc, emitScale(b, loc, panel, cols, group),
                               e.toFloat(shift));
}

Value IntFormatAttr::emitLoadElement(OpBuilder &b, Location loc, Value base,
                                     bool panels, int64_t cols, Value row,
                                     Value k) const {
  FormatEmitter e = {b, loc};
  int64_t bits = storedBits(*this);
  IntRow inRow(*this, cols);
  IntPanel inPanel(*this, cols);
  int64_t scaleBytes = inRow.scaleBytes;
  // Rows first: that part stays the same while k runs.
  Value code, scaleAt, zeroAt, high;
  Value group = e.div(k, inRow.group);
  if (panels) {
    Value panel = e.mul(e.div(row, kPanelRows), inPanel.bytes);
    Value lane = e.rem(row, kPanelRows);
    Value unit = e.add(panel, e.mul(lane, 4));
    Value at = e.add(e.mul(e.div(k, 32 / bits), kLine), e.rem(k, 4));
    code = e.loadBytes(base, e.add(unit, at), 0, 1);
    high = e.rem(e.div(k, 4), 2);
    Value place = e.add(e.mul(group, kPanelRows), lane);
    scaleAt = e.add(e.add(panel, inPanel.scales), e.mul(place, scaleBytes));
    zeroAt = e.add(e.add(panel, inPanel.zeros), place);
  } else {
    Value start = e.mul(row, inRow.bytes);
    code = e.loadBytes(base, e.add(start, e.div(k, 8 / bits)), 0, 1);
    high = e.rem(k, 2);
    scaleAt = e.add(e.add(start, inRow.scales), e.mul(group, scaleBytes));
    zeroAt = e.add(e.add(start, inRow.zeros), group);
  }
  if (bits == 4) {
    Value shift =
        arith::IndexCastOp::create(b, loc, b.getI32Type(), e.mul(high, 4));
    code = arith::AndIOp::create(b, loc,
                                 arith::ShRUIOp::create(b, loc, code, shift),
                                 e.constant(b.getI32Type(), 15));
  }
  Value zero = getZeros() ? e.loadBytes(base, zeroAt, 0, 1)
                          : e.constant(b.getI32Type(), getZeroCode());
  Value steps = e.toFloat(arith::SubIOp::create(b, loc, code, zero));
  // Scales of rows need not be aligned.
  Value scale =
      e.loadFloats(getScaleType(), base, scaleAt, 0, panels ? scaleBytes : 1);
  return arith::MulFOp::create(b, loc, scale, steps);
}
