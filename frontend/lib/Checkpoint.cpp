// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- Checkpoint.cpp - Named tensors over mapped files -------------------===//
//
// Opening of files and directories, and the table of tensors.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/Checkpoint.h"
#include "HuggingFace.h"
#include "adze/Frontend/Gguf.h"
#include "adze/Frontend/Safetensors.h"
#include "adze/Frontend/Tokenizer.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace llvm;

namespace adze {

Checkpoint::Checkpoint(Checkpoint &&) noexcept = default;
Checkpoint &Checkpoint::operator=(Checkpoint &&) noexcept = default;
Checkpoint::~Checkpoint() = default;

Expected<std::unique_ptr<MemoryBuffer>> mapFile(StringRef path) {
  sys::fs::file_status status;
  if (std::error_code code = sys::fs::status(path, status))
    return makeError(path, "", "cannot open: " + code.message());
  if (status.type() == sys::fs::file_type::directory_file)
    return makeError(path, "", "expected a file, found a directory");
  // A pipe or device would block or never end.
  if (status.type() != sys::fs::file_type::regular_file)
    return makeError(path, "", "expected a regular file, found none");
  ErrorOr<std::unique_ptr<MemoryBuffer>> buffer =
      MemoryBuffer::getFile(path, /*IsText=*/false,
                            /*RequiresNullTerminator=*/false);
  if (!buffer)
    return makeError(path, "", "cannot open: " + buffer.getError().message());
  return std::move(*buffer);
}

const CheckpointTensor *Checkpoint::find(StringRef name) const {
  auto it = byName.find(name);
  return it == byName.end() ? nullptr : &table[it->second];
}

ArrayRef<uint8_t> Checkpoint::data(const CheckpointTensor &tensor) const {
  return arrayRefFromStringRef(files[tensor.file]->getBuffer())
      .slice(tensor.offset, tensor.bytes);
}

void Checkpoint::addTensors(std::vector<CheckpointTensor> tensors,
                            uint32_t file, Diagnostics &diags) {
  for (CheckpointTensor &tensor : tensors) {
    tensor.file = file;
    auto [it, inserted] = byName.try_emplace(tensor.name, table.size());
    if (!inserted) {
      diags.error(filePath(file), "tensor " + quoted(tensor.name),
                  "expected each tensor in one file, found it in " +
                      filePath(table[it->second].file) + " too");
      continue;
    }
    table.push_back(std::move(tensor));
  }
}

Expected<Checkpoint> Checkpoint::fromGguf(std::unique_ptr<MemoryBuffer> file,
                                          Diagnostics &diags) {
  Expected<GgufFile> gguf = readGguf(file->getMemBufferRef(), diags);
  if (!gguf)
    return gguf.takeError();
  Checkpoint checkpoint;
  checkpoint.origin = Kind::Gguf;
  checkpoint.root = file->getBufferIdentifier().str();
  checkpoint.configSource = checkpoint.root;
  checkpoint.configObject = std::move(gguf->metadata);
  checkpoint.vocabulary = std::move(gguf->vocab);
  checkpoint.files.push_back(std::move(file));
  checkpoint.addTensors(std::move(gguf->tensors), 0, diags);
  return checkpoint;
}

Expected<Checkpoint> Checkpoint::fromHuggingFace(
    json::Object config, std::optional<json::Object> generation,
    std::vector<std::unique_ptr<MemoryBuffer>> safetensors, std::string path,
    Diagnostics &diags) {
  Checkpoint checkpoint;
  checkpoint.origin = Kind::HuggingFace;
  SmallString<128> configPath(path);
  sys::path::append(configPath, "config.json");
  checkpoint.configSource = configPath.str().str();
  checkpoint.root = std::move(path);
  checkpoint.configObject = std::move(config);
  checkpoint.generation = std::move(generation);
  Diagnostics errors;
  for (std::unique_ptr<MemoryBuffer> &file : safetensors) {
    Expected<std::vector<CheckpointTensor>> tensors =
        readSafetensors(file->getMemBufferRef());
    checkpoint.files.push_back(std::move(file));
    if (tensors)
      checkpoint.addTensors(std::move(*tensors), checkpoint.files.size() - 1,
                            errors);
    else
      errors.absorb(tensors.takeError());
  }
  if (Error error = errors.takeError())
    return error;
  return checkpoint;
}

static Expected<Checkpoint> openDirectory(StringRef path, Diagnostics &diags) {
  Expected<HuggingFaceFiles> files = openHuggingFaceFiles(path);
  if (!files)
    return files.takeError();
  Expected<Checkpoint> checkpoint = Checkpoint::fromHuggingFace(
      std::move(files->config), std::move(files->generation),
      std::move(files->safetensors), path.str(), diags);
  if (!checkpoint)
    return checkpoint.takeError();
  if (files->index)
    if (Error error = checkShardIndex(*checkpoint, *files->index,
                                      files->indexPath, diags))
      return error;
  return checkpoint;
}

Expected<Checkpoint> Checkpoint::open(StringRef path, Diagnostics &diags) {
  if (sys::fs::is_directory(path))
    return openDirectory(path, diags);
  if (path.ends_with(".safetensors"))
    return makeError(path, "",
                     "expected a directory with config.json, or a .gguf file, "
                     "found a single safetensors file",
                     "pass the directory that it lies in");
  Expected<std::unique_ptr<MemoryBuffer>> file = mapFile(path);
  if (!file)
    return file.takeError();
  if (!path.ends_with(".gguf") && !(*file)->getBuffer().starts_with("GGUF"))
    return makeError(path, "",
                     "expected a Hugging Face directory or a GGUF file, found "
                     "a file that starts with " +
                         quoted((*file)->getBuffer().take_front(8)));
  return fromGguf(std::move(*file), diags);
}

} // namespace adze
