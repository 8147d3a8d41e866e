// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rotary tables against the published formulas, GGUF metadata, and the
// comparison of a checkpoint's tensors with those of the model.

#include "TestFiles.h"
#include "adze/Frontend/Json.h"

#include "gtest/gtest.h"

#include <cmath>

using namespace adze;
using namespace adze::test;

TEST(Rope, IsAPowerOfTheta) {
  RopeConfig rope;
  std::vector<double> table = ropeInverseFrequencies(rope, 8);
  ASSERT_EQ(table.size(), 4u);
  for (int i = 0; i < 4; ++i)
    EXPECT_DOUBLE_EQ(table[i], std::pow(10.0, -i)); // 10000^(-2i/8)
  rope.scaling = RopeConfig::Scaling::Linear;
  rope.factor = 4;
  EXPECT_DOUBLE_EQ(ropeInverseFrequencies(rope, 8)[1], 0.025);
  rope.scaling = RopeConfig::Scaling::Factors;
  rope.factors = {1, 2, 4, 8};
  EXPECT_DOUBLE_EQ(ropeInverseFrequencies(rope, 8)[3], 1e-3 / 8);
  // Half of the head turns: its own powers, then pairs that stay.
  rope.rotated = 4;
  rope.factors = {1, 2};
  table = ropeInverseFrequencies(rope, 8);
  EXPECT_DOUBLE_EQ(table[1], 0.005); // 10000^(-2/4) / 2
  EXPECT_EQ(table[2], 0.0);
  EXPECT_EQ(table[3], 0.0);
}

/// The scaling of Llama 3.1 in the words of its reference: by wavelength.
static double byWavelength(double frequency, const RopeConfig &rope) {
  double context = double(rope.originalContext);
  double longest = context / rope.lowFreqFactor;
  double shortest = context / rope.highFreqFactor;
  double wavelength = 2 * M_PI / frequency;
  if (wavelength < shortest)
    return frequency;
  if (wavelength > longest)
    return frequency / rope.factor;
  double smooth = (context / wavelength - rope.lowFreqFactor) /
                  (rope.highFreqFactor - rope.lowFreqFactor);
  return (1 - smooth) * frequency / rope.factor + smooth * frequency;
}

TEST(Rope, ScalesAsLlama3) {
  RopeConfig rope;
  rope.theta = 500000;
  RopeConfig plain = rope;
  rope.scaling = RopeConfig::Scaling::Llama3;
  rope.factor = 32;
  rope.lowFreqFactor = 1;
  rope.highFreqFactor = 4;
  rope.originalContext = 8192;
  std::vector<double> unscaled = ropeInverseFrequencies(plain, 64);
  std::vector<double> scaled = ropeInverseFrequencies(rope, 64);
  int kept = 0, divided = 0, blended = 0;
  for (int i = 0; i < 32; ++i) {
    EXPECT_NEAR(scaled[i] / byWavelength(unscaled[i], rope), 1.0, 1e-14) << i;
    double ratio = scaled[i] / unscaled[i];
    kept += ratio == 1.0;
    divided += std::abs(ratio - 1.0 / 32) < 1e-15;
    blended += ratio < 1.0 && ratio > 1.0 / 32 + 1e-15;
  }
  EXPECT_EQ(kept + divided + blended, 32);
  EXPECT_TRUE(kept > 0 && divided > 0 && blended > 0)
      << kept << " " << divided << " " << blended;
}

static llvm::Expected<ModelDescription> describe(const GgufWriter &file,
                                                 Diagnostics &diags) {
  auto checkpoint = Checkpoint::fromGguf(buffer(file.write(), "m.gguf"), diags);
  if (!checkpoint)
    return checkpoint.takeError();
  return describeModel(*checkpoint, diags);
}

static std::string describeFailure(const GgufWriter &file) {
  Diagnostics diags;
  std::string message = failure(describe(file, diags));
  return message + diags.str();
}

