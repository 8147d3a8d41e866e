// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-split-layers: a layer kind whose layers are to have different formats
// becomes a kind for each combination. Types say what a layer is, so layers of
// one kind have one format in each place.

#include "LayerKinds.h"
#include "adze/Dialect/Adze/FormatName.h"
#include "adze/Transforms/Parts.h"
#include "adze/Transforms/Passes.h"

namespace adze {
#define GEN_PASS_DEF_SPLITLAYERS
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;

namespace {

constexpr llvm::StringLiteral kPass = "adze-split-layers";

struct SplitLayers : adze::impl::SplitLayersBase<SplitLayers> {
  using SplitLayersBase::SplitLayersBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto parsed = parseFormatRules(format, &getContext());
    if (!parsed) {
      module.emitError() << kPass << ": " << llvm::toString(parsed.takeError());
      return signalPassFailure();
    }
    rules = std::move(*parsed);
    adze::detail::splitKinds(
        module, kPass,
        [&](func::FuncOp, ArrayRef<Operation *> weights, int64_t layer) {
          std::string formats;
          llvm::raw_string_ostream os(formats);
          for (Operation *op : weights)
            addFormats(cast<WeightOp>(op), layer, os);
          return formats;
        });
  }

private:
  /// What the rules say of the weight's tensors in `layer`.
  void addFormats(WeightOp weight, int64_t layer, llvm::raw_ostream &os) {
    if (weight.getWeightType().isVector())
      return;
    for (const std::string &source : sourcesOf(weight)) {
      std::string tensor = nameOfLayer(source, layer);
      auto rule = llvm::find_if(
          rules, [&](const FormatRule &r) { return r.matches(tensor); });
      os << (rule == rules.end() ? "-" : rule->format.getFormatName()) << ' ';
    }
  }

  std::vector<FormatRule> rules;
};

} // namespace
