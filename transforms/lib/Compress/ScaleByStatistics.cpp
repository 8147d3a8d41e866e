// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header. Groups are worked on at once, each by the weights as they are
// before: what one group does to the rows of another's weight changes their
// codes no more than scales of groups are rounded.

#include "ScaleByStatistics.h"
#include "ColumnScales.h"
#include "CompressReport.h"
#include "MemoryBudget.h"
#include "ScaleGroups.h"
#include "adze/Transforms/Parts.h"
#include "adze/Transforms/Progress.h"
#include "adze/Transforms/Remark.h"
#include "adze/Transforms/Rounding.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include <cmath>

using namespace mlir;
using namespace adze;
using namespace adze::detail;

//===-- loss --------------------------------------------------------------===//

double ScaledInput::lossWith(ArrayRef<float> s, ParallelFor parallel) const {
  double loss = 0;
  auto k = size_t(statistics.columns);
  for (const Reader &reader : readers) {
    std::vector<float> change(reader.w.size());
    parallel(int64_t(change.size() / k), [&](int64_t row) {
      std::vector<uint8_t> bytes(size_t(reader.format.getRowBytes(k)));
      std::vector<float> scaled(k);
      llvm::MutableArrayRef<float> out(change.data() + size_t(row) * k, k);
      ArrayRef<float> in(reader.w.data() + size_t(row) * k, k);
      for (size_t i = 0; i < k; ++i)
        scaled[i] = s.empty() ? in[i] : in[i] * s[size_t(factorOf[i])];
      reader.format.encodeRow(scaled, bytes);
      reader.format.decodeRow(bytes, out);
      for (size_t i = 0; i < k; ++i)
        out[i] = in[i] - (s.empty() ? out[i] : out[i] / s[size_t(factorOf[i])]);
    });
    loss += outputOf(change, statistics, parallel);
  }
  return loss;
}

double ScaledInput::whole(ParallelFor parallel) const {
  double sum = 0;
  for (const Reader &reader : readers)
    sum += outputOf(reader.w, statistics, parallel);
  return sum;
}

//===-- all groups --------------------------------------------------------===//

namespace {

/// One group in one layer.
struct Task {
  const ScaleGroup *group;
  int64_t layer;
  std::vector<std::string> tensors; ///< of the weights, in the checkpoint
  std::vector<WeightTableEntry> entries;
  double alpha = 0, output = 0, plain = 0;
  std::string error; ///< empty: none
};

class Scaling {
public:
  Scaling(ModuleOp module, const ScaleOptions &options, ScaleChooser choose)
      : module(module), options(options), choose(choose) {}

  LogicalResult run();

private:
  struct Names {
    std::string columns, rows;
  };
  WeightOp find(StringRef name) {
    return lookupWeight(module,
                        FlatSymbolRefAttr::get(module.getContext(), name));
  }
  WeightOp firstOf(const Task &task) {
    return find(task.group->weights.front());
  }
  llvm::Error checkScales(const Task &task);
  llvm::Error runTask(Task &task);
  llvm::Expected<WeightTableEntry> store(ArrayRef<float> values,
                                         std::string name);
  LogicalResult finish();

  ModuleOp module;
  const ScaleOptions &options;
  ScaleChooser choose;
  std::vector<ScaleGroup> groups;
  std::vector<Names> names; // of each group's tensors
  std::vector<Task> tasks;
  CalibratedModule with;
  MemoryBudget memory;
};

} // namespace

llvm::Expected<WeightTableEntry> Scaling::store(ArrayRef<float> values,
                                                std::string name) {
  auto entry =
      with.store->add("f32", {int64_t(values.size())},
                      ArrayRef(reinterpret_cast<const uint8_t *>(values.data()),
                               values.size() * sizeof(float)));
  if (entry)
    entry->name = std::move(name);
  return entry;
}