TEST(GgufModel, ReadsLlama) {
  Diagnostics diags;
  GgufWriter file = tinyGguf();
  file.str("general.name", "tiny").f32("llama.rope.freq_base", 5000.0f);
  auto model = describe(file, diags);
  ASSERT_TRUE(bool(model)) << failure(std::move(model));
  EXPECT_EQ(diags.str(), "");
  const ModelConfig &config = model->config;
  EXPECT_EQ(config.architecture, "LlamaForCausalLM");
  EXPECT_EQ(config.vocab, 3);
  EXPECT_EQ(config.headDim, 4);
  EXPECT_EQ(config.rope.pairing, RopeConfig::Pairing::Interleaved);
  EXPECT_EQ(config.rope.theta, 5000.0);
  EXPECT_TRUE(config.tiedHead);
  EXPECT_EQ(config.bosToken, 1);
  EXPECT_EQ(config.eosTokens, std::vector<int64_t>{2});
  EXPECT_EQ(model->table.find(TensorRole::Query)->name(0),
            "blk.0.attn_q.weight");
  EXPECT_EQ(model->table.find(TensorRole::Head), nullptr);
}

TEST(GgufModel, ReadsBiasesHeadAndRopeFactorsFromTensors) {
  Diagnostics diags;
  GgufWriter file = tinyGguf();
  file.next("output.weight", {3, 8}).next("blk.0.attn_q.bias", {8});
  file.next("blk.0.attn_k.bias", {4}).next("blk.0.attn_v.bias", {4});
  auto model = describe(file, diags);
  ASSERT_TRUE(bool(model)) << failure(std::move(model));
  EXPECT_TRUE(model->config.qkvBias);
  EXPECT_FALSE(model->config.tiedHead);

  // Factors of zero, as the writer makes them, would divide by zero.
  file.next("rope_freqs.weight", {2});
  EXPECT_EQ(describeFailure(file),
            "m.gguf: tensor \"rope_freqs.weight\": expected finite factors "
            "above 0, found 0.000000");
  std::string bytes = file.write();
  float factors[] = {1.0f, 8.0f};
  std::memcpy(bytes.data() + bytes.size() - 32, factors, sizeof(factors));
  auto checkpoint = Checkpoint::fromGguf(buffer(bytes, "m.gguf"), diags);
  ASSERT_TRUE(bool(checkpoint));
  model = describeModel(*checkpoint, diags);
  ASSERT_TRUE(bool(model)) << failure(std::move(model));
  EXPECT_EQ(model->config.rope.factors, (std::vector<double>{1.0, 8.0}));
}

/// The metadata of tinyGguf() under another architecture's name.
static GgufWriter tinyHeader(const std::string &arch) {
  GgufWriter file;
  file.str("general.architecture", arch);
  file.u32(arch + ".embedding_length", 8).u32(arch + ".block_count", 1);
  file.u32(arch + ".attention.head_count", 2);
  file.u32(arch + ".attention.head_count_kv", 1);
  file.u32(arch + ".feed_forward_length", 12);
  file.u32(arch + ".context_length", 64);
  file.f32(arch + ".attention.layer_norm_rms_epsilon", 1e-5f);
  file.next("token_embd.weight", {3, 8}).next("output_norm.weight", {8});
  file.next("blk.0.attn_norm.weight", {8}).next("blk.0.ffn_norm.weight", {8});
  file.next("blk.0.attn_output.weight", {8, 8});
  file.next("blk.0.ffn_down.weight", {8, 12});
  return file;
}

