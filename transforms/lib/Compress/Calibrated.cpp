// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "Calibrated.h"
#include "../Weights/ModuleTable.h"
#include "adze/Transforms/Parts.h"
#include "adze/Transforms/Passes.h"
#include "adze/Transforms/WeightExpr.h"
#include "adze/Weights/ModelIdentity.h"
#include "mlir/IR/Threading.h"
#include "llvm/Support/Endian.h"
#include <cmath>

using namespace mlir;
using namespace adze;
using namespace adze::detail;

static LogicalResult fail(ModuleOp module, StringRef pass, llvm::Error error) {
  return module.emitError() << pass << ": " << llvm::toString(std::move(error));
}

FailureOr<CalibratedModule>
CalibratedModule::open(ModuleOp module, const CalibratedOptions &options) {
  CalibratedModule made;
  StringRef pass = options.pass;
  if ((options.needsStore && options.store.empty()) ||
      (options.needsStatistics && options.statistics.empty()))
    return module.emitError()
           << pass
           << (options.needsStatistics
                   ? ": expects the options statistics=FOLDER (see "
                     "`adze calibrate`) and store=FOLDER"
                   : ": expects the option store=FOLDER");
  auto table = openModuleTable(module, options.table);
  if (!table)
    return fail(module, pass, table.takeError());
  made.table = std::move(*table);
  // A pass before this one may have changed what the module's weights are.
  auto identity = module->getAttrOfType<StringAttr>(kModelAttrName);
  if (!identity) {
    auto hash = modelIdentity(module, *made.table);
    if (!hash)
      return fail(module, pass, hash.takeError());
    identity = StringAttr::get(module.getContext(), *hash);
  }
  if (!options.statistics.empty()) {
    auto read = Statistics::open(options.statistics, identity.getValue());
    if (!read)
      return fail(module, pass, read.takeError());
    made.statistics = std::move(*read);
  }
  module->setAttr(kModelAttrName, identity);
  auto evaluator = WeightEvaluator::create(module, *made.table);
  if (!evaluator)
    return fail(module, pass, evaluator.takeError());
  made.evaluator = std::move(*evaluator);
  if (!options.needsStore)
    return made;
  auto folder = WeightStore::open(options.store);
  if (!folder)
    return fail(module, pass, folder.takeError());
  made.store = std::move(*folder);
  return made;
}

llvm::Expected<InputStatistics>
CalibratedModule::statisticsOf(StringRef tensor, bool needsGram) const {
  if (!statistics)
    return InputStatistics();
  auto read = statistics->of(tensor);
  if (!read)
    return read;
  auto kept = keptColumns(tensor);
  if (!kept)
    return kept.takeError();
  // A calibration of the smaller model has seen no others.
  if (int64_t(kept->size()) == read->columns)
    kept->clear();
  for (int64_t column : *kept)
    if (column >= read->columns)
      return llvm::createStringError(
          table->path() + ": tensor \"" + keptColumnsName(tensor) +
          "\": expected columns below " + Twine(read->columns) + ", found " +
          Twine(column));
  InputStatistics reduced = kept->empty() ? *read : read->of(*kept);
  if (needsGram && read->gram.empty())
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
  return reduced;
}

std::string adze::detail::keptColumnsName(StringRef tensor) {
  return (tensor + "/columns").str();
}

llvm::Expected<std::vector<int64_t>>
CalibratedModule::keptColumns(StringRef tensor) const {
  std::vector<int64_t> columns;
  std::string name = keptColumnsName(tensor);
  if (!table->contains(name))
    return columns;
  auto view = table->lookup(name);
  if (!view)
    return view.takeError();
  for (uint64_t at = 0; at + 4 <= view->bytes; at += 4)
    columns.push_back(llvm::support::endian::read32le(view->data + at));
  return columns;
}

llvm::Error CalibratedModule::addEntries(ModuleOp module,
                                         ArrayRef<WeightTableEntry> entries) {
  auto path = store->writeTable(*table, entries);
  if (!path)
    return path.takeError();
  module->setAttr(kTableAttrName, StringAttr::get(module.getContext(), *path));
  return llvm::Error::success();
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

WeightOp adze::detail::getRoundedFloats(WeightOp weight) {
  WeightType type = weight.getWeightType();
  WeightOp floats = getCastSource(weight);
  if (!isa<IntFormatAttr>(Attribute(type.getFormat())) || !floats ||
      type.getLayout() != LayoutKind::Rows ||
      !isa<FloatFormatAttr>(Attribute(floats.getWeightType().getFormat())))
    return {};
  return floats;
}

OpPassManager adze::detail::conversionTo(StringRef weights) {
  OpPassManager passes(ModuleOp::getOperationName());
  if (!weights.empty())
    passes.addPass(createConvertWeights({weights.str()}));
  return passes;
}

std::string adze::detail::withLayer(StringRef name, WeightOp weight,
                                    int64_t layer) {
  return weight.isPerLayer() ? nameOfLayer(name, layer) : name.str();
}

std::string adze::detail::derivedName(StringRef source, StringRef kind,
                                      llvm::StringSet<> &taken) {
  std::string tag = kind.str();
  while (!taken.insert(madeName(source, tag)).second)
    tag += "_";
  return madeName(source, tag);
}

llvm::StringSet<> adze::detail::sourceNames(ModuleOp module) {
  llvm::StringSet<> names;
  for (auto weight : module.getOps<WeightOp>())
    if (weight.isSource())
      names.insert(*weight.getSource());
  return names;
}

void adze::detail::runParallel(MLIRContext *context, int64_t count,
                               function_ref<void(int64_t)> task) {
  parallelFor(context, 0, size_t(count), [&](size_t i) { task(int64_t(i)); });
}

void adze::detail::inTurn(int64_t count, function_ref<void(int64_t)> task) {
  for (int64_t i = 0; i < count; ++i)
    task(i);
}
