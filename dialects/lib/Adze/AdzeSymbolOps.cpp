// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifiers of weights, weight expressions and scalar regions.

#include "adze/Dialect/Adze/Adze.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace adze;

//===-- adze.weight -------------------------------------------------------===//

void WeightOp::build(OpBuilder &builder, OperationState &state, StringRef name,
                     StringRef source, int64_t layers, WeightType type) {
  state.addAttribute(getSymNameAttrName(state.name),
                     builder.getStringAttr(name));
  if (!source.empty())
    state.addAttribute(getSourceAttrName(state.name),
                       builder.getStringAttr(source));
  if (layers > 0)
    state.addAttribute(getCountAttrName(state.name),
                       builder.getI64IntegerAttr(layers));
  state.addAttribute(getTypeAttrName(state.name), TypeAttr::get(type));
  state.addRegion();
}

std::string WeightOp::getSourceName(int64_t layer) {
  StringRef source = getSource().value_or("");
  auto [before, after] = source.split("{}");
  if (before.size() == source.size())
    return source.str();
  return (before + Twine(layer) + after).str();
}

SmallVector<int64_t> WeightOp::getLayerIndices() {
  if (auto list = getLayersAttr())
    return SmallVector<int64_t>(list.asArrayRef());
  return llvm::to_vector(llvm::seq<int64_t>(getLayerEnd()));
}

std::optional<int64_t> WeightOp::getOffset(int64_t layer) {
  if (!hasLayer(isPerLayer() ? layer : 0))
    return std::nullopt;
  if (auto list = (*this)->getAttrOfType<DenseI64ArrayAttr>("adze.offsets")) {
    SmallVector<int64_t> layers = getLayerIndices();
    size_t which = llvm::find(layers, layer) - layers.begin();
    if (which < size_t(list.size()))
      return list[which];
    return std::nullopt;
  }
  auto first = (*this)->getAttrOfType<IntegerAttr>("adze.offset");
  auto stride = (*this)->getAttrOfType<IntegerAttr>("adze.stride");
  if (!first)
    return std::nullopt;
  return first.getInt() + (stride ? layer * stride.getInt() : 0);
}

static LogicalResult verifyLayerCount(Operation *op,
                                      std::optional<int64_t> count,
                                      StringRef constraint) {
  if (count && (*count <= 0 || *count > kMaxLayers))
    return op->emitOpError() << "expects 1 to " << kMaxLayers << " layers, got "
                             << *count << constraint;
  return success();
}

LogicalResult StateOp::verify() {
  return verifyLayerCount(*this, getCount(), " (C1)");
}

LogicalResult WeightOp::verify() {
  if (isSource() != getBody().empty())
    return emitOpError() << "expects either a source tensor (from) or a body, "
                         << (isSource() ? "got both" : "got neither")
                         << " (C1)";
  if (failed(verifyLayerCount(*this, getCount(), " (C5)")))
    return failure();
  if (auto list = getLayersAttr()) {
    if (getCount())
      return emitOpError() << "expects either a layer count or a list of "
                              "layers, got both (C4)";
    if (list.empty() || list.asArrayRef().front() < 0 ||
        !llvm::is_sorted(list.asArrayRef(), std::less_equal<int64_t>()))
      return emitOpError() << "expects ascending layers, got " << list
                           << " (C4)";
    if (list.asArrayRef().back() >= kMaxLayers)
      return emitOpError() << "expects layers below " << kMaxLayers << ", got "
                           << list.asArrayRef().back() << " (C5)";
  }
  if (isSource() && getSource()->contains("{}") != isPerLayer())
    return emitOpError() << "expects {} in the source name if and only if "
                            "there is one weight per layer, got \""
                         << *getSource() << "\" (C2)";
  return success();
}

