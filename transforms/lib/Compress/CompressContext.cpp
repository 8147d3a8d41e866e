// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header. Inputs are worked on at once, as far as memory allows; the
// result does not depend on how many are.

#include "CompressContext.h"
#include "adze/Dialect/Adze/AdzeExpressions.h"
#include "adze/Transforms/Parts.h"
#include "adze/Weights/ModelIdentity.h"
#include "mlir/IR/Threading.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/Path.h"
#include <cmath>
#include <condition_variable>
#include <mutex>

using namespace mlir;
using namespace adze;
using namespace adze::detail;

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

/// An input and the weights that read it.
struct Input {
  std::vector<size_t> items;
  std::string error; ///< empty: none
};

} // namespace

//===-- what a pass works with --------------------------------------------===//

/// A module on disk names its table beside itself; a pass that has added to it,
/// the one in its store, whatever the option says.
LogicalResult CompressContext::openTable() {
  auto name = module->getAttrOfType<StringAttr>(kTableAttrName);
  SmallString<256> path(options.table);
  if (name && llvm::sys::path::is_absolute(name.getValue()))
    path = name.getValue();
  if (path.empty()) {
    if (!name)
      return error(module)
             << "expects a weight table: the option table, or the "
                "module attribute \""
             << kTableAttrName << "\"";
    path = name.getValue();
    auto file = dyn_cast<FileLineColLoc>(module.getLoc());
    if (!llvm::sys::path::is_absolute(path) && file) {
      path = llvm::sys::path::parent_path(file.getFilename().getValue());
      llvm::sys::path::append(path, name.getValue());
    }
  }
  auto opened = WeightTable::open(path);
  if (!opened)
    return fail(module, opened.takeError());
  table = std::move(*opened);
  return success();
}

LogicalResult CompressContext::open() {
  if (options.store.empty() ||
      (options.needsStatistics && options.statistics.empty()))
    return error(module) << (options.needsStatistics
                                 ? "expects the options statistics=FOLDER (see "
                                   "`adze calibrate`) and store=FOLDER"
                                 : "expects the option store=FOLDER");
  if (failed(openTable()))
    return failure();
  // A pass before this one may have changed what the module's weights are.
  auto identity = module->getAttrOfType<StringAttr>(kModelAttrName);
  if (!identity) {
    auto hash = modelIdentity(module, *table);
    if (!hash)
      return fail(module, hash.takeError());
    identity = StringAttr::get(module.getContext(), *hash);
  }
  if (!options.statistics.empty()) {
    auto read = Statistics::open(options.statistics, identity.getValue());
    if (!read)
      return fail(module, read.takeError());
    stats = std::move(*read);
  }
  module->setAttr(kModelAttrName, identity);
  auto made = WeightEvaluator::create(module, *table);
  if (!made)
    return fail(module, made.takeError());
  evaluator = std::move(*made);
  auto folder = WeightStore::open(options.store);
  if (!folder)
    return fail(module, folder.takeError());
  storage = std::move(*folder);
  return success();
}

std::vector<WeightInLayer> CompressContext::layersOf(WeightOp weight) {
  std::vector<WeightInLayer> items;
  std::string source = sourcesOf(weight).front();
  for (int64_t layer : weight.getLayerIndices())
    items.push_back(
        {weight, layer,
         weight.isPerLayer() ? nameOfLayer(source, layer) : source});
  return items;
}

void CompressContext::parallel(int64_t count,
                               function_ref<void(int64_t)> task) {
  parallelFor(module.getContext(), 0, size_t(count),
              [&](size_t i) { task(int64_t(i)); });
}

//===-- work --------------------------------------------------------------===//

llvm::Expected<InputStatistics> CompressContext::check(StringRef name) const {
  if (!stats)
    return InputStatistics();
  auto read = stats->of(name);
  if (!read || !options.needsGram)
    return read;
  if (read->gram.empty())
    return llvm::createStringError(
        stats->path() + ": tensor \"" + read->input +
        "/gram\": expected, not found: the calibration left Gram matrices out");
  for (auto [i, value] : llvm::enumerate(read->gram))
    if (!std::isfinite(value))
      return llvm::createStringError(
          stats->path() + ": tensor \"" + read->input + "/gram\": row " +
          Twine(i / size_t(read->columns)) + ", column " +
          Twine(i % size_t(read->columns)) +
          ": expected a finite number, found " + std::to_string(value) +
          "; calibrate again");
  return read;
}

