// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- HuggingFace.h - Files of a Hugging Face directory -------*- C++ -*-===//
//
// Finds and maps the files of a model directory: config.json, optionally
// generation_config.json, and model.safetensors or the shards of an index.
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_FRONTEND_LIB_HUGGINGFACE_H
#define ADZE_FRONTEND_LIB_HUGGINGFACE_H

#include "adze/Frontend/Checkpoint.h"
#include "adze/Frontend/Safetensors.h"

namespace adze {

struct HuggingFaceFiles {
  llvm::json::Object config;
  std::optional<llvm::json::Object> generation;
  std::vector<std::unique_ptr<llvm::MemoryBuffer>> safetensors;
  std::optional<ShardIndex> index;
  std::string indexPath;
};

/// All that is missing or broken is reported at once.
llvm::Expected<HuggingFaceFiles> openHuggingFaceFiles(llvm::StringRef path);

/// Every tensor of the index must be in the shard that the index names; one
/// that only a shard knows is a warning.
llvm::Error checkShardIndex(const Checkpoint &checkpoint,
                            const ShardIndex &index, llvm::StringRef indexPath,
                            Diagnostics &diags);

} // namespace adze

#endif // ADZE_FRONTEND_LIB_HUGGINGFACE_H
