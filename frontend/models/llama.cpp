// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- llama.cpp - LlamaForCausalLM ---------------------------------------===//
//
// Llama 2, 3, 3.1 and later, and the many models of the same shape (SmolLM,
// SmolLM 2). GGUF files
// keep the rows of q and k so that rotary pairs are adjacent.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/Architecture.h"

namespace adze {
namespace {

class Llama : public Architecture {
public:
  void readConfig(ConfigReader &reader, ModelConfig &config) const override {
    readDecoderConfig(reader, DecoderDefaults(), config);
    config.qkvBias = reader.boolean("attention_bias", false);
    config.outputBias = config.qkvBias;
    config.mlpBias = reader.boolean("mlp_bias", false);
    // SmolLM's training tools write these.
    reader.require("rope_interleaved", false);
    reader.require("is_llama_config", true);
    reader.ignore({"transformers.js_config"});
  }

  llvm::StringRef ggufName() const override { return "llama"; }

  void readMetadata(const Checkpoint &checkpoint, ConfigReader &reader,
                    ModelConfig &config) const override {
    readDecoderMetadata(checkpoint, reader, "llama.",
                        RopeConfig::Pairing::Interleaved, config);
  }
};

} // namespace

ADZE_REGISTER_MODEL("LlamaForCausalLM", Llama)
} // namespace adze