LogicalResult CompressContext::forEachInput(ArrayRef<WeightInLayer> items,
                                            Bytes bytes, Work work) {
  llvm::MapVector<StringRef, std::unique_ptr<Input>> inputs;
  for (auto [i, item] : llvm::enumerate(items)) {
    StringRef name = item.name;
    if (stats) {
      auto read = stats->of(name);
      if (!read)
        return fail(item.weight, read.takeError());
      name = read->input;
    }
    std::unique_ptr<Input> &input = inputs[name];
    if (!input)
      input = std::make_unique<Input>();
    input->items.push_back(i);
  }
  Memory memory;
  auto inParallel = [&](int64_t count, function_ref<void(int64_t)> task) {
    parallel(count, task);
  };
  auto workOn = [&](const Input &input) -> llvm::Error {
    WeightInLayer first = items[input.items.front()];
    auto read = check(first.name);
    if (!read)
      return read.takeError();
    int64_t elements = 0;
    for (size_t i : input.items) {
      WeightOp weight = items[i].weight;
      WeightType type = weight.getWeightType();
      elements = std::max(elements, type.getRows() * type.getCols());
    }
    uint64_t taken = bytes(first.weight.getWeightType().getCols()) +
                     4 * sizeof(float) * uint64_t(elements);
    memory.take(taken);
    llvm::Error error = work(*read, input.items, inParallel);
    memory.give(taken);
    return error;
  };
  parallel(int64_t(inputs.size()), [&](int64_t i) {
    Input &input = *inputs.begin()[i].second;
    input.error = llvm::toString(workOn(input));
  });
  LogicalResult result = success();
  for (auto &[name, input] : inputs)
    if (!input->error.empty())
      result = error(items[input->items.front()].weight) << input->error;
  return result;
}

llvm::Expected<std::vector<float>>
CompressContext::read(const WeightInLayer &item, WeightOp values,
                      const InputStatistics &input) const {
  WeightType type = values.getWeightType();
  int64_t n = type.getRows(), k = type.getCols();
  if (input.columns && input.columns != k)
    return llvm::createStringError("expected statistics of " + Twine(k) +
                                   " values, found those of " +
                                   Twine(input.columns));
  std::vector<float> w(size_t(n * k));
  if (llvm::Error error =
          evaluator->readRows(values, item.layer, 0, n, w.data()))
    return std::move(error);
  for (auto [i, value] : llvm::enumerate(w))
    if (!std::isfinite(value))
      return llvm::createStringError(
          "row " + Twine(i / size_t(k)) + ", column " + Twine(i % size_t(k)) +
          ": expected a finite value, found " + std::to_string(value));
  return w;
}

//===-- the module --------------------------------------------------------===//

LogicalResult CompressContext::addSources(ArrayRef<WeightTableEntry> added) {
  auto path = storage->writeTable(*table, added);
  if (!path)
    return fail(module, path.takeError());
  module->setAttr(kTableAttrName, StringAttr::get(module.getContext(), *path));
  return success();
}

std::string CompressContext::sourceName(WeightOp weight, StringRef made) {
  if (names.empty())
    for (auto other : module.getOps<WeightOp>())
      if (other.isSource())
        names.insert(*other.getSource());
  std::string source = sourcesOf(weight).front(), tag = made.str();
  while (!names.insert(madeName(source, tag)).second)
    tag += "_";
  return madeName(source, tag);
}

void CompressContext::replace(WeightOp old, StringRef source) {
  OpBuilder builder(old);
  auto made = WeightOp::create(builder, old.getLoc(), old.getSymName(), source,
                               0, old.getWeightType());
  if (auto count = old.getCountAttr())
    made.setCountAttr(count);
  if (auto layers = old.getLayersAttr())
    made.setLayersAttr(layers);
  old.erase();
}

WeightReaders::WeightReaders(ModuleOp module) {
  module.walk([&](Operation *op) {
    op->getAttrDictionary().walk([&](FlatSymbolRefAttr name) {
      (isa<LinearOp>(op) ? linears
       : isa<RefOp>(op)  ? weights
                         : others)
          .insert(name.getValue());
    });
  });
}