TEST(GgufModel, ReadsPhi3) {
  Diagnostics diags;
  GgufWriter file = tinyHeader("phi3");
  file.u32("phi3.rope.dimension_count", 2);
  file.u32("phi3.attention.sliding_window", 5);
  file.u32("phi3.rope.scaling.original_context_length", 16);
  file.f32("phi3.rope.scaling.attn_factor", 1.5f);
  file.next("blk.0.attn_qkv.weight", {16, 8});
  file.next("blk.0.ffn_up.weight", {24, 8});
  auto model = describe(file, diags);
  ASSERT_TRUE(bool(model)) << failure(std::move(model));
  EXPECT_EQ(diags.str(), "");
  EXPECT_EQ(model->config.architecture, "Phi3ForCausalLM");
  EXPECT_EQ(model->config.rope.rotated, 2);
  EXPECT_EQ(model->config.rope.scale, 1.5);
  EXPECT_EQ(model->config.slidingWindow, 5);
  EXPECT_EQ(model->table.find(TensorRole::QueryKeyValue)->name(0),
            "blk.0.attn_qkv.weight");
  EXPECT_EQ(model->table.find(TensorRole::GateUp)->name(0),
            "blk.0.ffn_up.weight");
  EXPECT_EQ(model->table.find(TensorRole::Query), nullptr);

  file.next("rope_factors_long.weight", {1});
  EXPECT_EQ(describeFailure(file),
            "m.gguf: tensor \"rope_factors_long.weight\": expected finite "
            "factors above 0, found 0.000000");
  std::string bytes = file.write();
  float factor = 2.0f;
  std::memcpy(bytes.data() + bytes.size() - 32, &factor, sizeof(factor));
  auto checkpoint = Checkpoint::fromGguf(buffer(bytes, "m.gguf"), diags);
  ASSERT_TRUE(bool(checkpoint));
  EXPECT_EQ(
      failure(describeModel(*checkpoint, diags)),
      "m.gguf: \"phi3.rope.scaling.type\": expected short and long rotary "
      "factors together, found one of the tensors "
      "\"rope_factors_short.weight\" and \"rope_factors_long.weight\"");

  file.next("rope_factors_short.weight", {1});
  bytes = file.write();
  for (int tensor : {1, 2})
    std::memcpy(bytes.data() + bytes.size() - 32 * tensor, &factor,
                sizeof(factor));
  checkpoint = Checkpoint::fromGguf(buffer(bytes, "m.gguf"), diags);
  ASSERT_TRUE(bool(checkpoint));
  Diagnostics warnings;
  model = describeModel(*checkpoint, warnings);
  ASSERT_TRUE(bool(model)) << failure(std::move(model));
  EXPECT_EQ(model->config.rope.factors, std::vector<double>{2.0});
  EXPECT_EQ(
      warnings.str(),
      "warning: m.gguf: \"phi3.rope.scaling.attn_factor\": compiled with "
      "the rotary factors for a context of 64, also for texts of up to 16 "
      "tokens, where transformers takes the short ones; for those, set "
      "phi3.context_length to 16 in a copy of the file\n");
}

TEST(GgufModel, ReadsGemma3) {
  auto tiny = [] {
    GgufWriter file = tinyHeader("gemma3");
    file.next("blk.0.attn_q.weight", {8, 8});
    file.next("blk.0.attn_k.weight", {4, 8});
    file.next("blk.0.attn_v.weight", {4, 8});
    file.next("blk.0.attn_q_norm.weight", {4});
    file.next("blk.0.attn_k_norm.weight", {4});
    file.next("blk.0.post_attention_norm.weight", {8});
    file.next("blk.0.post_ffw_norm.weight", {8});
    file.next("blk.0.ffn_gate.weight", {12, 8});
    file.next("blk.0.ffn_up.weight", {12, 8});
    return file;
  };
  EXPECT_EQ(describeFailure(tiny()),
            "m.gguf: \"gemma3.attention.sliding_window\": expected a width for "
            "the layers with sliding attention, found nothing");
  auto window = [&] {
    GgufWriter file = tiny();
    file.u32("gemma3.attention.sliding_window", 7);
    return file;
  };
  EXPECT_EQ(
      describeFailure(window().f32("gemma3.attn_logit_softcapping", 50.0f)),
      "m.gguf: \"gemma3.attn_logit_softcapping\": expected a supported value, "
      "found 50; supported: null");
  Diagnostics diags;
  GgufWriter file = window();
  file.f32("gemma3.rope.freq_base", 1e6f);
  file.f32("gemma3.final_logit_softcapping", 30.0f);
  auto model = describe(file, diags);
  ASSERT_TRUE(bool(model)) << failure(std::move(model));
  EXPECT_EQ(diags.str(), "");
  EXPECT_EQ(model->config.rope.theta, 1e6);
  EXPECT_EQ(model->config.slidingRope->theta, 1e4);
  EXPECT_EQ(model->config.attentionScale, 0.5);
  EXPECT_EQ(model->config.logitSoftcap, 30.0);
  EXPECT_EQ(model->config.slidingLayers, std::vector<uint8_t>{1});
  EXPECT_FALSE(model->config.normsAddOne); // the file's norms are 1 + w
  EXPECT_FALSE(model->config.roundEmbeddingScale);
}

