// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// decompose() of rotary_table, rotary and attention. Attention takes the batch
// as one sequence that starts at position 0 with an empty cache: row t is
// position t. Keys and values pass through the cache's element type, as they
// would be read back from it.
//
// Shapes: T rows, G key/value heads, R query heads of each, D head size.

#include "DecomposeSupport.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <limits>

using namespace mlir;
using namespace adze;
using namespace adze::detail;

using Decomposed = FailureOr<SmallVector<Value>>;

//===-- rotary ------------------------------------------------------------===//

/// position * frequency in f64, less a multiple of 2 pi: right in f32 at any
/// position.
static Value emitAngle(Decomposer &d, OpBuilder &at, Value position,
                       Value freq) {
  Type f64 = at.getF64Type();
  auto mul = [&](Value a, Value b) -> Value {
    return arith::MulFOp::create(at, d.loc, a, b);
  };
  Value p = arith::SIToFPOp::create(at, d.loc, f64, position);
  Value angle = mul(p, freq);
  Value turns = math::RoundEvenOp::create(
      at, d.loc, mul(angle, d.constant(at, f64, 0.5 / M_PI)));
  return arith::SubFOp::create(at, d.loc, angle,
                               mul(turns, d.constant(at, f64, 2.0 * M_PI)));
}

Decomposed RotaryTableOp::decompose(OpBuilder &builder) {
  Decomposer d(builder, *this);
  auto type = cast<RankedTensorType>(getType());
  Type element = type.getElementType();
  Type compute = Decomposer::computeType(element);
  int64_t half = getFreqs().size();
  auto positionsType =
      RankedTensorType::get({type.getDimSize(0)}, builder.getI32Type());
  Value positions =
      PositionsOp::create(builder, d.loc, positionsType, getBatch());
  auto freqsType = RankedTensorType::get({half}, builder.getF64Type());
  Value freqs = arith::ConstantOp::create(
      builder, d.loc, DenseElementsAttr::get(freqsType, getFreqs()));
  double scale = getScale().convertToDouble();

  // T x 2 x D/2: the cosines, then the sines.
  OpFoldResult rows = d.sizesOf(positions)[0];
  Value result =
      d.generic(3, 0, ValueRange{positions, freqs},
                d.empty({rows, d.size(2), d.size(half)}, element),
                {d.pick(3, {0}), d.pick(3, {2}), d.pick(3, {0, 1, 2})},
                [&](OpBuilder &at, ValueRange args) -> SmallVector<Value> {
                  Value angle = d.convert(
                      at, emitAngle(d, at, args[0], args[1]), compute);
                  Value part = linalg::IndexOp::create(at, d.loc, 1);
                  Value zero = arith::ConstantIndexOp::create(at, d.loc, 0);
                  Value isCos = arith::CmpIOp::create(
                      at, d.loc, arith::CmpIPredicate::eq, part, zero);
                  Value cos = math::CosOp::create(at, d.loc, angle);
                  Value sin = math::SinOp::create(at, d.loc, angle);
                  Value v = arith::SelectOp::create(at, d.loc, isCos, cos, sin);
                  Value factor = d.constant(at, compute, scale);
                  if (scale != 1.0 && llvm::is_contained(getFreqs(), 0.0)) {
                    Value still = arith::CmpFOp::create(
                        at, d.loc, arith::CmpFPredicate::OEQ, args[1],
                        d.constant(at, at.getF64Type(), 0.0));
                    factor = arith::SelectOp::create(
                        at, d.loc, still, d.constant(at, compute, 1.0), factor);
                  }
                  v = arith::MulFOp::create(at, d.loc, v, factor);
                  return {d.convert(at, v, element)};
                })
          .front();
  return SmallVector<Value>{d.fit(d.joinColumns(result), type)};
}

/// One of the two channels of each pair: T x H x P with P pairs per head.
static Value takeSide(Decomposer &d, Value pairs, unsigned axis, int64_t side) {
  auto type = cast<RankedTensorType>(pairs.getType());
  Sizes offsets(4, d.size(0)), sizes = d.sizesOf(pairs);
  offsets[axis] = d.size(side);
  sizes[axis] = d.size(1);
  SmallVector<int64_t> shape(type.getShape());
  shape.erase(shape.begin() + axis);
  return tensor::ExtractSliceOp::create(
      d.b, d.loc, RankedTensorType::get(shape, type.getElementType()), pairs,
      offsets, sizes, Sizes(4, d.size(1)));
}

