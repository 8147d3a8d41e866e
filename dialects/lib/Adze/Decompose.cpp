// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// decompose() of embed, take_rows, rms_norm, map, silu and gelu: what an op
// means, in upstream linalg, tensor, arith and math. Arithmetic is done in f32
// (f64 for f64), whatever the element type of the activations.
//
//   %y = adze.rms_norm %x, @w eps 1.0e-5 : tensor<?x64xf32>
// becomes a generic that sums squares over each row and one that scales.

#include "DecomposeSupport.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include <cmath>

using namespace mlir;
using namespace adze;
using namespace adze::detail;

using Decomposed = FailureOr<SmallVector<Value>>;

static Type elementOf(Value v) { return getElementTypeOrSelf(v.getType()); }

//===-- gathers -----------------------------------------------------------===//

/// result[r, :] = source[rows[r], :].
static Value gatherRows(Decomposer &d, Value source, Value rows, Type element) {
  Sizes sizes{d.sizesOf(rows)[0], d.sizesOf(source)[1]};
  Value out = d.empty(sizes, element);
  return d
      .generic(2, 0, rows, out, {d.pick(2, {0}), d.pick(2, {0, 1})},
               [&](OpBuilder &at, ValueRange args) -> SmallVector<Value> {
                 Value row = arith::IndexCastOp::create(
                     at, d.loc, at.getIndexType(), args[0]);
                 Value column = linalg::IndexOp::create(at, d.loc, 1);
                 Value value = tensor::ExtractOp::create(
                     at, d.loc, source, ValueRange{row, column});
                 return {d.convert(at, value, element)};
               })
      .front();
}

Decomposed EmbedOp::decompose(OpBuilder &builder) {
  Decomposer d(builder, *this);
  Value table = d.weight(getTableAttr(), Value());
  Value rows = gatherRows(d, table, getTokens(), elementOf(getResult()));
  return SmallVector<Value>{d.fit(rows, getType())};
}

Decomposed TakeRowsOp::decompose(OpBuilder &builder) {
  Decomposer d(builder, *this);
  Value rows = gatherRows(d, getX(), getRows(), elementOf(getX()));
  return SmallVector<Value>{d.fit(rows, getType())};
}

//===-- rms_norm ----------------------------------------------------------===//

Decomposed RmsNormOp::decompose(OpBuilder &builder) {
  Decomposer d(builder, *this);
  Type element = elementOf(getX()), compute = Decomposer::computeType(element);
  int64_t heads = getHeads();
  int64_t n = cast<RankedTensorType>(getX().getType()).getDimSize(1) / heads;
  Value weight = d.weight(getWeightAttr(), getLayer());
  Value x = d.splitColumns(getX(), {heads, n});
  Sizes sizes = d.sizesOf(x);

  // T x H: sums of squares.
  Value zeros = d.filled(ArrayRef(sizes).take_front(2), compute, 0.0);
  Value squares =
      d.generic(3, 1, x, zeros, {d.pick(3, {0, 1, 2}), d.pick(3, {0, 1})},
                [&](OpBuilder &at, ValueRange args) -> SmallVector<Value> {
                  Value v = d.convert(at, args[0], compute);
                  Value square = arith::MulFOp::create(at, d.loc, v, v);
                  return {arith::AddFOp::create(at, d.loc, args[1], square)};
                })
          .front();

  double eps = getEps().convertToDouble();
  Value result =
      d.generic(3, 0, ValueRange{x, squares, weight}, d.empty(sizes, element),
                {d.pick(3, {0, 1, 2}), d.pick(3, {0, 1}), d.pick(3, {2}),
                 d.pick(3, {0, 1, 2})},
                [&](OpBuilder &at, ValueRange args) -> SmallVector<Value> {
                  Value v = d.convert(at, args[0], compute);
                  Value w = d.convert(at, args[2], compute);
                  Value mean = arith::DivFOp::create(
                      at, d.loc, args[1], d.constant(at, compute, double(n)));
                  Value shifted = arith::AddFOp::create(
                      at, d.loc, mean, d.constant(at, compute, eps));
                  Value root = math::SqrtOp::create(at, d.loc, shifted);
                  Value unit = arith::DivFOp::create(at, d.loc, v, root);
                  Value scaled = arith::MulFOp::create(at, d.loc, unit, w);
                  return {d.convert(at, scaled, element)};
                })
          .front();
  return SmallVector<Value>{d.fit(d.joinColumns(result), getType())};
}

//===-- quantize ----------------------------------------------------------===//

