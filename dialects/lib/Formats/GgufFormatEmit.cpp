// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What kernels read #adze.gguf with; see GgufPanel.h for the layout.

#include "EmitSupport.h"
#include "GgufPanel.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace adze;
using namespace adze::detail;

namespace {

/// GgufPanel for a K that is known at run time.
struct EmittedPanel {
  EmittedPanel(FormatEmitter &e, const GgufBlockInfo &info, Value cols) {
    Value blocks = e.div(cols, info.elements);
    Value groups = e.div(cols, info.group);
    auto after = [&](Value start, bool there, Value count, int64_t bytes) {
      if (!there)
        return start;
      return e.add(start, e.alignTo(e.mul(count, bytes * kPanelRows), kLine));
    };
    scales = e.mul(cols, info.codeBits() * kPanelRows / 8);
    minima = after(scales, true, blocks, 2);
    subScales = after(minima, info.minimum != GgufMinimum::None, blocks, 2);
    subMinima = after(subScales, info.hasSubScales, groups, 1);
    bytes = after(subMinima, info.minimum == GgufMinimum::Scaled, groups, 1);
  }
  Value scales, minima, subScales, subMinima, bytes;
};

/// Reads the parts of a panel that belong to a group, for all channels or, with
/// a `lane`, for one of them.
struct PartReader {
  FormatEmitter &e;
  const GgufBlockInfo &info;
  Value panel, cols;
  Value lane = Value();

  Value place(Value part, Value unit, int64_t bytes) {
    Value at = e.add(part, e.mul(unit, kPanelRows * bytes));
    return lane ? e.add(at, e.mul(lane, bytes)) : at;
  }
  int64_t lanes() { return lane ? 0 : kPanelRows; }

  /// A 16-bit float of the block that `group` is in.
  Value ofBlock(Value part, Value group, Type type) {
    Value block = e.div(group, info.elements / info.group);
    return e.loadFloats(type, panel, place(part, block, 2), lanes(),
                        lane ? 2 : kPanelRows * 2);
  }
  /// A byte of the group, as f32.
  Value ofGroup(Value part, Value group, bool isSigned) {
    Type narrow = e.b.getI8Type(), wide = e.b.getI32Type();
    if (!lane) {
      narrow = e.vector(kPanelRows, narrow);
      wide = e.vector(kPanelRows, wide);
    }
    Value bytes =
        e.load(narrow, panel, place(part, group, 1), lane ? 1 : kPanelRows);
    return e.toFloat(
        isSigned ? arith::ExtSIOp::create(e.b, e.loc, wide, bytes).getResult()
                 : arith::ExtUIOp::create(e.b, e.loc, wide, bytes).getResult());
  }
  Value scale(Value group) {
    EmittedPanel at(e, info, cols);
    Type type = info.bf16Scale ? Type(e.b.getBF16Type()) : e.b.getF16Type();
    Value scale = ofBlock(at.scales, group, type);
    if (info.hasSubScales)
      scale = arith::MulFOp::create(e.b, e.loc, scale,
                                    ofGroup(at.subScales, group, true));
    return scale;
  }
  Value minimum(Value group) {
    EmittedPanel at(e, info, cols);
    Value minimum = ofBlock(at.minima, group, e.b.getF16Type());
    if (info.minimum == GgufMinimum::Scaled)
      minimum = arith::NegFOp::create(
          e.b, e.loc,
          arith::MulFOp::create(e.b, e.loc, minimum,
                                ofGroup(at.subMinima, group, false)));
    return minimum;
  }
};

} // namespace

Value GgufFormatAttr::emitPanelBytes(OpBuilder &b, Location loc,
                                     Value cols) const {
  FormatEmitter e = {b, loc};
  return EmittedPanel(e, infoOf(getBlock()), cols).bytes;
}

