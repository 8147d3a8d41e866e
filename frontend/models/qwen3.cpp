// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- qwen3.cpp - Qwen3ForCausalLM ---------------------------------------===//
//
// Qwen 3: RMS norms on each q and k head, a head dimension of its own.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/Architecture.h"

namespace adze {
namespace {

class Qwen3 : public Architecture {
public:
  void readConfig(ConfigReader &reader, ModelConfig &config) const override {
    DecoderDefaults defaults;
    defaults.kvHeads = 32;
    defaults.headDim = 128;
    defaults.context = 32768;
    readDecoderConfig(reader, defaults, config);
    int64_t firstLayer =
        reader.integer("max_window_layers", 0, maxLayers).value_or(28);
    if (reader.boolean("use_sliding_window", false))
      readSlidingWindow(reader, /*fallback=*/4096, firstLayer, config);
    else
      reader.ignore({"sliding_window", "layer_types"});
    config.qkvBias = reader.boolean("attention_bias", false);
    config.outputBias = config.qkvBias;
    config.qkNorm = true;
  }

  llvm::StringRef ggufName() const override { return "qwen3"; }

  void readMetadata(const Checkpoint &checkpoint, ConfigReader &reader,
                    ModelConfig &config) const override {
    readDecoderMetadata(checkpoint, reader, "qwen3.", RopeConfig::Pairing::Half,
                        config);
    config.qkNorm = true;
  }
};

} // namespace

ADZE_REGISTER_MODEL("Qwen3ForCausalLM", Qwen3)
} // namespace adze
