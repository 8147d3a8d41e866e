// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- HuggingFace.cpp - Files of a Hugging Face directory ----------------===//
//
// As transformers does: a single model.safetensors goes before an index.
//
//===----------------------------------------------------------------------===//

#include "HuggingFace.h"
#include "adze/Frontend/Json.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace llvm;

namespace adze {

static std::string inside(StringRef directory, StringRef name) {
  SmallString<128> path(directory);
  sys::path::append(path, name);
  return path.str().str();
}

/// What lies there instead of safetensors, to say what to do about it.
static std::string adviceForMissingWeights(StringRef directory) {
  for (StringRef name : {"pytorch_model.bin", "pytorch_model.bin.index.json",
                         "consolidated.00.pth"})
    if (sys::fs::exists(inside(directory, name)))
      return "found " + name.str() +
             ": convert it with save_pretrained(safe_serialization=True)";
  if (sys::fs::exists(inside(directory, "consolidated.safetensors")))
    return "found consolidated.safetensors in Mistral's own naming: fetch the "
           "files that begin with model";
  return "fetch the weights of the model";
}

static void openWeights(StringRef directory, HuggingFaceFiles &files,
                        Diagnostics &diags) {
  std::vector<std::string> names = {"model.safetensors"};
  std::string indexPath = inside(directory, "model.safetensors.index.json");
  if (!sys::fs::exists(inside(directory, names[0]))) {
    if (!sys::fs::exists(indexPath)) {
      diags.error(directory, "",
                  "expected model.safetensors or "
                  "model.safetensors.index.json, found neither",
                  adviceForMissingWeights(directory));
      return;
    }
    Expected<std::unique_ptr<MemoryBuffer>> buffer = mapFile(indexPath);
    if (!buffer) {
      diags.absorb(buffer.takeError());
      return;
    }
    Expected<ShardIndex> index = readShardIndex((*buffer)->getMemBufferRef());
    if (!index) {
      diags.absorb(index.takeError());
      return;
    }
    names = index->shards;
    files.index = std::move(*index);
    files.indexPath = indexPath;
  }
  for (StringRef name : names) {
    std::string path = inside(directory, name);
    if (files.index && !sys::fs::exists(path)) {
      diags.error(path, "",
                  "expected this shard, which " + files.indexPath +
                      " names, found no such file",
                  "fetch the missing shard");
      continue;
    }
    Expected<std::unique_ptr<MemoryBuffer>> buffer = mapFile(path);
    if (buffer)
      files.safetensors.push_back(std::move(*buffer));
    else
      diags.absorb(buffer.takeError());
  }
}

Expected<HuggingFaceFiles> openHuggingFaceFiles(StringRef path) {
  HuggingFaceFiles files;
  Diagnostics diags;
  std::string configPath = inside(path, "config.json");
  if (!sys::fs::exists(configPath)) {
    diags.error(path, "", "expected a config.json, found none",
                "pass the directory of a Hugging Face model");
  } else if (Expected<json::Object> config = readJsonObject(configPath)) {
    files.config = std::move(*config);
  } else {
    diags.absorb(config.takeError());
  }
  std::string generationPath = inside(path, "generation_config.json");
  if (sys::fs::exists(generationPath)) {
    if (Expected<json::Object> generation = readJsonObject(generationPath))
      files.generation = std::move(*generation);
    else
      diags.absorb(generation.takeError());
  }
  openWeights(path, files, diags);
  if (Error error = diags.takeError())
    return error;
  return files;
}

Error checkShardIndex(const Checkpoint &checkpoint, const ShardIndex &index,
                      StringRef indexPath, Diagnostics &diags) {
  Diagnostics errors;
  std::vector<StringRef> names(index.shardOfTensor.keys().begin(),
                               index.shardOfTensor.keys().end());
  llvm::sort(names);
  for (StringRef name : names) {
    const std::string &shard = index.shards[index.shardOfTensor.lookup(name)];
    const CheckpointTensor *tensor = checkpoint.find(name);
    if (!tensor)
      errors.error(indexPath, "tensor " + quoted(name),
                   "expected it in " + shard + ", found no such tensor there",
                   "the shard is of another version: fetch it again");
    else if (StringRef actual =
                 sys::path::filename(checkpoint.filePath(tensor->file));
             actual != shard)
      errors.error(indexPath, "tensor " + quoted(name),
                   "expected it in " + shard + ", found it in " + actual,
                   "index and shards do not belong together: fetch them again");
  }
  for (const CheckpointTensor &tensor : checkpoint.tensors())
    if (!index.shardOfTensor.contains(tensor.name))
      diags.warning(checkpoint.filePath(tensor.file),
                    "tensor " + quoted(tensor.name),
                    "is in the shard but not in " + indexPath);
  return errors.takeError();
}

} // namespace adze
