// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// config.json of each architecture: what it becomes, and each way in which it
// can be wrong, with the exact message.

#include "TestFiles.h"
#include "adze/Frontend/Json.h"

#include "gtest/gtest.h"

#include <cmath>

using namespace adze;
using namespace adze::test;

namespace {
struct Outcome {
  std::string errors;
  std::string warnings;
  ModelConfig config;
};
} // namespace

static Outcome read(llvm::StringRef text) {
  Outcome outcome;
  Diagnostics diags;
  auto object = parseJsonObject(text, "c");
  if (!object) {
    outcome.errors = failure(std::move(object));
    return outcome;
  }
  auto config = readModelConfig(*object, "c", diags);
  if (config)
    outcome.config = std::move(*config);
  else
    outcome.errors = failure(std::move(config));
  outcome.warnings = diags.str();
  return outcome;
}

/// tinyConfig with `more` in front; keys of `more` must not be in it.
static Outcome readTiny(llvm::StringRef more) {
  return read("{" + more.str() + ", " + tinyConfig.drop_front().str());
}

/// tinyConfig with `from` replaced.
static Outcome readChanged(llvm::StringRef from, llvm::StringRef to) {
  std::string text = tinyConfig.str();
  size_t at = text.find(from.str());
  EXPECT_NE(at, std::string::npos);
  return read(text.replace(at, from.size(), to.str()));
}

static std::string decoder(llvm::StringRef name, llvm::StringRef more) {
  return "{\"architectures\": [\"" + name.str() +
         "\"], \"hidden_size\": 96, \"intermediate_size\": 20, "
         "\"num_hidden_layers\": 4, \"num_attention_heads\": 4, "
         "\"num_key_value_heads\": 2, \"vocab_size\": 10" +
         more.str() + "}";
}

TEST(Config, ReadsLlama) {
  Outcome tiny = read(tinyConfig);
  EXPECT_EQ(tiny.errors + tiny.warnings, "");
  const ModelConfig &config = tiny.config;
  EXPECT_EQ(config.architecture, "LlamaForCausalLM");
  EXPECT_EQ(config.hidden, 8);
  EXPECT_EQ(config.layers, 1);
  EXPECT_EQ(config.heads, 2);
  EXPECT_EQ(config.kvHeads, 1);
  EXPECT_EQ(config.headDim, 4);
  EXPECT_EQ(config.intermediate, 12);
  EXPECT_EQ(config.vocab, 3);
  EXPECT_EQ(config.context, 64);
  EXPECT_EQ(config.rmsEps, 1e-5);
  EXPECT_EQ(config.rope.theta, 10000.0);
  EXPECT_EQ(config.rope.scaling, RopeConfig::Scaling::None);
  EXPECT_EQ(config.rope.pairing, RopeConfig::Pairing::Half);
  EXPECT_FALSE(config.qkvBias || config.outputBias || config.mlpBias);
  EXPECT_FALSE(config.qkNorm);
  EXPECT_TRUE(config.tiedHead);
  EXPECT_FALSE(config.slidingWindow.has_value());
  EXPECT_FALSE(config.bosToken.has_value());
}

TEST(Config, ReadsLlamaWithEverything) {
  Outcome llama = readTiny(
      R"("head_dim": 6, "rope_theta": 500000, "attention_bias": true,
         "mlp_bias": true, "bos_token_id": 1, "eos_token_id": [2, 0],
         "hidden_act": "silu", "pretraining_tp": 1, "torch_dtype": "bfloat16",
         "rope_scaling": {"factor": 8.0, "high_freq_factor": 4.0,
           "low_freq_factor": 1.0, "rope_type": "llama3",
           "original_max_position_embeddings": 32})");
  EXPECT_EQ(llama.errors + llama.warnings, "");
  EXPECT_EQ(llama.config.headDim, 6);
  EXPECT_EQ(llama.config.rope.theta, 500000.0);
  EXPECT_EQ(llama.config.rope.scaling, RopeConfig::Scaling::Llama3);
  EXPECT_EQ(llama.config.rope.factor, 8.0);
  EXPECT_EQ(llama.config.rope.originalContext, 32);
  EXPECT_TRUE(llama.config.qkvBias && llama.config.outputBias &&
              llama.config.mlpBias);
  EXPECT_EQ(llama.config.bosToken, 1);
  EXPECT_EQ(llama.config.eosTokens, (std::vector<int64_t>{2, 0}));
}

