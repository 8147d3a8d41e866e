// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// decompose() of linear: a generic that multiplies and sums over K, then one
// that adds the bias and runs the scalar region. With two streams the
// accumulators of one channel lie 16 columns apart (adze.interleave), and
// slices of a reshaped accumulator bring them together. A sink has no
// decomposition: its effects on the cache are the fused level's.

#include "DecomposeSupport.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace adze;
using namespace adze::detail;

/// acc[t, n] = sum over k of x[t, k] * w[n, k] (+ bias[n]).
static Value emitAccumulator(Decomposer &d, LinearOp op, Type compute) {
  Value w = d.weight(op.getWeightAttr(), op.getLayer());
  Sizes sizes{d.sizesOf(op.getX())[0], d.sizesOf(w)[0]};
  Value acc =
      d.generic(3, 1, ValueRange{op.getX(), w}, d.filled(sizes, compute, 0.0),
                {d.pick(3, {0, 2}), d.pick(3, {1, 2}), d.pick(3, {0, 1})},
                [&](OpBuilder &at, ValueRange args) -> SmallVector<Value> {
                  Value a = d.convert(at, args[0], compute);
                  Value b = d.convert(at, args[1], compute);
                  Value product = arith::MulFOp::create(at, d.loc, a, b);
                  return {arith::AddFOp::create(at, d.loc, args[2], product)};
                })
          .front();
  if (!op.getBiasAttr())
    return acc;
  Value bias = d.weight(op.getBiasAttr(), op.getLayer());
  return d
      .generic(2, 0, ValueRange{acc, bias}, d.empty(sizes, compute),
               {d.pick(2, {0, 1}), d.pick(2, {1}), d.pick(2, {0, 1})},
               [&](OpBuilder &at, ValueRange args) -> SmallVector<Value> {
                 Value b = d.convert(at, args[1], compute);
                 return {arith::AddFOp::create(at, d.loc, args[0], b)};
               })
      .front();
}

/// Columns of one stream: T x (B * 2 * 16) -> T x B x 16 -> T x N.
static Value emitStream(Decomposer &d, Value acc, int64_t stream, int64_t n) {
  auto type = cast<RankedTensorType>(acc.getType());
  int64_t blocks = type.getDimSize(1) / (2 * kPanelRows);
  OpFoldResult zero = d.size(0), one = d.size(1);
  Value split = d.splitColumns(acc, {blocks, 2, kPanelRows});
  Sizes sizes = d.sizesOf(split);
  sizes[2] = one;
  auto sliced = RankedTensorType::get({type.getDimSize(0), blocks, kPanelRows},
                                      type.getElementType());
  Value slice = tensor::ExtractSliceOp::create(
      d.b, d.loc, sliced, split, Sizes{zero, zero, d.size(stream), zero}, sizes,
      Sizes(4, one));
  Value joined = d.joinColumns(slice);
  if (blocks * kPanelRows == n)
    return joined;
  return tensor::ExtractSliceOp::create(d.b, d.loc, joined, Sizes{zero, zero},
                                        Sizes{d.sizesOf(joined)[0], d.size(n)},
                                        Sizes(2, one));
}

FailureOr<SmallVector<Value>> LinearOp::decompose(OpBuilder &builder) {
  if (getSink())
    return emitOpError() << "has a sink, which has no decomposition; undo the "
                            "fusion into sinks first";
  Decomposer d(builder, *this);
  auto type = cast<RankedTensorType>(getResult().getType());
  int64_t n = type.getDimSize(1);
  Type element = type.getElementType();
  Type compute = Decomposer::computeType(element);
  Value acc = emitAccumulator(d, *this, compute);
  SmallVector<Value> inputs;
  if (getStreams() == 1)
    inputs.push_back(acc);
  else
    for (int64_t stream = 0; stream < 2; ++stream)
      inputs.push_back(emitStream(d, acc, stream, n));
  llvm::append_range(inputs, getCaptures());
  if (getBody().empty() && element == compute)
    return SmallVector<Value>{d.fit(acc, type)};

  Value result = d.elementwise(
      inputs, element, [&](OpBuilder &at, ValueRange args) -> Value {
        if (getBody().empty())
          return args[0];
        IRMapping mapping;
        Block &block = getBody().front();
        for (auto [from, to] : llvm::zip(block.getArguments(), args))
          mapping.map(from, d.convert(at, to, from.getType()));
        for (Operation &op : block.without_terminator())
          at.clone(op, mapping);
        return mapping.lookupOrDefault(block.getTerminator()->getOperand(0));
      });
  return SmallVector<Value>{d.fit(result, type)};
}
