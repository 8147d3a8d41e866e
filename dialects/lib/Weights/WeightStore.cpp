// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header. A file is a safetensors file with one tensor, `codes`, of
// bytes; format and shape are in its metadata, for people.

#include "adze/Weights/WeightStore.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace adze;

static constexpr size_t kAlign = 64;

//===-- names -------------------------------------------------------------===//

static constexpr StringLiteral kMade[] = {".pruned", ".coded", ".reduced"};

std::string adze::madeName(StringRef source, StringRef made) {
  StringRef stem = source;
  bool hasEnd = stem.consume_back(".weight");
  return (stem + "." + made + (hasEnd ? ".weight" : "")).str();
}

std::string adze::nameInCheckpoint(StringRef name) {
  StringRef stem = name;
  bool hasEnd = stem.consume_back(".weight");
  // Names that were taken have got underscores.
  StringRef bare = stem.rtrim('_');
  bool found = false;
  for (bool more = true; more;) {
    more = false;
    for (StringRef made : kMade)
      more |= bare.consume_back(made);
    found |= more;
  }
  return found ? (bare + (hasEnd ? ".weight" : "")).str() : name.str();
}

//===-- files -------------------------------------------------------------===//

std::string WeightStore::pathOf(const Twine &name) const {
  SmallString<256> path(folder);
  sys::path::append(path, name);
  return path.str().str();
}

Expected<WeightStore> WeightStore::open(StringRef folder) {
  SmallString<256> absolute(folder);
  if (folder.empty())
    return createStringError("expected the folder of a weight store");
  sys::fs::make_absolute(absolute);
  sys::path::remove_dots(absolute, /*remove_dot_dot=*/true);
  if (std::error_code code = sys::fs::create_directories(absolute))
    return createStringError(
        code, absolute + ": cannot make the folder: " + code.message());
  return WeightStore(absolute);
}

/// The text before the tensor: its length, JSON, and blanks up to a line.
static std::string makeHeader(StringRef dtype, ArrayRef<int64_t> shape,
                              uint64_t bytes) {
  std::string dims =
      join(map_range(shape, [](int64_t d) { return itostr(d); }), ",");
  std::string text;
  raw_string_ostream(text) << json::Value(json::Object{
      {"__metadata__", json::Object{{"format", dtype}, {"shape", dims}}},
      {"codes",
       json::Object{{"dtype", "U8"},
                    {"shape", json::Array{int64_t(bytes)}},
                    {"data_offsets", json::Array{0, int64_t(bytes)}}}}});
  text.append((kAlign - (text.size() + 8) % kAlign) % kAlign, ' ');
  char length[8];
  support::endian::write64le(length, text.size());
  return std::string(length, 8) + text;
}

Expected<WeightTableEntry> WeightStore::add(StringRef dtype,
                                            ArrayRef<int64_t> shape,
                                            ArrayRef<uint8_t> bytes) const {
  std::string header = makeHeader(dtype, shape, bytes.size());
  SHA256 hash;
  hash.update(header);
  hash.update(bytes);
  std::string path =
      pathOf(toHex(hash.final(), /*LowerCase=*/true) + ".safetensors");
  WeightTableEntry entry{"",
                         path,
                         header.size(),
                         dtype.str(),
                         SmallVector<int64_t, 4>(shape),
                         bytes.size()};
  uint64_t size = 0;
  if (!sys::fs::file_size(path, size) && size == header.size() + bytes.size())
    return entry;
  if (Error error = writeToOutput(path, [&](raw_ostream &os) {
        os << header;
        os.write(reinterpret_cast<const char *>(bytes.data()), bytes.size());
        return Error::success();
      }))
    return createStringError(path + ": " + toString(std::move(error)));
  return entry;
}

Expected<std::string>
WeightStore::writeTable(const WeightTable &base,
                        ArrayRef<WeightTableEntry> added) const {
  StringMap<WeightTableEntry> entries;
  SmallString<256> folderOfBase(sys::path::parent_path(base.path()));
  sys::fs::make_absolute(folderOfBase);
  for (WeightTableEntry entry : base.entries()) {
    if (!sys::path::is_absolute(entry.file)) {
      SmallString<256> file(folderOfBase);
      sys::path::append(file, entry.file);
      entry.file = file.str().str();
    }
    entries[entry.name] = std::move(entry);
  }
  for (const WeightTableEntry &entry : added)
    entries[entry.name] = entry;
  std::vector<WeightTableEntry> sorted;
  SHA256 hash;
  for (auto &item : entries)
    sorted.push_back(item.second);
  sort(sorted, [](const auto &a, const auto &b) { return a.name < b.name; });
  for (WeightTableEntry &entry : sorted) {
    entry.file = weightTablePath(pathOf("table"), entry.file);
    std::string line;
    raw_string_ostream os(line);
    os << json::Value(json::Array{entry.name, entry.file, int64_t(entry.offset),
                                  entry.dtype, json::Array(entry.shape)})
       << "\n";
    hash.update(line);
  }
  std::string path =
      pathOf("weights-" +
             toHex(hash.final(), /*LowerCase=*/true).substr(0, 16) + ".json");
  if (Error error = writeWeightTable(path, sorted))
    return createStringError(path + ": " + toString(std::move(error)));
  return path;
}
