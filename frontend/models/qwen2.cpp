// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- qwen2.cpp - Qwen2ForCausalLM ---------------------------------------===//
//
// Qwen 2 and 2.5: biases on q, k and v, an optional sliding window in the upper
// layers.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/Architecture.h"

namespace adze {
namespace {

class Qwen2 : public Architecture {
public:
  void readConfig(ConfigReader &reader, ModelConfig &config) const override {
    DecoderDefaults defaults;
    defaults.kvHeads = 32;
    defaults.context = 32768;
    readDecoderConfig(reader, defaults, config);
    int64_t firstLayer =
        reader.integer("max_window_layers", 0, maxLayers).value_or(28);
    if (reader.boolean("use_sliding_window", false))
      readSlidingWindow(reader, /*fallback=*/4096, firstLayer, config);
    else
      reader.ignore({"sliding_window", "layer_types"});
    config.qkvBias = true;
  }

  llvm::StringRef ggufName() const override { return "qwen2"; }

  void readMetadata(const Checkpoint &checkpoint, ConfigReader &reader,
                    ModelConfig &config) const override {
    readDecoderMetadata(checkpoint, reader, "qwen2.", RopeConfig::Pairing::Half,
                        config);
    config.qkvBias = true;
  }
};

} // namespace

ADZE_REGISTER_MODEL("Qwen2ForCausalLM", Qwen2)
} // namespace adze
