// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ops of the model level but linear and attention. Formulas as in
// AdzeModelOps.td.

#include "Executor.h"
#include <cmath>

using namespace mlir;
using namespace adze;
using namespace adze::interpreter;

LogicalResult Executor::run(EmbedOp op, Frame &frame) {
  const HostTensor &tokens = frame.tensor(op.getTokens());
  WeightOp table = lookupWeight(op, op.getTableAttr());
  int64_t vocabulary = table.getWeightType().getRows();
  int64_t n = table.getWeightType().getCols();
  auto result = allocate(op, op.getType(), {tokens.shape[0], n});
  if (failed(result))
    return failure();
  Rounding round = rounding(op.getType());
  for (auto [t, token] : llvm::enumerate(tokens.ints)) {
    if (token < 0 || token >= vocabulary)
      return op.emitOpError() << "expects tokens below " << vocabulary
                              << ", got " << token << " in row " << t;
    auto row = readWeight(op, table, 0, token, 1);
    if (failed(row))
      return failure();
    for (int64_t i = 0; i < n; ++i)
      result->floats[t * n + i] = round(double((*row)[i]));
  }
  frame.set(op.getResult(), std::move(*result));
  return success();
}

/// Normalises x[0, n) into y. Sums in double, or in float step by step.
static void normalise(const double *x, const float *weight, int64_t n,
                      double eps, Rounding step, double *y) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i)
    sum = step(sum + step(x[i] * x[i]));
  double root = step(std::sqrt(step(step(sum / double(n)) + step(eps))));
  for (int64_t i = 0; i < n; ++i)
    y[i] = step(step(x[i] / root) * weight[i]);
}

LogicalResult Executor::run(RmsNormOp op, Frame &frame) {
  const HostTensor &x = frame.tensor(op.getX());
  int64_t heads = op.getHeads(), n = x.shape[1] / heads;
  auto weight = readWeight(op, lookupWeight(op, op.getWeightAttr()),
                           layerOf(op.getLayer(), frame), 0, n);
  auto result = allocate(op, op.getType(), x.shape);
  if (failed(weight) || failed(result))
    return failure();
  Rounding step{isF32() ? Rounding::F32 : Rounding::None};
  Rounding round = rounding(op.getType());
  double eps = op.getEps().convertToDouble();
  for (int64_t part = 0; part < x.shape[0] * heads; ++part)
    normalise(x.floats.data() + part * n, weight->data(), n, eps, step,
              result->floats.data() + part * n);
  for (double &value : result->floats)
    value = round(value);
  frame.set(op.getResult(), std::move(*result));
  return success();
}

LogicalResult Executor::run(QuantizeOp op, Frame &frame) {
  const HostTensor &x = frame.tensor(op.getX());
  int64_t n = x.shape[1], group = op.getGroup() ? int64_t(op.getGroup()) : n;
  auto result = allocate(op, op.getType(), x.shape);
  if (failed(result))
    return failure();
  std::vector<float> ranges;
  if (auto name = op.getRangesAttr()) {
    auto read = readWeight(op, lookupWeight(op, name),
                           layerOf(op.getLayer(), frame), 0, op.getGroups());
    if (failed(read))
      return failure();
    ranges = std::move(*read);
  }
  for (auto [i, range] : llvm::enumerate(ranges))
    if (!(range >= 0) || !std::isfinite(range))
      return op.emitOpError()
             << "expects ranges that are finite and not negative, got "
             << std::to_string(range) << " for group " << i;
  Rounding round = rounding(op.getType());
  for (int64_t t = 0; t < x.shape[0]; ++t)
    for (int64_t first = 0; first < n; first += group) {
      int64_t at = t * n + first, count = std::min(group, n - first);
      std::optional<float> range;
      if (!ranges.empty())
        range = ranges[size_t(first / group)];
      roundToCodes(ArrayRef(x.floats).slice(at, count),
                   MutableArrayRef(result->floats).slice(at, count), round,
                   range);
    }
  frame.set(op.getResult(), std::move(*result));
  return success();
}

LogicalResult Executor::run(RotaryTableOp op, Frame &frame) {
  assert(batch && "a call without a batch gives none to its function");
  ArrayRef<double> freqs = op.getFreqs();
  int64_t half = freqs.size(), rows = batch->positions.size();
  auto result = allocate(op, op.getType(), {rows, 2 * half});
  if (failed(result))
    return failure();
  Rounding round = rounding(op.getType());
  double scale = op.getScale().convertToDouble();
  for (int64_t t = 0; t < rows; ++t)
    for (int64_t i = 0; i < half; ++i) {
      double angle = double(batch->positions[t]) * freqs[i];
      double *row = result->floats.data() + t * 2 * half;
      double factor = freqs[i] == 0.0 ? 1.0 : scale;
      row[i] = round(factor * std::cos(angle));
      row[half + i] = round(factor * std::sin(angle));
    }
  frame.set(op.getResult(), std::move(*result));
  return success();
}

