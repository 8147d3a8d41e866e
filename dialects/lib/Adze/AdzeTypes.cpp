// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Custom syntax and verification of the adze types.

#include "../Formats/GgufBlocks.h"
#include "adze/Dialect/Adze/Adze.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace adze;

//===-- !adze.weight<2560x2048, #adze.float<bf16>, panels> ----------------===//

Type WeightType::parse(AsmParser &parser) {
  SmallVector<int64_t> shape;
  Attribute format;
  LayoutKind layout = LayoutKind::Rows;
  auto loc = parser.getCurrentLocation();
  if (parser.parseLess() ||
      parser.parseDimensionList(shape, /*allowDynamic=*/false,
                                /*withTrailingX=*/false) ||
      parser.parseComma() || parser.parseAttribute(format))
    return {};
  if (succeeded(parser.parseOptionalComma())) {
    StringRef word;
    auto wordLoc = parser.getCurrentLocation();
    if (parser.parseKeyword(&word))
      return {};
    auto kind = symbolizeLayoutKind(word);
    if (!kind) {
      parser.emitError(wordLoc)
          << "expects a layout (rows or panels), got " << word;
      return {};
    }
    layout = *kind;
  }
  if (parser.parseGreater())
    return {};
  return parser.getChecked<WeightType>(
      loc, parser.getContext(), ArrayRef<int64_t>(shape),
      dyn_cast<FormatAttrInterface>(format), layout);
}

void WeightType::print(AsmPrinter &printer) const {
  printer << '<';
  llvm::interleave(getShape(), printer.getStream(), "x");
  printer << ", " << getFormat();
  if (getLayout() != LayoutKind::Rows)
    printer << ", " << stringifyLayoutKind(getLayout());
  printer << '>';
}

LogicalResult WeightType::verify(function_ref<InFlightDiagnostic()> emitError,
                                 ArrayRef<int64_t> shape,
                                 FormatAttrInterface format,
                                 LayoutKind layout) {
  if (shape.empty() || shape.size() > 2)
    return emitError() << "expects a weight of one or two dimensions, got "
                       << shape.size();
  for (int64_t dim : shape)
    if (dim <= 0)
      return emitError() << "expects positive dimensions, got " << dim;
  int64_t room = kMaxWeightElements;
  for (int64_t dim : shape)
    room /= dim;
  if (room == 0) {
    auto diag = emitError() << "expects at most " << kMaxWeightElements
                            << " elements, got ";
    llvm::interleave(
        shape, [&](int64_t dim) { diag << dim; }, [&] { diag << "x"; });
    return diag;
  }
  if (!format)
    return emitError() << "expects a weight format such as #adze.float<f32>";
  auto blocks = dyn_cast<BlocksFormatAttr>(Attribute(format));
  auto masked = dyn_cast<MaskedFormatAttr>(Attribute(format));
  if (shape.size() == 1 &&
      (blocks || masked || isa<IntegerFormatAttrInterface>(Attribute(format))))
    return emitError() << "expects a matrix in the format "
                       << format.getFormatName() << ", got a vector";
  if (blocks && blocks.getKeep() > blocks.countBlocks(shape.back()))
    return emitError() << "expects to keep at most the "
                       << blocks.countBlocks(shape.back())
                       << " blocks of a panel of " << shape.back()
                       << " columns, got " << blocks.getKeep();
  if (masked) {
    int64_t steps =
        llvm::divideCeil(shape.back(), MaskedFormatAttr::kStepColumns);
    int64_t most = MaskedFormatAttr::getMostBytes(masked.getElement());
    if (!masked.getEven())
      most = steps * (MaskedFormatAttr::kMaskBytes + most);
    if (masked.getKeep() > most)
      return emitError() << "expects to keep at most the " << most
                         << " bytes that all elements of "
                         << (masked.getEven() ? "8" : Twine(shape.back()).str())
                         << " columns take, got " << masked.getKeep();
    if (masked.getPanelBytes(shape.back()) > UINT32_MAX)
      return emitError() << "expects panels of less than 4 GiB in the format "
                         << format.getFormatName() << ", got "
                         << masked.getPanelBytes(shape.back()) << " bytes";
  }
  if (auto gguf = dyn_cast<GgufFormatAttr>(Attribute(format))) {
    int64_t elements = detail::infoOf(gguf.getBlock()).elements;
    if (shape.back() % elements)
      return emitError() << "expects rows of a multiple of " << elements
                         << " elements in the format " << format.getFormatName()
                         << ", got " << shape.back();
  }
  if (layout == LayoutKind::Panels && shape.size() != 2)
    return emitError() << "expects a matrix in the layout panels, got a vector";
  return success();
}

