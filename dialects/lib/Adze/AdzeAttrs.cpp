// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Custom syntax and verification of the adze attributes (formats have their own
// files in lib/Formats), and what sparse formats are made of.

#include "adze/Dialect/Adze/Adze.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace adze;

FormatAttrInterface adze::elementFormat(FormatAttrInterface format) {
  if (auto blocks = dyn_cast_or_null<BlocksFormatAttr>(Attribute(format)))
    return blocks.getElement();
  if (auto masked = dyn_cast_or_null<MaskedFormatAttr>(Attribute(format)))
    return masked.getElement();
  return format;
}

LogicalResult MaskAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                               int64_t window) {
  if (window < 0)
    return emitError() << "expects a window of at least one position, got "
                       << window;
  return success();
}

//===-- #adze.head<32, norm = @n, eps = 1.0e-6, rotary, store> ------------===//

Attribute HeadChainAttr::parse(AsmParser &parser, Type) {
  int64_t heads;
  FlatSymbolRefAttr norm;
  double eps = 0;
  bool rotary = false;
  if (parser.parseLess() || parser.parseInteger(heads) || parser.parseComma())
    return {};
  if (succeeded(parser.parseOptionalKeyword("norm")) &&
      (parser.parseEqual() || parser.parseAttribute(norm) ||
       parser.parseComma() || parser.parseKeyword("eps") ||
       parser.parseEqual() || parser.parseFloat(eps) || parser.parseComma()))
    return {};
  if (succeeded(parser.parseOptionalKeyword("rotary"))) {
    rotary = true;
    if (parser.parseComma())
      return {};
  }
  StringRef word;
  auto loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&word))
    return {};
  auto dest = symbolizeHeadDest(word);
  if (!dest) {
    parser.emitError(loc) << "expects store, key or value, got " << word;
    return {};
  }
  if (parser.parseGreater())
    return {};
  FloatAttr epsilon;
  if (norm)
    epsilon = FloatAttr::get(Float64Type::get(parser.getContext()), eps);
  return HeadChainAttr::get(parser.getContext(), heads, norm, epsilon, rotary,
                            *dest);
}

void HeadChainAttr::print(AsmPrinter &printer) const {
  printer << '<' << getHeads();
  if (getNorm()) {
    printer << ", norm = " << getNorm() << ", eps = ";
    printer.printFloat(getEps().getValue());
  }
  if (getRotary())
    printer << ", rotary";
  printer << ", " << stringifyHeadDest(getDest()) << '>';
}

LogicalResult HeadSinkAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                   int64_t headDim,
                                   ArrayRef<HeadChainAttr> chains) {
  if (headDim <= 0 || headDim > kMaxHeadDim)
    return emitError() << "expects a head size of 1 to " << kMaxHeadDim
                       << ", got " << headDim;
  if (chains.empty())
    return emitError() << "expects at least one head chain";
  int64_t seen[3] = {0, 0, 0};
  for (HeadChainAttr chain : chains) {
    if (chain.getHeads() <= 0 || chain.getHeads() > kMaxKVHeads)
      return emitError() << "expects 1 to " << kMaxKVHeads << " heads, got "
                         << chain.getHeads();
    if (chain.getRotary() && headDim % 2)
      return emitError() << "expects an even head size for a rotary chain, got "
                         << headDim;
    if (seen[int(chain.getDest())]++)
      return emitError() << "expects one chain at most that goes to "
                         << stringifyHeadDest(chain.getDest());
  }
  return success();
}