LogicalResult WeightOp::verifyRegions() {
  if (getBody().empty())
    return success();
  if (!getBody().hasOneBlock() || getBody().getNumArguments() != 0)
    return emitOpError() << "expects a body of one block without arguments";
  auto yield = dyn_cast<YieldOp>(getBody().front().back());
  if (!yield || yield.getNumOperands() != 1)
    return emitOpError() << "expects a body that yields one weight (C3)";
  if (yield.getOperand(0).getType() != getType()) {
    auto diag = emitOpError()
                << "expects its body to yield " << getType() << ", got "
                << yield.getOperand(0).getType() << " (C3)";
    diag.attachNote(yield.getLoc()) << "yielded here";
    return diag;
  }
  for (Operation &op : getBody().front()) {
    auto ref = dyn_cast<RefOp>(op);
    if (!ref)
      continue;
    // Seen from the module: this op is itself a symbol, not a table.
    auto target =
        lookupWeight(getOperation()->getParentOp(), ref.getWeightAttr());
    if (!target)
      return ref.emitOpError() << "refers to " << ref.getWeightAttr()
                               << ", which is no weight of the module (C1)";
    if (target.getType() != ref.getType()) {
      auto diag = ref.emitOpError() << "has type " << ref.getType() << ", but "
                                    << ref.getWeightAttr() << " is a "
                                    << target.getType() << " (C1)";
      diag.attachNote(target.getLoc()) << "declared here";
      return diag;
    }
    bool readsEach =
        !target.isPerLayer() ||
        (isPerLayer() &&
         (target.hasSameLayers(*this) ||
          (getLayersAttr() && llvm::all_of(getLayerIndices(), [&](int64_t l) {
             return target.hasLayer(l);
           }))));
    if (!readsEach) {
      auto diag = ref.emitOpError()
                  << "reads a weight of " << target.getLayerIndices().size()
                  << " layers from one of " << getLayerIndices().size()
                  << " (C2)";
      diag.attachNote(target.getLoc()) << "declared here";
      return diag;
    }
  }
  return success();
}

//===-- expressions -------------------------------------------------------===//

/// The shape an expression must produce, checked against what it declares.
static LogicalResult expectType(Operation *op, WeightType expected,
                                WeightType got) {
  if (expected == got)
    return success();
  return op->emitOpError() << "expects a result of type " << expected
                           << ", got " << got << " (C1)";
}

static WeightType withRows(WeightType type, int64_t rows) {
  SmallVector<int64_t> shape(type.getShape());
  shape[0] = rows;
  return WeightType::get(type.getContext(), shape, type.getFormat(),
                         type.getLayout());
}

static LogicalResult expectRowsLayout(Operation *op, WeightType type) {
  if (type.getLayout() == LayoutKind::Rows)
    return success();
  return op->emitOpError() << "expects an input in the layout rows, got "
                           << type << " (C1)";
}

LogicalResult ConcatOp::verify() {
  if (getInputs().empty())
    return emitOpError() << "expects at least one input (C1)";
  auto first = cast<WeightType>(getInputs().front().getType());
  int64_t rows = 0;
  for (Value input : getInputs()) {
    auto type = cast<WeightType>(input.getType());
    if (failed(expectRowsLayout(*this, type)))
      return failure();
    if (withRows(type, first.getRows()) != first)
      return emitOpError() << "expects inputs that differ in rows only, got "
                           << first << " and " << type << " (C1)";
    rows += type.getRows();
  }
  return expectType(*this, withRows(first, rows), getType());
}

LogicalResult InterleaveOp::verify() {
  auto a = cast<WeightType>(getA().getType());
  if (failed(expectRowsLayout(*this, a)))
    return failure();
  int64_t padded = llvm::alignTo(a.getRows(), kPanelRows);
  return expectType(*this, withRows(a, 2 * padded), getType());
}

LogicalResult PadHeadsOp::verify() {
  auto in = cast<WeightType>(getInput().getType());
  int64_t heads = getHeads();
  if (heads <= 0 || in.getRows() % heads)
    return emitOpError() << "expects rows that are a multiple of heads, got "
                         << in.getRows() << " rows and " << heads
                         << " heads (C1)";
  if (failed(expectRowsLayout(*this, in)))
    return failure();
  int64_t padded = llvm::alignTo(in.getRows() / heads, kPanelRows);
  return expectType(*this, withRows(in, heads * padded), getType());
}

LogicalResult RotaryHalvesOp::verify() {
  auto in = cast<WeightType>(getInput().getType());
  if (getHeads() <= 0 || in.getRows() % (2 * getHeads()))
    return emitOpError()
           << "expects rows that are a multiple of 2 * heads, got "
           << in.getRows() << " rows and " << getHeads() << " heads (C1)";
  if (failed(expectRowsLayout(*this, in)))
    return failure();
  return expectType(*this, in, getType());
}

LogicalResult CastOp::verify() {
  auto in = cast<WeightType>(getInput().getType());
  return expectType(*this,
                    WeightType::get(getContext(), in.getShape(),
                                    getType().getFormat(), in.getLayout()),
                    getType());
}

LogicalResult PackOp::verify() {
  auto in = cast<WeightType>(getInput().getType());
  if (failed(expectRowsLayout(*this, in)))
    return failure();
  FormatAttrInterface format = getType().getFormat();
  if (elementFormat(format) != in.getFormat())
    format = in.getFormat();
  return expectType(
      *this,
      WeightType::get(getContext(), in.getShape(), format, LayoutKind::Panels),
      getType());
}
