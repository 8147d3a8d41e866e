// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-remove-dead: takes neurons, heads and layers out of a model that change
// nothing in it. What is dead is said by Structure.h; here is how many stay,
// where layers of a kind and heads of a group have to have as many as each
// other, and the rewriting.

#include "../Weights/LayerKinds.h"
#include "CompressContext.h"
#include "MemoryBudget.h"
#include "Structure.h"
#include "adze/Transforms/Passes.h"
#include "adze/Transforms/Remark.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"
#include <numeric>

namespace adze {
#define GEN_PASS_DEF_REMOVEDEAD
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;
using namespace adze::detail;

namespace {

constexpr llvm::StringLiteral kPass = "adze-remove-dead";

/// What stays of a cluster.
struct Plan {
  Cluster *cluster;
  std::vector<llvm::BitVector> dead;      ///< units, by layer
  std::vector<SmallVector<int64_t>> kept; ///< units ascending, as many in each

  int64_t count() const { return int64_t(kept.front().size()); }
  bool changes() const { return count() < cluster->units(); }
};

class Remover {
public:
  Remover(ModuleOp module, const CompressOptions &options)
      : module(module), context(module, options) {}

  LogicalResult run();

private:
  LogicalResult measure();
  bool removeLayers();
  void eraseKindsWithoutLayers(ArrayRef<func::FuncOp> kinds);
  void trimWeights();
  bool splitLayers();
  int64_t needed(const Plan &plan, size_t layer);
  void planKeys(StateOp state);
  void planQueries(Plan &plan);
  void planNeurons(Plan &plan);
  void say(Plan &plan);
  void sayHeld();
  LogicalResult rewriteWeights();
  llvm::Expected<WeightTableEntry> reduce(WeightOp weight, int64_t layer,
                                          WeightType type);
  LogicalResult addColumns(WeightOp weight, const Plan &plan,
                           std::vector<WeightTableEntry> &entries);
  void rewriteValues();
  void updateMeta();
  Plan *planOf(Cluster *cluster);
  /// What a weight loses: of its rows, of its columns; null: nothing.
  std::pair<Plan *, Plan *> plansOf(WeightOp weight);

  ModuleOp module;
  CompressContext context;
  std::optional<Structure> structure;
  std::optional<DeadColumns> zeros;
  llvm::StringMap<ZeroLines> tensors; // what was read of the checkpoint
  std::vector<Plan> plans;            // of clusters that are not held
};

} // namespace

//===-- what there is -----------------------------------------------------===//

/// Of the module as it is now.
LogicalResult Remover::measure() {
  plans.clear();
  if (failed(structure ? context.renewEvaluator() : context.open()))
    return failure();
  structure.emplace(module);
  zeros.emplace(module, *structure, context.evaluator(), tensors);
  if (llvm::Error error = zeros->measure())
    return context.fail(module, std::move(error));
  for (Cluster &cluster : structure->clusters) {
    if (!cluster.why.empty())
      continue;
    Plan plan{&cluster, {}, {}};
    for (int64_t layer : cluster.layers)
      plan.dead.push_back(cluster.keys.empty()
                              ? zeros->deadUnits(cluster, layer)
                              : zeros->deadKeys(cluster, layer));
    plans.push_back(std::move(plan));
  }
  return success();
}

Plan *Remover::planOf(Cluster *cluster) {
  auto it = llvm::find_if(
      plans, [&](const Plan &plan) { return plan.cluster == cluster; });
  return it == plans.end() ? nullptr : &*it;
}

/// Numbers with commas, runs of them as 3-5.
static std::string listed(ArrayRef<int64_t> numbers) {
  std::string text;
  for (size_t i = 0; i < numbers.size();) {
    size_t end = i + 1;
    while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1)
      ++end;
    text += (i ? ", " : "") + std::to_string(numbers[i]);
    if (end - i > 1)
      text += "-" + std::to_string(numbers[end - 1]);
    i = end;
  }
  return text;
}