TEST(GgufModel, RefusesWhatItCannotRun) {
  GgufWriter other;
  other.str("general.architecture", "mamba");
  EXPECT_EQ(describeFailure(other),
            "m.gguf: \"general.architecture\": expected a supported value, "
            "found \"mamba\"; supported: gemma3, llama, phi3, qwen2 and qwen3");
  EXPECT_EQ(describeFailure(tinyGguf().u32("llama.expert_count", 8)),
            "m.gguf: \"llama.expert_count\": expected a supported value, found "
            "8; supported: 0");
  EXPECT_EQ(describeFailure(tinyGguf().u32("llama.rope.dimension_count", 2)),
            "m.gguf: \"llama.rope.dimension_count\": expected a supported "
            "value, found 2; supported: 4 (the whole head)");
  EXPECT_EQ(describeFailure(tinyGguf().str("llama.rope.scaling.type", "yarn")),
            "m.gguf: \"llama.rope.scaling.type\": expected a supported value, "
            "found \"yarn\"; supported: \"none\" and \"linear\"");
  EXPECT_EQ(describeFailure(tinyGguf().u32("llama.expert_used_count", 2)),
            "m.gguf: \"llama.expert_used_count\": expected a supported value, "
            "found 2; supported: 0");
  EXPECT_EQ(
      describeFailure(tinyGguf().pair("llama.use_parallel_residual", 7,
                                      std::string(1, '\0'))),
      "m.gguf: \"llama.use_parallel_residual\": expected a supported value, "
      "found false; supported: true");
  EXPECT_EQ(describeFailure(tinyGguf().u32("llama.attention.value_length", 2)),
            "m.gguf: \"llama.attention.value_length\": expected a supported "
            "value, found 2; supported: 4 (the key length)");
  EXPECT_EQ(
      describeFailure(tinyHeader("llama").strs("tokenizer.ggml.tokens",
                                               {"a", "b", "c", "d"})),
      "m.gguf: \"tokenizer.ggml.tokens\": expected at most as many tokens "
      "as the embedding has rows, 3, found 4");
  EXPECT_EQ(describeFailure(tinyGguf().u32("split.count", 2)),
            "m.gguf: \"split.count\": expected a model in one file, found one "
            "of several parts; merge them with llama-gguf-split --merge");
  EXPECT_EQ(describeFailure(tinyGguf().u32("llama.new_thing", 2)),
            "warning: m.gguf: \"llama.new_thing\": this key is not known and "
            "has no effect, found 2\n");
  GgufWriter quantized = tinyGguf();
  quantized.tensor("output.weight", {3, 256}, 16, quantized.dataBytes);
  quantized.dataBytes += 224;
  EXPECT_EQ(describeFailure(quantized),
            "m.gguf: tensor \"output.weight\": expected shape [3, 8] for the "
            "head, found [3, 256]\n"
            "m.gguf: tensor \"output.weight\": expected type f32, f16, bf16 or "
            "one of q4_0, q4_1, q5_0, q5_1, q8_0, q2_k, q3_k, q4_k, q5_k, "
            "q6_k, iq4_nl, iq4_xs, mxfp4, found iq2_xxs; quantize the model to "
            "one of them, or use a file in F16 or BF16");
}

/// A safetensors file of I8 or F32 zeros with these tensors.
static std::string
fileOf(llvm::ArrayRef<std::pair<std::string, std::vector<int64_t>>> tensors,
       llvm::StringRef type = "F32") {
  llvm::json::Object header;
  uint64_t at = 0;
  uint64_t width = type == "F32" ? 4 : 1;
  for (const auto &[name, shape] : tensors) {
    uint64_t bytes = width * *elementCount(shape);
    header[name] = llvm::json::Object{
        {"dtype", type.str()},
        {"shape", llvm::json::Array(shape)},
        {"data_offsets", llvm::json::Array{int64_t(at), int64_t(at + bytes)}}};
    at += bytes;
  }
  std::string text;
  llvm::raw_string_ostream(text) << llvm::json::Value(std::move(header));
  return safetensors(text, at);
}

static std::vector<std::pair<std::string, std::vector<int64_t>>> tinyTensors() {
  auto object = llvm::cantFail(parseJsonObject(tinyConfig, "c"));
  Diagnostics diags;
  ModelConfig config = llvm::cantFail(readModelConfig(object, "c", diags));
  std::vector<std::pair<std::string, std::vector<int64_t>>> tensors;
  for (const TensorSpec &spec :
       decoderTensors(config, Checkpoint::Kind::HuggingFace).specs)
    tensors.push_back({spec.name(0), {spec.shape.begin(), spec.shape.end()}});
  return tensors;
}

