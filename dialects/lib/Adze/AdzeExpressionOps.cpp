// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifiers of what import makes beyond plain weights and model ops, and the
// decomposition of permute.

#include "DecomposeSupport.h"
#include "adze/Dialect/Adze/AdzeExpressions.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <cmath>

using namespace mlir;
using namespace adze;

static LogicalResult expectType(Operation *op, WeightType expected,
                                WeightType got) {
  if (expected == got)
    return success();
  return op->emitOpError() << "expects a result of type " << expected
                           << ", got " << got << " (C1)";
}

static LogicalResult expectRowsLayout(Operation *op, WeightType type) {
  if (type.getLayout() == LayoutKind::Rows)
    return success();
  return op->emitOpError() << "expects an input in the layout rows, got "
                           << type << " (C1)";
}

LogicalResult SliceOp::verify() {
  auto in = cast<WeightType>(getInput().getType());
  int64_t first = getFirst(), rows = getType().getRows();
  if (first < 0 || rows > in.getRows() || first > in.getRows() - rows)
    return emitOpError() << "expects rows within 0 to " << in.getRows()
                         << ", got " << rows << " from " << first << " (C1)";
  if (failed(expectRowsLayout(*this, in)))
    return failure();
  SmallVector<int64_t> shape(in.getShape());
  shape[0] = rows;
  return expectType(
      *this,
      WeightType::get(getContext(), shape, in.getFormat(), in.getLayout()),
      getType());
}

LogicalResult OffsetOp::verify() {
  WeightType type = getInput().getType();
  if (type.getFormat().getFormatName() != "f32")
    return emitOpError() << "expects a weight in f32, got " << type << " (C1)";
  double by = getBy().convertToDouble();
  if (!std::isfinite(by) || double(float(by)) != by)
    return emitOpError() << "expects a finite number of f32, got " << by
                         << " (C1)";
  return expectRowsLayout(*this, type);
}

//===-- scaling -----------------------------------------------------------===//

static LogicalResult expectF32(Operation *op, WeightType type) {
  if (type.getFormat().getFormatName() == "f32")
    return success();
  return op->emitOpError() << "expects a weight in f32, got " << type
                           << " (C1)";
}

/// What scaling reads: `count` numbers, for each layer of the expression's
/// weight or for all.
static LogicalResult verifyFactors(Operation *op, FlatSymbolRefAttr name,
                                   int64_t count) {
  auto weight = op->getParentOfType<WeightOp>();
  WeightOp factors = lookupWeight(weight->getParentOp(), name);
  if (!factors)
    return op->emitOpError()
           << "refers to " << name << ", which is no weight of the module (C2)";
  WeightType type = factors.getWeightType();
  bool readsEach = !factors.isPerLayer() || factors.hasSameLayers(weight) ||
                   (weight.getLayersAttr() &&
                    llvm::all_of(weight.getLayerIndices(), [&](int64_t layer) {
                      return factors.hasLayer(layer);
                    }));
  if (factors.isSource() && type.isVector() && type.getRows() == count &&
      type.getFormat().getFormatName() == "f32" && readsEach)
    return success();
  auto diag = op->emitOpError()
              << "expects a source of f32 with " << count
              << " elements, of the same layers or of the whole model, got "
              << type << " (C2)";
  diag.attachNote(factors.getLoc()) << "declared here";
  return diag;
}

LogicalResult ScaleColumnsOp::verify() {
  if (getType().isVector())
    return emitOpError() << "expects a matrix, got " << getType() << " (C1)";
  if (failed(expectF32(*this, getType())))
    return failure();
  return expectRowsLayout(*this, getType());
}

LogicalResult ScaleColumnsOp::verifySymbolUses(SymbolTableCollection &) {
  return verifyFactors(*this, getFactorsAttr(), getType().getCols());
}

LogicalResult ScaleRowsOp::verify() {
  if (failed(expectF32(*this, getType())))
    return failure();
  return expectRowsLayout(*this, getType());
}

LogicalResult ScaleRowsOp::verifySymbolUses(SymbolTableCollection &) {
  return verifyFactors(*this, getFactorsAttr(), getType().getRows());
}

LogicalResult RotarySpreadOp::verify() {
  auto in = cast<WeightType>(getInput().getType());
  int64_t heads = getHeads(), rotated = getRotated();
  if (heads <= 0 || in.getRows() % (2 * heads))
    return emitOpError()
           << "expects rows that are a multiple of 2 * heads, got "
           << in.getRows() << " rows and " << heads << " heads (C1)";
  if (rotated <= 0 || rotated % 2 || rotated > in.getRows() / heads)
    return emitOpError() << "expects an even number of rotated rows of each "
                            "head of "
                         << in.getRows() / heads << ", got " << rotated
                         << " (C1)";
  if (failed(expectRowsLayout(*this, in)))
    return failure();
  return expectType(*this, in, getType());
}

//===-- unpack ------------------------------------------------------------===//

UnpackOp adze::getUnpack(WeightOp weight) {
  if (weight.isSource() || weight.getBody().empty())
    return {};
  return weight.getBody()
      .front()
      .getTerminator()
      ->getOperand(0)
      .getDefiningOp<UnpackOp>();
}

static std::string inLayer(StringRef source, int64_t layer) {
  auto [before, after] = source.split("{}");
  if (before.size() == source.size())
    return source.str();
  return (before + Twine(layer) + after).str();
}

