// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header. Inputs are worked on at once, as far as memory allows; the
// result does not depend on how many are.

#include "CompressContext.h"
#include "ColumnScales.h"
#include "CompressReport.h"
#include "MemoryBudget.h"
#include "adze/Transforms/Parts.h"
#include "adze/Transforms/Progress.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>
#include <map>

using namespace mlir;
using namespace adze;
using namespace adze::detail;

namespace {

/// An input and the weights that read it, divided by the same factors.
struct Input {
  std::vector<size_t> items;
  std::vector<float> scales; ///< empty: it is not divided
  bool isReduced = false;    ///< of some of its columns only
  std::string error;         ///< empty: none
};

} // namespace

llvm::Expected<SweepPrecision> adze::detail::parseSweep(double damping,
                                                        StringRef precision) {
  if (!(damping >= 0) || damping > 1) {
    std::string text;
    llvm::raw_string_ostream(text) << llvm::format("%g", damping);
    return llvm::createStringError("expects damping from 0 to 1, got " + text);
  }
  if (precision == "fast")
    return SweepPrecision::Fast;
  if (precision == "double")
    return SweepPrecision::Double;
  return llvm::createStringError(
      "expects precision to be fast or double, got \"" + precision + "\"");
}

//===-- what a pass works with --------------------------------------------===//

LogicalResult CompressContext::open() {
  auto opened = CalibratedModule::open(module, options);
  if (failed(opened))
    return failure();
  with = std::move(*opened);
  return success();
}

LogicalResult CompressContext::renewEvaluator() {
  auto made = WeightEvaluator::create(module, *with.table);
  if (!made)
    return fail(module, made.takeError());
  with.evaluator = std::move(*made);
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
  runParallel(module.getContext(), count, task);
}

//===-- work --------------------------------------------------------------===//

LogicalResult CompressContext::forEachInput(llvm::StringLiteral stage,
                                            ArrayRef<WeightInLayer> items,
                                            Bytes bytes, Work work) {
  using Key = std::pair<StringRef, std::vector<float>>; // name and factors
  llvm::MapVector<Key, std::unique_ptr<Input>, std::map<Key, unsigned>> inputs;
  for (auto [i, item] : llvm::enumerate(items)) {
    StringRef name = item.name;
    std::vector<float> scales;
    bool isReduced = false;
    if (with.statistics) {
      auto read = with.statistics->of(name);
      if (!read)
        return fail(item.weight, read.takeError());
      name = read->input;
      auto factors = columnScales(item.weight, item.layer, with);
      if (!factors)
        return fail(item.weight, factors.takeError());
      scales = std::move(*factors);
      auto kept = with.keptColumns(item.name);
      if (!kept)
        return fail(item.weight, kept.takeError());
      isReduced = !kept->empty();
    }
    std::unique_ptr<Input> &input = inputs[{name, scales}];
    if (!input)
      input = std::make_unique<Input>();
    input->items.push_back(i);
    input->scales = std::move(scales);
    input->isReduced = isReduced;
  }
  MemoryBudget memory;
  auto inParallel = [&](int64_t count, function_ref<void(int64_t)> task) {
    parallel(count, task);
  };
  auto workOn = [&](const Input &input) -> llvm::Error {
    const WeightInLayer &first = items[input.items.front()];
    auto read = with.statisticsOf(first.name, options.needsGram);
    if (!read)
      return read.takeError();
    auto scaled = ScaledStatistics::make(*read, input.scales);
    if (!scaled)
      return scaled.takeError();
    return work(scaled->get(), input.items, inParallel);
  };
  // Nothing is read before there is room for it.
  auto bytesOf = [&](const Input &input) {
    uint64_t elements = 0;
    int64_t columns = 0;
    for (size_t i : input.items) {
      WeightOp weight = items[i].weight;
      WeightType type = weight.getWeightType();
      elements = std::max(elements, uint64_t(type.getRows() * type.getCols()));
      columns = std::max(columns, type.getCols());
    }
    uint64_t taken = bytes(columns) + 4 * sizeof(float) * elements;
    bool isOwn = !input.scales.empty() || input.isReduced;
    return isOwn ? taken + ScaledStatistics::bytesFor(columns) : taken;
  };
  // In the time that an element takes: with a Gram matrix there is a factor of
  // it, and sweeps and losses go over all of it for each row.
  auto effortOf = [&](const Input &input) {
    double rows = 0, columns = 0;
    for (size_t i : input.items) {
      WeightOp weight = items[i].weight;
      rows += double(weight.getWeightType().getRows());
      columns = double(weight.getWeightType().getCols());
    }
    return options.needsGram ? columns * columns * (columns + 2 * rows)
                             : columns * rows;
  };
  double effort = 0;
  for (auto &[name, input] : inputs)
    effort += effortOf(*input);
  WorkProgress progress(module.getContext(), stage, effort);
  parallel(int64_t(inputs.size()), [&](int64_t i) {
    Input &input = *inputs.begin()[i].second;
    uint64_t taken = bytesOf(input);
    memory.take(taken);
    input.error = progress.isStopped() ? WorkProgress::stopped().str()
                                       : llvm::toString(workOn(input));
    memory.give(taken);
    progress.add(effortOf(input));
  });
  if (progress.isStopped())
    return error(module) << WorkProgress::stopped();
  LogicalResult result = success();
  for (auto &[name, input] : inputs)
    if (!input->error.empty())
      result = error(items[input->items.front()].weight) << input->error;
  return result;
}