/// Clusters that have something dead and stay.
void Remover::sayHeld() {
  for (Cluster &cluster : structure->clusters) {
    if (cluster.why.empty() || !cluster.keys.empty())
      continue;
    bool isDead = llvm::any_of(cluster.layers, [&](int64_t layer) {
      return zeros->deadUnits(cluster, layer).any();
    });
    if (isDead)
      reportMissed(cluster.at ? cluster.at : cluster.producers.front(), kPass,
                   "dead columns of what @" +
                       cluster.readers.front().getWeight().str() +
                       " reads stay: " + cluster.why);
  }
}

//===-- layers ------------------------------------------------------------===//

/// Takes layers out that return what they are given.
bool Remover::removeLayers() {
  SymbolTable symbols(module);
  llvm::DenseMap<StringAttr, llvm::DenseSet<int64_t>> dead;
  SmallVector<func::FuncOp> kinds; // of those
  for (auto &[name, layers] : layersOfKinds(module)) {
    auto function = symbols.lookup<func::FuncOp>(name);
    SmallVector<int64_t> list;
    for (int64_t layer : layers)
      if (zeros->addsNothing(function, layer))
        list.push_back(layer);
    if (list.empty())
      continue;
    dead[name].insert_range(list);
    kinds.push_back(function);
    reportFired(function, kPass,
                std::string(list.size() == 1 ? "layer " : "layers ") +
                    listed(list) + (list.size() == 1 ? " adds" : " add") +
                    " nothing and is taken out");
  }
  if (dead.empty())
    return false;
  SmallVector<RepeatOp> repeats;
  module.walk([&](RepeatOp repeat) { repeats.push_back(repeat); });
  for (RepeatOp repeat : repeats) {
    StringAttr name = repeat.getCalleeAttr().getAttr();
    auto it = dead.find(name);
    if (it != dead.end())
      rewriteRepeat(repeat, [&](int64_t layer) {
        return it->second.contains(layer) ? StringAttr() : name;
      });
  }
  eraseKindsWithoutLayers(kinds);
  trimWeights();
  return true;
}

/// Takes those of `kinds` out that nothing runs any more, and their weights.
void Remover::eraseKindsWithoutLayers(ArrayRef<func::FuncOp> kinds) {
  SymbolTable symbols(module);
  llvm::SetVector<Operation *> weights;
  for (func::FuncOp kind : kinds) {
    if (!kind.isPrivate() || !SymbolTable::symbolKnownUseEmpty(kind, module))
      continue;
    weights.insert_range(weightsPerLayer(symbols, kind));
    symbols.erase(kind);
  }
  eraseUnused(module, weights);
}

/// Leaves of weights the layers that are run.
void Remover::trimWeights() {
  SymbolTable symbols(module);
  llvm::MapVector<Operation *, llvm::SetVector<int64_t>> used;
  for (auto &[name, layers] : layersOfKinds(module))
    for (Operation *op : weightsPerLayer(symbols, symbols.lookup(name)))
      used[op].insert_range(layers);
  for (auto &[op, layers] : used) {
    auto weight = cast<WeightOp>(op);
    SmallVector<int64_t> left(layers.begin(), layers.end());
    llvm::sort(left);
    if (SmallVector<int64_t>(weight.getLayerIndices()) == left)
      continue;
    weight.removeCountAttr();
    weight.setLayersAttr(DenseI64ArrayAttr::get(module.getContext(), left));
  }
}

/// How many units a layer alone would keep; of query heads, in each group.
int64_t Remover::needed(const Plan &plan, size_t layer) {
  Cluster &cluster = *plan.cluster;
  const llvm::BitVector &dead = plan.dead[layer];
  if (cluster.queries.empty()) {
    int64_t alive = std::max<int64_t>(1, dead.size() - dead.count());
    return cluster.unit != 1
               ? alive
               : std::min<int64_t>(llvm::alignTo(uint64_t(alive), kPanelRows),
                                   dead.size());
  }
  int64_t sharing = cluster.sharing(), most = 1;
  for (int64_t group = 0; group < cluster.units() / sharing; ++group) {
    int64_t alive = 0;
    for (int64_t i = 0; i < sharing; ++i)
      alive += !dead[unsigned(group * sharing + i)];
    most = std::max(most, alive);
  }
  return most;
}

