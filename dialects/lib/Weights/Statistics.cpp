// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reading of statistics: the tensors as a weight table reads them, then what
// they should be for each input.

#include "adze/Weights/Statistics.h"
#include "StatisticsFile.h"
#include "llvm/Support/Path.h"
#include <cmath>

using namespace llvm;
using namespace adze;
using namespace adze::detail;

Expected<StatisticsHeader> adze::detail::readHeader(StringRef path) {
  auto root = readTableJson(path, "statistics");
  if (!root)
    return root.takeError();
  const json::Object *object = root->getAsObject();
  auto kind = object ? object->getString("kind") : std::nullopt;
  if (!kind || *kind != "statistics")
    return createStringError(path + ": expected statistics of a calibration, "
                                    "with \"kind\": \"statistics\"");
  auto version = object->getInteger("version");
  if (!version || *version != kTableVersion)
    return createStringError(path + ": expected statistics of version " +
                             Twine(kTableVersion) + ", found " +
                             (version ? Twine(*version) : Twine("none")) +
                             "; calibrate again");
  auto complete = object->getBoolean("complete");
  auto model = object->getString("model"), text = object->getString("text");
  auto tokens = object->getInteger("tokens"),
       sequences = object->getInteger("sequences");
  const json::Object *inputs = object->getObject("inputs");
  if (!complete || !model || !text || !tokens || !sequences || !inputs)
    return createStringError(
        path + ": expected the keys \"complete\" (true or false), \"model\", "
               "\"text\" (strings), \"tokens\", \"sequences\" (integers) and "
               "\"inputs\" (an object)");
  StatisticsHeader header;
  header.complete = *complete;
  header.origin = {model->str(), text->str(), *tokens, *sequences,
                   object->getString("rounding").value_or("").str()};
  for (auto &[weight, value] : *inputs) {
    auto input = value.getAsString();
    if (!input)
      return createStringError(path + ": weight \"" + StringRef(weight) +
                               "\": expected the name of its input");
    header.inputOf.push_back({StringRef(weight).str(), input->str()});
  }
  return header;
}

namespace {

/// Reads the tensors of inputs; errors name file and tensor.
class InputReader {
public:
  explicit InputReader(WeightTable &table) : table(table) {}

  Expected<InputStatistics> read(StringRef input) {
    InputStatistics stats;
    auto squares = table.lookup((input + "/sum_squares").str());
    if (!squares)
      return squares.takeError();
    stats.columns = squares->shape.size() == 1 ? squares->shape[0] : 0;
    int64_t k = stats.columns;
    if (Error error = getFloats(input + "/sum_squares", {k}, stats.sumSquares))
      return error;
    if (Error error = getFloats(input + "/abs_max", {k}, stats.absMax))
      return error;
    if (Error error = getFloats(input + "/abs_sum", {k}, stats.absSum))
      return error;
    if (table.contains((input + "/gram").str()))
      if (Error error = getFloats(input + "/gram", {k, k}, stats.gram))
        return error;
    auto count = table.lookup((input + "/count").str());
    if (!count)
      return count.takeError();
    if (count->dtype != "i64" || count->bytes != 8)
      return error(input + "/count", "expected one i64, found " + count->dtype +
                                         " of " + Twine(count->bytes) +
                                         " bytes");
    std::memcpy(&stats.count, count->data, 8);
    if (stats.count <= 0)
      return error(input + "/count",
                   "expected at least one row, found " + Twine(stats.count));
    return stats;
  }

private:
  Error error(const Twine &tensor, const Twine &message) {
    return createStringError(table.path() + ": tensor \"" + tensor +
                             "\": " + message);
  }