Decomposed QuantizeOp::decompose(OpBuilder &builder) {
  Decomposer d(builder, *this);
  Type element = elementOf(getX()), compute = Decomposer::computeType(element);
  int64_t n = cast<RankedTensorType>(getX().getType()).getDimSize(1);
  int64_t group = getGroup() ? int64_t(getGroup()) : n;
  Sizes sizes = d.sizesOf(getX());
  // (t, k) -> (t, group of k)
  AffineMap all = d.pick(2, {0, 1});
  AffineExpr t = builder.getAffineDimExpr(0),
             index = builder.getAffineDimExpr(1).floorDiv(group);
  AffineMap ofGroup = AffineMap::get(2, 0, {t, index}, builder.getContext());
  Sizes groups{sizes[0], d.size(getGroups())};
  bool isStatic = bool(getRangesAttr());
  Value start = d.filled(groups, compute, 0.0);
  if (isStatic)
    start =
        d.generic(2, 0, d.weight(getRangesAttr(), getLayer()),
                  d.empty(groups, compute), {d.pick(2, {1}), all},
                  [&](OpBuilder &at, ValueRange args) -> SmallVector<Value> {
                    return {d.convert(at, args[0], compute)};
                  })
            .front();
  // The largest of each group; of a range, what makes it NaN where a value is
  // not finite.
  Value largest =
      d.generic(2, 1, getX(), start, {all, ofGroup},
                [&](OpBuilder &at, ValueRange args) -> SmallVector<Value> {
                  Value v = d.convert(at, args[0], compute);
                  if (isStatic) {
                    Value zero = d.constant(at, compute, 0.0);
                    Value none = arith::MulFOp::create(at, d.loc, v, zero);
                    return {arith::AddFOp::create(at, d.loc, args[1], none)};
                  }
                  v = math::AbsFOp::create(at, d.loc, v);
                  return {arith::MaximumFOp::create(at, d.loc, args[1], v)};
                })
          .front();
  Value result =
      d.generic(
           2, 0, ValueRange{getX(), largest}, d.empty(sizes, element),
           {all, ofGroup, all},
           [&](OpBuilder &at, ValueRange args) -> SmallVector<Value> {
             Value v = d.convert(at, args[0], compute);
             Value top = d.constant(at, compute, 127.0);
             Value zero = d.constant(at, compute, 0.0);
             Value inverse = arith::DivFOp::create(at, d.loc, top, args[1]);
             Value scale = arith::DivFOp::create(at, d.loc, args[1], top);
             Value code = math::RoundEvenOp::create(
                 at, d.loc, arith::MulFOp::create(at, d.loc, v, inverse));
             if (isStatic) {
               code = arith::MinimumFOp::create(at, d.loc, code, top);
               code = arith::MaximumFOp::create(
                   at, d.loc, code, d.constant(at, compute, -127.0));
             }
             Value rounded = arith::MulFOp::create(at, d.loc, code, scale);
             Value isZero = arith::CmpFOp::create(
                 at, d.loc, arith::CmpFPredicate::OEQ, args[1], zero);
             return {d.convert(
                 at, arith::SelectOp::create(at, d.loc, isZero, zero, rounded),
                 element)};
           })
          .front();
  return SmallVector<Value>{d.fit(result, getType())};
}

//===-- map ---------------------------------------------------------------===//

Decomposed MapOp::decompose(OpBuilder &builder) {
  Decomposer d(builder, *this);
  Value result = d.elementwise(
      getInputs(), elementOf(getResult()),
      [&](OpBuilder &at, ValueRange args) -> Value {
        IRMapping mapping;
        Block &block = getBody().front();
        for (auto [from, to] : llvm::zip(block.getArguments(), args))
          mapping.map(from, d.convert(at, to, from.getType()));
        for (Operation &op : block.without_terminator())
          at.clone(op, mapping);
        return mapping.lookupOrDefault(block.getTerminator()->getOperand(0));
      });
  return SmallVector<Value>{d.fit(result, getType())};
}

//===-- activations -------------------------------------------------------===//

/// x / (1 + exp(-x)).
static Value emitSilu(Decomposer &d, OpBuilder &at, Value x) {
  Value one = d.constant(at, x.getType(), 1.0);
  Value minus = arith::NegFOp::create(at, d.loc, x);
  Value e = math::ExpOp::create(at, d.loc, minus);
  Value below = arith::AddFOp::create(at, d.loc, one, e);
  return arith::DivFOp::create(at, d.loc, x, below);
}

/// 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
static Value emitGelu(Decomposer &d, OpBuilder &at, Value x) {
  Type type = x.getType();
  auto mul = [&](Value a, Value b) -> Value {
    return arith::MulFOp::create(at, d.loc, a, b);
  };
  auto add = [&](Value a, Value b) -> Value {
    return arith::AddFOp::create(at, d.loc, a, b);
  };
  Value cube = mul(mul(x, x), x);
  Value sum = add(x, mul(d.constant(at, type, 0.044715), cube));
  Value scaled = mul(d.constant(at, type, std::sqrt(2.0 / M_PI)), sum);
  Value t = math::TanhOp::create(at, d.loc, scaled);
  Value half = mul(d.constant(at, type, 0.5), x);
  return mul(half, add(d.constant(at, type, 1.0), t));
}

/// Scalars and vectors stay what they are; a tensor becomes one generic, since
/// a constant cannot have a dynamic shape.
static Decomposed decomposeActivation(Operation *op, OpBuilder &builder,
                                      Value (*emit)(Decomposer &, OpBuilder &,
                                                    Value)) {
  Decomposer d(builder, op);
  Value x = op->getOperand(0);
  Type type = x.getType(), element = getElementTypeOrSelf(type);
  if (isa<RankedTensorType>(type)) {
    Value result = d.elementwise(x, element, [&](OpBuilder &at, ValueRange v) {
      return emit(d, at, v[0]);
    });
    return SmallVector<Value>{d.fit(result, type)};
  }
  Type wide = Decomposer::computeType(element);
  if (auto vector = dyn_cast<VectorType>(type))
    wide = vector.clone(wide);
  Value result = emit(d, builder, d.convert(builder, x, wide));
  return SmallVector<Value>{d.convert(builder, result, type)};
}

Decomposed SiluOp::decompose(OpBuilder &builder) {
  return decomposeActivation(*this, builder, emitSilu);
}

Decomposed GeluOp::decompose(OpBuilder &builder) {
  return decomposeActivation(*this, builder, emitGelu);
}
