// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads a folder of statistics. WeightTable maps and checks the files; here is
// the header, and what must be true of the tensors of an input.

#include "adze/Weights/Statistics.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include <cmath>
#include <set>

using namespace llvm;
using namespace adze;

static constexpr StringLiteral kRemedy =
    "; remove the folder and calibrate again";

Expected<std::unique_ptr<Statistics>> Statistics::open(StringRef folder) {
  std::unique_ptr<Statistics> result(new Statistics);
  SmallString<256> path(folder);
  sys::path::append(path, "statistics.json");
  result->file = path.str().str();
  SmallString<256> unfinished(folder);
  sys::path::append(unfinished, "calibration.json");
  if (!sys::fs::exists(path) && sys::fs::exists(unfinished))
    return createStringError(
        folder + ": the calibration is not finished; run the same `adze "
                 "calibrate` again, it goes on where it ended");
  auto table = WeightTable::open(path);
  if (!table)
    return table.takeError();
  result->table = std::move(*table);
  if (Error error = result->readHeader())
    return std::move(error);
  std::set<std::string> names;
  for (const auto &entry : result->inputs)
    names.insert(entry.second);
  for (const std::string &input : names)
    if (auto bound = result->bind(input); !bound)
      return bound.takeError();
  return result;
}

Error Statistics::readHeader() {
  auto fail = [&](const Twine &message) {
    return createStringError(file + ": " + message);
  };
  auto buffer = MemoryBuffer::getFile(file);
  if (!buffer)
    return fail(buffer.getError().message());
  // It parsed before, as a weight table.
  auto parsed = json::parse((*buffer)->getBuffer());
  if (!parsed)
    return fail(toString(parsed.takeError()));
  const json::Object &object = *parsed->getAsObject();
  auto kind = object.getString("kind");
  if (kind != "statistics")
    return fail("\"kind\": expected \"statistics\", found " +
                (kind ? "\"" + *kind + "\"" : Twine("none")) +
                ": this is no folder of `adze calibrate`");
  auto model = object.getString("model"), text = object.getString("text");
  auto tokens = object.getInteger("tokens");
  auto sequences = object.getInteger("sequences");
  const json::Object *readers = object.getObject("inputs");
  if (!model || !text || !tokens || !sequences || !readers)
    return fail("expected the keys \"model\", \"text\" (strings), \"tokens\", "
                "\"sequences\" (integers) and \"inputs\" (an object)" +
                kRemedy);
  modelHash = model->str();
  textHash = text->str();
  tokenCount = *tokens;
  sequenceCount = *sequences;
  for (auto &[weight, input] : *readers) {
    auto name = input.getAsString();
    if (!name)
      return fail("\"inputs\": weight \"" + StringRef(weight) +
                  "\": expected the name of an input" + kRemedy);
    inputs[weight] = name->str();
  }
  return Error::success();
}

/// Of one dimension where `rows` is 0; any number of columns where `columns`
/// is 0.
Expected<ArrayRef<float>> Statistics::floats(const Twine &name, int64_t rows,
                                             int64_t columns) const {
  std::string tensor = name.str();
  auto view = table->lookup(tensor);
  if (!view)
    return view.takeError();
  SmallVector<int64_t, 2> expected;
  if (rows)
    expected.push_back(rows);
  expected.push_back(columns ? columns : view->shape.back());
  auto text = [](ArrayRef<int64_t> shape) {
    std::string text;
    raw_string_ostream os(text);
    os << "[";
    interleaveComma(shape, os);
    os << "]";
    return text;
  };
  if (view->dtype != "f32" || view->shape != ArrayRef<int64_t>(expected))
    return createStringError(file + ": tensor \"" + tensor +
                             "\": expected f32 " + text(expected) + ", found " +
                             view->dtype + " " + text(view->shape) + kRemedy);
  if (reinterpret_cast<uintptr_t>(view->data) % alignof(float))
    return createStringError(file + ": tensor \"" + tensor +
                             "\": expected an offset that is a multiple of 4" +
                             kRemedy);
  return ArrayRef(reinterpret_cast<const float *>(view->data),
                  view->bytes / sizeof(float));
}

/// The tensors of an input, without a look at their values but for the count.
Expected<InputStatistics> Statistics::bind(StringRef input) const {
  InputStatistics result;
  result.name = input.str();
  auto squares = floats(input + "/sum_squares", 0, 0);
  if (!squares)
    return squares.takeError();
  result.sumSquares = *squares;
  int64_t k = result.columns();
  for (auto [what, where] : {std::pair("/abs_max", &InputStatistics::absMax),
                             std::pair("/abs_sum", &InputStatistics::absSum)}) {
    auto values = floats(input + what, 0, k);
    if (!values)
      return values.takeError();
    result.*where = *values;
  }
  auto count = floats(input + "/count", 0, 1);
  if (!count)
    return count.takeError();
  result.count = count->front();
  if (!(result.count >= 1) || std::isinf(result.count))
    return createStringError(file + ": tensor \"" + input +
                             "/count\": expected at least 1 row, found " +
                             Twine(std::to_string(result.count)) + kRemedy);
  std::string gram = (input + "/gram").str();
  auto entries = table->entries();
  auto it = std::lower_bound(
      entries.begin(), entries.end(), gram,
      [](const WeightTableEntry &e, StringRef name) { return e.name < name; });
  if (it == entries.end() || it->name != gram)
    return result;
  auto values = floats(gram, k, k);
  if (!values)
    return values.takeError();
  result.gram = *values;
  return result;
}

Expected<StringRef> Statistics::inputOf(StringRef weightName) const {
  auto it = inputs.find(weightName);
  if (it == inputs.end())
    return createStringError(file + ": \"inputs\": expected weight \"" +
                             weightName +
                             "\", not found: the calibration saw no linear "
                             "that reads it");
  return StringRef(it->second);
}

Expected<InputStatistics> Statistics::of(StringRef weightName) const {
  auto input = inputOf(weightName);
  if (!input)
    return input.takeError();
  auto result = bind(*input);
  if (!result)
    return result;
  auto check = [&](StringRef tensor, ArrayRef<float> values,
                   bool mayBeNegative) -> Error {
    for (auto [i, value] : enumerate(values))
      if (!std::isfinite(value) || (value < 0 && !mayBeNegative))
        return createStringError(file + ": tensor \"" + result->name + "/" +
                                 tensor + "\": element " + Twine(i) +
                                 ": expected a finite number" +
                                 (mayBeNegative ? "" : " of at least 0") +
                                 ", found " + std::to_string(value) + kRemedy);
    return Error::success();
  };
  if (Error error = check("sum_squares", result->sumSquares, false))
    return std::move(error);
  if (Error error = check("abs_max", result->absMax, false))
    return std::move(error);
  if (Error error = check("abs_sum", result->absSum, false))
    return std::move(error);
  if (Error error = check("gram", result->gram, true))
    return std::move(error);
  return result;
}

Error Statistics::checkModel(StringRef expected) const {
  if (expected == modelHash)
    return Error::success();
  return createStringError(
      file + ": \"model\": expected the statistics of this model, " + expected +
      ", found those of another, " + modelHash +
      "; calibrate this model (`adze calibrate MODEL --text FILE -o FOLDER`)");
}
