// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// libFuzzer entry: any bytes as a safetensors file and as an index. What is
// accepted must lie inside the file.

#include "adze/Frontend/Safetensors.h"

using namespace adze;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  llvm::MemoryBufferRef file(
      llvm::StringRef(reinterpret_cast<const char *>(data), size), "fuzz");
  if (auto tensors = readSafetensors(file)) {
    for (const CheckpointTensor &tensor : *tensors)
      if (tensor.offset > size || tensor.bytes > size - tensor.offset ||
          tensorBytes(tensor.type, tensor.shape) != tensor.bytes)
        __builtin_trap();
  } else {
    llvm::consumeError(tensors.takeError());
  }
  if (auto index = readShardIndex(file)) {
    for (const auto &entry : index->shardOfTensor)
      if (entry.second >= index->shards.size())
        __builtin_trap();
  } else {
    llvm::consumeError(index.takeError());
  }
  return 0;
}
