// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- phi3.cpp - Phi3ForCausalLM -----------------------------------------===//
//
// Phi-3, Phi-3.5 and Phi-4-mini: q, k and v are one tensor, gate and up
// another; rotary embedding of a part of each head, and LongRoPE.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/Architecture.h"

namespace adze {
namespace {

class Phi3 : public Architecture {
public:
  void readConfig(ConfigReader &reader, ModelConfig &config) const override {
    DecoderDefaults defaults;
    defaults.context = 4096;
    defaults.ownRope = true;
    readDecoderConfig(reader, defaults, config);
    RopeSupport rope;
    rope.partial = true;
    rope.longRope = reader.positiveOr("original_max_position_embeddings", 4096);
    readRope(reader, rope, config);
    readSlidingWindow(reader, /*fallback=*/0, /*firstLayer=*/0, config);
    // Known to the configurations that Phi-4-mini comes with: transformers has
    // no such biases and no other values.
    for (llvm::StringRef bias : {"attention_bias", "mlp_bias", "lm_head_bias"})
      reader.require(bias, false);
    reader.require("full_attn_mod", 1);
    reader.require("interpolate_factor", 1);
    setFused(config);
  }

  llvm::StringRef ggufName() const override { return "phi3"; }

  void readMetadata(const Checkpoint &checkpoint, ConfigReader &reader,
                    ModelConfig &config) const override {
    RopeSupport rope;
    rope.partial = true;
    rope.longRope =
        reader.positiveOr("phi3.rope.scaling.original_context_length", 4096);
    readDecoderMetadata(checkpoint, reader, "phi3.", RopeConfig::Pairing::Half,
                        config, rope);
    setFused(config);
  }

  TensorTable tensors(const ModelConfig &config,
                      Checkpoint::Kind kind) const override {
    TensorTable table = decoderTensors(config, kind);
    if (kind == Checkpoint::Kind::Gguf)
      table.ignored.insert(table.ignored.end(), {"rope_factors_long.weight",
                                                 "rope_factors_short.weight"});
    return table;
  }

private:
  static void setFused(ModelConfig &config) {
    config.fusedQkv = true;
    config.fusedGateUp = true;
  }
};

} // namespace

ADZE_REGISTER_MODEL("Phi3ForCausalLM", Phi3)
} // namespace adze