LogicalResult Executor::run(RotaryOp op, Frame &frame) {
  const HostTensor &x = frame.tensor(op.getX());
  const HostTensor &table = frame.tensor(op.getTable());
  if (x.shape[0] != table.shape[0])
    return op.emitOpError() << "expects a rotary table of " << x.shape[0]
                            << " rows, got " << table.shape[0];
  auto result = allocate(op, op.getType(), x.shape);
  if (failed(result))
    return failure();
  Rounding step{isF32() ? Rounding::F32 : Rounding::None};
  Rounding round = rounding(op.getType());
  int64_t columns = x.shape[1], dim = columns / op.getHeads(), half = dim / 2;
  bool halves = op.getPairing() == RotaryPairing::Half;
  for (int64_t t = 0; t < x.shape[0]; ++t)
    for (int64_t h = 0; h < int64_t(op.getHeads()); ++h)
      for (int64_t i = 0; i < half; ++i) {
        int64_t base = t * columns + h * dim;
        int64_t first = base + (halves ? i : 2 * i);
        int64_t second = base + (halves ? i + half : 2 * i + 1);
        double a = x.floats[first], b = x.floats[second];
        double cos = table.floats[t * dim + i];
        double sin = table.floats[t * dim + half + i];
        result->floats[first] = round(step(step(a * cos) - step(b * sin)));
        result->floats[second] = round(step(step(b * cos) + step(a * sin)));
      }
  frame.set(op.getResult(), std::move(*result));
  return success();
}

LogicalResult Executor::run(TakeRowsOp op, Frame &frame) {
  const HostTensor &x = frame.tensor(op.getX());
  const HostTensor &rows = frame.tensor(op.getRows());
  int64_t n = x.shape[1];
  auto result = allocate(op, op.getType(), {rows.shape[0], n});
  if (failed(result))
    return failure();
  for (auto [r, row] : llvm::enumerate(rows.ints)) {
    if (row < 0 || row >= x.shape[0])
      return op.emitOpError()
             << "expects rows below " << x.shape[0] << ", got " << row;
    std::copy_n(x.floats.begin() + row * n, n, result->floats.begin() + r * n);
  }
  frame.set(op.getResult(), std::move(*result));
  return success();
}

LogicalResult Executor::run(PermuteOp op, Frame &frame) {
  const HostTensor &x = frame.tensor(op.getX());
  int64_t n = x.shape[1];
  auto order = readWeight(op, lookupWeight(op, op.getOrderAttr()),
                          layerOf(op.getLayer(), frame), 0, n);
  auto result = allocate(op, op.getType(), x.shape);
  if (failed(order) || failed(result))
    return failure();
  for (auto [j, from] : llvm::enumerate(*order)) {
    if (!(from >= 0 && from < float(n)) || from != float(int64_t(from)))
      return op.emitOpError()
             << "expects columns below " << n << ", got " << from;
    for (int64_t t = 0; t < x.shape[0]; ++t)
      result->floats[t * n + j] = x.floats[t * n + int64_t(from)];
  }
  frame.set(op.getResult(), std::move(*result));
  return success();
}

LogicalResult Executor::run(MapOp op, Frame &frame) {
  SmallVector<const HostTensor *> inputs;
  for (Value input : op.getInputs())
    inputs.push_back(&frame.tensor(input));
  auto result = allocate(op, op.getType(), inputs.front()->shape);
  if (failed(result) || failed(applyRegion(op, op.getBody(), inputs, *result,
                                           op.getType(), frame)))
    return failure();
  frame.set(op.getResult(), std::move(*result));
  return success();
}

LogicalResult Executor::run(RepeatOp op, Frame &frame) {
  std::vector<Slot> args(1);
  for (Value arg : op.getArgs())
    args.push_back(frame.slots.lookup(arg));
  int64_t first = op.getFirst();
  for (int64_t layer = first; layer < first + int64_t(op.getCount()); ++layer) {
    args[0] = Scalar{0, layer};
    if (failed(runCall(op, op.getCallee(), args, frame)))
      return failure();
    args[1] = frame.slots.lookup(op.getResult());
  }
  frame.slots[op.getResult()] = args[1];
  return success();
}

LogicalResult Executor::run(TapOp op, Frame &frame) {
  if (options.tap)
    options.tap(op.getName(), frame.tensor(op.getX()));
  return success();
}

LogicalResult Executor::run(WeightTensorOp op, Frame &frame) {
  WeightOp weight = lookupWeight(op, op.getWeightAttr());
  ArrayRef<int64_t> shape = weight.getWeightType().getShape();
  auto values =
      readWeight(op, weight, layerOf(op.getLayer(), frame), 0, shape[0]);
  auto result = allocate(op, op.getType(), shape);
  if (failed(values) || failed(result))
    return failure();
  Rounding round = rounding(op.getType());
  for (auto [to, from] : llvm::zip_equal(result->floats, *values))
    to = round(double(from));
  frame.set(op.getResult(), std::move(*result));
  return success();
}

LogicalResult Executor::run(PositionsOp op, Frame &frame) {
  assert(batch && "a call without a batch gives none to its function");
  int64_t rows = batch->positions.size();
  frame.set(op.getResult(),
            HostTensor::ofInts(
                {rows}, {batch->positions.begin(), batch->positions.end()}));
  return success();
}
