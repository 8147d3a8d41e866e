// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-smooth-quant: factors of columns that share what is hard to round
// between a weight and what it reads.

#include "ScaleByStatistics.h"
#include "adze/Transforms/Passes.h"
#include <cmath>

namespace adze {
#define GEN_PASS_DEF_SMOOTHQUANT
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;
using namespace adze::detail;

ScaleChoice adze::detail::chooseSmoothQuant(const ScaledInput &input,
                                            double alpha) {
  std::vector<float> x(size_t(input.factors)), w = x;
  auto k = size_t(input.statistics.columns);
  for (size_t i = 0; i < k; ++i) {
    auto at = size_t(input.factorOf[i]);
    x[at] = std::max(x[at], input.statistics.absMax[i]);
    for (const ScaledInput::Reader &reader : input.readers)
      for (size_t j = i; j < reader.w.size(); j += k)
        w[at] = std::max(w[at], std::fabs(reader.w[j]));
  }
  ScaleChoice chosen{{}, alpha};
  for (auto [largest, weight] : llvm::zip_equal(x, w)) {
    // What was never seen, or counts nowhere, stays as it is.
    double s =
        std::pow(double(largest), alpha) / std::pow(double(weight), 1 - alpha);
    chosen.factors.push_back(
        largest > 0 && weight > 0 ? float(std::clamp(s, 1e-5, 1e5)) : 1.0f);
  }
  return chosen;
}

namespace {

struct SmoothQuant : adze::impl::SmoothQuantBase<SmoothQuant> {
  using SmoothQuantBase::SmoothQuantBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (!(alpha >= 0) || alpha > 1) {
      module.emitError() << "adze-smooth-quant: expects alpha from 0 to 1, got "
                         << alpha.getValue();
      return signalPassFailure();
    }
    OpPassManager convert = conversionTo(weights);
    if (failed(runPipeline(convert, module)))
      return signalPassFailure();
    ScaleOptions options = {{"adze-smooth-quant", statistics, store, table},
                            report};
    if (failed(scaleByStatistics(module, options,
                                 [&](const ScaledInput &input, ParallelFor) {
                                   return chooseSmoothQuant(input, alpha);
                                 })))
      signalPassFailure();
  }
};

} // namespace
