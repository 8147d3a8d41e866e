// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- Gguf.cpp - Reader of GGUF files ------------------------------------===//
//
// Layout: magic, version, counts, key/value pairs, tensor records, padding to
// the alignment, data. Every count is checked against the bytes that are left
// before anything is allocated for it. The four long lists of the vocabulary go
// straight into GgufVocab; the rest becomes JSON, of bounded size.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/Gguf.h"
#include "GgufCursor.h"
#include "adze/Frontend/Json.h"
#include "adze/Frontend/Tokenizer.h"
#include "adze/Weights/BeyondEnd.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>

using namespace llvm;

namespace adze {

namespace {
class GgufReader {
public:
  GgufReader(MemoryBufferRef buffer, Diagnostics &warnings)
      : in(buffer), file(buffer.getBufferIdentifier()), warnings(warnings) {}

  Error run();
  GgufFile result;

private:
  Error readPreamble(uint64_t &numTensors, uint64_t &numPairs);
  Error readPair();
  Error readVocabularyList(StringRef key, bool &taken);
  Error readAlignment();
  Error readTensor();
  void placeTensors();
  void finishVocabulary();
  void tensorError(StringRef name, const Twine &message,
                   const Twine &advice = "") {
    diags.error(file, "tensor " + quoted(name), message, advice);
  }

