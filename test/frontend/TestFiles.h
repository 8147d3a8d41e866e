// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- TestFiles.h - Small checkpoints made in memory ----------*- C++ -*-===//
//
// Writers of safetensors and GGUF bytes that let a test break any one field,
// and the ways in which tests look at results.
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_TEST_FRONTEND_TESTFILES_H
#define ADZE_TEST_FRONTEND_TESTFILES_H

#include "adze/Frontend/Architecture.h"
#include "adze/Frontend/Gguf.h"
#include "adze/Frontend/Safetensors.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>
#include <cstring>
#include <string>

namespace adze::test {

template <typename T> void append(std::string &bytes, T value) {
  char raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  bytes.append(raw, sizeof(T));
}

/// Header length, header, zeros.
inline std::string safetensors(llvm::StringRef header, size_t dataBytes) {
  std::string bytes;
  append<uint64_t>(bytes, header.size());
  return bytes + header.str() + std::string(dataBytes, '\0');
}

/// Collects key/value pairs and tensors of a GGUF file, then writes them.
class GgufWriter {
public:
  uint32_t version = 3;
  uint64_t alignment = 32;

  static void text(std::string &bytes, llvm::StringRef value) {
    append<uint64_t>(bytes, value.size());
    bytes += value;
  }
  /// `payload` is the bytes of the value after its type.
  GgufWriter &pair(llvm::StringRef key, uint32_t type, std::string payload) {
    text(pairs, key);
    append<uint32_t>(pairs, type);
    pairs += payload;
    ++numPairs;
    return *this;
  }
  GgufWriter &u32(llvm::StringRef key, uint32_t value) {
    std::string payload;
    append(payload, value);
    return pair(key, 4, payload);
  }
  GgufWriter &f32(llvm::StringRef key, float value) {
    std::string payload;
    append(payload, value);
    return pair(key, 6, payload);
  }
  GgufWriter &str(llvm::StringRef key, llvm::StringRef value) {
    std::string payload;
    text(payload, value);
    return pair(key, 8, payload);
  }
  GgufWriter &strs(llvm::StringRef key, llvm::ArrayRef<std::string> values) {
    std::string payload;
    append<uint32_t>(payload, 8);
    append<uint64_t>(payload, values.size());
    for (const std::string &value : values)
      text(payload, value);
    return pair(key, 9, payload);
  }
  /// `shape` as in Hugging Face; written in ggml's order.
  GgufWriter &tensor(llvm::StringRef name, std::vector<int64_t> shape,
                     uint32_t type, uint64_t offset) {
    text(tensors, name);
    append<uint32_t>(tensors, shape.size());
    for (size_t i = shape.size(); i-- > 0;)
      append<uint64_t>(tensors, shape[i]);
    append<uint32_t>(tensors, type);
    append<uint64_t>(tensors, offset);
    ++numTensors;
    return *this;
  }
  /// The next tensor in F32, right behind the one before.
  GgufWriter &next(llvm::StringRef name, std::vector<int64_t> shape) {
    uint64_t bytes = 4;
    for (int64_t dim : shape)
      bytes *= dim;
    tensor(name, std::move(shape), 0, dataBytes);
    dataBytes += (bytes + alignment - 1) / alignment * alignment;
    return *this;
  }

  std::string write() const {
    std::string bytes = "GGUF";
    append(bytes, version);
    append<uint64_t>(bytes, numTensors);
    append<uint64_t>(bytes, numPairs);
    bytes += pairs + tensors;
    bytes.resize((bytes.size() + alignment - 1) / alignment * alignment);
    bytes.resize(bytes.size() + dataBytes);
    return bytes;
  }

  uint64_t dataBytes = 0;
  uint64_t numPairs = 0;
  uint64_t numTensors = 0;

private:
  std::string pairs, tensors;
};

/// A llama of one layer: hidden 8, 2 heads, 1 kv head, mlp 12, vocabulary 3.
inline GgufWriter tinyGguf() {
  GgufWriter file;
  file.str("general.architecture", "llama");
  file.u32("llama.embedding_length", 8).u32("llama.block_count", 1);
  file.u32("llama.attention.head_count", 2);
  file.u32("llama.attention.head_count_kv", 1);
  file.u32("llama.feed_forward_length", 12).u32("llama.context_length", 64);
  file.f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  file.str("tokenizer.ggml.model", "llama");
  file.strs("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>"});
  file.u32("tokenizer.ggml.bos_token_id", 1);
  file.u32("tokenizer.ggml.eos_token_id", 2);
  file.next("token_embd.weight", {3, 8}).next("output_norm.weight", {8});
  file.next("blk.0.attn_norm.weight", {8}).next("blk.0.ffn_norm.weight", {8});
  file.next("blk.0.attn_q.weight", {8, 8}).next("blk.0.attn_k.weight", {4, 8});
  file.next("blk.0.attn_v.weight", {4, 8});
  file.next("blk.0.attn_output.weight", {8, 8});
  file.next("blk.0.ffn_gate.weight", {12, 8});
  file.next("blk.0.ffn_up.weight", {12, 8});
  file.next("blk.0.ffn_down.weight", {8, 12});
  return file;
}

