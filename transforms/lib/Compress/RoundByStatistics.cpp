// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header. Inputs are worked on at once, as far as memory allows; the
// result does not depend on how many are.

#include "RoundByStatistics.h"
#include "../Weights/ModuleTable.h"
#include "RoundReport.h"
#include "adze/Transforms/Parts.h"
#include "adze/Transforms/Remark.h"
#include "adze/Transforms/Rounding.h"
#include "adze/Transforms/WeightExpr.h"
#include "adze/Weights/Evaluator.h"
#include "adze/Weights/ModelIdentity.h"
#include "adze/Weights/WeightStore.h"
#include "mlir/IR/Threading.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Path.h"
#include <cmath>
#include <condition_variable>
#include <mutex>

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

/// What inputs that are worked on at once may take.
constexpr uint64_t kMemory = uint64_t(2) << 30;

/// Bytes that are taken and given back; who needs more than there is waits,
/// unless nobody has any.
class Memory {
public:
  void take(uint64_t bytes) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return !used || used + bytes <= kMemory; });
    used += bytes;
  }
  void give(uint64_t bytes) {
    std::lock_guard lock(mutex);
    used -= bytes;
    changed.notify_all();
  }

private:
  std::mutex mutex;
  std::condition_variable changed;
  uint64_t used = 0;
};

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

/// An input and the weights that read it.
struct Input {
  std::vector<Choice> choices;
  std::string note;
  std::string error; ///< empty: none
};

std::string withLayer(StringRef name, WeightOp weight, int64_t layer) {
  return weight.isPerLayer() ? nameOfLayer(name, layer) : name.str();
}

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
  LogicalResult open();
  LogicalResult findInputs();
  LogicalResult roundAll();
  llvm::Error roundInput(Input &input);
  llvm::Error roundWeight(const InputStatistics &statistics,
                          CodeChooser &chooser, Choice &choice);
  LogicalResult replace();
  void parallel(int64_t count, function_ref<void(int64_t)> task) {
    parallelFor(module.getContext(), 0, size_t(count),
                [&](size_t i) { task(int64_t(i)); });
  }

  ModuleOp module;
  const RoundOptions &options;
  function_ref<std::unique_ptr<CodeChooser>()> make;
  std::vector<Candidate> candidates;
  llvm::MapVector<StringRef, std::unique_ptr<Input>> inputs;
  std::unique_ptr<WeightTable> table;
  std::unique_ptr<Statistics> statistics;
  std::unique_ptr<WeightEvaluator> evaluator;
  std::optional<WeightStore> store;
  Memory memory;
};

} // namespace

//===-- what there is to do -----------------------------------------------===//

/// "a.{}.q.weight" -> "a.{}.q.coded.weight": rules of formats and of people by
/// tensor name go on matching.
static std::string codedName(StringRef source) {
  StringRef stem = source;
  bool hasEnd = stem.consume_back(".weight");
  return (stem + ".coded" + (hasEnd ? ".weight" : "")).str();
}

void Rounding::findCandidates() {
  llvm::StringSet<> byLinears, byOthers, names;
  module.walk([&](Operation *op) {
    op->getAttrDictionary().walk([&](FlatSymbolRefAttr name) {
      (isa<LinearOp>(op) ? byLinears : byOthers).insert(name.getValue());
    });
    if (auto weight = dyn_cast<WeightOp>(op); weight && weight.isSource())
      names.insert(*weight.getSource());
  });
  for (auto weight : module.getOps<WeightOp>()) {
    WeightType type = weight.getWeightType();
    auto format = dyn_cast<IntFormatAttr>(Attribute(type.getFormat()));
    WeightOp floats = getCastSource(weight);
    if (!format || !floats || type.getLayout() != LayoutKind::Rows ||
        !isa<FloatFormatAttr>(Attribute(floats.getWeightType().getFormat())))
      continue;
    if (!byLinears.contains(weight.getSymName()) ||
        byOthers.contains(weight.getSymName())) {
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
    std::string name = codedName(sources.front());
    while (!names.insert(name).second)
      name += "_";
    candidates.push_back({weight, floats, format, name});
  }
}

LogicalResult Rounding::open() {
  if (options.statistics.empty() || options.store.empty())
    return error(module) << "expects the options statistics=FOLDER (see `adze "
                            "calibrate`) and store=FOLDER";
  auto opened = openModuleTable(module, options.table);
  if (!opened)
    return fail(module, opened.takeError());
  table = std::move(*opened);
  // A pass before this one may have changed what the module's weights are.
  auto identity = module->getAttrOfType<StringAttr>(kModelAttrName);
  if (!identity) {
    auto hash = modelIdentity(module, *table);
    if (!hash)
      return fail(module, hash.takeError());
    identity = StringAttr::get(module.getContext(), *hash);
  }
  auto read = Statistics::open(options.statistics, identity.getValue());
  if (!read)
    return fail(module, read.takeError());
  statistics = std::move(*read);
  module->setAttr(kModelAttrName, identity);
  auto made = WeightEvaluator::create(module, *table);
  if (!made)
    return fail(module, made.takeError());
  evaluator = std::move(*made);
  auto folder = WeightStore::open(options.store);
  if (!folder)
    return fail(module, folder.takeError());
  store = std::move(*folder);
  return success();
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
      auto read = statistics->of(choice.name);
      if (!read)
        return fail(candidate.weight, read.takeError());
      std::unique_ptr<Input> &input = inputs[read->input];
      if (!input)
        input = std::make_unique<Input>();
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
          evaluator->readRows(floats, choice.layer, 0, n, w.data()))
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
  auto entry = store->add(format.getFormatName(), type.getShape(), rows);
  if (!entry)
    return entry.takeError();
  choice.entry = std::move(*entry);
  choice.entry.name =
      withLayer(candidate.source, candidate.weight, choice.layer);
  return llvm::Error::success();
}

llvm::Error Rounding::roundInput(Input &input) {
  auto read = statistics->of(input.choices.front().name);
  if (!read)
    return read.takeError();
  if (options.needsGram && read->gram.empty())
    return llvm::createStringError(
        statistics->path() + ": tensor \"" + read->input +
        "/gram\": expected, not found: the calibration left Gram matrices out");
  for (auto [i, value] : llvm::enumerate(read->gram))
    if (!std::isfinite(value))
      return llvm::createStringError(
          statistics->path() + ": tensor \"" + read->input + "/gram\": row " +
          Twine(i / size_t(read->columns)) + ", column " +
          Twine(i % size_t(read->columns)) +
          ": expected a finite number, found " + std::to_string(value) +
          "; calibrate again");
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
  memory.take(bytes);
  llvm::Error error = chooser->enter(*read, run);
  if (error)
    error = llvm::createStringError("input \"" + read->input +
                                    "\": " + llvm::toString(std::move(error)));
  for (Choice &choice : input.choices)
    if (!error)
      error = roundWeight(*read, *chooser, choice);
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
  RoundReport report(*statistics, options.pass);
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
  auto path = store->writeTable(*table, entries);
  if (!path)
    return fail(module, path.takeError());
  if (!options.report.empty())
    if (llvm::Error failure = report.write(options.report))
      return fail(module, std::move(failure));
  module->setAttr(kTableAttrName, StringAttr::get(module.getContext(), *path));
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
  if (failed(open()) || failed(findInputs()) || failed(roundAll()))
    return failure();
  return replace();
}

LogicalResult adze::detail::roundByStatistics(
    ModuleOp module, const RoundOptions &options,
    function_ref<std::unique_ptr<CodeChooser>()> make) {
  return Rounding(module, options, make).run();
}