Decomposed RotaryOp::decompose(OpBuilder &builder) {
  Decomposer d(builder, *this);
  auto type = cast<RankedTensorType>(getX().getType());
  Type element = type.getElementType();
  Type compute = Decomposer::computeType(element);
  int64_t heads = getHeads(), half = type.getDimSize(1) / heads / 2;
  bool halves = getPairing() == RotaryPairing::Half;
  // T x H x 2 x D/2 (half) or T x H x D/2 x 2 (interleaved).
  unsigned axis = halves ? 2 : 3;
  Value pairs = halves ? d.splitColumns(getX(), {heads, 2, half})
                       : d.splitColumns(getX(), {heads, half, 2});
  Value table = d.splitColumns(getTable(), {2, half});
  auto side = [&](int64_t which) {
    auto tableType = cast<RankedTensorType>(table.getType());
    Sizes sizes = d.sizesOf(table);
    sizes[1] = d.size(1);
    return tensor::ExtractSliceOp::create(
        d.b, d.loc,
        RankedTensorType::get({tableType.getDimSize(0), half},
                              tableType.getElementType()),
        table, Sizes{d.size(0), d.size(which), d.size(0)}, sizes,
        Sizes(3, d.size(1)));
  };
  SmallVector<Value> inputs{takeSide(d, pairs, axis, 0),
                            takeSide(d, pairs, axis, 1), side(0), side(1)};
  Sizes sizes = d.sizesOf(pairs);
  unsigned pair = halves ? 3 : 2;
  // Loops: t, h, and the two last axes of the result, one of them the side.
  Value result =
      d.generic(4, 0, inputs, d.empty(sizes, element),
                {d.pick(4, {0, 1, pair}), d.pick(4, {0, 1, pair}),
                 d.pick(4, {0, pair}), d.pick(4, {0, pair}),
                 d.pick(4, {0, 1, 2, 3})},
                [&](OpBuilder &at, ValueRange args) -> SmallVector<Value> {
                  Value v[4];
                  for (int i = 0; i < 4; ++i)
                    v[i] = d.convert(at, args[i], compute);
                  auto mul = [&](Value a, Value b) -> Value {
                    return arith::MulFOp::create(at, d.loc, a, b);
                  };
                  Value first = arith::SubFOp::create(
                      at, d.loc, mul(v[0], v[2]), mul(v[1], v[3]));
                  Value second = arith::AddFOp::create(
                      at, d.loc, mul(v[1], v[2]), mul(v[0], v[3]));
                  Value place = linalg::IndexOp::create(at, d.loc, axis);
                  Value zero = arith::ConstantIndexOp::create(at, d.loc, 0);
                  Value isFirst = arith::CmpIOp::create(
                      at, d.loc, arith::CmpIPredicate::eq, place, zero);
                  Value r = arith::SelectOp::create(at, d.loc, isFirst, first,
                                                    second);
                  return {d.convert(at, r, element)};
                })
          .front();
  return SmallVector<Value>{d.fit(d.joinColumns(result), type)};
}

//===-- attention ---------------------------------------------------------===//

/// scale * (q . k) where the mask lets row j be seen by row t, else -inf.
/// T x G x R x T.
static Value emitScores(Decomposer &d, AttentionOp op, Value q, Value k,
                        Type compute) {
  Sizes sizes = d.sizesOf(q);
  sizes[3] = d.sizesOf(k)[0];
  // Loops t, g, r, j, d.
  Value dots =
      d.generic(5, 1, ValueRange{q, k}, d.filled(sizes, compute, 0.0),
                {d.pick(5, {0, 1, 2, 4}), d.pick(5, {3, 1, 4}),
                 d.pick(5, {0, 1, 2, 3})},
                [&](OpBuilder &at, ValueRange args) -> SmallVector<Value> {
                  Value a = d.convert(at, args[0], compute);
                  Value b = d.convert(at, args[1], compute);
                  Value ab = arith::MulFOp::create(at, d.loc, a, b);
                  return {arith::AddFOp::create(at, d.loc, args[2], ab)};
                })
          .front();
  double scale = op.getScale().convertToDouble();
  int64_t window = op.getMask().getWindow();
  return d
      .generic(4, 0, dots, d.empty(sizes, compute),
               {d.pick(4, {0, 1, 2, 3}), d.pick(4, {0, 1, 2, 3})},
               [&](OpBuilder &at, ValueRange args) -> SmallVector<Value> {
                 Value t = linalg::IndexOp::create(at, d.loc, 0);
                 Value j = linalg::IndexOp::create(at, d.loc, 3);
                 Value seen = arith::CmpIOp::create(
                     at, d.loc, arith::CmpIPredicate::sle, j, t);
                 if (window) {
                   Value w = arith::ConstantIndexOp::create(at, d.loc, window);
                   Value end = arith::AddIOp::create(at, d.loc, j, w);
                   Value near = arith::CmpIOp::create(
                       at, d.loc, arith::CmpIPredicate::sgt, end, t);
                   seen = arith::AndIOp::create(at, d.loc, seen, near);
                 }
                 Value s = arith::MulFOp::create(
                     at, d.loc, args[0], d.constant(at, compute, scale));
                 Value none = d.constant(
                     at, compute, -std::numeric_limits<double>::infinity());
                 return {arith::SelectOp::create(at, d.loc, seen, s, none)};
               })
      .front();
}

