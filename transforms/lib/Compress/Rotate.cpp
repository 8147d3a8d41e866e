// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-rotate: what layers pass on, multiplied with an orthogonal matrix that
// weights take up. The matrix is in Rotation.h, what has to change in
// ResidualStream.h; here weights are computed, stored and put into the module.

#include "../Weights/ModuleTable.h"
#include "Calibrated.h"
#include "MemoryBudget.h"
#include "ResidualStream.h"
#include "Rotation.h"
#include "adze/Transforms/Parts.h"
#include "adze/Transforms/Passes.h"
#include "adze/Transforms/Progress.h"
#include "adze/Transforms/Remark.h"
#include "adze/Transforms/WeightExpr.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>
#include <map>

namespace adze {
#define GEN_PASS_DEF_ROTATE
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;
using namespace adze::detail;

namespace {

/// What becomes of a weight: W diag(norm) Q for readers, Q^T W for writers,
/// b Q for biases of writers, diag(norm) Q for what shows a norm.
struct Job {
  enum Kind { Reader, Writer, Bias, Shown } kind;
  WeightOp weight; ///< null: of Shown
  WeightOp norm;   ///< null: none
  std::string symbol, source;
  bool isNewSymbol = false;
  std::vector<WeightTableEntry> entries = {}; ///< of each layer
};

class Rotating {
public:
  Rotating(ModuleOp module, uint64_t seed, StringRef store, StringRef table)
      : module(module), seed(seed), storePath(store), tablePath(table) {}

  LogicalResult run();

private:
  LogicalResult fail(const Twine &message) {
    return module.emitError() << kPass << ": " << message;
  }
  LogicalResult add(Job::Kind kind, StringRef symbol, WeightOp norm,
                    Operation *at);
  StringRef addNew(Job::Kind kind, WeightOp weight, WeightOp norm,
                   StringRef name);
  LogicalResult collect();
  LogicalResult checkOtherReaders();
  void name();
  llvm::Error compute(Job &job, size_t layer);
  void replace();
  void eraseDead();
  WeightOp find(StringRef name) {
    return lookupWeight(module,
                        FlatSymbolRefAttr::get(module.getContext(), name));
  }

  static constexpr llvm::StringLiteral kPass = "adze-rotate";

