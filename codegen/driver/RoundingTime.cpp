// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header. Each rate is that of the code which runs later, on one thread
// and a small matrix: larger ones are somewhat faster.

#include "RoundingTime.h"
#include "adze/Dialect/Adze/Adze.h"
#include "adze/Transforms/IntProjection.h"
#include "adze/Transforms/SecondOrder.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringSet.h"
#include <chrono>

using namespace mlir;
using namespace adze;

namespace {

using Clock = std::chrono::steady_clock;

void inOrder(int64_t count, llvm::function_ref<void(int64_t)> task) {
  for (int64_t i = 0; i < count; ++i)
    task(i);
}

double secondsOf(llvm::function_ref<void()> work) {
  auto start = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Seconds for a unit of each kind of work.
struct Rates {
  double factor = 0; ///< of columns^3
  double sweep = 0;  ///< of rows * columns^2
  double energy = 0; ///< of rows * columns^2
  double encode = 0; ///< of an element
};

Rates measure(MLIRContext *context) {
  constexpr int64_t k = 768, n = 128;
  std::vector<float> x(size_t(2 * k * k)), gram(size_t(k * k));
  uint32_t state = 1;
  for (float &value : x) {
    state = state * 1664525 + 1013904223;
    value = float(state >> 8) / float(1 << 24) - 0.5f;
  }
  addGram(x, k, gram, inOrder);
  for (int64_t i = 0; i < k; ++i)
    for (int64_t j = 0; j < i; ++j)
      gram[size_t(j * k + i)] = gram[size_t(i * k + j)];
  Rates rates;
  llvm::ArrayRef<float> some(x.data(), size_t(n * k));
  auto format = IntFormatAttr::get(context, 4, 128, BFloat16Type::get(context),
                                   /*zeros=*/false);
  std::optional<InverseFactor> factor;
  rates.factor = secondsOf([&] {
                   if (auto made = InverseFactor::make(gram, k, {}))
                     factor = std::move(*made);
                   else
                     llvm::consumeError(made.takeError());
                 }) /
                 double(k * k * k);
  if (factor)
    rates.sweep =
        secondsOf([&] {
          std::vector<float> w(some);
          IntProjection projection(format, n, factor->order());
          projection.prepare(w, inOrder);
          sweep(*factor, w, projection, SweepPrecision::Fast, inOrder);
        }) /
        double(n * k * k);
  rates.energy = secondsOf([&] { (void)energy(some, gram, k, inOrder); }) /
                 double(n * k * k);
  std::vector<uint8_t> row(size_t(format.getRowBytes(k)));
  rates.encode =
      secondsOf([&] {
        for (int64_t r = 0; r < n; ++r)
          format.encodeRow(some.slice(size_t(r * k), size_t(k)), row);
      }) /
      double(n * k);
  return rates;
}

} // namespace

double adze::predictRounding(ModuleOp module, llvm::StringRef method,
                             unsigned threads) {
  Rates rates = measure(module.getContext());
  bool hasFactors = method.empty() || method.contains("gptq");
  bool hasCodes = hasFactors || method.contains("search");
  // Losses that are measured: of the whole weight and of what came of it.
  double scalings = method.starts_with("awq")           ? 20 + 3
                    : method.starts_with("smoothquant") ? 3
                                                        : 0;
  double seconds = 0;
  DenseSet<Value> values;
  llvm::StringSet<> seen;
  module.walk([&](LinearOp op) {
    WeightOp weight = lookupWeight(op, op.getWeightAttr());
    WeightType type = weight.getWeightType();
    auto layers = double(weight.getLayerIndices().size());
    auto n = double(type.getRows()), k = double(type.getCols());
    if (hasFactors && values.insert(op.getX()).second)
      seconds += layers * rates.factor * k * k * k;
    if (!seen.insert(weight.getSymName()).second)
      return;
    if (hasFactors)
      seconds += layers * rates.sweep * n * k * k;
    if (hasCodes)
      seconds +=
          layers * (3 * rates.energy * n * k * k + 2 * rates.encode * n * k);
    seconds += layers * scalings * n * k * (rates.energy * k + rates.encode);
    // Packing, and plain rounding of what has no codes.
    seconds += layers * n * k * rates.encode * (hasCodes ? 0.25 : 1);
  });
  return seconds / threads;
}
