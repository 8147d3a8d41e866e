// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-search-scales: plain rounding whose scales mind what a weight reads.

#include "RoundByStatistics.h"
#include "adze/Transforms/IntProjection.h"
#include "adze/Transforms/Passes.h"
#include <numeric>

namespace adze {
#define GEN_PASS_DEF_SEARCHSCALES
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;
using namespace adze::detail;

namespace {

class SearchChooser : public CodeChooser {
public:
  llvm::Error enter(const InputStatistics &input, bool, ParallelFor) override {
    importance = input.sumSquares;
    order.resize(importance.size());
    std::iota(order.begin(), order.end(), 0);
    return llvm::Error::success();
  }

  llvm::Error choose(IntFormatAttr format, const ZerosPattern *,
                     llvm::MutableArrayRef<float> w,
                     llvm::MutableArrayRef<uint8_t> rows,
                     ParallelFor parallel) override {
    size_t k = order.size(), n = w.size() / k;
    IntProjection projection(format, int64_t(n), order, importance);
    auto group = size_t(projection.group());
    parallel(int64_t(n), [&](int64_t row) {
      auto values = w.slice(size_t(row) * k, k);
      for (size_t i = 0; i < k; ++i) {
        if (i % group == 0) {
          auto entered = values.slice(i, std::min(group, k - i));
          projection.enter(row, int64_t(i),
                           std::vector<double>(entered.begin(), entered.end()),
                           {});
        }
        values[i] = float(projection.project(row, int64_t(i), values[i]));
      }
    });
    return projection.store(rows, parallel) ? llvm::Error::success()
                                            : tooLarge(format);
  }

private:
  ArrayRef<float> importance;
  std::vector<int32_t> order;
};

struct SearchScales : adze::impl::SearchScalesBase<SearchScales> {
  using SearchScalesBase::SearchScalesBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    OpPassManager convert = conversionTo(weights);
    if (failed(runPipeline(convert, module)))
      return signalPassFailure();
    CompressOptions options = {{"adze-search-scales", statistics, store, table},
                               report};
    options.needsGram = false;
    if (failed(roundByStatistics(
            module, options, [] { return std::make_unique<SearchChooser>(); })))
      signalPassFailure();
  }
};

} // namespace