  ModuleOp module;
  uint64_t seed;
  StringRef storePath, tablePath;
  ResidualStream stream;
  std::vector<Job> jobs;
  std::vector<std::pair<LinearOp, std::string>> heads; // and their new weights
  std::map<std::string, size_t> known; // jobs by symbol, but new ones
  /// New symbols, by the weight (null: of Shown) and the norm.
  std::map<std::pair<Operation *, Operation *>, std::string> newSymbols;
  llvm::StringSet<> parts; // weights that weights read
  std::optional<Rotation> rotation;
  std::unique_ptr<WeightTable> table;
  std::unique_ptr<WeightEvaluator> evaluator;
  std::optional<WeightStore> store;
  MemoryBudget memory;
};

} // namespace

//===-- what there is to do -----------------------------------------------===//

LogicalResult Rotating::add(Job::Kind kind, StringRef symbol, WeightOp norm,
                            Operation *at) {
  auto [it, isNew] = known.try_emplace(symbol.str(), jobs.size());
  if (!isNew) {
    const Job &other = jobs[it->second];
    if (other.kind == kind && other.norm == norm)
      return success();
    return at->emitError() << kPass << ": @" << symbol
                           << " is used in two ways: a weight that is shared "
                              "so cannot be rotated";
  }
  if (parts.contains(symbol))
    return at->emitError() << kPass << ": @" << symbol
                           << " is read by other weights too: it cannot be "
                              "rotated";
  jobs.push_back({kind, find(symbol), norm, symbol.str(), ""});
  return success();
}

/// Adds a weight beside those that there are, once; gives its symbol.
StringRef Rotating::addNew(Job::Kind kind, WeightOp weight, WeightOp norm,
                           StringRef name) {
  std::string &symbol = newSymbols[{weight, norm}];
  if (!symbol.empty())
    return symbol;
  symbol = name.str();
  auto isTaken = [&] {
    return SymbolTable::lookupSymbolIn(module, symbol) ||
           llvm::any_of(jobs, [&](Job &job) { return job.symbol == symbol; });
  };
  while (isTaken())
    symbol += "_";
  jobs.push_back({kind, weight, norm, symbol, "", true});
  return symbol;
}

LogicalResult Rotating::collect() {
  module.walk([&](RefOp ref) { parts.insert(ref.getWeight()); });
  for (EmbedOp op : stream.embeds)
    if (failed(add(Job::Reader, op.getTable(), {}, op)))
      return failure();
  for (LinearOp op : stream.writers) {
    if (failed(add(Job::Writer, op.getWeight(), {}, op)))
      return failure();
    if (auto bias = op.getBias())
      if (failed(add(Job::Bias, *bias, {}, op)))
        return failure();
  }
  for (auto &[op, linears] : stream.norms) {
    WeightOp norm = find(cast<RmsNormOp>(op).getWeight());
    for (LinearOp linear : linears) {
      WeightOp weight = find(linear.getWeight());
      auto isTable = [&](EmbedOp embed) {
        return embed.getTable() == linear.getWeight();
      };
      if (llvm::none_of(stream.embeds, isTable)) {
        if (failed(add(Job::Reader, linear.getWeight(), norm, linear)))
          return failure();
        continue;
      }
      // The head is the embedding: from now on it is not.
      bool isFirst = !newSymbols.contains({weight, norm});
      StringRef head = addNew(Job::Reader, weight, norm,
                              (weight.getSymName() + ".head").str());
      heads.push_back({linear, head.str()});
      if (isFirst)
        reportFired(linear, kPass,
                    "@" + weight.getSymName().str() +
                        " is no more shared with the embedding: the norm "
                        "before it goes into one of the two");
    }
  }
  for (Operation *op : stream.shown) {
    WeightOp norm = find(cast<RmsNormOp>(op).getWeight());
    addNew(Job::Shown, {}, norm, (norm.getSymName() + ".shown").str());
  }
  return checkOtherReaders();
}

/// What is rotated must be read by nothing but the stream's embeddings and
/// linears: anything else would find other numbers under the same name.
LogicalResult Rotating::checkOtherReaders() {
  llvm::DenseSet<Operation *> ofStream, writers;
  for (EmbedOp op : stream.embeds)
    ofStream.insert(op);
  for (LinearOp op : stream.writers) {
    ofStream.insert(op);
    writers.insert(op);
  }
  for (auto &[norm, linears] : stream.norms)
    for (LinearOp op : linears)
      ofStream.insert(op);
  WalkResult walked = module.walk([&](Operation *op) {
    // Of a linear that reads the stream alone its bias is no part of it.
    auto linear = dyn_cast<LinearOp>(op);
    bool readsOnly = linear && ofStream.contains(op) && !writers.contains(op);
    if (ofStream.contains(op) && !readsOnly)
      return WalkResult::advance();
    WalkResult result = WalkResult::advance();
    op->getAttrDictionary().walk([&](FlatSymbolRefAttr name) {
      if (readsOnly && name == linear.getWeightAttr())
        return;
      if (!result.wasInterrupted() && known.count(name.getValue().str())) {
        op->emitError() << kPass << ": @" << name.getValue()
                        << " is read here too, where nothing is rotated: a "
                           "weight that is shared so cannot be rotated";
        result = WalkResult::interrupt();
      }
    });
    return result;
  });
  return failure(walked.wasInterrupted());
}

/// A weight that is all of a tensor keeps its name, with other bytes, so that
/// rules by name match and tensors do not become more.
void Rotating::name() {
  llvm::StringSet<> taken = sourceNames(module);
  llvm::StringMap<int> readers;
  for (auto weight : module.getOps<WeightOp>())
    for (const std::string &source : sourcesOf(weight))
      ++readers[source];
  for (Job &job : jobs) {
    WeightOp of = job.weight ? job.weight : job.norm;
    SmallVector<std::string> sources = sourcesOf(of);
    std::string source =
        sources.empty() ? of.getSymName().str() + (of.isPerLayer() ? ".{}" : "")
                        : sources.front();
    if (!job.isNewSymbol && of.isSource() && readers[source] == 1)
      job.source = source;
    else if (job.isNewSymbol && job.weight &&
             taken.insert("lm_head.weight").second)
      job.source = "lm_head.weight";
    else
      job.source = derivedName(source, job.weight ? "rotated" : "shown", taken);
  }
}

//===-- weights -----------------------------------------------------------===//

llvm::Error Rotating::compute(Job &job, size_t index) {
  WeightOp of = job.weight ? job.weight : job.norm;
  int64_t layer = of.getLayerIndices()[index], h = stream.columns;
  auto read = [&](WeightOp weight, std::vector<float> &values) {
    WeightType type = weight.getWeightType();
    int64_t rows = type.getRows();
    values.resize(size_t(type.isVector() ? rows : rows * type.getCols()));
    return evaluator->readRows(weight, weight.isPerLayer() ? layer : 0, 0, rows,
                               values.data());
  };
  std::vector<float> norm(size_t(h), 1.0f), w;
  if (job.norm)
    if (llvm::Error error = read(job.norm, norm))
      return error;
  if (job.weight) {
    if (llvm::Error error = read(job.weight, w))
      return error;
  } else {
    // What undoes it: x Q -> x diag(norm), so that row n has norm[n] Q[n].
    w.assign(size_t(h * h), 0);
    for (int64_t i = 0; i < h; ++i)
      w[size_t(i * h + i)] = 1;
  }
  auto parallel = [&](int64_t count, function_ref<void(int64_t)> task) {
    runParallel(module.getContext(), count, task);
  };
  // Rows of h numbers, which lie in columns for writers.
  bool across = job.kind == Job::Writer;
  int64_t count = int64_t(w.size()) / h;
  parallel(count, [&](int64_t row) {
    std::vector<double> values(size_t(h), 0.0);
    for (int64_t i = 0; i < h; ++i)
      values[size_t(i)] =
          double(w[size_t(across ? i * count + row : row * h + i)]) *
          (job.kind == Job::Reader ? double(norm[size_t(i)]) : 1);
    rotation->apply(values);
    for (int64_t i = 0; i < h; ++i)
      w[size_t(across ? i * count + row : row * h + i)] =
          float(values[size_t(i)] *
                (job.kind == Job::Shown ? double(norm[size_t(row)]) : 1));
  });
  for (float value : w)
    if (!std::isfinite(value))
      return llvm::createStringError("weight @" + job.symbol + ", layer " +
                                     Twine(layer) + ": expected finite values");
  SmallVector<int64_t> shape{h};
  if (job.kind == Job::Reader || job.kind == Job::Shown)
    shape = {count, h};
  else if (job.kind == Job::Writer)
    shape = {h, count};
  auto entry = store->add("f32", shape,
                          ArrayRef(reinterpret_cast<const uint8_t *>(w.data()),
                                   w.size() * sizeof(float)));
  if (!entry)
    return entry.takeError();
  job.entries[index] = std::move(*entry);
  job.entries[index].name = withLayer(job.source, of, layer);
  return llvm::Error::success();
}

//===-- the module --------------------------------------------------------===//

void Rotating::eraseDead() {
  for (bool changed = true; changed;) {
    changed = false;
    llvm::StringSet<> used;
    module.walk([&](Operation *op) {
      op->getAttrDictionary().walk(
          [&](FlatSymbolRefAttr name) { used.insert(name.getValue()); });
    });
    for (auto weight : llvm::make_early_inc_range(module.getOps<WeightOp>()))
      if (!used.contains(weight.getSymName())) {
        weight.erase();
        changed = true;
      }
  }
}

void Rotating::replace() {
  MLIRContext *context = module.getContext();
  OpBuilder builder(context);
  FormatAttrInterface f32 = FloatFormatAttr::get(context, builder.getF32Type());
  auto declare = [&](OpBuilder at, Location loc, StringRef symbol,
                     StringRef source, ArrayRef<int64_t> shape, WeightOp like) {
    auto made = WeightOp::create(
        at, loc, symbol, source, 0,
        WeightType::get(context, shape, f32, LayoutKind::Rows));
    if (like && like.getCountAttr())
      made.setCountAttr(like.getCountAttr());
    if (like && like.getLayersAttr())
      made.setLayersAttr(like.getLayersAttr());
    return made;
  };
  // Norms have no factors of their own any more.
  StringRef first = jobs.front().symbol;
  OpBuilder top(find(first));
  SymbolTable symbols(module);
  WeightOp ones =
      declare(top, module.getLoc(), "ones", "adze.ones", {stream.columns}, {});
  ones->remove();
  symbols.insert(ones, module.getBody()->begin());
  for (Job &job : jobs) {
    WeightOp of = job.weight ? job.weight : job.norm;
    WeightOp made = declare(OpBuilder(of), of.getLoc(), job.symbol, job.source,
                            job.entries.front().shape, of);
    if (job.kind == Job::Shown)
      made->setAttr(kExactAttrName, builder.getUnitAttr());
  }
  for (Job &job : jobs)
    if (!job.isNewSymbol)
      job.weight.erase();
  for (auto &[linear, symbol] : heads)
    linear.setWeight(symbol);
  for (auto &[op, linears] : stream.norms) {
    auto norm = cast<RmsNormOp>(op);
    std::string shown = newSymbols[{nullptr, find(norm.getWeight())}];
    norm.setWeight(ones.getSymName());
    norm.getLayerMutable().clear();
    if (!stream.shown.contains(op))
      continue;
    builder.setInsertionPointAfter(op);
    auto made = LinearOp::create(builder, op->getLoc(), norm.getType(),
                                 norm.getResult(), shown, "", Value());
    norm.getResult().replaceUsesWithIf(made.getResult(), [&](OpOperand &use) {
      return use.getOwner() != made &&
             !isa<LinearOp, TapOp, TakeRowsOp>(use.getOwner());
    });
    for (Operation *user :
         llvm::make_early_inc_range(norm.getResult().getUsers()))
      if (auto take = dyn_cast<TakeRowsOp>(user))
        for (OpOperand &use : llvm::make_early_inc_range(take->getUses()))
          if (!isa<LinearOp, TapOp>(use.getOwner())) {
            builder.setInsertionPointAfter(take);
            auto rows =
                TakeRowsOp::create(builder, take.getLoc(), take.getType(),
                                   made.getResult(), take.getRows());
            use.set(rows.getResult());
          }
  }
  for (auto take : llvm::to_vector(module.getOps<func::FuncOp>()))
    take.walk([](TakeRowsOp op) {
      if (op->use_empty())
        op.erase();
    });
  eraseDead();
}

LogicalResult Rotating::run() {
  Operation *where = nullptr;
  std::string why;
  if (failed(stream.find(module, where, why))) {
    reportMissed(where, kPass, "nothing is rotated: this " + why);
    return success();
  }
  if (storePath.empty())
    return fail("expects the option store=FOLDER");
  auto opened = openModuleTable(module, tablePath);
  if (!opened)
    return fail(llvm::toString(opened.takeError()));
  table = std::move(*opened);
  auto made = WeightEvaluator::create(module, *table);
  if (!made)
    return fail(llvm::toString(made.takeError()));
  evaluator = std::move(*made);
  auto folder = WeightStore::open(storePath);
  if (!folder)
    return fail(llvm::toString(folder.takeError()));
  store = std::move(*folder);
  if (failed(collect()))
    return failure();
  name();
  rotation.emplace(stream.columns, seed);

  std::vector<std::pair<size_t, size_t>> tasks; // job, its layer
  for (auto [i, job] : llvm::enumerate(jobs)) {
    WeightOp of = job.weight ? job.weight : job.norm;
    job.entries.resize(of.getLayerIndices().size());
    for (size_t layer = 0; layer < job.entries.size(); ++layer)
      tasks.push_back({i, layer});
  }
  std::vector<std::string> errors(tasks.size());
  auto elementsOf = [&](size_t task) {
    const Job &job = jobs[tasks[task].first];
    if (!job.weight)
      return uint64_t(stream.columns * stream.columns);
    WeightType type = WeightOp(job.weight).getWeightType();
    return uint64_t(type.getRows() * type.getCols());
  };
  uint64_t elements = 0;
  for (size_t i = 0; i < tasks.size(); ++i)
    elements += elementsOf(i);
  WorkProgress progress(module.getContext(), "rotate", double(elements));
  runParallel(module.getContext(), int64_t(tasks.size()), [&](int64_t i) {
    Job &job = jobs[tasks[size_t(i)].first];
    uint64_t bytes = elementsOf(size_t(i)) * sizeof(float);
    memory.take(bytes);
    errors[size_t(i)] =
        progress.isStopped()
            ? WorkProgress::stopped().str()
            : llvm::toString(compute(job, tasks[size_t(i)].second));
    memory.give(bytes);
    progress.add(double(elementsOf(size_t(i))));
  });
  if (progress.isStopped())
    return fail(WorkProgress::stopped());
  for (const std::string &error : errors)
    if (!error.empty())
      return fail(error);

  std::vector<WeightTableEntry> entries;
  std::vector<float> ones(size_t(stream.columns), 1.0f);
  auto one = store->add("f32", {stream.columns},
                        ArrayRef(reinterpret_cast<const uint8_t *>(ones.data()),
                                 ones.size() * sizeof(float)));
  if (!one)
    return fail(llvm::toString(one.takeError()));
  one->name = "adze.ones";
  entries.push_back(*one);
  for (Job &job : jobs)
    llvm::append_range(entries, job.entries);
  auto path = store->writeTable(*table, entries);
  if (!path)
    return fail(llvm::toString(path.takeError()));
  module->setAttr(kTableAttrName, StringAttr::get(module.getContext(), *path));
  reportFired(
      module, kPass,
      llvm::formatv("rotates what layers pass on: {0} columns, {1} weights{2}",
                    stream.columns, entries.size() - 1,
                    rotation->rest() == 1
                        ? std::string()
                        : llvm::formatv(", by a Hadamard matrix of {0} and a "
                                        "random one of {1}",
                                        stream.columns / rotation->rest(),
                                        rotation->rest())
                              .str())
          .str());
  replace();
  return success();
}

namespace {

struct Rotate : adze::impl::RotateBase<Rotate> {
  using RotateBase::RotateBase;

  void runOnOperation() override {
    if (failed(Rotating(getOperation(), uint64_t(seed), store, table).run()))
      signalPassFailure();
  }
};

} // namespace
