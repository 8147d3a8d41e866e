// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- gemma3.cpp - Gemma3ForCausalLM -------------------------------------===//
//
// Gemma 3, text: most layers slide and have a rotary embedding of their own;
// norms before and after each part, of q and k too; scaled embeddings.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/Architecture.h"
#include "adze/Frontend/Json.h"

#include <cmath>
#include <limits>

namespace adze {
namespace {

class Gemma3 : public Architecture {
public:
  void readConfig(ConfigReader &reader, ModelConfig &config) const override {
    DecoderDefaults defaults;
    defaults.kvHeads = 4;
    defaults.headDim = 256;
    defaults.context = 131072;
    defaults.tiedHead = true;
    defaults.activationKey = "hidden_activation";
    defaults.activation = Activation::GeluTanh;
    defaults.ownRope = true;
    readDecoderConfig(reader, defaults, config);
    config.qkvBias = reader.boolean("attention_bias", false);
    config.outputBias = config.qkvBias;
    reader.require("use_bidirectional_attention", false);
    // Scores are capped inside attention, which has no such step.
    reader.require("attn_logit_softcapping", nullptr);
    readSoftcap(reader, "final_logit_softcapping", config);
    config.attentionScale =
        1.0 / std::sqrt(reader.positiveRealOr("query_pre_attn_scalar", 256.0));
    reader.require("partial_rotary_factor", 1.0);
    reader.ignore({"cache_implementation"});
    readRotary(reader, config);
    readLayerKinds(reader, config);
    setCommon(config);
    config.normsAddOne = true;
    config.roundEmbeddingScale = true;
  }

  llvm::StringRef ggufName() const override { return "gemma3"; }

  void readMetadata(const Checkpoint &checkpoint, ConfigReader &reader,
                    ModelConfig &config) const override {
    readDecoderMetadata(checkpoint, reader, "gemma3.",
                        RopeConfig::Pairing::Half, config);
    config.slidingRope.emplace();
    config.slidingRope->theta =
        reader.positiveRealOr("gemma3.rope.freq_base_swa", 10000.0);
    reader.require("gemma3.attn_logit_softcapping", nullptr);
    readSoftcap(reader, "gemma3.final_logit_softcapping", config);
    slideInPattern(reader, "gemma3.attention.sliding_window",
                   reader.positiveOr("gemma3.attention.sliding_window_pattern",
                                     defaultPattern, maxLayers),
                   config);
    // The files do not say it: the 27B model, known by its depth, divides by
    // the width of its hidden state per head.
    constexpr int64_t depthOf27B = 62;
    double scalar = static_cast<double>(config.layers == depthOf27B
                                            ? config.hidden / config.heads
                                            : config.headDim);
    config.attentionScale = 1.0 / std::sqrt(scalar);
    config.activation = Activation::GeluTanh;
    // The norms in the file are 1 + w already.
    setCommon(config);
  }

private:
  static constexpr int64_t defaultPattern = 6;

  static void setCommon(ModelConfig &config) {
    config.qkNorm = true;
    config.postNorms = true;
    config.embeddingScale = std::sqrt(static_cast<double>(config.hidden));
  }

  static void readSoftcap(ConfigReader &reader, llvm::StringRef key,
                          ModelConfig &config) {
    reader.ignore({key});
    if (!reader.has(key))
      return;
    double cap = reader.positiveReal(key);
    using Limits = std::numeric_limits<float>;
    if (cap < Limits::min() || cap > Limits::max())
      reader.error(key, "expected a number in the range of f32, found " +
                            formatJson(llvm::json::Value(cap)));
    else
      config.logitSoftcap = cap;
  }

  /// Older files: two thetas, and a scaling of full attention. Since
  /// transformers 5: an object for each kind of layer.
  static void readRotary(ConfigReader &reader, ModelConfig &config) {
    config.rope.theta = reader.positiveRealOr("rope_theta", 1000000.0);
    config.slidingRope.emplace();
    config.slidingRope->theta =
        reader.positiveRealOr("rope_local_base_freq", 10000.0);
    if (std::optional<ConfigReader> scaling = reader.nested("rope_scaling"))
      readRopeObject(*scaling, RopeSupport(), config, config.rope);
    std::optional<ConfigReader> kinds = reader.nested("rope_parameters");
    if (!kinds)
      return;
    if (std::optional<ConfigReader> full = kinds->nested("full_attention"))
      readRopeObject(*full, RopeSupport(), config, config.rope);
    if (std::optional<ConfigReader> local = kinds->nested("sliding_attention"))
      readRopeObject(*local, RopeSupport(), config, *config.slidingRope);
    kinds->finish();
  }

  static void readLayerKinds(ConfigReader &reader, ModelConfig &config) {
    int64_t pattern = defaultPattern;
    for (llvm::StringRef key :
         {"_sliding_window_pattern", "sliding_window_pattern"})
      pattern = reader.positiveOr(key, pattern, maxLayers);
    readSlidingWindow(reader, /*fallback=*/4096, /*firstLayer=*/0, config);
    if (!reader.has("layer_types"))
      slideInPattern(reader, "sliding_window", pattern, config);
  }

  /// All layers slide but each one that ends a period.
  static void slideInPattern(ConfigReader &reader, llvm::StringRef windowKey,
                             int64_t period, ModelConfig &config) {
    config.slidingLayers.clear();
    for (int64_t layer = 1; layer <= config.layers; ++layer)
      config.slidingLayers.push_back(layer % period != 0);
    if (period > 1 && !config.slidingWindow)
      reader.error(windowKey, "expected a width for the layers with sliding "
                              "attention, found nothing");
  }
};

} // namespace

ADZE_REGISTER_MODEL("Gemma3ForCausalLM", Gemma3)
} // namespace adze