std::string UnpackOp::getSourceName(int64_t layer) {
  return inLayer(getSource(), layer);
}
std::string UnpackOrderOp::getSourceName(int64_t layer) {
  return inLayer(getSource(), layer);
}

/// Packings that say for each k which group it is in.
static bool hasOrder(StringRef packing) {
  return packing == "gptq" || packing == "gptq_v2" || packing == "packed";
}

LogicalResult UnpackOp::verify() {
  StringRef packing = getPacking();
  bool isFloat = packing == "fp8";
  bool isSparse = packing == "masked" || packing == "sparse24";
  if (!hasOrder(packing) && packing != "awq" && packing != "bytes" &&
      !isFloat && !isSparse)
    return emitOpError() << "expects one of the packings gptq, gptq_v2, awq, "
                            "packed, bytes, fp8, masked and sparse24, got \""
                         << packing << "\" (C1)";
  Attribute held = getType().getFormat();
  if (isSparse) {
    bool isFloats = isa<FloatFormatAttr>(held) && !getType().isVector() &&
                    getType().getLayout() == LayoutKind::Rows;
    if (!isFloats || (packing == "sparse24" && getType().getCols() % 4))
      return emitOpError()
             << "expects a matrix of #adze.float in the layout rows"
             << (packing == "sparse24" ? ", its columns in groups of 4" : "")
             << ", got " << getType() << " (C1)";
    if (getOrdered())
      return emitOpError() << "expects no order of columns in " << packing
                           << " (C2)";
    return success();
  }
  auto format = dyn_cast<IntFormatAttr>(held);
  if ((isFloat ? !isa<Fp8FormatAttr>(held) : !format) || getType().isVector() ||
      getType().getLayout() != LayoutKind::Rows)
    return emitOpError() << "expects a matrix of "
                         << (isFloat ? "#adze.fp8" : "#adze.int")
                         << " in the layout rows, got " << getType() << " (C1)";
  if (isFloat) {
    if (getOrdered())
      return emitOpError() << "expects no order of columns in fp8 (C2)";
    return success();
  }
  int64_t bits = packing == "awq" ? 4 : packing == "bytes" ? 8 : 0;
  if (bits && format.getBits() != bits)
    return emitOpError() << "expects codes of " << bits << " bits in "
                         << packing << ", got " << format.getBits() << " (C1)";
  if (getOrdered() && (!hasOrder(packing) || !format.getGroupSize()))
    return emitOpError() << "expects groups, in gptq, gptq_v2 or packed, to "
                            "order columns by, got "
                         << getType() << " in " << packing << " (C2)";
  return success();
}

LogicalResult UnpackOrderOp::verify() {
  if (!hasOrder(getPacking()))
    return emitOpError() << "expects one of the packings gptq, gptq_v2 and "
                            "packed, got \""
                         << getPacking() << "\" (C1)";
  if (!getType().isVector() || getType().getFormat().getFormatName() != "f32" ||
      getType().getRows() > (1 << 24))
    return emitOpError() << "expects a vector of f32 of at most 2^24 elements, "
                            "got "
                         << getType() << " (C1)";
  if (int64_t(getGroup()) <= 0)
    return emitOpError() << "expects a positive group, got "
                         << int64_t(getGroup()) << " (C1)";
  return success();
}

//===-- permute -----------------------------------------------------------===//

LogicalResult PermuteOp::verifySymbolUses(SymbolTableCollection &) {
  WeightOp order = lookupWeight(*this, getOrderAttr());
  if (!order)
    return emitOpError() << "refers to " << getOrderAttr()
                         << ", which is no weight of the module (C1)";
  if (order.isPerLayer() != bool(getLayer()))
    return emitOpError() << (getLayer() ? "gives a layer to "
                                        : "expects a "
                                          "layer for ")
                         << getOrderAttr() << ", a weight "
                         << (getLayer() ? "of the whole model" : "per layer");
  WeightType type = order.getWeightType();
  int64_t n = cast<RankedTensorType>(getX().getType()).getDimSize(1);
  if (!type.isVector() || type.getRows() != n ||
      type.getFormat().getFormatName() != "f32") {
    auto diag = emitOpError() << "expects a vector of f32 of " << n
                              << " elements, got " << type << " (C1)";
    diag.attachNote(order.getLoc()) << "declared here";
    return diag;
  }
  return success();
}

FailureOr<SmallVector<Value>> PermuteOp::decompose(OpBuilder &builder) {
  detail::Decomposer d(builder, *this);
  Type element = getElementTypeOrSelf(getX().getType());
  Value order = d.weight(getOrderAttr(), getLayer());
  Value x = getX();
  Value result =
      d.generic(2, 0, order, d.empty(d.sizesOf(x), element),
                {d.pick(2, {1}), d.pick(2, {0, 1})},
                [&](OpBuilder &at, ValueRange args) -> SmallVector<Value> {
                  Value number = arith::FPToSIOp::create(
                      at, d.loc, at.getI32Type(), args[0]);
                  Value column = arith::IndexCastOp::create(
                      at, d.loc, at.getIndexType(), number);
                  Value row = linalg::IndexOp::create(at, d.loc, 0);
                  return {tensor::ExtractOp::create(at, d.loc, x,
                                                    ValueRange{row, column})};
                })
          .front();
  return SmallVector<Value>{d.fit(result, getType())};
}

#define GET_OP_CLASSES
#include "adze/Dialect/Adze/AdzeExpressionOps.cpp.inc"
