// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze.linear: rows times a weight, then the scalar region or the head sink.

#include "Executor.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace mlir;
using namespace adze;
using namespace adze::interpreter;

/// acc[t, n0 + n] = sum over k of x[t, k] * w[n, k], in the order of k. Four
/// rows of w at a time hide the latency of the sums.
template <typename Real>
static void multiply(const HostTensor &x, ArrayRef<float> w, int64_t rows,
                     int64_t n0, HostTensor &acc) {
  int64_t columns = x.shape[1], width = acc.shape[1];
  std::vector<Real> row(columns);
  for (int64_t t = 0; t < x.shape[0]; ++t) {
    for (int64_t k = 0; k < columns; ++k)
      row[k] = Real(x.floats[t * columns + k]);
    for (int64_t n = 0; n < rows; n += 4) {
      int64_t count = std::min<int64_t>(4, rows - n);
      Real sum[4] = {};
      for (int64_t k = 0; k < columns; ++k)
        for (int64_t i = 0; i < 4; ++i) {
          int64_t at = std::min(n + i, rows - 1) * columns + k;
          Real product = row[k] * Real(w[at]);
          sum[i] += product;
        }
      for (int64_t i = 0; i < count; ++i)
        acc.floats[t * width + n0 + n + i] = sum[i];
    }
  }
}

/// T x (rows of the weight), with the bias.
FailureOr<HostTensor> Executor::accumulate(LinearOp op, WeightOp weight,
                                           int64_t layer, Frame &frame) {
  const HostTensor &x = frame.tensor(op.getX());
  int64_t rows = weight.getWeightType().getRows();
  auto acc = allocate(op, op.getX().getType(), {x.shape[0], rows});
  if (failed(acc))
    return failure();
  constexpr int64_t kBlock = 64;
  for (int64_t n = 0; n < rows; n += kBlock) {
    int64_t count = std::min(kBlock, rows - n);
    auto block = readWeight(op, weight, layer, n, count);
    if (failed(block))
      return failure();
    if (isF32())
      multiply<float>(x, *block, count, n, *acc);
    else
      multiply<double>(x, *block, count, n, *acc);
  }
  if (!op.getBiasAttr())
    return acc;
  auto bias =
      readWeight(op, lookupWeight(op, op.getBiasAttr()), layer, 0, rows);
  if (failed(bias))
    return failure();
  Rounding step{isF32() ? Rounding::F32 : Rounding::None};
  for (int64_t t = 0; t < x.shape[0]; ++t)
    for (int64_t n = 0; n < rows; ++n) {
      double &value = acc->floats[t * rows + n];
      value = step(value + (*bias)[n]);
    }
  return acc;
}

LogicalResult Executor::run(LinearOp op, Frame &frame) {
  WeightOp weight = lookupWeight(op, op.getWeightAttr());
  int64_t layer = layerOf(op.getLayer(), frame);
  auto acc = accumulate(op, weight, layer, frame);
  if (failed(acc))
    return failure();
  if (op.getSink())
    return runSink(op, weight, *acc, layer, frame);

  int64_t tokens = acc->shape[0], rows = acc->shape[1];
  int64_t n = cast<RankedTensorType>(op.getResult().getType()).getDimSize(1);
  assert(op.getStreams() == 1 || rows % (2 * kPanelRows) == 0);
  // The columns of each stream: all, or every other block of 16.
  SmallVector<HostTensor> streams;
  for (int64_t s = 0; s < int64_t(op.getStreams()); ++s) {
    auto stream = allocate(op, op.getX().getType(), {tokens, n});
    if (failed(stream))
      return failure();
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t i = 0; i < n; ++i) {
        int64_t from = op.getStreams() == 1
                           ? i
                           : i / kPanelRows * 2 * kPanelRows + s * kPanelRows +
                                 i % kPanelRows;
        stream->floats[t * n + i] = acc->floats[t * rows + from];
      }
    streams.push_back(std::move(*stream));
  }
  auto result = allocate(op, op.getResult().getType(), {tokens, n});
  if (failed(result))
    return failure();
  if (op.getBody().empty()) {
    Rounding round = rounding(op.getResult().getType());
    for (auto [to, from] : llvm::zip_equal(result->floats, streams[0].floats))
      to = round(from);
  } else {
    SmallVector<const HostTensor *> inputs;
    for (const HostTensor &stream : streams)
      inputs.push_back(&stream);
    for (Value capture : op.getCaptures())
      inputs.push_back(&frame.tensor(capture));
    if (failed(applyRegion(op, op.getBody(), inputs, *result,
                           op.getResult().getType(), frame)))
      return failure();
  }
  frame.set(op.getResult(), std::move(*result));
  return success();
}