/// Where layers of a kind need numbers that differ by more than an eighth,
/// makes kinds of them.
bool Remover::splitLayers() {
  // By weight: what is needed in each layer.
  std::map<std::string, std::map<int64_t, int64_t>> wanted;
  for (Plan &plan : plans) {
    Cluster &cluster = *plan.cluster;
    if (!cluster.keys.empty())
      continue; // as many in all layers as the state has
    std::map<int64_t, int64_t> numbers;
    int64_t least = std::numeric_limits<int64_t>::max(), most = 0;
    for (auto [i, layer] : llvm::enumerate(cluster.layers)) {
      int64_t number = numbers[layer] = needed(plan, i);
      least = std::min(least, number);
      most = std::max(most, number);
    }
    int64_t all = cluster.queries.empty() ? cluster.units() : cluster.sharing();
    if (8 * (most - least) > all)
      wanted[cluster.rows.front().getSymName().str()] = std::move(numbers);
  }
  if (wanted.empty())
    return false;
  bool isSplit = splitKinds(
      module, kPass,
      [&](func::FuncOp, ArrayRef<Operation *> weights, int64_t layer) {
        std::string key;
        for (Operation *op : weights) {
          auto it = wanted.find(cast<WeightOp>(op).getSymName().str());
          if (it != wanted.end())
            key += std::to_string(it->second[layer]) + " ";
        }
        return key;
      });
  if (isSplit)
    trimWeights(); // of kinds that shared them
  return isSplit;
}

//===-- how many stay -----------------------------------------------------===//

/// Those that are not dead, and the first of those that are, up to `count`.
static SmallVector<int64_t> keep(const llvm::BitVector &dead, int64_t count) {
  SmallVector<int64_t> kept;
  int64_t spare = count - int64_t(dead.size() - dead.count());
  for (int64_t i = 0; i < int64_t(dead.size()); ++i)
    if (!dead[unsigned(i)] || spare-- > 0)
      kept.push_back(i);
  return kept;
}

void Remover::planNeurons(Plan &plan) {
  int64_t count = 0;
  for (size_t i = 0; i < plan.dead.size(); ++i)
    count = std::max(count, needed(plan, i));
  for (const llvm::BitVector &dead : plan.dead)
    plan.kept.push_back(keep(dead, count));
}

/// All layers have the state's heads.
void Remover::planKeys(StateOp state) {
  SmallVector<Plan *> all;
  bool isHeld = false;
  for (Cluster &cluster : structure->clusters)
    for (AttentionOp op : cluster.keys)
      if (lookupState(op, op.getCacheAttr()) == state) {
        Plan *plan = planOf(&cluster);
        isHeld |= !plan;
        if (plan && !llvm::is_contained(all, plan))
          all.push_back(plan);
      }
  // Attention whose keys are no cluster at all.
  module.walk([&](Operation *op) {
    op->getAttrDictionary().walk([&](FlatSymbolRefAttr name) {
      auto attention = dyn_cast<AttentionOp>(op);
      if (name.getValue() == state.getSymName())
        isHeld |=
            !attention || !attention.getK() || !structure->of(attention.getK());
    });
  });
  int64_t heads = state.getKVType().getHeads(), least = heads - 1, most = 0;
  for (Plan *plan : all)
    for (const llvm::BitVector &dead : plan->dead) {
      least = std::min<int64_t>(least, dead.count());
      most = std::max<int64_t>(most, dead.count());
    }
  if (isHeld || all.empty())
    least = 0;
  most = std::min(most, heads - 1);
  for (Plan *plan : all)
    for (const llvm::BitVector &dead : plan->dead)
      plan->kept.push_back(keep(dead, heads - least));
  if (most > least)
    reportMissed(
        all.front()->cluster->keys.front(), kPass,
        isHeld ? "dead heads of keys and values stay: something else has to "
                 "do with the state"
               : "dead heads of keys and values stay: " + std::to_string(most) +
                     " in one layer, " + std::to_string(least) +
                     " in another, and the state has as many in all");
}

