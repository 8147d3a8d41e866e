// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-prune-structure: zeros in what reads the neurons and heads of a model
// that matter least. adze-remove-dead takes them out.

#include "ColumnScales.h"
#include "CompressContext.h"
#include "MemoryBudget.h"
#include "PruneSelection.h"
#include "Structure.h"
#include "adze/Transforms/Passes.h"
#include "adze/Transforms/PruneMask.h"
#include "adze/Transforms/Remark.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

namespace adze {
#define GEN_PASS_DEF_PRUNESTRUCTURE
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;
using namespace adze::detail;

namespace {

constexpr llvm::StringLiteral kPass = "adze-prune-structure";

/// One layer of one cluster: what reads it, and what is chosen.
struct Item {
  Cluster *cluster;
  int64_t layer;
  std::vector<WeightInLayer> readers;
  std::vector<WeightTableEntry> entries; // of each reader
  std::vector<ChangeError> errors;
  int64_t gone = 0; ///< units
  std::string error;
};

class StructurePruning {
public:
  StructurePruning(ModuleOp module, const CompressOptions &options,
                   double neurons, double heads)
      : module(module), neurons(neurons), heads(heads),
        context(module, options), structure(module) {}

  LogicalResult run();

private:
  double amountFor(const Cluster &cluster) const {
    return cluster.isNeurons() ? neurons : heads;
  }
  bool findClusters();
  llvm::Error prune(Item &item);
  llvm::BitVector choose(Cluster &cluster, ArrayRef<double> importance) const;
  void dropUnchanged();
  LogicalResult replace();