TEST(Config, ReadsRopeOfAllVersions) {
  EXPECT_EQ(readTiny(R"("rope_scaling": {"type": "linear", "factor": 2.5})")
                .config.rope.factor,
            2.5);
  Outcome v5 = readTiny(
      R"("rope_parameters": {"rope_type": "default", "rope_theta": 1e6})");
  EXPECT_EQ(v5.errors + v5.warnings, "");
  EXPECT_EQ(v5.config.rope.theta, 1e6);
  EXPECT_EQ(readTiny(R"("rope_scaling": null)").errors, "");
  EXPECT_EQ(readTiny(R"("rope_scaling": {"rope_type": "yarn", "factor": 4.0})")
                .errors,
            "c: \"rope_scaling.rope_type\": expected a supported value, found "
            "\"yarn\"; supported: \"default\", \"linear\" and \"llama3\"");
  EXPECT_EQ(readTiny(R"("rope_scaling": {"rope_type": "linear"})").errors,
            "c: \"rope_scaling.factor\": expected a number above 0, found "
            "nothing");
  EXPECT_EQ(readTiny(R"("rope_scaling": 2)").errors,
            "c: \"rope_scaling\": expected an object, found 2");
  EXPECT_EQ(readTiny(
                R"("rope_scaling": {"rope_type": "llama3", "factor": 8,
              "low_freq_factor": 4, "high_freq_factor": 4,
              "original_max_position_embeddings": 32})")
                .errors,
            "c: expected high_freq_factor above low_freq_factor in the rotary "
            "scaling, found 4.000000 and 4.000000");
}

TEST(Config, ReadsMistral) {
  Outcome mistral =
      read(decoder("MistralForCausalLM", R"(, "sliding_window": 16)"));
  EXPECT_EQ(mistral.errors + mistral.warnings, "");
  EXPECT_EQ(mistral.config.slidingWindow, 16);
  EXPECT_TRUE(mistral.config.isSliding(0));
  // Absent is transformers' default, null is none.
  EXPECT_EQ(read(decoder("MistralForCausalLM", "")).config.slidingWindow, 4096);
  EXPECT_FALSE(
      read(decoder("MistralForCausalLM", R"(, "sliding_window": null)"))
          .config.slidingWindow.has_value());
  EXPECT_EQ(
      read(decoder("MistralForCausalLM", R"(, "sliding_window": 0)")).errors,
      "c: \"sliding_window\": expected a positive integer, found 0");
}

