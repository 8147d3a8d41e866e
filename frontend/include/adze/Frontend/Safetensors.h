// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- Safetensors.h - Reader of safetensors headers -----------*- C++ -*-===//
//
// Reads and fully validates the header of one safetensors file: what it
// returns can be used without a further check against the file's size.
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_FRONTEND_SAFETENSORS_H
#define ADZE_FRONTEND_SAFETENSORS_H

#include "adze/Frontend/Checkpoint.h"

namespace adze {

/// Longest header accepted, as in the reference implementation.
inline constexpr uint64_t maxSafetensorsHeader = 100'000'000;

/// The tensors of `file`, by offset, with CheckpointTensor::file = 0. All that
/// is wrong with the file is reported at once.
llvm::Expected<std::vector<CheckpointTensor>>
readSafetensors(llvm::MemoryBufferRef file);

/// The "weight_map" of model.safetensors.index.json: tensor name and shard
/// file name. Shard names are plain file names (no path can be smuggled in).
struct ShardIndex {
  std::vector<std::string> shards;         ///< sorted, without repetition
  llvm::StringMap<uint32_t> shardOfTensor; ///< index into shards
};
llvm::Expected<ShardIndex> readShardIndex(llvm::MemoryBufferRef file);

} // namespace adze

#endif // ADZE_FRONTEND_SAFETENSORS_H
