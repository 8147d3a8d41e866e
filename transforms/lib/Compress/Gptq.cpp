// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-gptq: codes of weights by second-order rounding. The sweep is in
// SecondOrder.h, what it may choose in IntProjection.h.

#include "RoundByStatistics.h"
#include "adze/Transforms/Passes.h"
#include "adze/Transforms/SparseProjection.h"

namespace adze {
#define GEN_PASS_DEF_GPTQ
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;
using namespace adze::detail;

namespace {

struct GptqSettings {
  InverseFactorOptions factor;
  SweepPrecision precision;
  bool importance;
};

class GptqChooser : public CodeChooser {
public:
  explicit GptqChooser(const GptqSettings &settings) : settings(settings) {}

  /// Masks are chosen as the sweep passes over neighbouring columns.
  bool mindsPruning() const override { return settings.factor.actOrder; }

  llvm::Error enter(const InputStatistics &input, bool prunes,
                    ParallelFor) override {
    InverseFactorOptions options = settings.factor;
    options.actOrder &= !prunes;
    auto made = InverseFactor::make(input.gram, input.columns, options);
    if (!made)
      return made.takeError();
    factor = std::move(*made);
    if (settings.importance)
      importance = input.sumSquares;
    return llvm::Error::success();
  }

  llvm::Error choose(IntFormatAttr format, const ZerosPattern *zeros,
                     llvm::MutableArrayRef<float> w,
                     llvm::MutableArrayRef<uint8_t> rows,
                     ParallelFor parallel) override {
    int64_t k = factor->columns(), n = int64_t(w.size()) / k;
    IntProjection codes(format, n, factor->order(), importance);
    if (zeros) {
      if (!SparseProjection::canShare(*zeros, codes))
        return llvm::createStringError(
            "its groups of " + llvm::Twine(codes.group()) +
            " codes are no whole groups of " + zeros->text +
            "; choose another size of groups, or prune by another method");
      SparseProjection projection(*zeros, n, k, &codes);
      projection.prepare(*factor, w, parallel);
      sweep(*factor, w, projection, settings.precision, parallel);
    } else {
      codes.prepare(w, parallel);
      sweep(*factor, w, codes, settings.precision, parallel);
    }
    return codes.store(rows, parallel) ? llvm::Error::success()
                                       : tooLarge(format);
  }

  std::string note() const override {
    return factor ? factor->note(settings.factor) : "";
  }

  uint64_t bytesFor(int64_t columns) const override {
    return InverseFactor::bytesFor(columns);
  }

private:
  const GptqSettings &settings;
  std::optional<InverseFactor> factor;
  ArrayRef<float> importance;
};

struct Gptq : adze::impl::GptqBase<Gptq> {
  using GptqBase::GptqBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto sweep = parseSweep(damping, precision);
    if (!sweep) {
      module.emitError() << "adze-gptq: " << llvm::toString(sweep.takeError());
      return signalPassFailure();
    }
    OpPassManager convert = conversionTo(weights);
    if (failed(runPipeline(convert, module)))
      return signalPassFailure();
    GptqSettings settings = {{damping, actOrder}, *sweep, importance};
    CompressOptions options = {{"adze-gptq", statistics, store, table}, report};
    if (failed(roundByStatistics(
            module, options,
            [&] { return std::make_unique<GptqChooser>(settings); }, prune)))
      signalPassFailure();
  }
};

} // namespace
