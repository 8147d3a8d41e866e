// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- Safetensors.cpp - Reader of safetensors headers --------------------===//
//
// Layout: 8 bytes of little-endian header length, that many bytes of JSON,
// data. The data must be covered exactly: no overlap and no hole, as the
// format's reference implementation demands.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/Safetensors.h"
#include "adze/Frontend/Json.h"
#include "adze/Weights/BeyondEnd.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"

#include <algorithm>

using namespace llvm;

namespace adze {

/// No model comes near; keeps messages readable.
static constexpr size_t maxRank = 16;

namespace {
/// Reads the entries of one header; errors are collected in `diags`.
class HeaderReader {
public:
  HeaderReader(StringRef file, uint64_t dataStart, uint64_t dataBytes)
      : file(file), dataStart(dataStart), dataBytes(dataBytes) {}

  void readEntry(StringRef name, const json::Value &value);
  void checkMetadata(const json::Value &value);
  void checkEnd();
  void checkCoverage();

  std::vector<CheckpointTensor> tensors;
  Diagnostics diags;

private:
  bool readType(const json::Object &entry, CheckpointTensor &tensor);
  bool readShape(const json::Object &entry, CheckpointTensor &tensor);
  bool readOffsets(const json::Object &entry, CheckpointTensor &tensor);
  void error(StringRef name, const Twine &message, const Twine &advice = "") {
    diags.error(file, "tensor " + quoted(name), message, advice);
  }

