// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header. Inputs are worked on at once, as far as memory allows; the
// result does not depend on how many are.

#include "RoundByStatistics.h"
#include "ColumnScales.h"
#include "MemoryBudget.h"
#include "RoundReport.h"
#include "adze/Transforms/Parts.h"
#include "adze/Transforms/Remark.h"
#include "adze/Transforms/Rounding.h"
#include "llvm/ADT/MapVector.h"
#include <cmath>
#include <map>

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
  std::string source; ///< the new source tensor, with {} for the layer
};

/// One layer of one, and what came of it.
struct Choice {
  size_t candidate;
  int64_t layer;
  std::string name; ///< of its tensor in the checkpoint
  WeightTableEntry entry;
  RoundingError error;
};

/// An input and the weights that read it, divided by the same factors.
struct Input {
  std::vector<Choice> choices;
  std::vector<float> scales; ///< empty: it is not divided
  std::string note;
  std::string error; ///< empty: none
};

class Rounding {
public:
  Rounding(ModuleOp module, const RoundOptions &options,
           function_ref<std::unique_ptr<CodeChooser>()> make)
      : module(module), options(options), make(make) {}

  LogicalResult run();

private:
  InFlightDiagnostic error(Operation *op) {
    return op->emitError() << options.pass << ": ";
  }
  LogicalResult fail(Operation *op, llvm::Error failure) {
    return error(op) << llvm::toString(std::move(failure));
  }
  void findCandidates();
  LogicalResult findInputs();
  LogicalResult roundAll();
  llvm::Error roundInput(Input &input);
  llvm::Error roundWeight(const InputStatistics &statistics,
                          CodeChooser &chooser, Choice &choice);
  LogicalResult replace();
  void parallel(int64_t count, function_ref<void(int64_t)> task) {
    runParallel(module.getContext(), count, task);
  }

  ModuleOp module;
  const RoundOptions &options;
  function_ref<std::unique_ptr<CodeChooser>()> make;
  std::vector<Candidate> candidates;
  /// By name and factors.
  llvm::MapVector<std::pair<StringRef, std::vector<float>>,
                  std::unique_ptr<Input>,
                  std::map<std::pair<StringRef, std::vector<float>>, unsigned>>
      inputs;
  CalibratedModule with;
  MemoryBudget memory;
};

} // namespace

//===-- what there is to do -----------------------------------------------===//

void Rounding::findCandidates() {
  WeightReaders readers(module);
  llvm::StringSet<> names = sourceNames(module);
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
    SmallVector<std::string> sources = sourcesOf(weight);
    if (sources.empty()) {
      reportMissed(weight, options.pass,
                   "it is made of no tensor of the checkpoint");
      continue;
    }
    candidates.push_back(
        {weight, floats,
         cast<IntFormatAttr>(Attribute(weight.getWeightType().getFormat())),
         derivedName(sources.front(), "coded", names)});
  }
}

LogicalResult Rounding::findInputs() {
  for (auto [i, candidate] : llvm::enumerate(candidates))
    for (int64_t layer : candidate.weight.getLayerIndices()) {
      Choice choice{i,
                    layer,
                    withLayer(sourcesOf(candidate.weight).front(),
                              candidate.weight, layer),
                    {},
                    {}};
      auto read = with.statistics->of(choice.name);
      if (!read)
        return fail(candidate.weight, read.takeError());
      auto scales = columnScales(candidate.floats, layer, *with.evaluator);
      if (!scales)
        return fail(candidate.weight, scales.takeError());
      std::unique_ptr<Input> &input = inputs[{read->input, *scales}];
      if (!input) {
        input = std::make_unique<Input>();
        input->scales = std::move(*scales);
      }
      input->choices.push_back(std::move(choice));
    }
  return success();
}

//===-- rounding ----------------------------------------------------------===//

llvm::Error Rounding::roundWeight(const InputStatistics &statistics,
                                  CodeChooser &chooser, Choice &choice) {
  const Candidate &candidate = candidates[choice.candidate];
  WeightOp weight = candidate.weight;
  WeightType type = weight.getWeightType();
  int64_t n = type.getRows(), k = type.getCols();
  auto place = [&](const Twine &message) {
    return llvm::createStringError("tensor \"" + choice.name +
                                   "\": " + message);
  };
  if (statistics.columns != k)
    return place("expected statistics of " + Twine(k) +
                 " values, found those of " + Twine(statistics.columns));
  std::vector<float> w(size_t(n * k));
  WeightOp floats = candidate.floats;
  if (llvm::Error error =
          with.evaluator->readRows(floats, choice.layer, 0, n, w.data()))
    return error;
  for (auto [i, value] : llvm::enumerate(w))
    if (!std::isfinite(value))
      return place("row " + Twine(i / size_t(k)) + ", column " +
                   Twine(i % size_t(k)) + ": expected a finite value, found " +
                   std::to_string(value));
  auto run = [&](int64_t count, function_ref<void(int64_t)> task) {
    parallel(count, task);
  };
  IntFormatAttr format = candidate.format;
  std::vector<float> rounded = w;
  std::vector<uint8_t> rows(size_t(n * format.getRowBytes(k)));
  if (llvm::Error error = chooser.choose(format, rounded, rows, run))
    return place(llvm::toString(std::move(error)));
  choice.error = measureRounding(format, w, rounded, statistics, run);
  auto entry = with.store->add(format.getFormatName(), type.getShape(), rows);
  if (!entry)
    return entry.takeError();
  choice.entry = std::move(*entry);
  choice.entry.name =
      withLayer(candidate.source, candidate.weight, choice.layer);
  return llvm::Error::success();
}

