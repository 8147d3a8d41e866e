// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-gptq: codes of weights by second-order rounding. The sweep is in
// SecondOrder.h, what it may choose in IntProjection.h.

#include "RoundByStatistics.h"
#include "adze/Transforms/IntProjection.h"
#include "adze/Transforms/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

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

  llvm::Error enter(const InputStatistics &input, ParallelFor) override {
    auto made = InverseFactor::make(input.gram, input.columns, settings.factor);
    if (!made)
      return made.takeError();
    factor = std::move(*made);
    if (settings.importance)
      importance = input.sumSquares;
    return llvm::Error::success();
  }

  llvm::Error choose(IntFormatAttr format, llvm::MutableArrayRef<float> w,
                     llvm::MutableArrayRef<uint8_t> rows,
                     ParallelFor parallel) override {
    int64_t n = int64_t(w.size()) / factor->columns();
    IntProjection projection(format, n, factor->order(), importance);
    projection.prepare(w, parallel);
    sweep(*factor, w, projection, settings.precision, parallel);
    return projection.store(rows, parallel) ? llvm::Error::success()
                                            : tooLarge(format);
  }

  std::string note() const override {
    if (!factor || factor->damping() == settings.factor.damping)
      return "";
    std::string text;
    llvm::raw_string_ostream(text)
        << "the Gram matrix is not positive definite with a damping of "
        << llvm::format("%g, it got %g", settings.factor.damping,
                        factor->damping());
    return text;
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
    if (!(damping >= 0) || damping > 1) {
      module.emitError() << "adze-gptq: expects damping from 0 to 1, got "
                         << damping.getValue();
      return signalPassFailure();
    }
    if (precision != "fast" && precision != "double") {
      module.emitError()
          << "adze-gptq: expects precision to be fast or double, got \""
          << precision << "\"";
      return signalPassFailure();
    }
    if (!weights.empty()) {
      OpPassManager convert(ModuleOp::getOperationName());
      convert.addPass(createConvertWeights({weights}));
      if (failed(runPipeline(convert, module)))
        return signalPassFailure();
    }
    GptqSettings settings = {{damping, actOrder},
                             precision == "fast" ? SweepPrecision::Fast
                                                 : SweepPrecision::Double,
                             importance};
    RoundOptions options = {
        {"adze-gptq", statistics, store, table}, report, true};
    if (failed(roundByStatistics(module, options, [&] {
          return std::make_unique<GptqChooser>(settings);
        })))
      signalPassFailure();
  }
};

} // namespace