/// Planes are taken apart in 32-bit lanes: shifts of bytes are not in the
/// instruction sets, and what crosses into a byte's neighbour is masked off.
SmallVector<Value> GgufFormatAttr::emitCodes(OpBuilder &b, Location loc,
                                             Value panel, Value cols,
                                             Value step) const {
  const GgufBlockInfo &info = infoOf(getBlock());
  FormatEmitter e = {b, loc};
  Type bytes = e.vector(kLine, b.getI8Type());
  if (info.planes[0] == 8) {
    Value at = e.mul(step, 2 * kLine);
    return {e.load(bytes, panel, at, kLine),
            e.load(bytes, panel, e.add(at, kLine), kLine)};
  }
  auto words = VectorType::get({kPanelRows}, b.getI32Type());
  Value codes[2];
  int64_t shift = 0;
  for (int64_t width : info.planes) {
    if (!width)
      continue;
    int64_t steps = 4 / width; // in a line
    Value at = e.add(e.mul(cols, shift * 2), e.mul(e.div(step, steps), kLine));
    Value line = e.load(words, panel, at, kLine);
    Value mask = e.constant(words, ((1 << width) - 1) * 0x01010101);
    for (int64_t quad = 0; quad < 2; ++quad) {
      Value bits = line;
      if (steps > 1) {
        Value by = e.add(e.mul(e.rem(step, steps), 2 * width), quad * width);
        by = arith::IndexCastOp::create(b, loc, b.getI32Type(), by);
        bits = arith::ShRUIOp::create(
            b, loc, line, vector::BroadcastOp::create(b, loc, words, by));
      } else if (quad) {
        bits = arith::ShRUIOp::create(b, loc, line, e.constant(words, width));
      }
      bits = arith::AndIOp::create(b, loc, bits, mask);
      if (shift)
        bits = arith::ShLIOp::create(b, loc, bits, e.constant(words, shift));
      codes[quad] =
          codes[quad]
              ? arith::OrIOp::create(b, loc, codes[quad], bits).getResult()
              : bits;
    }
    shift += width;
  }
  return {vector::BitCastOp::create(b, loc, bytes, codes[0]),
          vector::BitCastOp::create(b, loc, bytes, codes[1])};
}

Value GgufFormatAttr::emitScale(OpBuilder &b, Location loc, Value panel,
                                Value cols, Value group) const {
  FormatEmitter e = {b, loc};
  return PartReader{e, infoOf(getBlock()), panel, cols}.scale(group);
}

Value GgufFormatAttr::emitMinimum(OpBuilder &b, Location loc, Value panel,
                                  Value cols, Value group) const {
  FormatEmitter e = {b, loc};
  return PartReader{e, infoOf(getBlock()), panel, cols}.minimum(group);
}

/// Panels only: adze-pack-weights leaves no weight of these formats in rows.
Value GgufFormatAttr::emitLoadElement(OpBuilder &b, Location loc, Value base,
                                      bool panels, int64_t cols, Value row,
                                      Value k) const {
  if (!panels)
    return {};
  const GgufBlockInfo &info = infoOf(getBlock());
  FormatEmitter e = {b, loc};
  Type i32 = b.getI32Type();
  Value start = e.mul(e.div(row, kPanelRows), getPanelBytes(cols));
  Value distance = arith::IndexCastOp::create(b, loc, b.getI64Type(), start);
  Value panel = LLVM::GEPOp::create(b, loc, base.getType(), b.getI8Type(), base,
                                    ValueRange{distance});
  Value lane = e.rem(row, kPanelRows), line = e.div(k, 4);
  Value byte = e.add(e.mul(lane, 4), e.rem(k, 4));
  Value code = e.constant(i32, -int64_t(info.zero));
  int64_t shift = 0;
  for (int64_t width : info.planes) {
    if (!width)
      continue;
    int64_t perLine = 8 / width;
    Value at = e.add(e.add(e.mul(e.div(line, perLine), kLine), byte),
                     cols * shift * 2);
    Value bits = e.loadBytes(panel, at, 0, 1);
    Value by = arith::IndexCastOp::create(b, loc, i32,
                                          e.mul(e.rem(line, perLine), width));
    bits = arith::ShRUIOp::create(b, loc, bits, by);
    bits =
        arith::AndIOp::create(b, loc, bits, e.constant(i32, (1 << width) - 1));
    bits = arith::ShLIOp::create(b, loc, bits, e.constant(i32, shift));
    code = arith::AddIOp::create(b, loc, code, bits); // the planes are disjoint
    shift += width;
  }
  PartReader parts = {e, info, panel, e.index(cols), lane};
  Value group = e.div(k, info.group);
  Value value =
      arith::MulFOp::create(b, loc, parts.scale(group), e.toFloat(code));
  if (info.minimum == GgufMinimum::None)
    return value;
  return arith::AddFOp::create(b, loc, value, parts.minimum(group));
}
