// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the tokenizer tests share: an opened text table with C++ types around
// the C API, test data, and a minimal reader of GGUF vocabularies.

#ifndef ADZE_TEST_FRONTEND_TOKENIZERS_TOKENIZERTESTING_H
#define ADZE_TEST_FRONTEND_TOKENIZERS_TOKENIZERTESTING_H

#include "adze/Frontend/Tokenizer.h"
#include "adze/text.h"

#include "llvm/ADT/bit.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "gtest/gtest.h"

#include <cstdlib>
#include <memory>

#ifndef ADZE_TEST_DATA
#define ADZE_TEST_DATA "../shared/data"
#endif

namespace adze::testing {

using Ids = std::vector<int32_t>;

/// A file of the shared test data; the environment overrides the build.
inline std::string dataPath(llvm::StringRef file) {
  const char *root = std::getenv("ADZE_TEST_DATA");
  return (llvm::StringRef(root ? root : ADZE_TEST_DATA) + "/" + file).str();
}

inline std::string readFile(llvm::StringRef path) {
  auto file = llvm::MemoryBuffer::getFile(path);
  return file ? (*file)->getBuffer().str() : std::string();
}

#define ADZE_NEED_DATA(path)                                                   \
  if (!llvm::sys::fs::exists(path))                                            \
  GTEST_SKIP() << "test data is absent: " << path

/// A text table, opened.
class OpenTable {
public:
  explicit OpenTable(std::string bytes) : table(std::move(bytes)) {
    adze_text_error error = {};
    EXPECT_EQ(ADZE_TEXT_OK,
              adze_text_open(table.data(), table.size(), &text, &error))
        << error.message;
  }
  explicit OpenTable(llvm::Expected<std::string> bytes)
      : OpenTable(take(std::move(bytes))) {}
  OpenTable(const OpenTable &) = delete;
  ~OpenTable() { adze_text_close(text); }

  Ids encode(llvm::StringRef from, uint32_t flags = 0) const {
    int32_t *ids = nullptr;
    size_t count = 0;
    adze_text_error error = {};
    EXPECT_EQ(ADZE_TEXT_OK, adze_text_encode(text, from.data(), from.size(),
                                             flags, &ids, &count, &error))
        << error.message;
    Ids result(ids, ids + count);
    adze_text_free(ids);
    return result;
  }
  std::string decode(const Ids &ids, uint32_t flags = 0) const {
    char *utf8 = nullptr;
    size_t length = 0;
    adze_text_error error = {};
    EXPECT_EQ(ADZE_TEXT_OK, adze_text_decode(text, ids.data(), ids.size(),
                                             flags, &utf8, &length, &error))
        << error.message;
    std::string result(utf8, length);
    adze_text_free(utf8);
    return result;
  }
  adze_text_info info() const {
    adze_text_info info = {};
    info.struct_size = sizeof info;
    EXPECT_EQ(ADZE_TEXT_OK, adze_text_get_info(text, &info));
    return info;
  }
  const std::string &bytes() const { return table; }
  const adze_text *get() const { return text; }

private:
  static std::string take(llvm::Expected<std::string> bytes) {
    if (bytes)
      return std::move(*bytes);
    ADD_FAILURE() << llvm::toString(bytes.takeError());
    return std::string();
  }

  std::string table;
  adze_text *text = nullptr;
};

/// The message of an expected failure.
inline std::string messageOf(llvm::Expected<std::string> result) {
  if (result) {
    ADD_FAILURE() << "expected an error";
    return "";
  }
  return llvm::toString(result.takeError());
}

/// Reads tokenizer.* of a trusted GGUF file; tests of untrusted ones are those
/// of the GGUF reader.
class GgufVocabFile {
public:
  static GgufVocab read(llvm::StringRef file) {
    GgufVocabFile reader(file);
    return reader.run();
  }

private:
  explicit GgufVocabFile(llvm::StringRef file) : at(file.data()) {}

  template <typename T> T take() {
    T value = llvm::support::endian::read<T, llvm::endianness::little>(at);
    at += sizeof(T);
    return value;
  }
  std::string takeString() {
    auto length = take<uint64_t>();
    std::string text(at, length);
    at += length;
    return text;
  }
  /// Skips or reads one scalar as an integer; floats keep their bits.
  uint64_t takeScalar(uint32_t type) {
    switch (type) {
    case 0:
    case 1:
    case 7:
      return take<uint8_t>();
    case 2:
    case 3:
      return take<uint16_t>();
    case 4:
    case 5:
    case 6:
      return take<uint32_t>();
    default:
      return take<uint64_t>();
    }
  }

  GgufVocab run() {
    GgufVocab vocab;
    at += 16; // magic, version, tensor count
    auto pairs = take<uint64_t>();
    for (uint64_t i = 0; i < pairs; ++i) {
      std::string key = takeString();
      llvm::StringRef name = key;
      bool ours = name.consume_front("tokenizer.ggml.");
      auto type = take<uint32_t>();
      if (type == 8) {
        std::string text = takeString();
        if (ours && name == "model")
          vocab.model = text;
        if (ours && name == "pre")
          vocab.pre = text;
      } else if (type == 9) {
        auto element = take<uint32_t>();
        auto count = take<uint64_t>();
        for (uint64_t k = 0; k < count; ++k) {
          if (element == 8) {
            std::string text = takeString();
            if (ours && name == "tokens")
              vocab.tokens.push_back(text);
            if (ours && name == "merges")
              vocab.merges.push_back(text);
          } else {
            uint64_t value = takeScalar(element);
            if (ours && name == "scores")
              vocab.scores.push_back(
                  llvm::bit_cast<float>(static_cast<uint32_t>(value)));
            if (ours && name == "token_type")
              vocab.types.push_back(static_cast<int32_t>(value));
          }
        }
      } else {
        uint64_t value = takeScalar(type);
        auto id = static_cast<int32_t>(value);
        if (!ours)
          continue;
        if (name == "bos_token_id")
          vocab.bosId = id;
        else if (name == "eos_token_id")
          vocab.eosId = id;
        else if (name == "unknown_token_id")
          vocab.unkId = id;
        else if (name == "padding_token_id")
          vocab.padId = id;
        else if (name == "add_bos_token")
          vocab.addBos = value != 0;
        else if (name == "add_eos_token")
          vocab.addEos = value != 0;
      }
    }
    return vocab;
  }

  const char *at;
};

} // namespace adze::testing

#endif // ADZE_TEST_FRONTEND_TOKENIZERS_TOKENIZERTESTING_H
