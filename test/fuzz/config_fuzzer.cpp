// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// libFuzzer entry: any bytes as config.json. A configuration that is accepted
// must have sizes that can be multiplied and frequencies that are numbers; what
// it says of quantization is tried on names of tensors.

#include "adze/Frontend/Architecture.h"
#include "adze/Frontend/Json.h"
#include "adze/Frontend/Quantization.h"

#include <cmath>

using namespace adze;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  llvm::StringRef bytes(reinterpret_cast<const char *>(data), size);
  auto object = parseJsonObject(bytes, "fuzz");
  if (!object) {
    llvm::consumeError(object.takeError());
    return 0;
  }
  Diagnostics diags;
  if (auto quantization = readQuantization(*object, "fuzz", diags)) {
    auto empty =
        Checkpoint::fromHuggingFace({}, std::nullopt, {}, "fuzz", diags);
    if (!empty)
      llvm::consumeError(empty.takeError());
    else
      for (const char *name : {"model.layers.{}.mlp.down_proj.weight", "x"}) {
        llvm::StringSet<> parts;
        TensorSpec spec{TensorRole::Down, name, {64, 96}};
        (void)quantization->find(*empty, spec, 1, parts, diags);
      }
  }
  auto config = readModelConfig(*object, "fuzz", diags);
  if (!config) {
    llvm::consumeError(config.takeError());
    return 0;
  }
  for (double frequency : ropeInverseFrequencies(config->rope, config->headDim))
    if (!std::isfinite(frequency))
      __builtin_trap();
  for (Checkpoint::Kind kind :
       {Checkpoint::Kind::HuggingFace, Checkpoint::Kind::Gguf})
    for (const TensorSpec &spec : decoderTensors(*config, kind).specs)
      if (!tensorBytes(DType::F64, spec.shape))
        __builtin_trap();
  for (int64_t layer = 0; layer < config->layers; ++layer)
    (void)config->isSliding(layer);
  return 0;
}
