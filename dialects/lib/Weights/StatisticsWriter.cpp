// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Writing of statistics. Each file is written beside its place and renamed, the
// data before the JSON that names them: whenever a run is killed, the JSON
// names whole data only.

#include "StatisticsFile.h"
#include "adze/Weights/Statistics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace adze;
using namespace adze::detail;

namespace {

constexpr uint64_t kAlignment = 64;

std::string inFolder(StringRef folder, StringRef name) {
  SmallString<256> path(folder);
  sys::path::append(path, name);
  return std::string(path);
}

std::string describe(const StatisticsOrigin &origin) {
  return ("model " + origin.model + ", text " + origin.text + ", " +
          Twine(origin.sequences) + " sequences, " + Twine(origin.tokens) +
          " tokens" + (origin.rounding.empty() ? "" : ", layers rounded by ") +
          origin.rounding)
      .str();
}

bool isSame(const StatisticsOrigin &a, const StatisticsOrigin &b) {
  return a.model == b.model && a.text == b.text && a.tokens == b.tokens &&
         a.sequences == b.sequences && a.rounding == b.rounding;
}

/// A tensor of an input: its entry and its bytes.
struct Part {
  WeightTableEntry entry;
  ArrayRef<char> bytes;
};

ArrayRef<char> bytesOf(ArrayRef<float> values) {
  return {reinterpret_cast<const char *>(values.data()),
          values.size() * sizeof(float)};
}

} // namespace

Expected<std::unique_ptr<StatisticsWriter>>
StatisticsWriter::create(StringRef folder, const StatisticsOrigin &origin) {
  if (std::error_code ec = sys::fs::create_directories(folder))
    return createStringError(ec, folder + ": cannot be made: " + ec.message());
  std::unique_ptr<StatisticsWriter> writer(new StatisticsWriter);
  writer->folder = folder.str();
  writer->origin = origin;
  std::string path = inFolder(folder, kStatisticsFile);
  if (!sys::fs::exists(path))
    return writer;
  auto header = readHeader(path);
  if (!header)
    return header.takeError();
  if (!isSame(header->origin, origin))
    return createStringError(path + ": expected statistics of " +
                             describe(origin) + "; found those of " +
                             describe(header->origin) +
                             "; take another folder, or remove this one");
  auto table = WeightTable::open(path);
  if (!table)
    return table.takeError();
  writer->complete = header->complete;
  writer->entries = (*table)->entries();
  writer->inputOf = std::move(header->inputOf);
  for (auto &[weight, input] : writer->inputOf)
    writer->done[input] = 1;
  return writer;
}

Error StatisticsWriter::add(StringRef file, ArrayRef<Input> inputs) {
  std::string name = (file + ".bin").str();
  assert(sys::path::filename(name) == name && "a file of the folder");
  std::vector<Part> parts;
  uint64_t offset = 0;
  auto add = [&](const Twine &tensor, StringRef dtype, ArrayRef<int64_t> shape,
                 ArrayRef<char> bytes) {
    WeightTableEntry entry;
    entry.name = tensor.str();
    entry.file = name;
    entry.offset = offset;
    entry.dtype = dtype.str();
    entry.shape.assign(shape.begin(), shape.end());
    entry.bytes = bytes.size();
    parts.push_back({std::move(entry), bytes});
    offset = alignTo(offset + bytes.size(), kAlignment);
  };
  for (const Input &input : inputs) {
    int64_t k = input.sumSquares.size();
    if (int64_t(input.absMax.size()) != k ||
        int64_t(input.absSum.size()) != k ||
        (!input.gram.empty() && int64_t(input.gram.size()) != k * k))
      return createStringError("statistics of \"" + input.name +
                               "\": expected parts of " + Twine(k) +
                               " columns");
    add(input.name + "/sum_squares", "f32", {k}, bytesOf(input.sumSquares));
    add(input.name + "/abs_max", "f32", {k}, bytesOf(input.absMax));
    add(input.name + "/abs_sum", "f32", {k}, bytesOf(input.absSum));
    add(input.name + "/count", "i64", {1},
        {reinterpret_cast<const char *>(&input.count), sizeof(input.count)});
    if (!input.gram.empty())
      add(input.name + "/gram", "f32", {k, k}, bytesOf(input.gram));
  }
  Error written =
      writeToOutput(inFolder(folder, name), [&](raw_ostream &os) -> Error {
        uint64_t at = 0;
        for (const Part &part : parts) {
          os.write_zeros(part.entry.offset - at);
          os.write(part.bytes.data(), part.bytes.size());
          at = part.entry.offset + part.bytes.size();
        }
        return Error::success();
      });
  if (written)
    return written;

  auto isReplaced = [&](StringRef input) {
    return llvm::any_of(inputs,
                        [&](const Input &i) { return i.name == input; });
  };
  llvm::erase_if(entries, [&](const WeightTableEntry &entry) {
    return entry.file == name ||
           isReplaced(StringRef(entry.name).rsplit('/').first);
  });
  llvm::erase_if(inputOf, [&](auto &pair) { return isReplaced(pair.second); });
  for (Part &part : parts)
    entries.push_back(std::move(part.entry));
  for (const Input &input : inputs) {
    for (const std::string &weight : input.weights)
      inputOf.push_back({weight, input.name});
    done[input.name] = 1;
  }
  // By name, as a folder that is gone on with has them: the same bytes.
  llvm::sort(entries,
             [](const auto &a, const auto &b) { return a.name < b.name; });
  llvm::sort(inputOf);
  complete = false;
  return writeJson();
}

Error StatisticsWriter::finish() {
  complete = true;
  return writeJson();
}

Error StatisticsWriter::writeJson() const {
  return writeToOutput(inFolder(folder, kStatisticsFile),
                       [&](raw_ostream &os) -> Error {
                         json::OStream out(os, /*IndentSize=*/0);
                         out.object([&] {
                           out.attribute("version", kTableVersion);
                           out.attribute("kind", "statistics");
                           out.attribute("complete", complete);
                           out.attribute("model", origin.model);
                           out.attribute("text", origin.text);
                           out.attribute("tokens", origin.tokens);
                           out.attribute("sequences", origin.sequences);
                           if (!origin.rounding.empty())
                             out.attribute("rounding", origin.rounding);
                           out.attributeObject("inputs", [&] {
                             for (auto &[weight, input] : inputOf) {
                               os << "\n";
                               out.attribute(weight, input);
                             }
                           });
                           writeTensors(out, os, entries);
                         });
                         os << "\n";
                         return Error::success();
                       });
}