/// The same model as config.json.
inline constexpr llvm::StringLiteral tinyConfig = R"({
  "architectures": ["LlamaForCausalLM"],
  "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 1,
  "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 3,
  "max_position_embeddings": 64, "rms_norm_eps": 1e-05,
  "tie_word_embeddings": true
})";

/// The text of an error, or "" for success.
inline std::string text(llvm::Error error) {
  return llvm::toString(std::move(error));
}
template <typename T> std::string failure(llvm::Expected<T> result) {
  return result ? "" : llvm::toString(result.takeError());
}

inline std::unique_ptr<llvm::MemoryBuffer> buffer(llvm::StringRef bytes,
                                                  llvm::StringRef name) {
  return llvm::MemoryBuffer::getMemBufferCopy(bytes, name);
}

inline std::string safetensorsFailure(llvm::StringRef bytes) {
  return failure(
      readSafetensors(llvm::MemoryBufferRef(bytes, "m.safetensors")));
}

/// Errors, then warnings.
inline std::string ggufFailure(llvm::StringRef bytes) {
  Diagnostics diags;
  std::string message =
      failure(readGguf(llvm::MemoryBufferRef(bytes, "m.gguf"), diags));
  return message + diags.str();
}

/// Numbers that are the same in every run.
class Random {
public:
  explicit Random(uint64_t seed) : state(seed * 2 + 1) {}
  uint64_t next() {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
  }
  size_t below(size_t limit) { return limit ? next() % limit : 0; }

private:
  uint64_t state;
};

/// `bytes` with up to eight changes: bytes overwritten, removed, inserted, or
/// the end cut off.
inline std::string mutate(std::string bytes, Random &random) {
  static const uint64_t values[] = {0,          1,          0x7f,
                                    0xff,       0xffffffff, 0x7fffffffffffffff,
                                    UINT64_MAX, 1ull << 32, 1ull << 61};
  for (size_t i = 0, n = 1 + random.below(8); i < n && !bytes.empty(); ++i) {
    size_t at = random.below(bytes.size());
    switch (random.below(6)) {
    case 0:
      bytes[at] = static_cast<char>(random.next());
      break;
    case 1:
      bytes[at] ^= static_cast<char>(1u << random.below(8));
      break;
    case 2:
      bytes.erase(at, 1 + random.below(8));
      break;
    case 3:
      bytes.insert(at, 1 + random.below(8), static_cast<char>(random.next()));
      break;
    case 4: {
      uint64_t value = values[random.below(std::size(values))];
      size_t count = std::min<size_t>(8, bytes.size() - at);
      std::memcpy(bytes.data() + at, &value, count);
      break;
    }
    case 5:
      if (random.below(8) == 0)
        bytes.resize(at);
      break;
    }
  }
  return bytes;
}

/// A directory that is removed at the end of the test.
class TemporaryDirectory {
public:
  TemporaryDirectory() {
    llvm::sys::fs::createUniqueDirectory("adze-frontend", path);
  }
  ~TemporaryDirectory() { llvm::sys::fs::remove_directories(path); }

  std::string file(llvm::StringRef name) const {
    llvm::SmallString<128> full(path);
    llvm::sys::path::append(full, name);
    return full.str().str();
  }
  void write(llvm::StringRef name, llvm::StringRef bytes) const {
    std::error_code code;
    llvm::raw_fd_ostream(file(name), code) << bytes;
  }
  llvm::StringRef root() const { return path; }

private:
  llvm::SmallString<128> path;
};

/// A file of the shared test data; empty when it is not there.
inline std::string testData(llvm::StringRef relative) {
  const char *root = std::getenv("ADZE_TEST_DATA");
#ifdef ADZE_TEST_DATA
  if (!root)
    root = ADZE_TEST_DATA;
#endif
  llvm::SmallString<128> path(root ? root : "../shared/data");
  llvm::sys::path::append(path, relative);
  return llvm::sys::fs::exists(path) ? path.str().str() : "";
}

#define ADZE_NEED_DATA(VARIABLE, RELATIVE)                                     \
  std::string VARIABLE = ::adze::test::testData(RELATIVE);                     \
  if (VARIABLE.empty())                                                        \
  GTEST_SKIP() << "test data is absent: " << RELATIVE

} // namespace adze::test

#endif // ADZE_TEST_FRONTEND_TESTFILES_H