  Error getFloats(const Twine &tensor, ArrayRef<int64_t> shape,
                  ArrayRef<float> &values) {
    auto view = table.lookup(tensor.str());
    if (!view)
      return view.takeError();
    auto spell = [](ArrayRef<int64_t> dims) {
      std::string text;
      for (int64_t dim : dims)
        text += (text.empty() ? "" : "x") + std::to_string(dim);
      return text;
    };
    if (view->dtype != "f32" || ArrayRef<int64_t>(view->shape) != shape)
      return error(tensor, "expected f32 " + spell(shape) + ", found " +
                               view->dtype + " " + spell(view->shape));
    if (reinterpret_cast<uintptr_t>(view->data) % alignof(float))
      return error(tensor, "expected an offset that 4 divides");
    values = ArrayRef(reinterpret_cast<const float *>(view->data),
                      view->bytes / sizeof(float));
    // What is of the order of the columns is looked at here, a gram by those
    // who factor it.
    if (shape.size() == 1)
      for (auto [i, value] : enumerate(values))
        if (!std::isfinite(value) || value < 0)
          return error(tensor, "expected numbers that are finite and not "
                               "negative, found " +
                                   std::to_string(value) + " in column " +
                                   Twine(i));
    return Error::success();
  }

  WeightTable &table;
};

} // namespace

Expected<std::unique_ptr<Statistics>> Statistics::open(StringRef folder,
                                                       StringRef model) {
  SmallString<256> path(folder);
  sys::path::append(path, kStatisticsFile);
  auto header = readHeader(path);
  if (!header)
    return header.takeError();
  if (!header->complete)
    return createStringError(Twine(path) +
                             ": expected whole statistics, found those of a "
                             "calibration that did not end; run it again, it "
                             "goes on where it stopped");
  if (!model.empty() && header->origin.model != model)
    return createStringError(Twine(path) + ": expected statistics of model " +
                             model + ", found those of model " +
                             header->origin.model +
                             "; calibrate the model that is compiled, rotated "
                             "if that is");
  std::unique_ptr<Statistics> result(new Statistics);
  result->jsonPath = std::string(path);
  result->from = std::move(header->origin);
  auto table = WeightTable::open(path);
  if (!table)
    return table.takeError();
  result->table = std::move(*table);
  InputReader reader(*result->table);
  for (auto &[weight, input] : header->inputOf) {
    result->inputOf[weight] = input;
    auto [it, isNew] = result->stats.try_emplace(input);
    if (!isNew)
      continue;
    auto stats = reader.read(input);
    if (!stats)
      return stats.takeError();
    it->second = *stats;
    it->second.input = it->first();
  }
  return result;
}

Expected<InputStatistics> Statistics::of(StringRef weightName) const {
  auto it = inputOf.find(weightName);
  if (it == inputOf.end())
    return createStringError(
        jsonPath + ": weight \"" + weightName +
        "\": expected statistics of what it is multiplied with, found none; "
        "calibrate with this version, and the model that is compiled");
  return stats.find(it->second)->second;
}

std::vector<StringRef> Statistics::inputs() const {
  std::vector<StringRef> names;
  for (auto &entry : stats)
    names.push_back(entry.first());
  llvm::sort(names);
  return names;
}

InputStatistics InputStatistics::of(ArrayRef<int64_t> kept) const {
  size_t n = kept.size(), k = size_t(columns);
  auto values = std::make_shared<std::vector<float>>();
  values->reserve((gram.empty() ? 0 : n * n) + 3 * n);
  if (!gram.empty())
    for (int64_t row : kept)
      for (int64_t column : kept)
        values->push_back(gram[size_t(row) * k + size_t(column)]);
  for (ArrayRef<float> list : {sumSquares, absMax, absSum})
    for (int64_t column : kept)
      values->push_back(list[size_t(column)]);
  InputStatistics made = *this;
  made.columns = int64_t(n);
  ArrayRef<float> rest(*values);
  made.gram = rest.take_front(gram.empty() ? 0 : n * n);
  rest = rest.drop_front(made.gram.size());
  made.sumSquares = rest.slice(0, n);
  made.absMax = rest.slice(n, n);
  made.absSum = rest.slice(2 * n, n);
  made.own = std::move(values);
  return made;
}
