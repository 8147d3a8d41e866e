// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze.attention and adze.kv_append over plain per-sequence caches.

#include "Executor.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace adze;
using namespace adze::interpreter;

LogicalResult Executor::append(Operation *op, StateOp state, int64_t layer,
                               bool isKey, const HostTensor &values) {
  if (failed(expectBatchRows(op, values)))
    return failure();
  KVType type = state.getKVType();
  int64_t width = type.getHeads() * type.getHeadDim();
  if (values.shape[1] != width)
    return op->emitOpError() << "expects " << width << " columns for " << type
                             << ", got " << values.shape[1];
  if (state.getCount() && (layer < 0 || layer >= state.getLayers()))
    return op->emitOpError() << "expects a layer below " << state.getLayers()
                             << ", got " << layer;
  Rounding round;
  if (options.roundCache && !type.getElementType().isInteger(8))
    round = rounding(type.getElementType());
  for (int64_t t = 0; t < values.shape[0]; ++t) {
    int32_t sequence = batch->sequences[t];
    int64_t position = batch->positions[t];
    KVCache &cache = caches.get(state, state.getCount() ? layer : 0, sequence);
    std::vector<double> &side = cache.sides[isKey ? 0 : 1];
    int64_t held = side.size() / width;
    if (position > held)
      return op->emitOpError() << "expects position " << held << " of sequence "
                               << sequence << " next, got " << position;
    side.resize(std::max(held, position + 1) * width);
    ArrayRef<double> row = ArrayRef(values.floats).slice(t * width, width);
    auto kept = MutableArrayRef(side).slice(position * width, width);
    if (options.roundCache && type.getElementType().isInteger(8)) {
      for (int64_t h = 0, dim = type.getHeadDim(); h < width; h += dim)
        roundToCodes(row.slice(h, dim), kept.slice(h, dim),
                     rounding(Float32Type::get(op->getContext())));
      continue;
    }
    for (int64_t i = 0; i < width; ++i)
      kept[i] = round(row[i]);
  }
  return success();
}

LogicalResult Executor::run(KVAppendOp op, Frame &frame) {
  StateOp state = lookupState(op, op.getCacheAttr());
  int64_t layer = layerOf(op.getLayer(), frame);
  return failure(
      failed(append(op, state, layer, true, frame.tensor(op.getK()))) ||
      failed(append(op, state, layer, false, frame.tensor(op.getV()))));
}

/// One head of one row: softmax over positions [begin, end), then the mix of
/// values. Keys and values lie `stride` apart.
template <typename Real>
static void attend(const double *q, const double *keys, const double *values,
                   int64_t begin, int64_t end, int64_t stride, int64_t dim,
                   double scale, std::vector<Real> &scores, double *out) {
  scores.resize(end - begin);
  Real largest = -std::numeric_limits<Real>::infinity();
  for (int64_t j = begin; j < end; ++j) {
    Real sum = 0;
    for (int64_t d = 0; d < dim; ++d) {
      Real product = Real(q[d]) * Real(keys[j * stride + d]);
      sum += product;
    }
    scores[j - begin] = sum * Real(scale);
    largest = std::max(largest, scores[j - begin]);
  }
  Real total = 0;
  for (Real &score : scores) {
    score = std::exp(score - largest);
    total += score;
  }
  for (int64_t d = 0; d < dim; ++d) {
    Real sum = 0;
    for (int64_t j = begin; j < end; ++j) {
      Real product = scores[j - begin] * Real(values[j * stride + d]);
      sum += product;
    }
    out[d] = sum / total;
  }
}

LogicalResult Executor::run(AttentionOp op, Frame &frame) {
  const HostTensor &q = frame.tensor(op.getQ());
  if (failed(expectBatchRows(op, q)))
    return failure();
  StateOp state = lookupState(op, op.getCacheAttr());
  int64_t layer = layerOf(op.getLayer(), frame);
  if (op.getK() &&
      (failed(append(op, state, layer, true, frame.tensor(op.getK()))) ||
       failed(append(op, state, layer, false, frame.tensor(op.getV())))))
    return failure();

  auto result = allocate(op, op.getResult().getType(), q.shape);
  if (failed(result))
    return failure();
  int64_t heads = op.getHeads(), perGroup = heads / int64_t(op.getKvHeads());
  int64_t dim = state.getKVType().getHeadDim();
  int64_t stride = state.getKVType().getHeads() * dim;
  int64_t window = op.getMask().getWindow();
  double scale = op.getScale().convertToDouble();
  std::vector<float> floats;
  std::vector<double> doubles;
  for (int64_t t = 0; t < q.shape[0]; ++t) {
    int64_t position = batch->positions[t];
    const KVCache &cache =
        caches.get(state, state.getCount() ? layer : 0, batch->sequences[t]);
    int64_t end = position + 1;
    int64_t begin = window ? std::max<int64_t>(0, end - window) : 0;
    for (const std::vector<double> &side : cache.sides)
      if (int64_t(side.size()) < end * stride)
        return op.emitOpError()
               << "expects keys and values up to position " << position
               << " of sequence " << batch->sequences[t] << ", got "
               << side.size() / stride;
    for (int64_t h = 0; h < heads; ++h) {
      int64_t at = t * heads * dim + h * dim, group = h / perGroup * dim;
      auto run = [&](auto &scores) {
        attend(q.floats.data() + at, cache.sides[0].data() + group,
               cache.sides[1].data() + group, begin, end, stride, dim, scale,
               scores, result->floats.data() + at);
      };
      isF32() ? run(floats) : run(doubles);
    }
  }
  Rounding round = rounding(op.getResult().getType());
  for (double &value : result->floats)
    value = round(value);
  frame.set(op.getResult(), std::move(*result));
  return success();
}