TEST(Config, ReadsQwen2) {
  Outcome qwen =
      read(decoder("Qwen2ForCausalLM", R"(, "use_sliding_window": false,
      "sliding_window": 16, "max_window_layers": 2)"));
  EXPECT_EQ(qwen.errors + qwen.warnings, "");
  EXPECT_TRUE(qwen.config.qkvBias);
  EXPECT_FALSE(qwen.config.outputBias);
  EXPECT_FALSE(qwen.config.slidingWindow.has_value());

  qwen = read(decoder("Qwen2ForCausalLM", R"(, "use_sliding_window": true,
      "sliding_window": 16, "max_window_layers": 2)"));
  EXPECT_EQ(qwen.errors + qwen.warnings, "");
  EXPECT_FALSE(qwen.config.isSliding(1));
  EXPECT_TRUE(qwen.config.isSliding(2));

  qwen = read(decoder("Qwen2ForCausalLM", R"(, "use_sliding_window": true,
      "sliding_window": 16, "layer_types": ["full_attention",
      "sliding_attention", "full_attention", "full_attention"])"));
  EXPECT_TRUE(qwen.config.isSliding(1));
  EXPECT_FALSE(qwen.config.isSliding(2));
  EXPECT_EQ(read(decoder("Qwen2ForCausalLM", R"(, "use_sliding_window": true,
      "sliding_window": 16, "layer_types": ["sliding_attention"])"))
                .errors,
            "c: expected a layer type for each of the 4 layers, found 1");
  EXPECT_EQ(read(decoder("Qwen2ForCausalLM", R"(, "use_sliding_window": true,
      "layer_types": ["linear_attention"])"))
                .errors,
            "c: \"layer_types\": expected a supported value, found "
            "[\"linear_attention\"]; supported: \"full_attention\" and "
            "\"sliding_attention\"");
}

TEST(Config, ReadsQwen3) {
  Outcome qwen = read(decoder("Qwen3ForCausalLM", ""));
  EXPECT_EQ(qwen.errors + qwen.warnings, "");
  EXPECT_TRUE(qwen.config.qkNorm);
  EXPECT_FALSE(qwen.config.qkvBias);
  EXPECT_EQ(qwen.config.headDim, 128); // not hidden / heads
  qwen = read(decoder("Qwen3ForCausalLM",
                      R"(, "head_dim": 16, "attention_bias": true)"));
  EXPECT_EQ(qwen.config.headDim, 16);
  EXPECT_TRUE(qwen.config.qkvBias && qwen.config.outputBias);
}

TEST(Config, ReadsGemma3) {
  Outcome gemma = read(decoder("Gemma3ForCausalLM", ""));
  EXPECT_EQ(gemma.errors + gemma.warnings, "");
  const ModelConfig &config = gemma.config;
  EXPECT_EQ(config.headDim, 256);
  EXPECT_EQ(config.context, 131072);
  EXPECT_EQ(config.activation, Activation::GeluTanh);
  EXPECT_TRUE(config.tiedHead && config.qkNorm && config.postNorms &&
              config.normsAddOne && config.roundEmbeddingScale);
  EXPECT_DOUBLE_EQ(*config.attentionScale, 1.0 / 16);
  EXPECT_DOUBLE_EQ(config.embeddingScale, std::sqrt(96.0));
  EXPECT_EQ(config.logitSoftcap, std::nullopt);
  EXPECT_EQ(config.rope.theta, 1e6);
  EXPECT_EQ(config.slidingRope->theta, 1e4);
  EXPECT_EQ(config.slidingWindow, 4096);
  EXPECT_EQ(config.slidingLayers, (std::vector<uint8_t>{1, 1, 1, 1}));

  gemma = read(decoder("Gemma3ForCausalLM", R"(, "head_dim": 8,
    "sliding_window": 12, "sliding_window_pattern": 3,
    "query_pre_attn_scalar": 4, "final_logit_softcapping": 30.0,
    "attn_logit_softcapping": null, "attention_bias": true,
    "rope_theta": 5000, "rope_local_base_freq": 70,
    "rope_scaling": {"rope_type": "linear", "factor": 8.0})"));
  EXPECT_EQ(gemma.errors + gemma.warnings, "");
  EXPECT_EQ(gemma.config.slidingLayers, (std::vector<uint8_t>{1, 1, 0, 1}));
  EXPECT_EQ(gemma.config.attentionScale, 0.5);
  EXPECT_EQ(gemma.config.logitSoftcap, 30.0);
  EXPECT_TRUE(gemma.config.qkvBias && gemma.config.outputBias);
  EXPECT_EQ(gemma.config.rope.theta, 5000);
  EXPECT_EQ(gemma.config.rope.scaling, RopeConfig::Scaling::Linear);
  EXPECT_EQ(gemma.config.rope.factor, 8);
  EXPECT_EQ(gemma.config.slidingRope->theta, 70);
  EXPECT_EQ(gemma.config.slidingRope->scaling, RopeConfig::Scaling::None);

  // As transformers 5 writes it.
  gemma = read(decoder("Gemma3ForCausalLM", R"(, "layer_types":
    ["full_attention", "sliding_attention", "full_attention",
     "sliding_attention"], "rope_parameters": {"full_attention":
    {"rope_type": "linear", "factor": 4.0, "rope_theta": 900.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 80.0}})"));
  EXPECT_EQ(gemma.errors + gemma.warnings, "");
  EXPECT_EQ(gemma.config.slidingLayers, (std::vector<uint8_t>{0, 1, 0, 1}));
  EXPECT_EQ(gemma.config.rope.theta, 900);
  EXPECT_EQ(gemma.config.rope.factor, 4);
  EXPECT_EQ(gemma.config.slidingRope->theta, 80);
}

TEST(Config, RefusesWhatGemma3CannotDo) {
  EXPECT_EQ(read(decoder("Gemma3ForCausalLM",
                         R"(, "attn_logit_softcapping": 50.0,
    "use_bidirectional_attention": true, "hidden_activation": "gelu",
    "final_logit_softcapping": -1)"))
                .errors,
            "c: \"hidden_activation\": expected a supported value, found "
            "\"gelu\"; supported: \"gelu_pytorch_tanh\"\n"
            "c: \"use_bidirectional_attention\": expected a supported value, "
            "found true; supported: false\n"
            "c: \"attn_logit_softcapping\": expected a supported value, found "
            "50; supported: null\n"
            "c: \"final_logit_softcapping\": expected a number above 0, found "
            "-1");
  EXPECT_EQ(
      read(decoder("Gemma3ForCausalLM", ", \"sliding_window\": null")).errors,
      "c: \"sliding_window\": expected a width for the layers with sliding "
      "attention, found nothing");
  EXPECT_EQ(read(decoder("Gemma3ForCausalLM",
                         R"(, "rope_scaling": {"rope_type": "yarn"})"))
                .errors,
            "c: \"rope_scaling.rope_type\": expected a supported value, found "
            "\"yarn\"; supported: \"default\", \"linear\" and \"llama3\"");
}

TEST(Config, RefusesACapThatIsNoFloat) {
  for (llvm::StringRef cap : {"1e-60", "1e60"}) {
    std::string errors =
        read(decoder("Gemma3ForCausalLM",
                     (", \"final_logit_softcapping\": " + cap).str()))
            .errors;
    EXPECT_TRUE(llvm::StringRef(errors).starts_with(
        "c: \"final_logit_softcapping\": expected a number in the range of "
        "f32, found "))
        << errors;
  }
}

TEST(Config, ReadsPhi3) {
  Outcome phi = read(decoder("Phi3ForCausalLM", R"(, "sliding_window": 7)"));
  EXPECT_EQ(phi.errors + phi.warnings, "");
  EXPECT_EQ(phi.config.headDim, 24);
  EXPECT_TRUE(phi.config.fusedQkv && phi.config.fusedGateUp);
  EXPECT_EQ(phi.config.slidingWindow, 7);
  EXPECT_EQ(phi.config.rope.rotatedOf(24), 24);
  EXPECT_EQ(phi.config.rope.scale, 1.0);

  auto withContext = [](llvm::StringRef context, llvm::StringRef type) {
    return read(decoder("Phi3ForCausalLM",
                        (R"(, "partial_rotary_factor": 0.25,
    "original_max_position_embeddings": 64, "max_position_embeddings": )" +
                         context + R"(, "rope_scaling": {"type": ")" + type +
                         R"(", "short_factor": [1, 1.5, 2],
    "long_factor": [3, 4, 5]})")
                            .str()));
  };
  phi = withContext("64", "longrope");
  EXPECT_EQ(phi.errors + phi.warnings, "");
  EXPECT_EQ(phi.config.rope.rotated, 6);
  EXPECT_EQ(phi.config.rope.factors, (std::vector<double>{1, 1.5, 2}));
  EXPECT_EQ(phi.config.rope.scale, 1.0);
  phi = withContext("256", "su");
  EXPECT_EQ(phi.errors, "");
  EXPECT_EQ(phi.warnings,
            "warning: c: \"rope_scaling.long_factor\": compiled with the "
            "rotary factors for a context of 256, also for texts of up to 64 "
            "tokens, where transformers takes the short ones; for those, set "
            "max_position_embeddings to 64 and factor to 4 in a copy of the "
            "configuration\n");
  EXPECT_EQ(phi.config.rope.factors, (std::vector<double>{3, 4, 5}));
  EXPECT_DOUBLE_EQ(phi.config.rope.scale,
                   std::sqrt(1 + std::log(4.0) / std::log(64.0)));
}

TEST(Config, RefusesWhatPhi3CannotDo) {
  EXPECT_EQ(
      read(decoder("Phi3ForCausalLM", R"(, "partial_rotary_factor": 0.3)"))
          .errors,
      "c: \"partial_rotary_factor\": expected a part of the head "
      "dimension 24 that is an even number of channels, found 7");
  EXPECT_EQ(
      read(decoder("Phi3ForCausalLM", R"(, "partial_rotary_factor": 1.5)"))
          .errors,
      "c: \"partial_rotary_factor\": expected a part of the head "
      "dimension, at most 1, found 1.5");
  EXPECT_EQ(read(decoder("Phi3ForCausalLM",
                         R"(, "rope_scaling": {"type": "longrope",
    "short_factor": [1, -2], "long_factor": [1, 2]})"))
                .errors,
            "c: \"rope_scaling.short_factor\": expected a list of numbers "
            "above 0, found [1,-2]\n"
            "c: \"rope_scaling.short_factor\": expected a factor for each of "
            "the 12 rotated pairs of a head, found 0\n"
            "c: \"rope_scaling.long_factor\": expected a factor for each of "
            "the 12 rotated pairs of a head, found 2");
  EXPECT_EQ(read(decoder("Phi3ForCausalLM",
                         R"(, "rope_scaling": {"type": "dynamic"},
    "attention_bias": true)"))
                .errors,
            "c: \"rope_scaling.type\": expected a supported value, found "
            "\"dynamic\"; supported: \"default\", \"longrope\", \"su\" and "
            "\"yarn\"\n"
            "c: \"attention_bias\": expected a supported value, found true; "
            "supported: false");
}

TEST(Config, RefusesOtherMixesOfPhi3) {
  EXPECT_EQ(read(decoder("Phi3ForCausalLM",
                         R"(, "full_attn_mod": 2, "interpolate_factor": 4)"))
                .errors,
            "c: \"full_attn_mod\": expected a supported value, found 2; "
            "supported: 1\n"
            "c: \"interpolate_factor\": expected a supported value, found 4; "
            "supported: 1");
}

TEST(Config, ReadsSmolLM) {
  Outcome smol = readTiny(R"("is_llama_config": true, "rope_interleaved": false,
    "transformers.js_config": {"dtype": "q4"})");
  EXPECT_EQ(smol.errors + smol.warnings, "");
  EXPECT_EQ(readTiny("\"rope_interleaved\": true").errors,
            "c: \"rope_interleaved\": expected a supported value, found true; "
            "supported: false");
}

TEST(Config, ListsTheArchitectures) {
  std::string supported =
      "; supported: Gemma3ForCausalLM, LlamaForCausalLM, MistralForCausalLM, "
      "Phi3ForCausalLM, Qwen2ForCausalLM and Qwen3ForCausalLM";
  EXPECT_EQ(readChanged("LlamaForCausalLM", "BertModel").errors,
            "c: \"architectures\": expected a supported value, found "
            "[\"BertModel\"]" +
                supported);
  EXPECT_EQ(read("{}").errors,
            "c: \"architectures\": expected a supported value, found nothing" +
                supported);
}

TEST(Config, NamesEveryBadValueAtOnce) {
  EXPECT_EQ(
      read(R"({"architectures": ["LlamaForCausalLM"], "hidden_size": -4,
        "num_hidden_layers": 1e9, "num_attention_heads": "8",
        "intermediate_size": 1.5, "vocab_size": 4294967296,
        "rms_norm_eps": 0, "rope_theta": 1e999, "tie_word_embeddings": 1,
        "hidden_act": "gelu", "eos_token_id": [1, -1]})")
          .errors,
      "c: \"hidden_size\": expected a positive integer, found -4\n"
      "c: \"num_hidden_layers\": expected a positive integer of at most 4096, "
      "found 1000000000\n"
      "c: \"num_attention_heads\": expected a positive integer, found \"8\"\n"
      "c: \"intermediate_size\": expected a positive integer, found 1.5\n"
      "c: \"vocab_size\": expected a positive integer of at most 268435456, "
      "found "
      "4294967296\n"
      "c: \"rms_norm_eps\": expected a number above 0, found 0\n"
      "c: \"tie_word_embeddings\": expected true or false, found 1\n"
      "c: \"hidden_act\": expected a supported value, found \"gelu\"; "
      "supported: \"silu\" and \"swish\"\n"
      "c: \"rope_theta\": expected a number above 0, found inf\n"
      "c: \"eos_token_id\": expected an integer from 0 to 2147483647 or a list "
      "of them, found [1,-1]");
}

TEST(Config, RefusesContradictions) {
  EXPECT_EQ(
      readChanged("\"num_key_value_heads\": 1", "\"num_key_value_heads\": 3")
          .errors,
      "c: expected a number of attention heads that the number of "
      "key/value heads divides, found 2 and 3");
  EXPECT_EQ(readChanged("\"hidden_size\": 8", "\"hidden_size\": 9").errors,
            "c: \"num_attention_heads\": expected a divisor of hidden_size 9, "
            "found 2; give head_dim where heads are not hidden_size / "
            "num_attention_heads wide");
  EXPECT_EQ(readTiny("\"head_dim\": 5").errors,
            "c: expected an even head dimension for rotary embedding, found 5");
  EXPECT_EQ(readTiny("\"head_dim\": 8194").errors,
            "c: \"head_dim\": expected a positive integer of at most 8192, "
            "found 8194");
  EXPECT_EQ(readChanged("\"hidden_size\": 8", "\"hidden_size\": 32768").errors,
            "c: \"num_attention_heads\": expected heads of at most 8192 "
            "elements, found 16384");
  EXPECT_EQ(
      read(decoder("LlamaForCausalLM", "")
               .replace(decoder("LlamaForCausalLM", "").find("heads\": 4"), 9,
                        "heads\": 262144, \"head_dim\": 8192"))
          .errors,
      "c: expected heads times head dimension of at most 268435456, "
      "found 262144 x 8192");
  std::string many = decoder("LlamaForCausalLM", ", \"head_dim\": 2");
  many.replace(many.find("attention_heads\": 4"), 19,
               "attention_heads\": 131072");
  many.replace(many.find("value_heads\": 2"), 15, "value_heads\": 131072");
  EXPECT_EQ(read(many).errors,
            "c: expected at most 65536 key/value heads, found 131072");
  EXPECT_EQ(readTiny("\"bos_token_id\": 3").errors,
            "c: expected a begin-of-text token below the vocabulary size 3, "
            "found 3");
  EXPECT_EQ(readTiny("\"eos_token_id\": 3").warnings,
            "warning: c: expected an end-of-text token below the vocabulary "
            "size 3, found 3\n");
}

TEST(Config, RefusesWhatChangesTheResult) {
  EXPECT_EQ(readTiny("\"partial_rotary_factor\": 0.5").errors,
            "c: \"partial_rotary_factor\": expected a supported value, found "
            "0.5; supported: 1");
  EXPECT_EQ(readTiny("\"is_encoder_decoder\": true").errors,
            "c: \"is_encoder_decoder\": expected a supported value, found "
            "true; supported: false");
  EXPECT_EQ(readTiny("\"add_cross_attention\": true").errors,
            "c: \"add_cross_attention\": expected a supported value, found "
            "true; supported: false");
  EXPECT_EQ(readTiny("\"pruned_heads\": {\"1\": [0]}").errors,
            "c: \"pruned_heads\": expected a supported value, found "
            "{\"1\":[0]}; supported: {}");
}

TEST(Config, WarnsAboutUnknownKeysOnly) {
  Outcome outcome = readTiny(
      R"("future_scale": 2, "use_cache": true, "transformers_version": "4.1")");
  EXPECT_EQ(outcome.errors, "");
  EXPECT_EQ(outcome.warnings, "warning: c: \"future_scale\": this key is not "
                              "known and has no effect, found 2\n");
}

TEST(Config, SurvivesMutation) {
  static const char *const values[] = {
      "-1",       "0",          "1",    "1e308", "9223372036854775807",
      "null",     "true",       "{}",   "[]",    "[0]",
      "\"silu\"", "0.5",        "-0.0", "2",     "1e-320",
      "4096",     "2147483647", "\"\"", "[null]"};
  std::string full =
      R"({"architectures": ["Qwen3ForCausalLM"], "hidden_size": 8, "head_dim": 4, "intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 3, "use_sliding_window": true, "sliding_window": 4, "max_window_layers": 1, "rope_theta": 100.0, "tie_word_embeddings": true, "bos_token_id": 1, "eos_token_id": [2]})";
  auto original = parseJsonObject(full, "c");
  ASSERT_TRUE(bool(original)) << failure(std::move(original));
  std::vector<llvm::StringRef> keys = sortedKeys(*original);
  Random random(4);
  size_t accepted = 0;
  for (int i = 0; i < 20000; ++i) {
    llvm::json::Object changed(*original);
    for (size_t n = 1 + random.below(3); n > 0; --n) {
      auto value = llvm::json::parse(values[random.below(std::size(values))]);
      ASSERT_TRUE(bool(value));
      changed[keys[1 + random.below(keys.size() - 1)]] = std::move(*value);
    }
    Diagnostics diags;
    auto config = readModelConfig(changed, "c", diags);
    if (!config) {
      llvm::consumeError(config.takeError());
      continue;
    }
    ++accepted;
    for (double frequency :
         ropeInverseFrequencies(config->rope, config->headDim))
      ASSERT_FALSE(std::isnan(frequency));
    ASSERT_EQ(config->heads % config->kvHeads, 0);
    for (const TensorSpec &spec :
         decoderTensors(*config, Checkpoint::Kind::HuggingFace).specs)
      ASSERT_TRUE(tensorBytes(DType::F64, spec.shape).has_value());
  }
  EXPECT_GT(accepted, 100u);
}