Decomposed AttentionOp::decompose(OpBuilder &builder) {
  if (!getK())
    return emitOpError() << "expects keys and values as operands to be "
                            "decomposed; undo the fusion into sinks first";
  Decomposer d(builder, *this);
  auto type = cast<RankedTensorType>(getQ().getType());
  Type element = type.getElementType();
  Type compute = Decomposer::computeType(element);
  KVType kv = lookupState(*this, getCacheAttr()).getKVType();
  int64_t groups = getKvHeads(), perGroup = getHeads() / groups;
  int64_t dim = kv.getHeadDim();

  Value q = d.splitColumns(getQ(), {groups, perGroup, dim});
  auto cached = [&](Value v) {
    if (getElementTypeOrSelf(v.getType()) != kv.getElementType())
      v = d.elementwise(v, kv.getElementType(),
                        [](OpBuilder &, ValueRange args) { return args[0]; });
    return d.splitColumns(v, {groups, dim});
  };
  Value k = cached(getK()), v = cached(getV());
  Value scores = emitScores(d, *this, q, k, compute);

  Sizes sizes = d.sizesOf(q), rows(sizes.begin(), sizes.begin() + 3);
  AffineMap whole = d.pick(4, {0, 1, 2, 3}), row = d.pick(4, {0, 1, 2});
  auto reduce = [&](Value from, double init, auto combine) {
    return d
        .generic(4, 1, from, d.filled(rows, compute, init), {whole, row},
                 [&](OpBuilder &at, ValueRange args) -> SmallVector<Value> {
                   return {combine(at, args[1], args[0])};
                 })
        .front();
  };
  Value largest = reduce(scores, -std::numeric_limits<double>::infinity(),
                         [&](OpBuilder &at, Value a, Value b) -> Value {
                           return arith::MaximumFOp::create(at, d.loc, a, b);
                         });
  Value p =
      d.generic(4, 0, ValueRange{scores, largest},
                d.empty(d.sizesOf(scores), compute), {whole, row, whole},
                [&](OpBuilder &at, ValueRange args) -> SmallVector<Value> {
                  Value shifted =
                      arith::SubFOp::create(at, d.loc, args[0], args[1]);
                  return {math::ExpOp::create(at, d.loc, shifted)};
                })
          .front();
  Value sum = reduce(p, 0.0, [&](OpBuilder &at, Value a, Value b) -> Value {
    return arith::AddFOp::create(at, d.loc, a, b);
  });
  // Loops t, g, r, d, j.
  Value mixed =
      d.generic(5, 1, ValueRange{p, v}, d.filled(sizes, compute, 0.0),
                {d.pick(5, {0, 1, 2, 4}), d.pick(5, {4, 1, 3}),
                 d.pick(5, {0, 1, 2, 3})},
                [&](OpBuilder &at, ValueRange args) -> SmallVector<Value> {
                  Value value = d.convert(at, args[1], compute);
                  Value product =
                      arith::MulFOp::create(at, d.loc, args[0], value);
                  return {arith::AddFOp::create(at, d.loc, args[2], product)};
                })
          .front();
  Value result =
      d.generic(4, 0, ValueRange{mixed, sum}, d.empty(sizes, element),
                {whole, row, whole},
                [&](OpBuilder &at, ValueRange args) -> SmallVector<Value> {
                  Value r = arith::DivFOp::create(at, d.loc, args[0], args[1]);
                  return {d.convert(at, r, element)};
                })
          .front();
  return SmallVector<Value>{d.fit(d.joinColumns(result), type)};
}
