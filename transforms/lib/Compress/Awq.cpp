// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-awq: factors of columns by the magnitudes of what a weight reads, so
// that rounding spares the columns that count.

#include "ScaleByStatistics.h"
#include "adze/Transforms/Passes.h"
#include <cmath>

namespace adze {
#define GEN_PASS_DEF_AWQ
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;
using namespace adze::detail;

/// Magnitudes to the power of alpha, around 1: the largest and the smallest are
/// as far from it. Columns that were never seen stay as they are.
static std::vector<float> powersOf(ArrayRef<double> magnitudes, double alpha) {
  std::vector<float> s(magnitudes.size(), 1.0f);
  double least = INFINITY, most = 0;
  for (double magnitude : magnitudes)
    if (magnitude > 0) {
      double power = std::max(std::pow(magnitude, alpha), 1e-4);
      least = std::min(least, power);
      most = std::max(most, power);
    }
  for (auto [factor, magnitude] : llvm::zip_equal(s, magnitudes))
    if (magnitude > 0)
      factor = float(std::max(std::pow(magnitude, alpha), 1e-4) /
                     std::sqrt(least * most));
  return s;
}

ScaleChoice adze::detail::chooseAwq(const ScaledInput &input, int64_t steps,
                                    ParallelFor parallel) {
  std::vector<double> magnitudes(size_t(input.factors));
  std::vector<int64_t> columns(size_t(input.factors));
  for (auto [factor, sum] :
       llvm::zip_equal(input.factorOf, input.statistics.absSum)) {
    magnitudes[size_t(factor)] += double(sum);
    ++columns[size_t(factor)];
  }
  auto rows = double(std::max<int64_t>(input.statistics.count, 1));
  for (auto [magnitude, count] : llvm::zip_equal(magnitudes, columns))
    magnitude /= rows * double(count);
  ScaleChoice best;
  double least = INFINITY;
  for (int64_t step = 0; step < steps; ++step) {
    double alpha = double(step) / double(steps);
    std::vector<float> s = powersOf(magnitudes, alpha);
    double loss = input.lossWith(s, parallel);
    // Where nothing can be compared, nothing is scaled.
    if (step && !(loss < least))
      continue;
    least = loss;
    best.factors = std::move(s);
    best.alpha = alpha;
    // Numbers to the power of 0 are 1: nothing is scaled.
    if (!step)
      best.plain = loss;
  }
  best.loss = least;
  return best;
}

namespace {

struct Awq : adze::impl::AwqBase<Awq> {
  using AwqBase::AwqBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (steps < 1 || steps > 1000) {
      module.emitError() << "adze-awq: expects steps from 1 to 1000, got "
                         << steps.getValue();
      return signalPassFailure();
    }
    OpPassManager convert = conversionTo(weights);
    if (failed(runPipeline(convert, module)))
      return signalPassFailure();
    ScaleOptions options = {{"adze-awq", statistics, store, table}, report};
    if (failed(scaleByStatistics(
            module, options, [&](const ScaledInput &input, ParallelFor run) {
              return chooseAwq(input, steps, run);
            })))
      signalPassFailure();
  }
};

} // namespace