static std::string describeHuggingFace(std::string file) {
  Diagnostics diags;
  std::vector<std::unique_ptr<llvm::MemoryBuffer>> files;
  files.push_back(buffer(file, "d/model.safetensors"));
  auto checkpoint = Checkpoint::fromHuggingFace(
      llvm::cantFail(parseJsonObject(tinyConfig, "c")), std::nullopt,
      std::move(files), "d", diags);
  if (!checkpoint)
    return failure(std::move(checkpoint));
  return failure(describeModel(*checkpoint, diags)) + diags.str();
}

TEST(Tensors, AcceptsTheModelAndWhatIsIgnored) {
  auto tensors = tinyTensors();
  EXPECT_EQ(describeHuggingFace(fileOf(tensors)), "");
  tensors.push_back({"lm_head.weight", {3, 8}});
  tensors.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", {2}});
  EXPECT_EQ(describeHuggingFace(fileOf(tensors)), "");
}

TEST(Tensors, ListsAllThatIsWrong) {
  auto tensors = tinyTensors();
  auto named = [&](llvm::StringRef name) {
    return llvm::find_if(tensors, [&](auto &t) { return t.first == name; });
  };
  named("model.layers.0.self_attn.k_proj.weight")->second = {8, 8};
  tensors.erase(named("model.norm.weight"));
  tensors.erase(named("model.layers.0.mlp.up_proj.weight"));
  tensors.push_back({"model.layers.1.mlp.up_proj.weight", {12, 8}});
  EXPECT_EQ(
      describeHuggingFace(fileOf(tensors)),
      "d/model.safetensors: tensor \"model.layers.0.self_attn.k_proj.weight\": "
      "expected shape [4, 8] for the key projection, found [8, 8]\n"
      "d: tensor \"model.layers.0.mlp.up_proj.weight\": expected the up "
      "projection with "
      "shape [12, 8], found no such tensor\n"
      "d: tensor \"model.norm.weight\": expected the final norm with shape "
      "[8], found no such tensor\n"
      "d/model.safetensors: tensor \"model.layers.1.mlp.up_proj.weight\": "
      "expected no such tensor in this architecture, found [12, 8] of f32; the "
      "configuration does not describe these weights");
}

TEST(Tensors, RefusesTypesThatAreNoWeights) {
  std::string message = describeHuggingFace(fileOf(tinyTensors(), "I8"));
  EXPECT_EQ(llvm::StringRef(message).count("expected type f32, f16 or bf16, "
                                           "found i8"),
            11u);
}

TEST(Registry, FindsEachArchitecture) {
  EXPECT_EQ(architectureNames(),
            (std::vector<std::string>{"Gemma3ForCausalLM", "LlamaForCausalLM",
                                      "MistralForCausalLM", "Phi3ForCausalLM",
                                      "Qwen2ForCausalLM", "Qwen3ForCausalLM"}));
  EXPECT_EQ(
      ggufArchitectureNames(),
      (std::vector<std::string>{"gemma3", "llama", "phi3", "qwen2", "qwen3"}));
  EXPECT_EQ(findArchitecture("NoSuch"), nullptr);
  EXPECT_EQ(findGgufArchitecture("qwen3")->name(), "Qwen3ForCausalLM");
  EXPECT_EQ(findGgufArchitecture(""), nullptr);
}

namespace {
class Another : public Architecture {
  void readConfig(ConfigReader &reader, ModelConfig &config) const override {
    readDecoderConfig(reader, DecoderDefaults(), config);
  }
};
} // namespace

TEST(Registry, TakesArchitecturesFromOutside) {
  Another another;
  {
    ArchitectureRegistration own("AnotherForCausalLM", another);
    EXPECT_EQ(findArchitecture("AnotherForCausalLM"), &own);
  }
  EXPECT_EQ(findArchitecture("AnotherForCausalLM"), nullptr);
  std::string file = fileOf(tinyTensors());
  ArchitectureRegistration twice("LlamaForCausalLM", another);
  EXPECT_EQ(describeHuggingFace(file),
            "d/config.json: \"architectures\": expected one registration of "
            "architecture \"LlamaForCausalLM\", found 2; load only one plug-in "
            "that brings it");
}