llvm::Error CompressContext::ofTensor(StringRef name, llvm::Error error) {
  std::string text = llvm::toString(std::move(error));
  bool says = StringRef(text).starts_with("tensor \"");
  return llvm::createStringError((says ? "" : "tensor \"" + name + "\": ") +
                                 text);
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
          with.evaluator->readRows(values, item.layer, 0, n, w.data()))
    return std::move(error);
  for (auto [i, value] : llvm::enumerate(w))
    if (!std::isfinite(value))
      return llvm::createStringError(
          "row " + Twine(i / size_t(k)) + ", column " + Twine(i % size_t(k)) +
          ": expected a finite value, found " + std::to_string(value));
  return w;
}

//===-- the module --------------------------------------------------------===//

LogicalResult CompressContext::addSources(ArrayRef<WeightTableEntry> added,
                                          const CompressReport *report) {
  if (llvm::Error failure = with.addEntries(module, added))
    return fail(module, std::move(failure));
  if (report && !options.report.empty())
    if (llvm::Error failure = report->write(options.report))
      return fail(module, std::move(failure));
  return success();
}

std::string CompressContext::sourceName(WeightOp weight, StringRef made) {
  if (names.empty())
    names = sourceNames(module);
  return derivedName(sourcesOf(weight).front(), made, names);
}

llvm::Expected<WeightTableEntry>
CompressContext::store(WeightType type, ArrayRef<float> values) const {
  FormatAttrInterface format = type.getFormat();
  int64_t k = type.getCols(), rows = int64_t(values.size()) / k;
  int64_t bytes = format.getRowBytes(k);
  std::vector<uint8_t> stored(size_t(rows * bytes));
  for (int64_t row = 0; row < rows; ++row)
    format.encodeRow(values.slice(size_t(row * k), size_t(k)),
                     llvm::MutableArrayRef(stored).slice(size_t(row * bytes),
                                                         size_t(bytes)));
  return with.store->add(format.getFormatName(), type.getShape(), stored);
}

llvm::Expected<WeightTableEntry>
CompressContext::store(const WeightInLayer &item, StringRef source,
                       ArrayRef<uint8_t> rows) const {
  WeightOp weight = item.weight;
  WeightType type = weight.getWeightType();
  auto entry =
      with.store->add(type.getFormat().getFormatName(), type.getShape(), rows);
  if (entry)
    entry->name = withLayer(source, weight, item.layer);
  return entry;
}

llvm::Error
CompressContext::keepScales(const WeightInLayer &item, StringRef source,
                            std::vector<WeightTableEntry> &entries) const {
  auto scales = columnScales(item.weight, item.layer, with);
  if (!scales)
    return scales.takeError();
  if (scales->empty())
    return llvm::Error::success();
  auto entry = with.store->add(
      "f32", {int64_t(scales->size())},
      ArrayRef(reinterpret_cast<const uint8_t *>(scales->data()),
               scales->size() * sizeof(float)));
  if (!entry)
    return entry.takeError();
  entry->name = columnScalesName(withLayer(source, item.weight, item.layer));
  entries.push_back(std::move(*entry));
  return llvm::Error::success();
}

void CompressContext::replace(WeightOp old, StringRef source, WeightType type) {
  OpBuilder builder(old);
  auto made = WeightOp::create(builder, old.getLoc(), old.getSymName(), source,
                               0, type ? type : old.getWeightType());
  if (auto count = old.getCountAttr())
    made.setCountAttr(count);
  if (auto layers = old.getLayersAttr())
    made.setLayersAttr(layers);
  old.erase();
}
