// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- mistral.cpp - MistralForCausalLM -----------------------------------===//
//
// Llama with a sliding window in all layers. GGUF files of Mistral models say
// that they are llama, so there is no GGUF name here.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/Architecture.h"

namespace adze {
namespace {

class Mistral : public Architecture {
public:
  void readConfig(ConfigReader &reader, ModelConfig &config) const override {
    DecoderDefaults defaults;
    defaults.kvHeads = 8;
    defaults.context = 4096 * 32;
    readDecoderConfig(reader, defaults, config);
    readSlidingWindow(reader, /*fallback=*/4096, /*firstLayer=*/0, config);
    reader.require("attention_bias", false);
    reader.require("mlp_bias", false);
  }
};

} // namespace

ADZE_REGISTER_MODEL("MistralForCausalLM", Mistral)
} // namespace adze
