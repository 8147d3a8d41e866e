// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-prune: zeros in the matrices of a model. Which elements become zero is
// said by PruneMask.h and SparseProjection.h, how many of each weight by
// PruneAllocation.h.

#include "CompressContext.h"
#include "PruneAllocation.h"
#include "PruneSelection.h"
#include "adze/Dialect/Adze/AdzeExpressions.h"
#include "adze/Transforms/Parts.h"
#include "adze/Transforms/Passes.h"
#include "adze/Transforms/Remark.h"
#include "adze/Transforms/SparseProjection.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

namespace adze {
#define GEN_PASS_DEF_PRUNE
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;
using namespace adze::detail;

namespace {

struct PruneSettings {
  PruneMethod method;
  Allocation allocation;
  InverseFactorOptions factor;
  SweepPrecision precision;
};

/// A weight that is to be pruned.
struct Candidate {
  WeightOp weight;
  const ZerosPattern *zeros;
  std::string source; ///< the new source tensor, with {} for the layer
};

/// One layer of one, and what came of it.
struct Pruned {
  size_t candidate;
  ZerosPattern zeros; ///< with the amount that is this weight's
  WeightTableEntry entry;
  ChangeError error;
  std::string note;
};

class Pruning {
public:
  Pruning(ModuleOp module, const CompressOptions &options,
          const PruneSettings &settings)
      : module(module), options(options), settings(settings),
        context(module, options), selection(module, options.pass) {}

  LogicalResult run(StringRef rules);

private:
  LogicalResult findCandidates();
  LogicalResult allocate();
  llvm::Error pruneInput(const InputStatistics &input, ArrayRef<size_t> readers,
                         ParallelFor parallel);
  llvm::Error pruneWeight(const InputStatistics &input,
                          const InverseFactor *factor, size_t item,
                          ParallelFor parallel);
  LogicalResult replace();

  ModuleOp module;
  const CompressOptions &options;
  const PruneSettings &settings;
  CompressContext context;
  PruneSelection selection;
  std::vector<Candidate> candidates;
  std::vector<WeightInLayer> items;
  std::vector<Pruned> results; // of each item
  bool isAnyPruned = false;    // by a pass before
  std::string whyNot;          // of the first weight that rules ask in vain
};

} // namespace

//===-- what there is to do -----------------------------------------------===//

namespace {

/// What reads weights, of the module as it is.
class ReaderGraph {
public:
  explicit ReaderGraph(ModuleOp module) : readers(module) {
    for (auto weight : module.getOps<WeightOp>())
      weight.walk(
          [&](RefOp ref) { madeOf[ref.getWeight()].push_back(weight); });
  }

