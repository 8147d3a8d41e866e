// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "PanelDecoder.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace adze;

MaskedFormatAttr adze::maskedFloats(FormatAttrInterface format) {
  auto masked = dyn_cast_or_null<MaskedFormatAttr>(Attribute(format));
  return masked && masked.getFloats() ? masked : MaskedFormatAttr();
}

Value adze::emitPanelBytes(KernelEmitter &e, FormatAttrInterface format,
                           Value k) {
  if (auto decoded = dyn_cast<DecodedFormatAttrInterface>(Attribute(format)))
    return decoded.emitPanelBytes(e.b, e.loc, k);
  if (auto masked = dyn_cast<MaskedFormatAttr>(Attribute(format)))
    return masked.emitPanelBytes(e.b, e.loc, k);
  return cast<IntegerFormatAttrInterface>(Attribute(format))
      .emitPanelBytes(e.b, e.loc, k);
}

static void emitStep(KernelEmitter &e, DecodedFormatAttrInterface format,
                     Value panel, Value k, Value step, Value to) {
  for (auto [line, value] :
       llvm::enumerate(format.emitValues(e.b, e.loc, panel, k, step)))
    e.store(value, e.at(to, int64_t(line) * kLineBytes), kLineBytes);
}

/// value = scale * (code - zero) + minimum, for the 8 k of a step.
static void emitStep(KernelEmitter &e, IntegerFormatAttrInterface format,
                     Value panel, Value k, Value step, Value to) {
  Value group = e.constant(0);
  if (format.getGroup())
    group = e.div(e.mul(step, 8), format.getGroup());
  Value scale = format.emitScale(e.b, e.loc, panel, k, group), minimum;
  if (format.hasMinimum())
    minimum = format.emitMinimum(e.b, e.loc, panel, k, group);
  Value zero = e.splatI32(format.getZeroCode()), mask = e.splatI32(255);
  int64_t line = 0;
  for (Value quads : format.emitCodes(e.b, e.loc, panel, k, step)) {
    Value lanes = vector::BitCastOp::create(e.b, e.loc, e.vi32, quads);
    for (int64_t byte = 0; byte < 4; ++byte, ++line) {
      Value code = arith::AndIOp::create(
          e.b, e.loc,
          arith::ShRUIOp::create(e.b, e.loc, lanes, e.splatI32(8 * byte)),
          mask);
      Value value = arith::SIToFPOp::create(
          e.b, e.loc, e.vf32, arith::SubIOp::create(e.b, e.loc, code, zero));
      value = minimum ? e.fma(scale, value, minimum) : e.mulf(scale, value);
      e.store(value, e.at(to, line * kLineBytes), kLineBytes);
    }
  }
}

/// A masked step of floats, as it lies in a panel without masks.
static void emitStep(KernelEmitter &e, MaskedFormatAttr format, Value panel,
                     Value step, Value to) {
  for (auto [line, value] :
       llvm::enumerate(format.emitLines(e.b, e.loc, panel, step)))
    e.store(value, e.at(to, int64_t(line) * kLineBytes), kLineBytes);
}

/// Bytes of 8 k of a decoded panel.
static int64_t stepBytes(MaskedFormatAttr masked) {
  return 8 * kLanes * (masked ? masked.getFloats().getElementBytes() : 4);
}

func::FuncOp adze::getPanelDecoder(KernelEmitter &e,
                                   FormatAttrInterface format) {
  std::string name = "adze.decode." + format.getFormatName();
  if (func::FuncOp known = e.lookup(name))
    return known;
  OpBuilder::InsertionGuard guard(e.b);
  func::FuncOp func =
      e.beginShared(name, {e.ptr, e.index, e.index, e.index, e.ptr});
  // What a decoder writes is scratch: values are stored as soon as made.
  for (unsigned i : {0u, 4u})
    func.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(),
                    e.b.getUnitAttr());
  ValueRange args = func.getArguments();
  MaskedFormatAttr masked = maskedFloats(format);
  Value first = e.div(args[2], 8);
  e.loop(first, e.ceilDiv(args[3], 8), 1, [&](Value step) {
    Value to = e.at(args[4], e.mul(e.sub(step, first), stepBytes(masked)));
    if (masked)
      emitStep(e, masked, args[0], step, to);
    else if (auto decoded =
                 dyn_cast<DecodedFormatAttrInterface>(Attribute(format)))
      emitStep(e, decoded, args[0], args[1], step, to);
    else
      emitStep(e, cast<IntegerFormatAttrInterface>(Attribute(format)), args[0],
               args[1], step, to);
  });
  e.ret();
  return func;
}