/// What the weights of a task read is one value, so it is one also where it was
/// divided before.
llvm::Error Scaling::checkScales(const Task &task) {
  std::optional<std::vector<float>> first;
  for (auto [name, tensor] :
       llvm::zip_equal(task.group->weights, task.tensors)) {
    auto scales = columnScales(find(name), task.layer, with);
    if (!scales)
      return scales.takeError();
    if (!first)
      first = std::move(*scales);
    else if (*first != *scales)
      return llvm::createStringError("tensor \"" + tensor +
                                     "\": expected its columns to be scaled as "
                                     "those of \"" +
                                     task.tensors.front() +
                                     "\", which reads the same value");
  }
  return llvm::Error::success();
}

llvm::Error Scaling::runTask(Task &task) {
  const ScaleGroup &group = *task.group;
  auto run = [&](int64_t count, function_ref<void(int64_t)> work) {
    runParallel(module.getContext(), count, work);
  };
  ScaledInput input;
  input.factors = group.factors();
  for (int64_t column = 0; column < group.columns; ++column)
    input.factorOf.push_back(int32_t(group.factorOf(column)));
  uint64_t bytes = 0, largest = 0;
  for (const std::string &name : group.weights) {
    WeightType type = find(name).getWeightType();
    uint64_t one = sizeof(float) * uint64_t(type.getRows() * type.getCols());
    bytes += one;
    largest = std::max(largest, one);
  }
  bytes += 2 * largest;
  // What a pass before has scaled reads statistics of its own.
  bytes += ScaledStatistics::bytesFor(group.columns);
  memory.take(bytes);
  auto work = [&]() -> llvm::Error {
    if (llvm::Error error = checkScales(task))
      return error;
    auto read = inputOf(with, find(group.weights.front()), task.layer,
                        task.tensors.front(), /*needsGram=*/false);
    if (!read)
      return read.takeError();
    input.statistics = read->get();
    for (auto [name, tensor] : llvm::zip_equal(group.weights, task.tensors)) {
      WeightOp weight = find(name);
      WeightType type = weight.getWeightType();
      ScaledInput::Reader reader{
          cast<IntFormatAttr>(Attribute(type.getFormat())),
          std::vector<float>(size_t(type.getRows() * type.getCols()))};
      if (llvm::Error error =
              with.evaluator->readRows(getRoundedFloats(weight), task.layer, 0,
                                       type.getRows(), reader.w.data()))
        return error;
      if (!llvm::all_of(reader.w, [](float v) { return std::isfinite(v); }))
        return llvm::createStringError("tensor \"" + tensor +
                                       "\": expected finite values");
      input.readers.push_back(std::move(reader));
    }
    ScaleChoice chosen = choose(input, run);
    double whole = input.whole(run);
    task.alpha = chosen.alpha;
    if (whole > 0) {
      double loss =
          chosen.loss ? *chosen.loss : input.lossWith(chosen.factors, run);
      double plain = chosen.plain ? *chosen.plain : input.lossWith({}, run);
      if (!std::isfinite(loss) || !std::isfinite(plain))
        return llvm::createStringError(
            "tensor \"" + task.tensors.front() +
            "\": what rounding loses is not finite: its values, or those of a "
            "weight that reads the same, are too large for the scales of the "
            "format; use bf16 or f32 scales");
      task.output = std::max(loss, 0.0) / whole;
      task.plain = std::max(plain, 0.0) / whole;
    }
    std::vector<float> columns;
    for (int32_t factor : input.factorOf)
      columns.push_back(chosen.factors[size_t(factor)]);
    const Names &of = names[size_t(task.group - groups.data())];
    WeightOp first = firstOf(task);
    for (auto [values, name] :
         {std::pair<ArrayRef<float>, StringRef>(columns, of.columns),
          std::pair<ArrayRef<float>, StringRef>(chosen.factors, of.rows)}) {
      auto entry = store(values, withLayer(name, first, task.layer));
      if (!entry)
        return entry.takeError();
      task.entries.push_back(std::move(*entry));
      if (of.columns == of.rows)
        break;
    }
    return llvm::Error::success();
  };
  llvm::Error error = work();
  memory.give(bytes);
  return error;
}