  /// Itself, or by weights that are made of it.
  bool onlyLinearsRead(WeightOp weight) const {
    SmallVector<WeightOp> open{weight};
    llvm::SmallPtrSet<Operation *, 8> seen{weight};
    bool anyLinear = false;
    while (!open.empty()) {
      StringRef name = open.pop_back_val().getSymName();
      if (readers.others.contains(name))
        return false;
      anyLinear |= readers.linears.contains(name);
      for (WeightOp other : madeOf.lookup(name))
        if (seen.insert(other).second)
          open.push_back(other);
    }
    return anyLinear;
  }

private:
  WeightReaders readers;
  llvm::StringMap<SmallVector<WeightOp, 1>> madeOf;
};

} // namespace

LogicalResult Pruning::findCandidates() {
  ReaderGraph readers(module);
  llvm::StringSet<> before = prunedBefore(module);
  auto isPruned = [&](WeightOp weight) {
    std::string name =
        nameOfLayer(sourcesOf(weight).front(), weight.getLayerIndices()[0]);
    return before.contains(name);
  };
  for (auto weight : module.getOps<WeightOp>()) {
    WeightType type = weight.getWeightType();
    bool isMade = !weight.isSource() && !getUnpack(weight);
    if (isMade || type.isVector() || type.getLayout() != LayoutKind::Rows)
      continue;
    auto zeros = selection.choose(weight);
    if (failed(zeros))
      return failure();
    if (!*zeros)
      continue;
    StringRef why;
    if (isPruned(weight))
      why = "it is pruned already", isAnyPruned = true;
    else if (!isa<FloatFormatAttr>(Attribute(type.getFormat())))
      why = "it is stored as codes, not as floating point numbers";
    else if (!readers.onlyLinearsRead(weight))
      why = "more than linears read it";
    if (!why.empty()) {
      reportMissed(weight, options.pass, why);
      if (whyNot.empty())
        whyNot = sourcesOf(weight).front() + ": " + why.str();
      continue;
    }
    candidates.push_back(
        {weight, *zeros, context.sourceName(weight, "pruned")});
  }
  return success();
}

//===-- pruning -----------------------------------------------------------===//

llvm::Error Pruning::pruneWeight(const InputStatistics &input,
                                 const InverseFactor *factor, size_t item,
                                 ParallelFor parallel) {
  Pruned &result = results[item];
  const Candidate &candidate = candidates[result.candidate];
  WeightOp weight = candidate.weight;
  WeightType type = weight.getWeightType();
  int64_t n = type.getRows(), k = type.getCols();
  auto w = context.read(items[item], weight, input);
  if (!w)
    return w.takeError();
  std::vector<float> after = *w;
  if (factor) {
    SparseProjection projection(result.zeros, n, k);
    projection.prepare(*factor, after, parallel);
    sweep(*factor, after, projection, settings.precision, parallel);
  } else {
    bool isWanda = settings.method == PruneMethod::Wanda;
    std::vector<uint8_t> mask =
        chooseMask(result.zeros, *w, k,
                   isWanda ? inputNorms(input) : std::vector<double>(),
                   isWanda && settings.allocation != Allocation::Global
                       ? ComparedWith::Row
                       : ComparedWith::Tensor,
                   parallel);
    for (size_t i = 0; i < mask.size(); ++i)
      if (mask[i])
        after[i] = 0;
  }
  // What is stored, which has the checkpoint's digits.
  FormatAttrInterface format = type.getFormat();
  int64_t bytes = format.getRowBytes(k);
  std::vector<uint8_t> rows(size_t(n * bytes));
  parallel(n, [&](int64_t row) {
    auto values =
        llvm::MutableArrayRef(after).slice(size_t(row * k), size_t(k));
    auto stored =
        llvm::MutableArrayRef(rows).slice(size_t(row * bytes), size_t(bytes));
    format.encodeRow(values, stored);
    format.decodeRow(stored, values);
  });
  result.error = measureChange(*w, after, input, parallel);
  auto entry = context.store(items[item], candidate.source, rows);
  if (!entry)
    return entry.takeError();
  result.entry = std::move(*entry);
  return llvm::Error::success();
}

llvm::Error Pruning::pruneInput(const InputStatistics &input,
                                ArrayRef<size_t> readers,
                                ParallelFor parallel) {
  std::optional<InverseFactor> factor;
  std::string note;
  if (settings.method == PruneMethod::SparseGpt) {
    auto made = InverseFactor::make(input.gram, input.columns, settings.factor);
    if (!made)
      return llvm::createStringError("input \"" + input.input +
                                     "\": " + llvm::toString(made.takeError()));
    factor = std::move(*made);
    note = factor->note(settings.factor);
  }
  for (size_t item : readers) {
    if (llvm::Error error =
            pruneWeight(input, factor ? &*factor : nullptr, item, parallel))
      return CompressContext::ofTensor(items[item].name, std::move(error));
    results[item].note = note;
  }
  return llvm::Error::success();
}

//===-- the module --------------------------------------------------------===//

LogicalResult Pruning::replace() {
  if (llvm::all_of(results, [](const Pruned &result) {
        return result.error.zeros == 0;
      }))
    module.emitWarning() << options.pass
                         << ": nothing is pruned: the amount of zeros rounds "
                            "to no element or block of any weight";
  std::vector<WeightTableEntry> entries;
  CompressReport report(context.statistics(), options.pass);
  StringRef method = settings.method == PruneMethod::Magnitude ? "magnitude"
                     : settings.method == PruneMethod::Wanda   ? "wanda"
                                                               : "sparsegpt";
  for (auto [item, result] : llvm::zip_equal(items, results)) {
    entries.push_back(result.entry);
    if (llvm::Error error = context.keepScales(
            item, candidates[result.candidate].source, entries))
      return context.fail(item.weight, std::move(error));
    llvm::json::Object weight{
        {"tensor", item.name},
        {"method", method},
        {"pattern", result.zeros.text},
        {"file", llvm::sys::path::filename(result.entry.file).str()}};
    result.error.addTo(weight);
    if (!result.note.empty())
      weight["note"] = result.note;
    report.add(std::move(weight));
    std::string zeros;
    llvm::raw_string_ostream(zeros)
        << llvm::format("%.4g %% zeros", 100 * result.error.zeros);
    reportFired(item.weight, options.pass,
                "\"" + item.name + "\" is pruned to " + result.zeros.text +
                    ", " + zeros + ": " + result.error.text() +
                    (result.note.empty() ? "" : "; " + result.note));
  }
  if (failed(context.addSources(entries, &report)))
    return failure();
  addPruning(module, report);
  for (Candidate &candidate : candidates)
    context.replace(candidate.weight, candidate.source);
  return success();
}

LogicalResult Pruning::allocate() {
  if (settings.allocation == Allocation::Uniform)
    return success();
  std::vector<const ZerosPattern *> zeros;
  for (const Pruned &result : results)
    zeros.push_back(candidates[result.candidate].zeros);
  auto amounts = allocateAmounts(context, items, zeros, settings.method,
                                 settings.allocation);
  if (!amounts)
    return context.fail(module, amounts.takeError());
  for (auto [result, amount] : llvm::zip_equal(results, *amounts))
    result.zeros.amount = amount;
  return success();
}

LogicalResult Pruning::run(StringRef rules) {
  if (failed(selection.read(rules)) || failed(findCandidates()))
    return failure();
  if (candidates.empty()) {
    reportMissed(module, options.pass, "no matrix is to be pruned");
    if (selection.asksForZeros() && !isAnyPruned)
      module.emitWarning() << options.pass << ": nothing is pruned: "
                           << (whyNot.empty() ? "no matrix of a layer is meant"
                                              : whyNot);
    return success();
  }
  if (failed(context.open()))
    return failure();
  for (auto [i, candidate] : llvm::enumerate(candidates))
    for (WeightInLayer &item : context.layersOf(candidate.weight)) {
      items.push_back(std::move(item));
      results.push_back({i, *candidate.zeros, {}, {}, ""});
    }
  if (failed(allocate()))
    return failure();
  bool isSweep = settings.method == PruneMethod::SparseGpt;
  if (failed(context.forEachInput(
          "prune", items,
          [&](int64_t columns) {
            return isSweep ? InverseFactor::bytesFor(columns) : 0;
          },
          [&](const InputStatistics &input, ArrayRef<size_t> readers,
              ParallelFor parallel) {
            return pruneInput(input, readers, parallel);
          })))
    return failure();
  return replace();
}

namespace {

struct Prune : adze::impl::PruneBase<Prune> {
  using PruneBase::PruneBase;

  LogicalResult fail(const Twine &message) {
    return getOperation().emitError() << "adze-prune: " << message;
  }

  LogicalResult prune() {
    StringRef name = method;
    if (name.empty())
      name = statistics.empty() ? "magnitude" : "sparsegpt";
    auto chosen = parsePruneMethod(name);
    if (!chosen)
      return fail(llvm::toString(chosen.takeError()));
    auto allocation = parseAllocation(allocate);
    if (!allocation)
      return fail(llvm::toString(allocation.takeError()));
    auto sweep = parseSweep(damping, precision);
    if (!sweep)
      return fail(llvm::toString(sweep.takeError()));
    PruneSettings settings = {*chosen, *allocation, {damping, false}, *sweep};
    CompressOptions options = {{"adze-prune", statistics, store, table},
                               report};
    options.needsStatistics = *chosen != PruneMethod::Magnitude ||
                              *allocation == Allocation::Sensitivity;
    options.needsGram = *chosen == PruneMethod::SparseGpt;
    return Pruning(getOperation(), options, settings).run(rules);
  }

  void runOnOperation() override {
    if (failed(prune()))
      signalPassFailure();
  }
};

} // namespace