  ModuleOp module;
  double neurons, heads;
  CompressContext context;
  Structure structure;
  SmallVector<Cluster *> chosen;
  std::vector<Item> items;
};

} // namespace

/// Neurons and query heads of which part is to go.
bool StructurePruning::findClusters() {
  for (Cluster &cluster : structure.clusters) {
    if (!cluster.keys.empty() || amountFor(cluster) == 0)
      continue;
    // Columns that nothing but linears makes and reads, such as the residual
    // stream's, are no structure that was asked for.
    if (!cluster.why.empty()) {
      if (!cluster.queries.empty())
        reportMissed(cluster.at ? cluster.at : cluster.producers.front(), kPass,
                     "no heads are taken: " + cluster.why);
      continue;
    }
    if (cluster.unit != 1 && cluster.queries.empty())
      continue;
    chosen.push_back(&cluster);
  }
  return !chosen.empty();
}

//===-- choosing ----------------------------------------------------------===//

/// The units that go. As many heads of each group, or where that is less than
/// half a head, whole groups.
llvm::BitVector StructurePruning::choose(Cluster &cluster,
                                         ArrayRef<double> importance) const {
  llvm::BitVector gone(unsigned(cluster.units()));
  double amount = amountFor(cluster);
  auto take = [&](ArrayRef<double> scores, int64_t count,
                  llvm::function_ref<void(int64_t)> lose) {
    // One has to stay.
    count = std::min(count, int64_t(scores.size()) - 1);
    std::vector<uint8_t> mask(scores.size());
    markLowest(scores, count, mask);
    for (auto [i, isGone] : llvm::enumerate(mask))
      if (isGone)
        lose(int64_t(i));
  };
  if (cluster.isNeurons()) {
    take(importance, amountOf(amount, cluster.units()),
         [&](int64_t i) { gone.set(unsigned(i)); });
    return gone;
  }
  int64_t sharing = cluster.sharing(), groups = cluster.units() / sharing;
  if (int64_t count = amountOf(amount, sharing)) {
    for (int64_t group = 0; group < groups; ++group)
      take(importance.slice(size_t(group * sharing), size_t(sharing)), count,
           [&](int64_t i) { gone.set(unsigned(group * sharing + i)); });
    return gone;
  }
  std::vector<double> sums(size_t(groups), 0.0);
  for (auto [i, value] : llvm::enumerate(importance))
    sums[i / size_t(sharing)] += value;
  take(sums, amountOf(amount, groups), [&](int64_t group) {
    gone.set(unsigned(group * sharing), unsigned((group + 1) * sharing));
  });
  return gone;
}

/// Chooses, and stores what reads the values with zeros in it.
llvm::Error StructurePruning::prune(Item &item) {
  Cluster &cluster = *item.cluster;
  size_t k = size_t(cluster.columns);
  std::vector<double> importance(size_t(cluster.units()), 0.0);
  std::vector<InputStatistics> inputs;    // of each reader
  std::vector<std::vector<float>> values; // of each reader
  for (const WeightInLayer &reader : item.readers) {
    auto input = context.statisticsOf(reader.name);
    if (!input)
      return input.takeError();
    auto w = context.read(reader, reader.weight, *input);
    if (!w)
      return w.takeError();
    for (size_t i = 0; i < w->size(); ++i) {
      double x = input->columns ? double(input->sumSquares[i % k]) : 1.0;
      importance[i % k / size_t(cluster.unit)] +=
          x * double((*w)[i]) * double((*w)[i]);
    }
    inputs.push_back(std::move(*input));
    values.push_back(std::move(*w));
  }
  llvm::BitVector gone = choose(cluster, importance);
  item.gone = int64_t(gone.count());
  for (auto [i, reader] : llvm::enumerate(item.readers)) {
    std::vector<float> w = std::move(values[i]), after = w;
    for (size_t at = 0; at < after.size(); ++at)
      if (gone[unsigned(at % k / size_t(cluster.unit))])
        after[at] = 0;
    item.errors.push_back(measureChange(w, after, inputs[i], inTurn));
    auto entry = context.store(reader.weight.getWeightType(), after);
    if (!entry)
      return entry.takeError();
    item.entries.push_back(std::move(*entry));
  }
  return llvm::Error::success();
}

/// What prune() needs at once, at most: all readers, one of them with zeros, as
/// it changed and as it is stored, and a Gram matrix of some columns.
static uint64_t bytesOf(const Item &item) {
  uint64_t all = 0, largest = 0;
  for (const WeightInLayer &reader : item.readers) {
    WeightType type = WeightOp(reader.weight).getWeightType();
    uint64_t one = sizeof(float) * uint64_t(type.getRows() * type.getCols());
    all += one;
    largest = std::max(largest, one);
  }
  return all + 3 * largest + ScaledStatistics::bytesFor(item.cluster->columns);
}

//===-- the module --------------------------------------------------------===//

LogicalResult StructurePruning::replace() {
  std::vector<WeightTableEntry> entries;
  CompressReport report(context.statistics(), kPass);
  llvm::MapVector<Operation *, std::string> sources;
  for (Item &item : items) {
    Cluster &cluster = *item.cluster;
    std::string pattern;
    llvm::raw_string_ostream(pattern)
        << (cluster.isNeurons() ? "neurons=" : "heads=")
        << llvm::format("%g", amountFor(cluster));
    for (auto [i, reader] : llvm::enumerate(item.readers)) {
      std::string &source = sources[reader.weight];
      if (source.empty())
        source = context.sourceName(reader.weight, "pruned");
      WeightTableEntry &entry = item.entries[i];
      entry.name = withLayer(source, reader.weight, item.layer);
      llvm::json::Object weight{
          {"tensor", reader.name},
          {"method", "structure"},
          {"pattern", pattern},
          {"file", llvm::sys::path::filename(entry.file).str()}};
      item.errors[i].addTo(weight);
      report.add(std::move(weight));
      reportFired(reader.weight, kPass,
                  "\"" + reader.name + "\" loses " + std::to_string(item.gone) +
                      " of " + std::to_string(cluster.units()) +
                      (cluster.isNeurons() ? " neurons: " : " heads: ") +
                      item.errors[i].text());
      entries.push_back(entry);
    }
  }
  if (failed(context.addSources(entries, &report)))
    return failure();
  addPruning(module, report);
  for (auto &[op, source] : sources)
    context.replace(cast<WeightOp>(op), source);
  return success();
}

/// Clusters whose part is nothing.
void StructurePruning::dropUnchanged() {
  for (Cluster *cluster : chosen) {
    auto isOwn = [&](const Item &item) {
      return item.cluster == cluster && item.gone == 0;
    };
    if (llvm::none_of(items, isOwn))
      continue;
    std::string text;
    llvm::raw_string_ostream(text)
        << llvm::format("%g of the ", amountFor(*cluster))
        << (cluster->isNeurons() ? "neurons" : "heads")
        << " is less than half of one that can go";
    reportMissed(cluster->readers.front(), kPass, text);
    llvm::erase_if(items, isOwn);
  }
}

LogicalResult StructurePruning::run() {
  if (!findClusters()) {
    reportMissed(module, kPass,
                 "there are no neurons or heads that can be taken out");
    return success();
  }
  if (failed(context.open()))
    return failure();
  for (Cluster *cluster : chosen)
    for (int64_t layer : cluster->layers) {
      Item item{cluster, layer, {}, {}, {}, 0, ""};
      for (WeightOp weight : cluster->cols)
        for (WeightInLayer &reader : context.layersOf(weight))
          if (reader.layer == layer)
            item.readers.push_back(std::move(reader));
      items.push_back(std::move(item));
    }
  MemoryBudget memory;
  context.parallel(int64_t(items.size()), [&](int64_t i) {
    Item &item = items[size_t(i)];
    uint64_t bytes = bytesOf(item);
    memory.take(bytes);
    if (llvm::Error error = prune(item))
      item.error = llvm::toString(CompressContext::ofTensor(
          item.readers.front().name, std::move(error)));
    memory.give(bytes);
  });
  for (Item &item : items)
    if (!item.error.empty())
      return context.error(item.readers.front().weight) << item.error;
  dropUnchanged();
  return items.empty() ? success() : replace();
}

namespace {

struct PruneStructure : adze::impl::PruneStructureBase<PruneStructure> {
  using PruneStructureBase::PruneStructureBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    for (auto [name, amount] : {std::pair("neurons", double(neurons)),
                                std::pair("heads", double(heads))})
      if (!(amount >= 0 && amount < 1)) {
        module.emitError() << kPass << ": expects " << name
                           << " from 0 to below 1, got " << amount;
        return signalPassFailure();
      }
    CompressOptions options = {{kPass, statistics, store, table}, report};
    options.needsStatistics = false;
    options.needsGram = false;
    if (failed(StructurePruning(module, options, neurons, heads).run()))
      signalPassFailure();
  }
};

} // namespace
