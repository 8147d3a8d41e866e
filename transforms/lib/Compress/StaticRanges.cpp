// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-static-ranges: the ranges of adze.quantize as weights, by what a
// calibration saw. See CompressPasses.td.

#include "ColumnScales.h"
#include "adze/Transforms/Parts.h"
#include "adze/Transforms/Passes.h"
#include "adze/Transforms/Remark.h"
#include "adze/Transforms/Rounding.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include <cmath>

namespace adze {
#define GEN_PASS_DEF_STATICRANGES
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;
using namespace adze::detail;

namespace {

constexpr llvm::StringLiteral kPass = "adze-static-ranges";
/// What is below is taken for zero: 127 divided by it is too large for f32.
constexpr float kSmallest = 1e-30f;

/// A value that is rounded, and what is known of it.
struct Rounded {
  QuantizeOp op;
  SmallVector<LinearOp> readers;
  WeightOp weight; ///< of the first reader whose layers are those of the value
  Value layer;     ///< where there is one for each layer
  std::string tensor; ///< the first reader's, in the checkpoint
  std::string source; ///< of the ranges
  std::vector<WeightTableEntry> entries; ///< of each layer
  llvm::json::Array report;
  int64_t silent = 0; ///< groups in which only zeros were seen
};

struct RangeOptions : CalibratedOptions {
  double margin;
  std::string report; ///< JSON file to write; empty: none
};

class RangeFixing {
public:
  RangeFixing(ModuleOp module, const RangeOptions &options)
      : module(module), options(options) {}

  LogicalResult run();

private:
  std::optional<Rounded> describe(QuantizeOp op);
  bool isSeen(const Rounded &value);
  llvm::Expected<std::vector<float>> rangesOf(const Rounded &value,
                                              int64_t layer);
  LogicalResult fill(Rounded &value);
  LogicalResult finish(ArrayRef<Rounded> values);
  WeightOp weightOf(LinearOp op) {
    return lookupWeight(op, op.getWeightAttr());
  }

  ModuleOp module;
  const RangeOptions &options;
  CalibratedModule with;
};

struct StaticRanges : adze::impl::StaticRangesBase<StaticRanges> {
  using StaticRangesBase::StaticRangesBase;