llvm::Error Rounding::roundInput(Input &input) {
  auto read = with.statisticsOf(input.choices.front().name, options.needsGram);
  if (!read)
    return read.takeError();
  std::unique_ptr<CodeChooser> chooser = make();
  auto run = [&](int64_t count, function_ref<void(int64_t)> task) {
    parallel(count, task);
  };
  int64_t rows = 0;
  for (const Choice &choice : input.choices) {
    WeightOp weight = candidates[choice.candidate].weight;
    rows = std::max(rows, weight.getWeightType().getRows());
  }
  uint64_t bytes = chooser->bytesFor(read->columns) +
                   4 * sizeof(float) * uint64_t(rows * read->columns);
  if (!input.scales.empty())
    bytes += ScaledStatistics::bytesFor(*read);
  memory.take(bytes);
  ScaledStatistics scaled(*read, input.scales);
  llvm::Error error = chooser->enter(scaled.get(), run);
  if (error)
    error = llvm::createStringError("input \"" + read->input +
                                    "\": " + llvm::toString(std::move(error)));
  for (Choice &choice : input.choices)
    if (!error)
      error = roundWeight(scaled.get(), *chooser, choice);
  memory.give(bytes);
  input.note = chooser->note();
  return error;
}

LogicalResult Rounding::roundAll() {
  parallel(int64_t(inputs.size()), [&](int64_t i) {
    Input &input = *inputs.begin()[i].second;
    input.error = llvm::toString(roundInput(input));
  });
  LogicalResult result = success();
  for (auto &[name, input] : inputs)
    if (!input->error.empty())
      result = error(candidates[input->choices.front().candidate].weight)
               << input->error;
  return result;
}

//===-- the module --------------------------------------------------------===//

LogicalResult Rounding::replace() {
  std::vector<WeightTableEntry> entries;
  RoundReport report(*with.statistics, options.pass);
  for (auto &[name, input] : inputs)
    for (Choice &choice : input->choices) {
      Candidate &candidate = candidates[choice.candidate];
      entries.push_back(choice.entry);
      report.add(choice.name, candidate.format.getFormatName(), choice.entry,
                 choice.error, input->note);
      reportFired(candidate.weight, options.pass,
                  "\"" + choice.name + "\" becomes " +
                      candidate.format.getFormatName() + ": " +
                      choice.error.text() +
                      (input->note.empty() ? "" : "; " + input->note));
    }
  if (llvm::Error failure = with.addEntries(module, entries))
    return fail(module, std::move(failure));
  if (!options.report.empty())
    if (llvm::Error failure = report.write(options.report))
      return fail(module, std::move(failure));
  module->setAttr(kRoundingAttrName,
                  StringAttr::get(module.getContext(), report.text()));
  for (Candidate &candidate : candidates) {
    WeightOp old = candidate.weight;
    OpBuilder builder(old);
    auto made = WeightOp::create(builder, old.getLoc(), old.getSymName(),
                                 candidate.source, 0, old.getWeightType());
    if (auto count = old.getCountAttr())
      made.setCountAttr(count);
    if (auto layers = old.getLayersAttr())
      made.setLayersAttr(layers);
    old.erase();
  }
  return success();
}

LogicalResult Rounding::run() {
  findCandidates();
  if (candidates.empty()) {
    reportMissed(module, options.pass,
                 "no weight is a cast of floats to an integer format");
    return success();
  }
  auto opened = CalibratedModule::open(module, options);
  if (failed(opened))
    return failure();
  with = std::move(*opened);
  if (failed(findInputs()) || failed(roundAll()))
    return failure();
  return replace();
}

LogicalResult adze::detail::roundByStatistics(
    ModuleOp module, const RoundOptions &options,
    function_ref<std::unique_ptr<CodeChooser>()> make) {
  return Rounding(module, options, make).run();
}
