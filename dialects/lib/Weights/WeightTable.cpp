// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads, checks and writes weight tables. A table is a file like any other:
// nothing in it is believed before it is compared with the files it names.

#include "adze/Weights/BeyondEnd.h"
#include "adze/Weights/TableFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include <map>

using namespace llvm;
using namespace adze;
using namespace adze::detail;

namespace {

constexpr uint64_t kMaxTableBytes = 256u << 20;
constexpr size_t kMaxFindings = 20;
constexpr unsigned kMaxDepth = 32;
constexpr size_t kMaxRank = 8;

/// Bytes of an element, or 0 for a dtype whose size only its format knows.
uint64_t elementBytes(StringRef dtype) {
  if (dtype == "f32")
    return 4;
  return dtype == "f16" || dtype == "bf16" ? 2 : 0;
}

/// All findings about one table, so that the user sees them at once.
class Findings {
public:
  explicit Findings(StringRef file) : file(file) {}
  void add(const Twine &subject, const Twine &message) {
    if (count++ < kMaxFindings)
      text += (text.empty() ? "" : "\n") +
              (file + ": " + subject +
               (subject.isTriviallyEmpty() ? "" : ": ") + message)
                  .str();
  }
  Error take() {
    if (!count)
      return Error::success();
    if (count > kMaxFindings)
      text += "\n" +
              (file + ": and " + Twine(count - kMaxFindings) + " more findings")
                  .str();
    return createStringError(text);
  }

private:
  StringRef file;
  std::string text;
  size_t count = 0;
};

/// The JSON parser recurses, so nesting is bounded before it runs.
bool isShallow(StringRef json) {
  unsigned depth = 0;
  bool inString = false;
  for (size_t i = 0; i < json.size(); ++i) {
    char c = json[i];
    if (inString) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        inString = false;
    } else if (c == '"') {
      inString = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxDepth)
        return false;
    } else if ((c == ']' || c == '}') && depth) {
      --depth;
    }
  }
  return true;
}

std::optional<uint64_t> getUnsigned(const json::Object &object, StringRef key) {
  const json::Value *value = object.get(key);
  return value ? value->getAsUINT64() : std::nullopt;
}

/// One entry; findings under the tensor's name. False if it cannot be used.
bool readEntry(StringRef name, const json::Value &value,
               WeightTableEntry &entry, Findings &findings) {
  std::string subject = ("tensor \"" + name + "\"").str();
  const json::Object *object = value.getAsObject();
  if (!object) {
    findings.add(subject, "expected an object");
    return false;
  }
  entry.name = name.str();
  auto file = object->getString("file"), dtype = object->getString("dtype");
  auto offset = getUnsigned(*object, "offset");
  auto bytes = getUnsigned(*object, "bytes");
  const json::Array *shape = object->getArray("shape");
  if (!file || file->empty() || !dtype || dtype->empty() || !offset || !bytes ||
      !shape) {
    findings.add(subject, "expected the keys \"file\", \"dtype\" (strings), "
                          "\"offset\", \"bytes\" (integers of at least 0) and "
                          "\"shape\" (a list)");
    return false;
  }
  if (shape->empty() || shape->size() > kMaxRank) {
    findings.add(subject, "expected 1 to " + Twine(kMaxRank) +
                              " dimensions, found " + Twine(shape->size()));
    return false;
  }
  uint64_t size = std::max<uint64_t>(elementBytes(*dtype), 1);
  bool overflow = false;
  for (const json::Value &dim : *shape) {
    auto n = dim.getAsInteger();
    if (!n || *n <= 0) {
      findings.add(subject, "expected positive dimensions in \"shape\"");
      return false;
    }
    entry.shape.push_back(*n);
    bool over = false;
    size = SaturatingMultiply<uint64_t>(size, *n, &over);
    overflow |= over;
  }
  if (elementBytes(*dtype) && (overflow || size != *bytes)) {
    findings.add(subject,
                 "expected " +
                     (overflow ? Twine("a shape that fits in memory")
                               : Twine(size) + " bytes for its shape") +
                     ", found " + Twine(*bytes) + " bytes");
    return false;
  }
  entry.file = file->str();
  entry.dtype = dtype->str();
  entry.offset = *offset;
  entry.bytes = *bytes;
  return true;
}

} // namespace

Expected<std::unique_ptr<MemoryBuffer>>
adze::detail::mapRegularFile(const Twine &path) {
  sys::fs::file_status status;
  if (std::error_code ec = sys::fs::status(path, status))
    return createStringError(ec, path + ": cannot be opened: " + ec.message());
  if (!sys::fs::is_regular_file(status))
    return createStringError(path + ": expected a regular file");
  auto buffer = MemoryBuffer::getFile(path, /*IsText=*/false,
                                      /*RequiresNullTerminator=*/false);
  if (!buffer)
    return createStringError(
        buffer.getError(),
        path + ": cannot be opened: " + buffer.getError().message());
  return std::move(*buffer);
}