LogicalResult Scaling::finish() {
  std::vector<WeightTableEntry> entries;
  llvm::json::Array inputs;
  for (Task &task : tasks) {
    llvm::append_range(entries, task.entries);
    std::string text;
    llvm::raw_string_ostream(text)
        << llvm::format("alpha %.3g, error %.3g of what they compute (%.3g "
                        "without)",
                        task.alpha, task.output, task.plain);
    bool isOne = task.tensors.size() == 1;
    reportFired(firstOf(task), options.pass,
                "scales what \"" + task.tensors.front() + "\" " +
                    (isOne ? "reads: " : "and others read: ") + text);
    inputs.push_back(
        llvm::json::Object{{"tensors", llvm::json::Array(task.tensors)},
                           {"alpha", task.alpha},
                           {"output", task.output},
                           {"plain", task.plain}});
  }
  if (llvm::Error error = with.addEntries(module, entries))
    return module.emitError()
           << options.pass << ": " << llvm::toString(std::move(error));
  llvm::json::Value report =
      llvm::json::Object{{"version", 1},
                         {"pass", options.pass},
                         {"model", with.statistics->model()},
                         {"text", with.statistics->text()},
                         {"sequences", with.statistics->sequences()},
                         {"tokens", with.statistics->tokens()},
                         {"inputs", std::move(inputs)}};
  std::string line;
  llvm::raw_string_ostream(line) << report;
  module->setAttr(kScalingAttrName, StringAttr::get(module.getContext(), line));
  if (!options.report.empty())
    if (llvm::Error error =
            llvm::writeToOutput(options.report, [&](llvm::raw_ostream &os) {
              os << llvm::formatv("{0:2}\n", report);
              return llvm::Error::success();
            }))
      return module.emitError()
             << options.pass << ": " << llvm::toString(std::move(error));
  for (auto [group, name] : llvm::zip_equal(groups, names))
    foldScales(module, group, name.columns, name.rows);
  return success();
}

LogicalResult Scaling::run() {
  groups = findScaleGroups(module, options.pass);
  if (groups.empty()) {
    reportMissed(module, options.pass,
                 "nothing that weights with integer formats read can be "
                 "scaled");
    return success();
  }
  auto opened = CalibratedModule::open(module, options);
  if (failed(opened))
    return failure();
  with = std::move(*opened);
  llvm::StringSet<> taken = sourceNames(module);
  for (const ScaleGroup &group : groups) {
    WeightOp first = find(group.weights.front());
    std::string source = sourcesOf(first).front();
    Names of;
    of.columns = of.rows = derivedName(source, "input_scales", taken);
    if (group.sharing != 1)
      of.rows = derivedName(source, "row_scales", taken);
    names.push_back(of);
    for (int64_t layer : first.getLayerIndices()) {
      Task task;
      task.group = &group;
      task.layer = layer;
      for (const std::string &name : group.weights)
        task.tensors.push_back(
            withLayer(sourcesOf(find(name)).front(), first, layer));
      tasks.push_back(std::move(task));
    }
  }
  // Losses are most of it: each row with all of a Gram matrix.
  auto effortOf = [&](const Task &task) {
    double rows = 0, columns = double(task.group->columns);
    for (const std::string &name : task.group->weights)
      rows += double(find(name).getWeightType().getRows());
    return rows * columns * columns;
  };
  double effort = 0;
  for (const Task &task : tasks)
    effort += effortOf(task);
  WorkProgress progress(module.getContext(), "scale", effort);
  runParallel(module.getContext(), int64_t(tasks.size()), [&](int64_t i) {
    Task &task = tasks[size_t(i)];
    task.error = progress.isStopped() ? WorkProgress::stopped().str()
                                      : llvm::toString(runTask(task));
    progress.add(effortOf(task));
  });
  if (progress.isStopped())
    return module.emitError()
           << options.pass << ": " << WorkProgress::stopped();
  LogicalResult result = success();
  for (Task &task : tasks)
    if (!task.error.empty())
      result = firstOf(task).emitError() << options.pass << ": " << task.error;
  return failed(result) ? result : finish();
}

LogicalResult adze::detail::scaleByStatistics(ModuleOp module,
                                              const ScaleOptions &options,
                                              ScaleChooser choose) {
  return Scaling(module, options, choose).run();
}