  void runOnOperation() override {
    RangeOptions options = {{kPass, statistics, store, table}, margin, report};
    if (failed(RangeFixing(getOperation(), options).run()))
      signalPassFailure();
  }
};

} // namespace

/// Who reads the value, and in which layers; nothing, with a remark, where no
/// statistics could know it.
std::optional<Rounded> RangeFixing::describe(QuantizeOp op) {
  Rounded value;
  value.op = op;
  for (Operation *user : op->getUsers())
    if (auto linear = dyn_cast<LinearOp>(user);
        linear && linear.getX() == op.getResult())
      value.readers.push_back(linear);
  // Users are the last first.
  std::reverse(value.readers.begin(), value.readers.end());
  auto isNamed = [&](LinearOp reader) {
    return !sourcesOf(weightOf(reader)).empty();
  };
  llvm::erase_if(value.readers,
                 [&](LinearOp reader) { return !isNamed(reader); });
  if (value.readers.empty()) {
    reportMissed(op, kPass,
                 "no linear reads it whose weight is made of tensors of the "
                 "checkpoint: its ranges are found at run time");
    return std::nullopt;
  }
  LinearOp first = value.readers.front();
  for (LinearOp reader : value.readers)
    if (weightOf(reader).isPerLayer()) {
      first = reader;
      break;
    }
  value.weight = weightOf(first);
  value.tensor = sourcesOf(value.weight).front();
  if (value.weight.isPerLayer())
    value.layer = first.getLayer();
  return value;
}

/// Whether the statistics know the value in all of its layers.
bool RangeFixing::isSeen(const Rounded &value) {
  for (LinearOp reader : value.readers) {
    WeightOp weight = weightOf(reader);
    std::string source = sourcesOf(weight).front();
    for (int64_t layer : weight.getLayerIndices()) {
      std::string tensor = withLayer(source, weight, layer);
      if (with.statistics->has(tensor))
        continue;
      reportMissed(value.op, kPass,
                   "the calibration has not seen what \"" + tensor +
                       "\" is multiplied with: its ranges are found at run "
                       "time");
      return false;
    }
  }
  return true;
}

/// The largest magnitude of each group.
llvm::Expected<std::vector<float>> RangeFixing::rangesOf(const Rounded &value,
                                                         int64_t layer) {
  QuantizeOp op = value.op;
  std::vector<float> ranges(size_t(op.getGroups()));
  for (LinearOp reader : value.readers) {
    WeightOp weight = weightOf(reader);
    std::string tensor = withLayer(sourcesOf(weight).front(), weight, layer);
    auto read = inputOf(with, weight, layer, tensor, /*needsGram=*/false);
    if (!read)
      return read.takeError();
    ArrayRef<float> columns = read->get().absMax;
    size_t group = op.getGroup() ? size_t(op.getGroup()) : columns.size();
    for (auto [i, most] : llvm::enumerate(columns)) {
      auto wide = float(double(most) * options.margin);
      if (!(wide >= 0) || !std::isfinite(wide))
        return llvm::createStringError(
            with.statistics->path() + ": tensor \"" + read->get().input +
            "/abs_max\": column " + Twine(i) +
            ": expected a finite range, found " + std::to_string(wide) +
            "; choose a smaller margin");
      float &range = ranges[i / group];
      range = std::max(range, wide);
    }
  }
  return ranges;
}

/// The ranges of all layers, stored.
LogicalResult RangeFixing::fill(Rounded &value) {
  for (int64_t layer : value.weight.getLayerIndices()) {
    auto ranges = rangesOf(value, layer);
    if (!ranges)
      return value.op.emitError()
             << kPass << ": " << llvm::toString(ranges.takeError());
    float most = *llvm::max_element(*ranges);
    if (most < kSmallest)
      most = 0;
    for (float &range : *ranges)
      if (range < kSmallest) {
        range = most;
        ++value.silent;
      }
    value.report.push_back(llvm::json::Object{
        {"tensor", withLayer(value.tensor, value.weight, layer)},
        {"groups", int64_t(ranges->size())},
        {"least", *llvm::min_element(*ranges)},
        {"most", most}});
    auto entry = with.store->add(
        "f32", {int64_t(ranges->size())},
        ArrayRef(reinterpret_cast<const uint8_t *>(ranges->data()),
                 ranges->size() * sizeof(float)));
    if (!entry)
      return value.op.emitError()
             << kPass << ": " << llvm::toString(entry.takeError());
    entry->name = withLayer(value.source, value.weight, layer);
    value.entries.push_back(std::move(*entry));
  }
  return success();
}

/// Declares the ranges, one vector for each layer, and has the values read
/// them.
LogicalResult RangeFixing::finish(ArrayRef<Rounded> values) {
  std::vector<WeightTableEntry> entries;
  for (const Rounded &value : values)
    llvm::append_range(entries, value.entries);
  if (llvm::Error error = with.addEntries(module, entries))
    return module.emitError()
           << kPass << ": " << llvm::toString(std::move(error));
  SymbolTable symbols(module);
  FormatAttrInterface f32 = FloatFormatAttr::get(
      module.getContext(), Float32Type::get(module.getContext()));
  llvm::json::Array inputs;
  for (const Rounded &value : values) {
    QuantizeOp op = value.op;
    WeightOp weight = value.weight;
    OpBuilder builder(weight);
    auto type = WeightType::get(module.getContext(), {op.getGroups()}, f32,
                                LayoutKind::Rows);
    auto made = WeightOp::create(builder, op.getLoc(),
                                 (weight.getSymName() + ".ranges").str(),
                                 value.source, 0, type);
    if (auto count = weight.getCountAttr())
      made.setCountAttr(count);
    if (auto layers = weight.getLayersAttr())
      made.setLayersAttr(layers);
    made->remove();
    symbols.insert(made, Block::iterator(weight));
    op.setRangesAttr(FlatSymbolRefAttr::get(made));
    op.getLayerMutable().assign(value.layer ? ValueRange(value.layer)
                                            : ValueRange());
    for (const llvm::json::Value &layer : value.report)
      inputs.push_back(layer);
    reportFired(op, kPass, "its ranges are those of the calibration");
    if (value.silent)
      reportMissed(op, kPass,
                   (Twine(value.silent) +
                    " groups in which the calibration saw only zeros have "
                    "the largest range of their row")
                       .str());
  }
  llvm::json::Value all =
      llvm::json::Object{{"version", 1},
                         {"pass", kPass},
                         {"model", with.statistics->model()},
                         {"text", with.statistics->text()},
                         {"sequences", with.statistics->sequences()},
                         {"tokens", with.statistics->tokens()},
                         {"margin", options.margin},
                         {"inputs", std::move(inputs)}};
  std::string line;
  llvm::raw_string_ostream(line) << all;
  module->setAttr(kRangesAttrName, StringAttr::get(module.getContext(), line));
  if (options.report.empty())
    return success();
  if (llvm::Error error =
          llvm::writeToOutput(options.report, [&](llvm::raw_ostream &os) {
            os << llvm::formatv("{0:2}\n", all);
            return llvm::Error::success();
          }))
    return module.emitError()
           << kPass << ": " << llvm::toString(std::move(error));
  return success();
}

LogicalResult RangeFixing::run() {
  if (!(options.margin > 0) || !std::isfinite(options.margin))
    return module.emitError() << kPass << ": expects a margin above 0, got "
                              << llvm::formatv("{0}", options.margin).str();
  std::vector<Rounded> values;
  module.walk([&](QuantizeOp op) {
    if (op.getRangesAttr())
      return;
    if (auto value = describe(op))
      values.push_back(std::move(*value));
  });
  if (values.empty()) {
    reportMissed(module, kPass, "no activations are rounded");
    return success();
  }
  auto opened = CalibratedModule::open(module, options);
  if (failed(opened))
    return failure();
  with = std::move(*opened);
  llvm::erase_if(values, [&](const Rounded &value) { return !isSeen(value); });
  llvm::StringSet<> taken = sourceNames(module);
  for (Rounded &value : values) {
    value.source =
        derivedName(sourcesOf(value.weight).front(), "input_ranges", taken);
    if (failed(fill(value)))
      return failure();
  }
  return values.empty() ? success() : finish(values);
}