/// Norm and rotary of one finished head, in place. `table` is the row of the
/// rotary table: D/2 cosines, then D/2 sines.
static void finishHead(MutableArrayRef<double> head, const float *norm,
                       double eps, const double *table, Rounding step) {
  int64_t dim = head.size(), half = dim / 2;
  if (norm) {
    double sum = 0;
    for (double value : head)
      sum = step(sum + step(value * value));
    double root = step(std::sqrt(step(step(sum / double(dim)) + step(eps))));
    for (int64_t i = 0; i < dim; ++i)
      head[i] = step(step(head[i] / root) * norm[i]);
  }
  if (!table)
    return;
  for (int64_t i = 0; i < half; ++i) {
    double a = head[i], b = head[i + half];
    double cos = table[i], sin = table[half + i];
    head[i] = step(step(a * cos) - step(b * sin));
    head[i + half] = step(step(b * cos) + step(a * sin));
  }
}

LogicalResult Executor::runSink(LinearOp op, WeightOp weight,
                                const HostTensor &acc, int64_t layer,
                                Frame &frame) {
  HeadSinkAttr sink = *op.getSink();
  int64_t dim = sink.getHeadDim(), tokens = acc.shape[0], rows = acc.shape[1];
  int64_t heads = 0;
  for (HeadChainAttr chain : sink.getChains())
    heads += chain.getHeads();
  // Heads are either dense or padded to whole panels.
  int64_t stride = rows == heads * dim ? dim : llvm::alignTo(dim, kPanelRows);
  const HostTensor *rope = op.getRope() ? &frame.tensor(op.getRope()) : nullptr;
  if (rope && rope->shape[0] != tokens)
    return op.emitOpError() << "expects a rotary table of " << tokens
                            << " rows, got " << rope->shape[0];
  Rounding step{isF32() ? Rounding::F32 : Rounding::None};
  int64_t first = 0;
  for (HeadChainAttr chain : sink.getChains()) {
    std::vector<float> norm;
    if (chain.getNorm()) {
      auto values =
          readWeight(op, lookupWeight(op, chain.getNorm()), layer, 0, dim);
      if (failed(values))
        return failure();
      norm = std::move(*values);
    }
    int64_t width = chain.getHeads() * dim;
    auto part = allocate(op, op.getX().getType(), {tokens, width});
    if (failed(part))
      return failure();
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t h = 0; h < chain.getHeads(); ++h) {
        double *head = part->floats.data() + t * width + h * dim;
        std::copy_n(acc.floats.data() + t * rows + (first + h) * stride, dim,
                    head);
        finishHead({head, size_t(dim)}, norm.empty() ? nullptr : norm.data(),
                   chain.getEps() ? chain.getEps().getValueAsDouble() : 0.0,
                   chain.getRotary() ? rope->floats.data() + t * dim : nullptr,
                   step);
      }
    first += chain.getHeads();
    if (chain.getDest() == HeadDest::Store) {
      Rounding round = rounding(op.getResult().getType());
      for (double &value : part->floats)
        value = round(value);
      frame.set(op.getResult(), std::move(*part));
      continue;
    }
    StateOp state = lookupState(op, op.getCacheAttr());
    if (failed(
            append(op, state, layer, chain.getDest() == HeadDest::Key, *part)))
      return failure();
  }
  return success();
}
