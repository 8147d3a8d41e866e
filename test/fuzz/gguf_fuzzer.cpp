// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// libFuzzer entry: any bytes as a GGUF file, up to the checked model. What is
// accepted must lie inside the file.

#include "adze/Frontend/Architecture.h"

using namespace adze;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  llvm::StringRef bytes(reinterpret_cast<const char *>(data), size);
  Diagnostics diags;
  auto checkpoint = Checkpoint::fromGguf(
      llvm::MemoryBuffer::getMemBuffer(bytes, "fuzz",
                                       /*RequiresNullTerminator=*/false),
      diags);
  if (!checkpoint) {
    llvm::consumeError(checkpoint.takeError());
    return 0;
  }
  for (const CheckpointTensor &tensor : checkpoint->tensors())
    if (tensor.offset > size || tensor.bytes > size - tensor.offset ||
        tensorBytes(tensor.type, tensor.shape) != tensor.bytes)
      __builtin_trap();
  auto model = describeModel(*checkpoint, diags);
  if (!model) {
    llvm::consumeError(model.takeError());
    return 0;
  }
  for (const TensorSpec &spec : model->table.specs)
    if (!checkpoint->find(spec.name(model->config.layers - 1)))
      __builtin_trap();
  return 0;
}
