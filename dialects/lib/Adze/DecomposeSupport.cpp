// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Shared pieces of the decompositions (see DecomposeSupport.h).

#include "DecomposeSupport.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace adze;
using namespace adze::detail;

Type Decomposer::computeType(Type element) {
  return element.isF64() ? element
                         : Type(Float32Type::get(element.getContext()));
}

Value Decomposer::convert(OpBuilder &at, Value v, Type to) {
  Type from = v.getType();
  if (from == to)
    return v;
  unsigned have = getElementTypeOrSelf(from).getIntOrFloatBitWidth();
  unsigned want = getElementTypeOrSelf(to).getIntOrFloatBitWidth();
  if (have < want)
    return arith::ExtFOp::create(at, loc, to, v);
  if (have > want)
    return arith::TruncFOp::create(at, loc, to, v);
  // f16 and bf16 meet in f32.
  Type wide = Float32Type::get(at.getContext());
  if (auto vector = dyn_cast<VectorType>(from))
    wide = vector.clone(wide);
  return convert(at, convert(at, v, wide), to);
}

Value Decomposer::constant(OpBuilder &at, Type type, double value) {
  auto element = cast<FloatType>(getElementTypeOrSelf(type));
  TypedAttr attr = at.getFloatAttr(element, value);
  if (auto vector = dyn_cast<VectorType>(type))
    attr = DenseElementsAttr::get(vector, Attribute(attr));
  return arith::ConstantOp::create(at, loc, attr);
}

Sizes Decomposer::sizesOf(Value tensor) {
  return tensor::getMixedSizes(b, loc, tensor);
}

Value Decomposer::empty(ArrayRef<OpFoldResult> sizes, Type element) {
  return tensor::EmptyOp::create(b, loc, sizes, element);
}

Value Decomposer::filled(ArrayRef<OpFoldResult> sizes, Type element,
                         double value) {
  return linalg::FillOp::create(b, loc, constant(b, element, value),
                                empty(sizes, element))
      .getResult(0);
}

AffineMap Decomposer::pick(unsigned rank, ArrayRef<unsigned> dims) {
  SmallVector<AffineExpr> results;
  for (unsigned dim : dims)
    results.push_back(b.getAffineDimExpr(dim));
  return AffineMap::get(rank, 0, results, b.getContext());
}

SmallVector<Value> Decomposer::generic(unsigned rank, unsigned reductions,
                                       ValueRange inputs, ValueRange outputs,
                                       ArrayRef<AffineMap> maps, Body body) {
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  std::fill(iterators.end() - reductions, iterators.end(),
            utils::IteratorType::reduction);
  auto generic = linalg::GenericOp::create(
      b, loc, TypeRange(outputs), inputs, outputs, maps, iterators,
      [&](OpBuilder &inner, Location, ValueRange args) {
        linalg::YieldOp::create(inner, loc, body(inner, args));
      });
  return llvm::to_vector(ValueRange(generic.getResults()));
}

Value Decomposer::elementwise(ValueRange inputs, Type element,
                              ScalarBody body) {
  Sizes sizes = sizesOf(inputs.front());
  unsigned rank = sizes.size();
  SmallVector<AffineMap> maps(inputs.size() + 1,
                              b.getMultiDimIdentityMap(rank));
  Value out = empty(sizes, element);
  return generic(rank, 0, inputs, out, maps,
                 [&](OpBuilder &at, ValueRange args) -> SmallVector<Value> {
                   SmallVector<Value> wide;
                   for (Value arg : args.drop_back())
                     wide.push_back(
                         convert(at, arg, computeType(arg.getType())));
                   return {convert(at, body(at, wide), element)};
                 })
      .front();
}

Value Decomposer::splitColumns(Value rows, ArrayRef<int64_t> parts) {
  auto type = cast<RankedTensorType>(rows.getType());
  SmallVector<int64_t> shape{type.getDimSize(0)};
  Sizes sizes{sizesOf(rows).front()};
  ReassociationIndices group;
  for (auto [i, part] : llvm::enumerate(parts)) {
    shape.push_back(part);
    sizes.push_back(size(part));
    group.push_back(i + 1);
  }
  return tensor::ExpandShapeOp::create(
      b, loc, RankedTensorType::get(shape, type.getElementType()), rows,
      ArrayRef<ReassociationIndices>{{0}, group}, sizes);
}

Value Decomposer::joinColumns(Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  ReassociationIndices group;
  for (int64_t i = 1; i < type.getRank(); ++i)
    group.push_back(i);
  return tensor::CollapseShapeOp::create(
      b, loc, tensor, ArrayRef<ReassociationIndices>{{0}, group});
}

Value Decomposer::weight(FlatSymbolRefAttr name, Value layer) {
  WeightOp weight = lookupWeight(op, name);
  auto type =
      RankedTensorType::get(weight.getWeightType().getShape(), b.getF32Type());
  return WeightTensorOp::create(b, loc, type, name,
                                weight.isPerLayer() ? layer : Value());
}

Value Decomposer::fit(Value v, Type type) {
  if (v.getType() == type)
    return v;
  return tensor::CastOp::create(b, loc, type, v);
}