/// As many in each group that stays.
void Remover::planQueries(Plan &plan) {
  Cluster &cluster = *plan.cluster;
  int64_t sharing = cluster.sharing(), count = 0;
  Plan *keys = planOf(structure->of(cluster.queries.front().getK()));
  for (size_t i = 0; i < plan.dead.size(); ++i)
    count = std::max(count, needed(plan, i));
  SmallVector<int64_t> everyGroup(size_t(cluster.units() / sharing));
  std::iota(everyGroup.begin(), everyGroup.end(), 0);
  int64_t leftOver = 0;
  for (auto [i, dead] : llvm::enumerate(plan.dead)) {
    SmallVector<int64_t> &kept = plan.kept.emplace_back();
    for (int64_t group : keys ? keys->kept[i] : everyGroup) {
      llvm::BitVector own(unsigned(sharing), false);
      for (int64_t head = 0; head < sharing; ++head)
        own[unsigned(head)] = dead[unsigned(group * sharing + head)];
      for (int64_t head : keep(own, count)) {
        kept.push_back(group * sharing + head);
        leftOver += own[unsigned(head)];
      }
    }
  }
  if (leftOver)
    reportMissed(cluster.queries.front(), kPass,
                 std::to_string(leftOver) +
                     " dead query heads stay: each group of each layer keeps "
                     "as many");
}

void Remover::say(Plan &plan) {
  Cluster &cluster = *plan.cluster;
  if (!plan.changes())
    return;
  std::string of = std::to_string(cluster.units()),
              to = std::to_string(plan.count());
  if (!cluster.queries.empty())
    return reportFired(cluster.queries.front(), kPass,
                       of + " query heads become " + to);
  if (!cluster.keys.empty())
    return reportFired(cluster.keys.front(), kPass,
                       of + " heads of keys and values become " + to);
  reportFired(cluster.readers.front(), kPass,
              of + " columns of what @" +
                  cluster.readers.front().getWeight().str() + " reads become " +
                  to);
}

//===-- rewriting ---------------------------------------------------------===//

std::pair<Plan *, Plan *> Remover::plansOf(WeightOp weight) {
  std::pair<Plan *, Plan *> made;
  for (Plan &plan : plans) {
    if (!plan.changes())
      continue;
    if (llvm::is_contained(plan.cluster->rows, weight))
      made.first = &plan;
    if (llvm::is_contained(plan.cluster->cols, weight))
      made.second = &plan;
  }
  return made;
}

/// The places along one dimension that a plan keeps; all where there is none.
static SmallVector<int64_t> placesOf(const Plan *plan, WeightOp weight,
                                     int64_t layer, int64_t all) {
  SmallVector<int64_t> places;
  if (!plan) {
    places.resize(size_t(all));
    std::iota(places.begin(), places.end(), 0);
    return places;
  }
  const Cluster &cluster = *plan->cluster;
  size_t at =
      size_t(llvm::find(cluster.layers, layer) - cluster.layers.begin());
  for (int64_t unit : plan->kept[at])
    for (int64_t i = 0; i < cluster.unit; ++i)
      places.push_back(unit * cluster.unit + i);
  return places;
}

/// Stores what stays of one layer of a weight.
llvm::Expected<WeightTableEntry> Remover::reduce(WeightOp weight, int64_t layer,
                                                 WeightType type) {
  auto [rowPlan, colPlan] = plansOf(weight);
  WeightType old = weight.getWeightType();
  int64_t k = old.isVector() ? 1 : old.getCols();
  std::vector<float> w(size_t(old.getRows() * k)), left;
  if (llvm::Error error = context.evaluator().readRows(weight, layer, 0,
                                                       old.getRows(), w.data()))
    return std::move(error);
  SmallVector<int64_t> columns = placesOf(colPlan, weight, layer, k);
  for (int64_t row : placesOf(rowPlan, weight, layer, old.getRows()))
    for (int64_t column : columns)
      left.push_back(w[size_t(row * k + column)]);
  return context.store(type, left);
}

