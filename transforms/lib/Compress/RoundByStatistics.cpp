// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "RoundByStatistics.h"
#include "CompressReport.h"
#include "PruneSelection.h"
#include "adze/Transforms/Parts.h"
#include "adze/Transforms/Remark.h"
#include "adze/Transforms/Rounding.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace adze;
using namespace adze::detail;

CodeChooser::~CodeChooser() = default;

llvm::Error adze::detail::tooLarge(IntFormatAttr format) {
  return llvm::createStringError("its values are too large for the scales of " +
                                 format.getFormatName() +
                                 "; use bf16 or f32 scales");
}

namespace {

/// A weight whose codes are to be chosen.
struct Candidate {
  WeightOp weight, floats;
  IntFormatAttr format;
  const ZerosPattern *zeros; ///< null: it is not pruned
  std::string source;        ///< the new source tensor, with {} for the layer
};

/// One layer of one, and what came of it.
struct Choice {
  size_t candidate;
  WeightTableEntry entry;
  ChangeError error;
  std::string note;
};

class Rounding {
public:
  Rounding(ModuleOp module, const CompressOptions &options,
           function_ref<std::unique_ptr<CodeChooser>()> make, StringRef prune)
      : module(module), options(options), make(make), prune(prune),
        context(module, options), selection(module, options.pass) {}

  LogicalResult run();

private:
  LogicalResult findCandidates();
  llvm::Error roundInput(const InputStatistics &input, ArrayRef<size_t> items,
                         ParallelFor parallel);
  llvm::Error roundWeight(const InputStatistics &input, CodeChooser &chooser,
                          size_t item, ParallelFor parallel);
  LogicalResult replace();

  ModuleOp module;
  const CompressOptions &options;
  function_ref<std::unique_ptr<CodeChooser>()> make;
  StringRef prune;
  CompressContext context;
  PruneSelection selection;
  std::vector<Candidate> candidates;
  std::vector<WeightInLayer> items;
  std::vector<Choice> choices; // of each item
};

} // namespace

LogicalResult Rounding::findCandidates() {
  WeightReaders readers(module);
  for (auto weight : module.getOps<WeightOp>()) {
    WeightOp floats = getRoundedFloats(weight);
    if (!floats)
      continue;
    if (!readers.onlyLinears(weight)) {
      reportMissed(weight, options.pass,
                   "more than linears read it: it is rounded without a look "
                   "at them");
      continue;
    }
    if (sourcesOf(weight).empty()) {
      reportMissed(weight, options.pass,
                   "it is made of no tensor of the checkpoint");
      continue;
    }
    const ZerosPattern *zeros = nullptr;
    if (!prune.empty()) {
      auto chosen = selection.choose(weight);
      if (failed(chosen))
        return failure();
      zeros = *chosen;
    }
    candidates.push_back(
        {weight, floats,
         cast<IntFormatAttr>(Attribute(weight.getWeightType().getFormat())),
         zeros, context.sourceName(weight, "coded")});
  }
  return success();
}

llvm::Error Rounding::roundWeight(const InputStatistics &input,
                                  CodeChooser &chooser, size_t item,
                                  ParallelFor parallel) {
  Choice &choice = choices[item];
  const Candidate &candidate = candidates[choice.candidate];
  WeightOp weight = candidate.weight;
  WeightType type = weight.getWeightType();
  IntFormatAttr format = candidate.format;
  auto w = context.read(items[item], candidate.floats, input);
  if (!w)
    return w.takeError();
  std::vector<float> rounded = *w;
  std::vector<uint8_t> rows(
      size_t(type.getRows() * format.getRowBytes(type.getCols())));
  if (llvm::Error error =
          chooser.choose(format, candidate.zeros, rounded, rows, parallel))
    return error;
  choice.error = measureChange(*w, rounded, input, parallel, format);
  auto entry = context.store(items[item], candidate.source, rows);
  if (!entry)
    return entry.takeError();
  choice.entry = std::move(*entry);
  return llvm::Error::success();
}