Expected<json::Value> adze::detail::readTableJson(StringRef path,
                                                  StringRef what) {
  auto text = mapRegularFile(path);
  if (!text)
    return text.takeError();
  if ((*text)->getBufferSize() > kMaxTableBytes)
    return createStringError(path + ": expected " + what + " of at most " +
                             Twine(kMaxTableBytes) + " bytes, found " +
                             Twine((*text)->getBufferSize()));
  if (!isShallow((*text)->getBuffer()))
    return createStringError(path + ": expected " + what +
                             ", found JSON nested deeper than " +
                             Twine(kMaxDepth));
  auto root = json::parse((*text)->getBuffer());
  if (!root)
    return createStringError(path +
                             ": expected JSON: " + toString(root.takeError()));
  return root;
}

void adze::detail::writeTensors(json::OStream &out, raw_ostream &os,
                                ArrayRef<WeightTableEntry> entries) {
  out.attributeObject("tensors", [&] {
    for (const WeightTableEntry &entry : entries) {
      // One line per tensor: readable, and diffs say which changed.
      os << "\n";
      out.attributeObject(entry.name, [&] {
        out.attribute("file", entry.file);
        out.attribute("offset", entry.offset);
        out.attribute("dtype", entry.dtype);
        out.attribute("shape", json::Array(entry.shape));
        out.attribute("bytes", entry.bytes);
      });
    }
  });
}

Expected<std::unique_ptr<WeightTable>> WeightTable::open(StringRef path) {
  auto root = readTableJson(path, "a weight table");
  if (!root)
    return root.takeError();
  const json::Object *object = root->getAsObject();
  const json::Object *tensors = object ? object->getObject("tensors") : nullptr;
  auto version = object ? object->getInteger("version") : std::nullopt;
  if (!tensors || !version)
    return createStringError(path + ": expected a weight table, an object with "
                                    "\"version\" and \"tensors\"");
  if (*version != kTableVersion)
    return createStringError(path + ": expected weight table version " +
                             Twine(kTableVersion) + ", found " +
                             Twine(*version) + "; import the model again");

  std::unique_ptr<WeightTable> result(new WeightTable);
  result->tablePath = path.str();
  Findings findings(result->tablePath);
  StringMap<const MemoryBuffer *> mapped; // null: could not be mapped
  std::map<std::string, BeyondEnd> cut;   // by file
  for (auto &[key, value] : *tensors) {
    WeightTableEntry entry;
    if (!readEntry(key, value, entry, findings))
      continue;
    SmallString<256> file;
    if (!sys::path::is_absolute(entry.file))
      file = sys::path::parent_path(path);
    sys::path::append(file, entry.file);
    auto [it, isNew] = mapped.try_emplace(file, nullptr);
    if (isNew) {
      if (auto buffer = mapRegularFile(file)) {
        it->second = buffer->get();
        result->files.push_back(std::move(*buffer));
      } else {
        findings.add("", toString(buffer.takeError()));
      }
    }
    const MemoryBuffer *buffer = it->second;
    if (!buffer)
      continue;
    uint64_t size = buffer->getBufferSize();
    if (entry.offset > size || entry.bytes > size - entry.offset) {
      cut[std::string(file)].add(entry.offset, entry.name,
                                 ("expected " + Twine(entry.bytes) +
                                  " bytes at offset " + Twine(entry.offset) +
                                  " of " + file + ", which has " + Twine(size))
                                     .str());
      continue;
    }
    result->table.push_back(std::move(entry));
  }
  for (auto &[file, beyond] : cut)
    findings.add("tensor \"" + beyond.name() + "\"",
                 beyond.message() + "; the file is truncated or altered");
  if (Error error = findings.take())
    return error;

  llvm::sort(result->table,
             [](const auto &a, const auto &b) { return a.name < b.name; });
  for (auto [i, entry] : enumerate(result->table)) {
    SmallString<256> file;
    if (!sys::path::is_absolute(entry.file))
      file = sys::path::parent_path(path);
    sys::path::append(file, entry.file);
    result->bufferOf.push_back(mapped.lookup(file));
    result->byName[entry.name] = i;
  }
  return result;
}

Expected<TensorView> WeightTable::lookup(StringRef name) {
  auto it = byName.find(name);
  if (it == byName.end())
    return createStringError(tablePath + ": tensor \"" + name +
                             "\": expected in the weight table, not found");
  const WeightTableEntry &entry = table[it->second];
  auto *data =
      reinterpret_cast<const uint8_t *>(bufferOf[it->second]->getBufferStart());
  return TensorView{entry.dtype, entry.shape, data + entry.offset, entry.bytes};
}

Error adze::writeWeightTable(StringRef path,
                             ArrayRef<WeightTableEntry> entries) {
  return writeToOutput(path, [&](raw_ostream &os) -> Error {
    json::OStream out(os, /*IndentSize=*/0);
    out.object([&] {
      out.attribute("version", kTableVersion);
      writeTensors(out, os, entries);
    });
    os << "\n";
    return Error::success();
  });
}

std::string adze::weightTablePath(StringRef tablePath, StringRef file) {
  SmallString<256> folder(sys::path::parent_path(tablePath)), absolute(file);
  sys::fs::make_absolute(folder);
  sys::fs::make_absolute(absolute);
  sys::path::remove_dots(folder, /*remove_dot_dot=*/true);
  sys::path::remove_dots(absolute, /*remove_dot_dot=*/true);
  StringRef rest = absolute;
  if (rest.consume_front(folder) && rest.consume_front("/"))
    return rest.str();
  return std::string(absolute);
}