/// Says for statistics which columns of the weight's input are left.
LogicalResult Remover::addColumns(WeightOp weight, const Plan &plan,
                                  std::vector<WeightTableEntry> &entries) {
  int64_t all = weight.getWeightType().getCols();
  for (const WeightInLayer &item : context.layersOf(weight)) {
    auto before = context.keptColumns(item.name);
    if (!before)
      return context.fail(weight, before.takeError());
    std::vector<uint8_t> bytes;
    SmallVector<int64_t> places = placesOf(&plan, weight, item.layer, all);
    for (int64_t place : places) {
      uint8_t number[4];
      llvm::support::endian::write32le(
          number, uint32_t(before->empty() ? place : before->at(place)));
      bytes.insert(bytes.end(), number, number + 4);
    }
    auto entry = context.store().add("i32", {int64_t(places.size())}, bytes);
    if (!entry)
      return context.fail(weight, entry.takeError());
    entry->name = keptColumnsName(item.name);
    entries.push_back(std::move(*entry));
  }
  return success();
}

/// What the expression of a weight is made of.
static void addParts(WeightOp weight, llvm::SetVector<Operation *> &parts) {
  weight.walk([&](RefOp ref) {
    WeightOp part = lookupWeight(weight, ref.getWeightAttr());
    if (parts.insert(part))
      addParts(part, parts);
  });
}

LogicalResult Remover::rewriteWeights() {
  struct Item {
    WeightOp weight;
    int64_t layer;
    WeightType type;
    WeightTableEntry entry;
    std::string error;
  };
  std::vector<Item> items;
  std::vector<WeightTableEntry> entries;
  std::vector<std::pair<WeightOp, std::pair<std::string, WeightType>>> made;
  llvm::SetVector<Operation *> parts;
  for (auto weight : module.getOps<WeightOp>()) {
    auto [rows, columns] = plansOf(weight);
    if (!rows && !columns)
      continue;
    WeightType old = weight.getWeightType();
    SmallVector<int64_t> shape(old.getShape());
    if (rows)
      shape.front() = rows->count() * rows->cluster->unit;
    if (columns)
      shape.back() = columns->count() * columns->cluster->unit;
    auto type = WeightType::get(module.getContext(), shape, old.getFormat(),
                                LayoutKind::Rows);
    std::string source = context.sourceName(weight, "reduced");
    for (int64_t layer : weight.getLayerIndices()) {
      Item item{weight, layer, type, {}, ""};
      item.entry.name = withLayer(source, weight, layer);
      items.push_back(std::move(item));
    }
    made.push_back({weight, {source, type}});
    if (columns && failed(addColumns(weight, *columns, entries)))
      return failure();
  }
  MemoryBudget memory;
  context.parallel(int64_t(items.size()), [&](int64_t i) {
    Item &item = items[size_t(i)];
    // As it is, what is left, and that as it is stored.
    WeightType old = item.weight.getWeightType();
    uint64_t bytes = 3 * sizeof(float) * uint64_t(old.getRows()) *
                     uint64_t(old.isVector() ? 1 : old.getCols());
    memory.take(bytes);
    llvm::scope_exit give([&] { memory.give(bytes); });
    auto entry = reduce(item.weight, item.layer, item.type);
    if (!entry) {
      item.error = llvm::toString(entry.takeError());
      return;
    }
    entry->name = item.entry.name;
    item.entry = std::move(*entry);
  });
  for (Item &item : items) {
    if (!item.error.empty())
      return context.error(item.weight) << item.error;
    entries.push_back(std::move(item.entry));
  }
  if (failed(context.addSources(entries)))
    return failure();
  rewriteValues();
  for (auto &[weight, to] : made) {
    addParts(weight, parts);
    context.replace(weight, to.first, to.second);
  }
  eraseUnused(module, parts);
  return success();
}

