// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- DecoderConfig.cpp - config.json of transformers decoders -----------===//
//
// The keys that Llama, Mistral, Qwen and their like share, with transformers'
// meaning and its defaults.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/Architecture.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>

using namespace llvm;

namespace adze {

/// Written by transformers or by training tools; none changes the logits of a
/// forward pass.
static void ignoreHarmlessKeys(ConfigReader &reader) {
  reader.ignore({"architectures", "model_type", "transformers_version",
                 "torch_dtype", "dtype", "use_cache", "initializer_range",
                 "_name_or_path", "_attn_implementation",
                 "_attn_implementation_autoset", "auto_map", "pad_token_id",
                 "sep_token_id", "cls_token_id", "unk_token_id",
                 "decoder_start_token_id", "vocab_file"});
  // Training only.
  reader.ignore({"attention_dropout", "hidden_dropout", "resid_pdrop",
                 "embd_pdrop", "gradient_checkpointing", "output_router_logits",
                 "unsloth_version", "unsloth_fixed"});
  // How transformers computes, not what.
  reader.ignore({"pretraining_tp", "return_dict", "output_attentions",
                 "output_hidden_states", "torchscript", "use_bfloat16",
                 "tf_legacy_loss", "chunk_size_feed_forward",
                 "return_dict_in_generate", "_flash_attn_2_enabled",
                 "use_flash_attn"});
  // Of classification and generation.
  reader.ignore({"id2label",
                 "label2id",
                 "problem_type",
                 "finetuning_task",
                 "task_specific_params",
                 "num_labels",
                 "max_length",
                 "min_length",
                 "do_sample",
                 "early_stopping",
                 "num_beams",
                 "num_beam_groups",
                 "diversity_penalty",
                 "temperature",
                 "top_k",
                 "top_p",
                 "typical_p",
                 "repetition_penalty",
                 "length_penalty",
                 "no_repeat_ngram_size",
                 "encoder_no_repeat_ngram_size",
                 "bad_words_ids",
                 "num_return_sequences",
                 "output_scores",
                 "forced_bos_token_id",
                 "forced_eos_token_id",
                 "remove_invalid_values",
                 "exponential_decay_length_penalty",
                 "suppress_tokens",
                 "begin_suppress_tokens",
                 "prefix",
                 "tokenizer_class",
                 "tie_encoder_decoder",
                 "cross_attention_hidden_size",
                 "is_decoder"});
}

/// Things a decoder may have in transformers that change the result and that
/// are not supported here.
static void requirePlainDecoder(ConfigReader &reader) {
  reader.require("is_encoder_decoder", false);
  reader.require("add_cross_attention", false);
  reader.require("pruned_heads", json::Object());
  // How weights are stored; frontend/quantization reads it.
  reader.ignore({"quantization_config", "compression_config"});
}

void readDecoderConfig(ConfigReader &reader, const DecoderDefaults &defaults,
                       ModelConfig &config) {
  ignoreHarmlessKeys(reader);
  requirePlainDecoder(reader);

  config.hidden = reader.positive("hidden_size");
  config.layers = reader.positive("num_hidden_layers", maxLayers);
  config.heads = reader.positive("num_attention_heads");
  config.kvHeads = reader.positiveOr("num_key_value_heads",
                                     defaults.kvHeads.value_or(config.heads));
  config.intermediate = reader.positive("intermediate_size");
  config.vocab = reader.positive("vocab_size");
  config.context =
      reader.positiveOr("max_position_embeddings", defaults.context);
  config.rmsEps = reader.positiveRealOr("rms_norm_eps", 1e-6);
  config.tiedHead = reader.boolean("tie_word_embeddings", defaults.tiedHead);
  if (defaults.activation == Activation::GeluTanh)
    config.activation = reader.choose<Activation>(
        defaults.activationKey, {{"gelu_pytorch_tanh", Activation::GeluTanh}},
        Activation::GeluTanh);
  else
    config.activation = reader.choose<Activation>(
        defaults.activationKey,
        {{"silu", Activation::Silu}, {"swish", Activation::Silu}},
        Activation::Silu);

  bool known = reader.has("head_dim") || defaults.headDim;
  config.headDim = reader.positiveOr(
      "head_dim",
      defaults.headDim.value_or(std::max<int64_t>(
          1, config.hidden / std::max<int64_t>(1, config.heads))),
      maxHeadDim);
  if (!known && config.hidden % config.heads != 0)
    reader.error("num_attention_heads",
                 "expected a divisor of hidden_size " + Twine(config.hidden) +
                     ", found " + Twine(config.heads),
                 "give head_dim where heads are not hidden_size / "
                 "num_attention_heads wide");
  else if (!known && config.headDim > maxHeadDim)
    reader.error("num_attention_heads",
                 "expected heads of at most " + Twine(maxHeadDim) +
                     " elements, found " + Twine(config.headDim));
  config.rope.pairing = RopeConfig::Pairing::Half;
  if (!defaults.ownRope)
    readRope(reader, RopeSupport(), config);

  config.bosToken = reader.integer("bos_token_id", 0, INT32_MAX);
  config.eosTokens = reader.integers("eos_token_id", 0, INT32_MAX);
}

void readSlidingWindow(ConfigReader &reader, int64_t fallback,
                       int64_t firstLayer, ModelConfig &config) {
  bool given = reader.has("sliding_window");
  // An absent key has a default; an explicit null means no window.
  if (given)
    config.slidingWindow = reader.positive("sliding_window");
  else if (fallback > 0 && !reader.contains("sliding_window"))
    config.slidingWindow = fallback;
  reader.ignore({"sliding_window", "layer_types"});

  std::vector<std::string> types = reader.strings("layer_types");
  config.slidingLayers.clear();
  if (!types.empty()) {
    for (const std::string &type : types) {
      if (type != "full_attention" && type != "sliding_attention") {
        reader.unsupported("layer_types",
                           {"\"full_attention\"", "\"sliding_attention\""});
        return;
      }
      config.slidingLayers.push_back(type == "sliding_attention");
    }
  } else if (config.slidingWindow && firstLayer > 0) {
    for (int64_t layer = 0; layer < config.layers; ++layer)
      config.slidingLayers.push_back(layer >= firstLayer);
  }
  bool any = !types.empty() && is_contained(config.slidingLayers, 1);
  if (any && !config.slidingWindow)
    reader.error("sliding_window",
                 "expected a width for the layers with sliding attention, "
                 "found nothing");
  // No layer slides: as if there were no window.
  if (!config.slidingLayers.empty() && !is_contained(config.slidingLayers, 1)) {
    config.slidingWindow.reset();
    config.slidingLayers.clear();
  }
}

} // namespace adze