int64_t WeightType::getStorageBytes() const {
  if (isVector())
    return getFormat().getRowBytes(getShape()[0]);
  if (getLayout() == LayoutKind::Rows)
    return getRows() * getFormat().getRowBytes(getCols());
  return llvm::divideCeil(getRows(), kPanelRows) *
         getFormat().getPanelBytes(getCols());
}

//===-- !adze.kv<4x64xbf16>, !adze.buffer<2048xf32> -----------------------===//

Type KVType::parse(AsmParser &parser) {
  SmallVector<int64_t> shape;
  Type element;
  auto loc = parser.getCurrentLocation();
  if (parser.parseLess() ||
      parser.parseDimensionList(shape, /*allowDynamic=*/false) ||
      parser.parseType(element) || parser.parseGreater())
    return {};
  if (shape.size() != 2) {
    parser.emitError(loc) << "expects heads x head size x element type";
    return {};
  }
  return parser.getChecked<KVType>(loc, parser.getContext(), shape[0], shape[1],
                                   element);
}

void KVType::print(AsmPrinter &printer) const {
  printer << '<' << getHeads() << 'x' << getHeadDim() << 'x' << getElementType()
          << '>';
}

LogicalResult KVType::verify(function_ref<InFlightDiagnostic()> emitError,
                             int64_t heads, int64_t headDim, Type element) {
  if (heads <= 0 || headDim <= 0)
    return emitError() << "expects positive heads and head size, got " << heads
                       << " and " << headDim;
  if (heads > kMaxKVHeads || headDim > kMaxHeadDim)
    return emitError() << "expects at most " << kMaxKVHeads << " heads of "
                       << kMaxHeadDim << ", got " << heads << " and "
                       << headDim;
  if (!element.isF32() && !element.isF16() && !element.isBF16() &&
      !element.isSignlessInteger(8))
    return emitError() << "expects f32, f16, bf16 or i8 keys and values, got "
                       << element;
  return success();
}

Type BufferType::parse(AsmParser &parser) {
  SmallVector<int64_t> shape;
  Type element;
  int64_t group = 0, sums = 0;
  auto loc = parser.getCurrentLocation();
  if (parser.parseLess() ||
      parser.parseDimensionList(shape, /*allowDynamic=*/false) ||
      parser.parseType(element))
    return {};
  if (succeeded(parser.parseOptionalComma()) &&
      (parser.parseKeyword("group") || parser.parseInteger(group) ||
       parser.parseComma() || parser.parseKeyword("sums") ||
       parser.parseInteger(sums)))
    return {};
  if (parser.parseGreater())
    return {};
  if (shape.size() != 1) {
    parser.emitError(loc) << "expects columns x element type";
    return {};
  }
  return parser.getChecked<BufferType>(loc, parser.getContext(), shape[0],
                                       element, group, sums);
}

void BufferType::print(AsmPrinter &printer) const {
  printer << '<' << getCols() << 'x' << getElementType();
  if (isQuantized())
    printer << ", group " << getGroup() << ", sums " << getSums();
  printer << '>';
}

LogicalResult BufferType::verify(function_ref<InFlightDiagnostic()> emitError,
                                 int64_t cols, Type element, int64_t group,
                                 int64_t sums) {
  if (!element.isIntOrIndexOrFloat())
    return emitError() << "expects columns of numbers, got " << element;
  if ((group == 0) != (sums == 0) || group < 0 || sums < 0)
    return emitError() << "expects a group and sums for quantized rows, got "
                       << group << " and " << sums;
  if (group && !element.isInteger(8))
    return emitError() << "expects i8 codes in quantized rows, got " << element;
  if (group && group % sums)
    return emitError() << "expects sums that divide the group of " << group
                       << ", got " << sums;
  return success();
}

int64_t BufferType::getScalesOffset() const {
  return llvm::alignTo(getCols(), 64);
}
int64_t BufferType::getSumsOffset() const {
  return getScalesOffset() +
         llvm::alignTo(llvm::divideCeil(getCols(), getGroup()) * 4, 64);
}
int64_t BufferType::getRowBytes() const {
  if (isQuantized())
    return getSumsOffset() +
           llvm::alignTo(llvm::divideCeil(getCols(), getSums()) * 4, 64);
  unsigned bits = getElementType().isIndex()
                      ? 64
                      : getElementType().getIntOrFloatBitWidth();
  return getCols() * llvm::divideCeil(bits, 8);
}