  GgufCursor in;
  StringRef file;
  Diagnostics &warnings;
  Diagnostics diags;
  StringSet<> tensorNames;
  std::shared_ptr<GgufVocab> vocab = std::make_shared<GgufVocab>();
  bool hasVocabulary = false;
};
} // namespace

static constexpr StringLiteral fetchAgain =
    "the file is truncated or altered: fetch it again";

Error GgufReader::readPreamble(uint64_t &numTensors, uint64_t &numPairs) {
  if (!in.text().starts_with("GGUF"))
    return makeError(file, "",
                     "expected the magic \"GGUF\", found " +
                         quoted(in.text().take_front(4)),
                     "this is no GGUF file");
  in.skip(4);
  Expected<uint32_t> version = in.number<uint32_t>("the version");
  if (!version)
    return version.takeError();
  if (*version == 0x02000000 || *version == 0x03000000)
    return makeError(file, "",
                     "expected a little-endian file, found a "
                     "big-endian one",
                     "convert the model again without --bigendian");
  if (*version != 2 && *version != 3)
    return makeError(file, "",
                     "expected GGUF version 2 or 3, found " + Twine(*version),
                     "convert the model again");
  result.version = *version;
  Expected<uint64_t> tensors = in.count("tensors", GgufCursor::minTensorBytes);
  if (!tensors)
    return tensors.takeError();
  Expected<uint64_t> pairs = in.count("metadata pairs", 0);
  if (!pairs)
    return pairs.takeError();
  if (*pairs > in.left() / GgufCursor::minPairBytes)
    return in.tooMany("metadata pairs", *pairs);
  numTensors = *tensors;
  numPairs = *pairs;
  return Error::success();
}

/// Reads `key`'s value into the vocabulary when it is one of its long lists;
/// sets `taken` then.
Error GgufReader::readVocabularyList(StringRef key, bool &taken) {
  taken = true;
  if (key == "tokenizer.ggml.tokens") {
    hasVocabulary = true;
    return in.strings(key, vocab->tokens);
  }
  if (key == "tokenizer.ggml.merges")
    return in.strings(key, vocab->merges);
  if (key == "tokenizer.ggml.scores")
    return in.numbers(key, {GgufType::F32}, vocab->scores);
  if (key == "tokenizer.ggml.token_type")
    return in.numbers(key, {GgufType::I32, GgufType::U32}, vocab->types);
  taken = false;
  return Error::success();
}

Error GgufReader::readPair() {
  Expected<StringRef> key = in.string("a metadata key");
  if (!key)
    return key.takeError();
  if (key->empty() || !json::isUTF8(*key))
    return makeError(file, "",
                     "expected a metadata key in UTF-8, found " + quoted(*key));
  if (result.metadata.get(*key))
    return makeError(file, quoted(*key),
                     "expected each metadata key once, found it again");
  bool taken;
  if (Error error = readVocabularyList(*key, taken))
    return error;
  if (taken) {
    // Remembers the key for the check above; removed at the end.
    result.metadata[key->str()] = nullptr;
    return Error::success();
  }
  Expected<json::Value> value = in.value(*key);
  if (!value)
    return value.takeError();
  result.metadata[key->str()] = std::move(*value);
  return Error::success();
}

Error GgufReader::readAlignment() {
  const json::Value *value = result.metadata.get("general.alignment");
  if (!value)
    return Error::success();
  std::optional<int64_t> alignment = value->getAsInteger();
  if (!alignment || *alignment <= 0 || *alignment > (int64_t(1) << 31) ||
      !isPowerOf2_64(*alignment))
    return makeError(file, "\"general.alignment\"",
                     "expected a power of two, found " + formatJson(*value));
  result.alignment = *alignment;
  return Error::success();
}

Error GgufReader::readTensor() {
  Expected<StringRef> name = in.string("a tensor name");
  if (!name)
    return name.takeError();
  if (name->empty() || !json::isUTF8(*name))
    return makeError(file, "",
                     "expected a tensor name in UTF-8, found " + quoted(*name));
  Expected<uint32_t> rank = in.number<uint32_t>("a tensor's rank");
  if (!rank)
    return rank.takeError();
  if (*rank > 4)
    return makeError(file, "tensor " + quoted(*name),
                     "expected at most 4 dimensions, found " + Twine(*rank));
  CheckpointTensor tensor;
  tensor.name = name->str();
  bool sized = true;
  for (uint32_t i = 0; i < *rank; ++i) {
    Expected<uint64_t> dim = in.number<uint64_t>("a tensor's shape");
    if (!dim)
      return dim.takeError();
    sized = sized && *dim <= INT64_MAX;
    tensor.shape.push_back(static_cast<int64_t>(*dim));
  }
  Expected<uint32_t> number = in.number<uint32_t>("a tensor's type");
  if (!number)
    return number.takeError();
  Expected<uint64_t> offset = in.number<uint64_t>("a tensor's offset");
  if (!offset)
    return offset.takeError();
  tensor.offset = *offset;

  if (!tensorNames.insert(tensor.name).second) {
    tensorError(tensor.name, "expected each tensor once, found it again");
    return Error::success();
  }
  std::optional<DType> type = dtypeFromGgml(*number);
  if (!type) {
    tensorError(tensor.name,
                "expected a type that GGUF defines (0 is F32, 1 F16, 30 "
                "BF16), found number " +
                    Twine(*number),
                "the file is altered, or its type is newer than this reader");
    return Error::success();
  }
  tensor.type = *type;
  // ggml's innermost dimension comes first; ours comes last.
  int64_t row = tensor.shape.empty() ? 1 : tensor.shape.front();
  std::reverse(tensor.shape.begin(), tensor.shape.end());
  std::optional<uint64_t> bytes = tensorBytes(*type, tensor.shape);
  if (sized && row % blockElements(*type) != 0) {
    tensorError(tensor.name, "expected rows of a multiple of " +
                                 Twine(blockElements(*type)) +
                                 " elements for type " + dtypeName(*type) +
                                 ", found " + Twine(row));
    return Error::success();
  }
  if (!sized || !bytes) {
    tensorError(tensor.name,
                "expected a shape whose size in bytes fits in 64 bits, found " +
                    formatShape(tensor.shape) + " of " + dtypeName(*type));
    return Error::success();
  }
  tensor.bytes = *bytes;
  result.tensors.push_back(std::move(tensor));
  return Error::success();
}

/// Checks the offsets and makes them count from the start of the file.
void GgufReader::placeTensors() {
  uint64_t dataStart = alignTo(in.position(), result.alignment);
  uint64_t dataBytes =
      in.text().size() > dataStart ? in.text().size() - dataStart : 0;
  llvm::sort(result.tensors,
             [](const CheckpointTensor &a, const CheckpointTensor &b) {
               return std::tie(a.offset, a.bytes, a.name) <
                      std::tie(b.offset, b.bytes, b.name);
             });
  uint64_t covered = 0;
  StringRef previous;
  BeyondEnd beyond;
  for (CheckpointTensor &tensor : result.tensors) {
    if (tensor.offset % result.alignment != 0)
      tensorError(tensor.name, "expected an offset that is a multiple of " +
                                   Twine(result.alignment) + ", found " +
                                   Twine(tensor.offset));
    if (tensor.offset > dataBytes || tensor.bytes > dataBytes - tensor.offset) {
      beyond.add(tensor.offset, tensor.name,
                 ("expected its " + Twine(tensor.bytes) + " bytes within the " +
                  Twine(dataBytes) +
                  " bytes of data in the file, found offset " +
                  Twine(tensor.offset))
                     .str());
      continue;
    }
    if (tensor.offset < covered && tensor.bytes > 0)
      tensorError(tensor.name, "expected data of its own, found an overlap "
                               "with tensor " +
                                   quoted(previous) + " at offset " +
                                   Twine(tensor.offset));
    if (tensor.offset + tensor.bytes >= covered) {
      covered = tensor.offset + tensor.bytes;
      previous = tensor.name;
    }
    tensor.offset += dataStart;
  }
  if (beyond.any())
    tensorError(beyond.name(), beyond.message(), fetchAgain);
}

/// Moves the scalar keys of the tokenizer out of the metadata.
void GgufReader::finishVocabulary() {
  const json::Object &metadata = result.metadata;
  auto text = [&](StringRef key, std::string &to) {
    if (std::optional<StringRef> value = metadata.getString(key))
      to = value->str();
    else if (metadata.get(key))
      diags.error(file, quoted(key),
                  "expected a string, found " + formatJson(*metadata.get(key)));
  };
  auto flag = [&](StringRef key, std::optional<bool> &to) {
    to = metadata.getBoolean(key);
    if (!to && metadata.get(key))
      diags.error(file, quoted(key),
                  "expected true or false, found " +
                      formatJson(*metadata.get(key)));
  };
  auto id = [&](StringRef key, std::optional<int32_t> &to) {
    const json::Value *value = metadata.get(key);
    if (!value)
      return;
    std::optional<int64_t> number = value->getAsInteger();
    // Converters write -1 (as 32 bits without sign) for "none".
    if (number && (*number == -1 || *number == UINT32_MAX))
      return;
    if (number && *number >= 0 &&
        *number < static_cast<int64_t>(vocab->tokens.size()))
      to = static_cast<int32_t>(*number);
    else
      diags.error(file, quoted(key),
                  "expected the id of one of the " +
                      Twine(vocab->tokens.size()) + " tokens, found " +
                      formatJson(*value));
  };
  text("tokenizer.ggml.model", vocab->model);
  text("tokenizer.ggml.pre", vocab->pre);
  text("tokenizer.chat_template", vocab->chatTemplate);
  flag("tokenizer.ggml.add_bos_token", vocab->addBos);
  flag("tokenizer.ggml.add_eos_token", vocab->addEos);
  flag("tokenizer.ggml.add_space_prefix", vocab->addSpacePrefix);
  flag("tokenizer.ggml.remove_extra_whitespaces",
       vocab->removeExtraWhitespaces);
  id("tokenizer.ggml.bos_token_id", vocab->bosId);
  id("tokenizer.ggml.eos_token_id", vocab->eosId);
  id("tokenizer.ggml.unknown_token_id", vocab->unkId);
  id("tokenizer.ggml.padding_token_id", vocab->padId);
  id("tokenizer.ggml.eot_token_id", vocab->eotId);
  id("tokenizer.ggml.eom_token_id", vocab->eomId);
  size_t count = vocab->tokens.size();
  auto sameLength = [&](StringRef key, size_t size) {
    if (size != 0 && size != count)
      diags.error(file, quoted(key),
                  "expected one value for each of the " + Twine(count) +
                      " tokens, found " + Twine(size));
  };
  sameLength("tokenizer.ggml.scores", vocab->scores.size());
  sameLength("tokenizer.ggml.token_type", vocab->types.size());
}

Error GgufReader::run() {
  uint64_t numTensors, numPairs;
  if (Error error = readPreamble(numTensors, numPairs))
    return error;
  for (uint64_t i = 0; i < numPairs; ++i)
    if (Error error = readPair())
      return error;
  if (Error error = readAlignment())
    return error;
  if (numTensors > in.left() / GgufCursor::minTensorBytes)
    return in.tooMany("tensors", numTensors);
  for (uint64_t i = 0; i < numTensors; ++i) {
    if (Error error = readTensor()) {
      diags.absorb(std::move(error));
      return diags.takeError();
    }
  }
  placeTensors();
  if (hasVocabulary)
    finishVocabulary();
  for (StringRef key : {"tokenizer.ggml.tokens", "tokenizer.ggml.merges",
                        "tokenizer.ggml.scores", "tokenizer.ggml.token_type",
                        "tokenizer.chat_template"})
    result.metadata.erase(key);
  if (hasVocabulary)
    result.vocab = std::move(vocab);
  for (const std::string &key : in.skippedKeys())
    warnings.warning(file, quoted(key),
                     "found a list longer than " +
                         Twine(GgufCursor::maxValues) +
                         " values, which is ignored");
  return diags.takeError();
}

Expected<GgufFile> readGguf(MemoryBufferRef buffer, Diagnostics &diags) {
  GgufReader reader(buffer, diags);
  if (Error error = reader.run())
    return error;
  return std::move(reader.result);
}

} // namespace adze