  StringRef file;
  uint64_t dataStart;
  uint64_t dataBytes;
  BeyondEnd beyond;
};
} // namespace

static std::string found(const json::Value *value) {
  return value ? formatJson(*value) : "nothing";
}

bool HeaderReader::readType(const json::Object &entry,
                            CheckpointTensor &tensor) {
  const json::Value *value = entry.get("dtype");
  std::optional<StringRef> name =
      value ? value->getAsString() : std::optional<StringRef>();
  std::optional<DType> type =
      name ? dtypeFromSafetensors(*name) : std::optional<DType>();
  if (type) {
    tensor.type = *type;
    return true;
  }
  error(tensor.name,
        "\"dtype\": expected a safetensors type such as \"F32\", \"F16\" or "
        "\"BF16\", found " +
            found(value));
  return false;
}

bool HeaderReader::readShape(const json::Object &entry,
                             CheckpointTensor &tensor) {
  const json::Value *value = entry.get("shape");
  const json::Array *array = value ? value->getAsArray() : nullptr;
  bool valid = array && array->size() <= maxRank;
  if (valid) {
    for (const json::Value &dim : *array) {
      std::optional<int64_t> size = dim.getAsInteger();
      valid = valid && size && *size >= 0;
      tensor.shape.push_back(size.value_or(0));
    }
  }
  if (!valid)
    error(tensor.name,
          "\"shape\": expected a list of at most " + Twine(maxRank) +
              " integers that are not negative, found " + found(value));
  return valid;
}

bool HeaderReader::readOffsets(const json::Object &entry,
                               CheckpointTensor &tensor) {
  const json::Value *value = entry.get("data_offsets");
  const json::Array *array = value ? value->getAsArray() : nullptr;
  std::optional<int64_t> begin, end;
  if (array && array->size() == 2) {
    begin = (*array)[0].getAsInteger();
    end = (*array)[1].getAsInteger();
  }
  if (!begin || !end || *begin < 0 || *end < *begin) {
    error(tensor.name,
          "\"data_offsets\": expected [begin, end] with 0 <= begin <= end, "
          "found " +
              found(value));
    return false;
  }
  if (static_cast<uint64_t>(*end) > dataBytes) {
    beyond.add(uint64_t(*begin), tensor.name,
               ("\"data_offsets\": expected an end within the " +
                Twine(dataBytes) + " bytes of data in the file, found " +
                Twine(*end))
                   .str());
    return false;
  }
  tensor.offset = *begin;
  tensor.bytes = *end - *begin;
  return true;
}

void HeaderReader::readEntry(StringRef name, const json::Value &value) {
  CheckpointTensor tensor;
  tensor.name = name.str();
  const json::Object *entry = value.getAsObject();
  if (!entry) {
    error(name,
          "expected an object with dtype, shape and data_offsets, found " +
              formatJson(value));
    return;
  }
  bool typed = readType(*entry, tensor);
  bool shaped = readShape(*entry, tensor);
  bool placed = readOffsets(*entry, tensor);
  if (!typed || !shaped || !placed)
    return;
  std::optional<uint64_t> bytes = tensorBytes(tensor.type, tensor.shape);
  std::string what =
      formatShape(tensor.shape) + " of " + dtypeName(tensor.type).str();
  if (!bytes) {
    error(name, "expected a shape whose size in bytes fits in 64 bits, found " +
                    what);
    return;
  }
  if (*bytes != tensor.bytes) {
    error(name, "expected " + Twine(*bytes) + " bytes for " + what +
                    ", found data_offsets that span " + Twine(tensor.bytes));
    return;
  }
  tensors.push_back(std::move(tensor));
}

void HeaderReader::checkMetadata(const json::Value &value) {
  const json::Object *object = value.getAsObject();
  bool valid = object && all_of(*object, [](const auto &entry) {
                 return entry.second.getAsString().has_value();
               });
  if (!valid)
    diags.error(file, "\"__metadata__\"",
                "expected an object of strings, found " + formatJson(value));
}

void HeaderReader::checkEnd() {
  if (beyond.any())
    error(beyond.name(), beyond.message(),
          "the file is truncated or altered: fetch it again");
}

void HeaderReader::checkCoverage() {
  llvm::sort(tensors, [](const CheckpointTensor &a, const CheckpointTensor &b) {
    return std::tie(a.offset, a.bytes, a.name) <
           std::tie(b.offset, b.bytes, b.name);
  });
  uint64_t covered = 0;
  StringRef previous;
  for (const CheckpointTensor &tensor : tensors) {
    if (tensor.offset < covered)
      error(tensor.name,
            "expected data of its own, found an overlap with "
            "tensor " +
                quoted(previous) + " from byte " + Twine(tensor.offset) +
                " to " +
                Twine(std::min(covered, tensor.offset + tensor.bytes)) +
                " of the data");
    else if (tensor.offset > covered)
      error(tensor.name, "expected data from byte " + Twine(covered) +
                             " on, where the tensor before ends, found a hole "
                             "up to byte " +
                             Twine(tensor.offset));
    if (tensor.offset + tensor.bytes >= covered) {
      covered = tensor.offset + tensor.bytes;
      previous = tensor.name;
    }
  }
  if (covered < dataBytes)
    diags.error(file, "",
                "expected the file to end after the last tensor, found " +
                    Twine(dataBytes - covered) + " bytes more");
  for (CheckpointTensor &tensor : tensors)
    tensor.offset += dataStart;
}

Expected<std::vector<CheckpointTensor>>
readSafetensors(MemoryBufferRef buffer) {
  StringRef file = buffer.getBufferIdentifier();
  StringRef bytes = buffer.getBuffer();
  constexpr StringLiteral fetchAgain =
      "the file is truncated or no safetensors file: fetch it again";
  if (bytes.size() < 8)
    return makeError(file, "",
                     "expected at least 8 bytes of safetensors header, found " +
                         Twine(bytes.size()),
                     fetchAgain);
  uint64_t headerBytes = support::endian::read64le(bytes.data());
  if (headerBytes > maxSafetensorsHeader)
    return makeError(file, "",
                     "expected a safetensors header of at most " +
                         Twine(maxSafetensorsHeader) + " bytes, found " +
                         Twine(headerBytes),
                     fetchAgain);
  if (headerBytes > bytes.size() - 8)
    return makeError(file, "",
                     "expected a safetensors header of " + Twine(headerBytes) +
                         " bytes, found " + Twine(bytes.size() - 8) +
                         " bytes in the file after its length",
                     fetchAgain);
  StringRef header = bytes.substr(8, headerBytes);
  if (!header.starts_with("{"))
    return makeError(
        file, "",
        "expected a JSON object as the safetensors header, found " +
            quoted(header, 16));
  Expected<json::Object> object = parseJsonObject(header, file);
  if (!object)
    return object.takeError();

  HeaderReader reader(file, 8 + headerBytes, bytes.size() - 8 - headerBytes);
  reader.tensors.reserve(object->size());
  for (StringRef key : sortedKeys(*object)) {
    const json::Value &value = *object->get(key);
    if (key == "__metadata__")
      reader.checkMetadata(value);
    else
      reader.readEntry(key, value);
  }
  reader.checkEnd();
  // With entries left out for their errors, holes would be reported that are
  // none.
  if (!reader.diags.hasErrors())
    reader.checkCoverage();
  if (Error error = reader.diags.takeError())
    return error;
  return std::move(reader.tensors);
}

Expected<ShardIndex> readShardIndex(MemoryBufferRef buffer) {
  StringRef file = buffer.getBufferIdentifier();
  Expected<json::Object> object = parseJsonObject(buffer.getBuffer(), file);
  if (!object)
    return object.takeError();
  const json::Value *value = object->get("weight_map");
  const json::Object *map = value ? value->getAsObject() : nullptr;
  if (!map || map->empty())
    return makeError(file, "\"weight_map\"",
                     "expected an object that gives each tensor its file, "
                     "found " +
                         found(value));
  Diagnostics diags;
  ShardIndex index;
  StringMap<uint32_t> numbers;
  for (StringRef key : sortedKeys(*map)) {
    const json::Value &value = *map->get(key);
    std::optional<StringRef> shard = value.getAsString();
    if (!shard || shard->empty() ||
        shard->find_first_of(StringRef("/\\\0", 3)) != StringRef::npos ||
        *shard == "." || *shard == "..") {
      diags.error(file, "\"weight_map\": " + quoted(key),
                  "expected the name of a file in the same directory, found " +
                      formatJson(value));
      continue;
    }
    numbers.try_emplace(*shard, 0);
    index.shardOfTensor[key] = 0;
  }
  if (Error error = diags.takeError())
    return error;
  for (StringRef shard : numbers.keys())
    index.shards.push_back(shard.str());
  llvm::sort(index.shards);
  for (const auto &[i, shard] : enumerate(index.shards))
    numbers[shard] = i;
  for (const auto &[key, value] : *map)
    index.shardOfTensor[key] = numbers[*value.getAsString()];
  return index;
}

} // namespace adze
