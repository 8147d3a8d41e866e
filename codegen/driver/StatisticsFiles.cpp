// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header. Files: `part-N.bin`, `part-N.json` (until the end),
// `statistics.json`.

#include "StatisticsFiles.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace adze;
using llvm::StringRef;
namespace json = llvm::json;

static constexpr uint64_t kAlign = 64;

std::string StatisticsFiles::in(const std::string &name) const {
  llvm::SmallString<256> path(folder);
  llvm::sys::path::append(path, name);
  return path.str().str();
}

static std::string partName(uint32_t part, const char *extension) {
  std::string name;
  llvm::raw_string_ostream(name)
      << llvm::format("part-%04u", part) << extension;
  return name;
}
std::string StatisticsFiles::dataFile(uint32_t part) const {
  return partName(part, ".bin");
}
std::string StatisticsFiles::entryFile(uint32_t part) const {
  return partName(part, ".json");
}

static llvm::Error writeJson(const std::string &path, json::Object object) {
  return llvm::writeToOutput(path, [&](llvm::raw_ostream &os) {
    os << llvm::formatv("{0:2}\n", json::Value(std::move(object)));
    return llvm::Error::success();
  });
}

llvm::Error StatisticsFiles::write(uint32_t part,
                                   const std::map<std::string, InputSums> &sums,
                                   bool wantGram) {
  json::Object entries;
  std::string data = dataFile(part);
  uint64_t offset = 0;
  auto writeAll = [&](llvm::raw_ostream &os) {
    auto add = [&](const std::string &name, const std::vector<float> &values,
                   std::vector<int64_t> shape) {
      uint64_t bytes = values.size() * sizeof(float);
      os.write(reinterpret_cast<const char *>(values.data()), bytes);
      entries[name] = json::Object{{"file", data},
                                   {"offset", int64_t(offset)},
                                   {"dtype", "f32"},
                                   {"shape", json::Array(shape)},
                                   {"bytes", int64_t(bytes)}};
      uint64_t padding = (kAlign - bytes % kAlign) % kAlign;
      os.write_zeros(unsigned(padding));
      offset += bytes + padding;
    };
    for (const auto &[name, input] : sums) {
      int64_t k = input.columns();
      if (wantGram)
        add(name + "/gram", input.gram(), {k, k});
      add(name + "/sum_squares", input.sumSquares(), {k});
      add(name + "/abs_max", input.absMax(), {k});
      add(name + "/abs_sum", input.absSum(), {k});
      add(name + "/count", {float(input.count())}, {1});
    }
    return llvm::Error::success();
  };
  if (!sums.empty())
    if (llvm::Error error = llvm::writeToOutput(in(data), writeAll))
      return error;
  return writeJson(in(entryFile(part)), std::move(entries));
}

llvm::Expected<uint32_t> StatisticsFiles::finish(
    uint32_t parts, json::Object header,
    const std::map<std::string, std::vector<std::string>> &readers) {
  json::Object tensors, inputs;
  uint32_t count = 0;
  for (uint32_t part = 0; part < parts; ++part) {
    std::string path = in(entryFile(part));
    auto buffer = llvm::MemoryBuffer::getFile(path);
    if (!buffer)
      return llvm::createStringError(
          buffer.getError(), path + ": " + buffer.getError().message() +
                                 "; remove the folder and calibrate again");
    auto parsed = json::parse((*buffer)->getBuffer());
    if (!parsed)
      return llvm::createStringError(path + ": " +
                                     llvm::toString(parsed.takeError()) +
                                     "; remove the folder and calibrate again");
    if (json::Object *object = parsed->getAsObject())
      for (auto &[name, entry] : *object) {
        if (StringRef(name).ends_with("/count")) {
          ++count;
          std::string input = StringRef(name).drop_back(6).str();
          if (auto it = readers.find(input); it != readers.end())
            for (const std::string &weight : it->second)
              inputs[weight] = input;
        }
        if (!tensors.try_emplace(name, std::move(entry)).second)
          return llvm::createStringError(
              "\"" + StringRef(name).str() +
              "\" is observed in two parts of the model: a weight that "
              "several layers share cannot be calibrated");
      }
  }
  header["version"] = 1;
  header["kind"] = "statistics";
  header["inputs"] = std::move(inputs);
  header["tensors"] = std::move(tensors);
  if (llvm::Error error = writeJson(in("statistics.json"), std::move(header)))
    return std::move(error);
  for (uint32_t part = 0; part < parts; ++part)
    (void)llvm::sys::fs::remove(in(entryFile(part)));
  return count;
}

uint64_t StatisticsFiles::bytes(uint32_t parts) const {
  uint64_t total = 0, size = 0;
  for (uint32_t part = 0; part < parts; ++part)
    if (!llvm::sys::fs::file_size(in(dataFile(part)), size))
      total += size;
  if (!llvm::sys::fs::file_size(in("statistics.json"), size))
    total += size;
  return total;
}