llvm::Error Rounding::roundInput(const InputStatistics &input,
                                 ArrayRef<size_t> readers,
                                 ParallelFor parallel) {
  for (bool prunes : {false, true}) {
    std::unique_ptr<CodeChooser> chooser = make();
    SmallVector<size_t> some;
    for (size_t item : readers)
      if ((chooser->mindsPruning() &&
           bool(candidates[choices[item].candidate].zeros)) == prunes)
        some.push_back(item);
    if (some.empty())
      continue;
    if (llvm::Error error = chooser->enter(input, prunes, parallel))
      return llvm::createStringError("input \"" + input.input +
                                     "\": " + llvm::toString(std::move(error)));
    for (size_t item : some) {
      if (llvm::Error error = roundWeight(input, *chooser, item, parallel))
        return CompressContext::ofTensor(items[item].name, std::move(error));
      choices[item].note = chooser->note();
    }
  }
  return llvm::Error::success();
}

LogicalResult Rounding::replace() {
  std::vector<WeightTableEntry> entries;
  CompressReport report(context.statistics(), options.pass),
      pruning(context.statistics(), options.pass);
  for (auto [item, choice] : llvm::zip_equal(items, choices)) {
    Candidate &candidate = candidates[choice.candidate];
    entries.push_back(choice.entry);
    if (llvm::Error error = context.keepScales(item, candidate.source, entries))
      return context.fail(candidate.weight, std::move(error));
    llvm::json::Object weight{
        {"tensor", item.name},
        {"format", candidate.format.getFormatName()},
        {"file", llvm::sys::path::filename(choice.entry.file).str()}};
    choice.error.addTo(weight);
    if (!choice.note.empty())
      weight["note"] = choice.note;
    std::string what = "becomes " + candidate.format.getFormatName();
    if (candidate.zeros) {
      weight["pattern"] = candidate.zeros->text;
      weight["method"] = "sparsegpt";
      pruning.add(weight);
      what += " with zeros " + candidate.zeros->text;
    }
    report.add(std::move(weight));
    reportFired(candidate.weight, options.pass,
                "\"" + item.name + "\" " + what + ": " + choice.error.text() +
                    (choice.note.empty() ? "" : "; " + choice.note));
  }
  if (failed(context.addSources(entries, &report)))
    return failure();
  module->setAttr(kRoundingAttrName,
                  StringAttr::get(module.getContext(), report.text()));
  if (pruning.size())
    addPruning(module, pruning);
  for (Candidate &candidate : candidates)
    context.replace(candidate.weight, candidate.source);
  return success();
}

LogicalResult Rounding::run() {
  if (!prune.empty() && failed(selection.read(prune)))
    return failure();
  if (failed(findCandidates()))
    return failure();
  if (candidates.empty()) {
    reportMissed(module, options.pass,
                 "no weight is a cast of floats to an integer format");
    return success();
  }
  if (failed(context.open()))
    return failure();
  for (auto [i, candidate] : llvm::enumerate(candidates))
    for (WeightInLayer &item : context.layersOf(candidate.weight)) {
      items.push_back(std::move(item));
      choices.push_back({i, {}, {}, ""});
    }
  std::unique_ptr<CodeChooser> any = make();
  if (failed(context.forEachInput(
          "round", items,
          [&](int64_t columns) { return any->bytesFor(columns); },
          [&](const InputStatistics &input, ArrayRef<size_t> readers,
              ParallelFor parallel) {
            return roundInput(input, readers, parallel);
          })))
    return failure();
  return replace();
}

LogicalResult adze::detail::roundByStatistics(
    ModuleOp module, const CompressOptions &options,
    function_ref<std::unique_ptr<CodeChooser>()> make, StringRef prune) {
  return Rounding(module, options, make, prune).run();
}
