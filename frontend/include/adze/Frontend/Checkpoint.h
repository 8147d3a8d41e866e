// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- Checkpoint.h - Named tensors over mapped files ----------*- C++ -*-===//
//
// A checkpoint is what people have on disk: a Hugging Face directory or a GGUF
// file. It is a table of named tensors over read-only mappings, plus the
// configuration that came with them. Opening one reads headers only; the bytes
// of a tensor are never copied here and may be unaligned (safetensors promises
// nothing), so read them through memcpy.
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_FRONTEND_CHECKPOINT_H
#define ADZE_FRONTEND_CHECKPOINT_H

#include "adze/Frontend/DType.h"
#include "adze/Frontend/Error.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace adze {

struct GgufVocab; // adze/Frontend/Tokenizer.h

/// Where one tensor lies. `shape` is row-major with the outermost dimension
/// first, as Hugging Face writes it; GGUF's order is reversed on reading.
struct CheckpointTensor {
  std::string name;
  DType type = DType::F32;
  llvm::SmallVector<int64_t, 4> shape;
  uint32_t file = 0;   ///< index into the checkpoint's files
  uint64_t offset = 0; ///< from the start of that file
  uint64_t bytes = 0;
};

class Checkpoint {
public:
  enum class Kind { HuggingFace, Gguf };

  /// Opens a Hugging Face directory or a .gguf file. Errors come back all at
  /// once as a DiagnosticError; warnings are left in `diags`.
  static llvm::Expected<Checkpoint> open(llvm::StringRef path,
                                         Diagnostics &diags);

  /// From buffers in memory; their identifiers are the file names in messages.
  static llvm::Expected<Checkpoint>
  fromGguf(std::unique_ptr<llvm::MemoryBuffer> file, Diagnostics &diags);
  static llvm::Expected<Checkpoint>
  fromHuggingFace(llvm::json::Object config,
                  std::optional<llvm::json::Object> generation,
                  std::vector<std::unique_ptr<llvm::MemoryBuffer>> safetensors,
                  std::string path, Diagnostics &diags);

  Checkpoint(Checkpoint &&) noexcept;
  Checkpoint &operator=(Checkpoint &&) noexcept;
  ~Checkpoint();

  Kind kind() const { return origin; }
  /// The path given to open().
  llvm::StringRef path() const { return root; }

  /// In the order of the files and of the offsets in them.
  llvm::ArrayRef<CheckpointTensor> tensors() const { return table; }
  const CheckpointTensor *find(llvm::StringRef name) const;

  size_t numFiles() const { return files.size(); }
  llvm::StringRef filePath(uint32_t file) const {
    return files[file]->getBufferIdentifier();
  }
  uint64_t fileBytes(uint32_t file) const {
    return files[file]->getBufferSize();
  }
  /// The tensor's bytes in the mapping.
  llvm::ArrayRef<uint8_t> data(const CheckpointTensor &tensor) const;

  /// config.json, or the metadata of a GGUF file with its full keys
  /// ("llama.block_count"); the vocabulary is not in it.
  const llvm::json::Object &config() const { return configObject; }
  /// The file that config() came from.
  llvm::StringRef configFile() const { return configSource; }
  /// generation_config.json, or null.
  const llvm::json::Object *generationConfig() const {
    return generation ? &*generation : nullptr;
  }
  /// The vocabulary inside a GGUF file, or null.
  const GgufVocab *vocab() const { return vocabulary.get(); }

private:
  Checkpoint() = default;
  void addTensors(std::vector<CheckpointTensor> tensors, uint32_t file,
                  Diagnostics &diags);

  Kind origin = Kind::HuggingFace;
  std::string root;
  std::string configSource;
  std::vector<std::unique_ptr<llvm::MemoryBuffer>> files;
  std::vector<CheckpointTensor> table;
  llvm::StringMap<uint32_t> byName;
  llvm::json::Object configObject;
  std::optional<llvm::json::Object> generation;
  std::shared_ptr<const GgufVocab> vocabulary;
};

/// Maps a regular file read-only (an error names what is wrong with it). Files
/// below a few pages are read instead.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
mapFile(llvm::StringRef path);

} // namespace adze

#endif // ADZE_FRONTEND_CHECKPOINT_H