void Remover::rewriteValues() {
  auto i64 = [&](int64_t value) {
    return IntegerAttr::get(IntegerType::get(module.getContext(), 64), value);
  };
  for (Plan &plan : plans) {
    if (!plan.changes())
      continue;
    Cluster &cluster = *plan.cluster;
    int64_t count = plan.count();
    for (Value value : cluster.values) {
      auto type = cast<RankedTensorType>(value.getType());
      SmallVector<int64_t> shape(type.getShape());
      shape[1] = count * cluster.unit;
      value.setType(type.clone(shape));
    }
    for (Operation *op : cluster.heads)
      op->setAttr("heads", i64(count));
    for (AttentionOp op : cluster.queries)
      op.setHeadsAttr(i64(count));
    for (AttentionOp op : cluster.keys) {
      op.setKvHeadsAttr(i64(count));
      StateOp state = lookupState(op, op.getCacheAttr());
      KVType type = state.getKVType();
      state.setType(KVType::get(module.getContext(), count, type.getHeadDim(),
                                type.getElementType()));
    }
  }
}

/// The sizes in the model's description: the largest of any layer.
void Remover::updateMeta() {
  auto text = module->getAttrOfType<StringAttr>(kMetaAttrName);
  auto parsed = llvm::json::parse(text ? text.getValue() : StringRef("null"));
  llvm::json::Object *meta = nullptr;
  if (!parsed)
    llvm::consumeError(parsed.takeError());
  else
    meta = parsed->getAsObject();
  if (!meta)
    return;
  auto inner = meta->getInteger("intermediate");
  int64_t heads = 0, kvHeads = 0, most = 0;
  module.walk([&](AttentionOp op) {
    heads = std::max(heads, int64_t(op.getHeads()));
    kvHeads = std::max(kvHeads, int64_t(op.getKvHeads()));
  });
  for (Plan &plan : plans)
    if (plan.cluster->isNeurons() && plan.cluster->columns == inner)
      most = std::max(most, plan.count() * plan.cluster->unit);
  if (most)
    (*meta)["intermediate"] = most;
  if (heads && meta->get("heads"))
    (*meta)["heads"] = heads;
  if (kvHeads && meta->get("kv_heads"))
    (*meta)["kv_heads"] = kvHeads;
  llvm::SetVector<int64_t> run;
  for (auto &[name, layers] : layersOfKinds(module))
    run.insert_range(layers);
  if (!run.empty() && meta->get("layers"))
    (*meta)["layers"] = int64_t(run.size());
  std::string updated;
  llvm::raw_string_ostream(updated) << *parsed;
  module->setAttr(kMetaAttrName, StringAttr::get(module.getContext(), updated));
}

LogicalResult Remover::run() {
  if (failed(measure()))
    return failure();
  bool isChanged = removeLayers();
  if (isChanged && failed(measure()))
    return failure();
  if (splitLayers() && failed(measure()))
    return failure();
  for (auto state : module.getOps<StateOp>())
    planKeys(state);
  for (Plan &plan : plans) {
    if (!plan.cluster->queries.empty())
      planQueries(plan);
    else if (plan.cluster->keys.empty())
      planNeurons(plan);
  }
  sayHeld();
  for (Plan &plan : plans) {
    say(plan);
    isChanged |= plan.changes();
  }
  if (!isChanged) {
    reportMissed(module, kPass, "nothing can be taken out");
    return success();
  }
  if (llvm::any_of(plans, [](Plan &plan) { return plan.changes(); }))
    if (failed(rewriteWeights()))
      return failure();
  updateMeta();
  return success();
}

namespace {

struct RemoveDead : adze::impl::RemoveDeadBase<RemoveDead> {
  using RemoveDeadBase::RemoveDeadBase;

  void runOnOperation() override {
    CompressOptions options = {{kPass, "", store, table}, ""};
    options.needsStatistics = false;
    if (failed(Remover(getOperation(), options).run()))
      signalPassFailure();
  }
};

} // namespace
