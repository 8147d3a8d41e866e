// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Checkpoints of GPTQ, AWQ and compressed-tensors: what is found in them, and
// every way in which configuration and tensors can contradict each other. What
// the numbers mean is checked on test/numerics/references/quantized.

#include "TestFiles.h"
#include "adze/Frontend/Json.h"
#include "adze/Frontend/Quantization.h"

#include "gtest/gtest.h"

#include <map>

using namespace adze;
using namespace adze::test;

namespace {

constexpr int64_t kHidden = 32, kGroup = 16;

struct Tensor {
  std::string type;
  std::vector<int64_t> shape;
  std::string bytes;
};

template <typename T>
Tensor filled(llvm::StringRef type, std::vector<int64_t> shape, T value) {
  Tensor tensor{type.str(), std::move(shape), ""};
  int64_t count = 1;
  for (int64_t dim : tensor.shape)
    count *= dim;
  for (int64_t i = 0; i < count; ++i)
    append(tensor.bytes, value);
  return tensor;
}

constexpr uint16_t kOne = 0x3c00, kInfinity = 0x7c00; // of f16

/// The group of each column: in order, or odd columns after even ones.
Tensor groups(bool inOrder) {
  Tensor tensor{"I32", {kHidden}, ""};
  for (int32_t k = 0; k < kHidden; ++k)
    append<int32_t>(tensor.bytes, inOrder ? k / int32_t(kGroup) : k % 2);
  return tensor;
}

/// A layer of a Llama with square projections.
class Model {
public:
  explicit Model(std::string quantization)
      : quantization(std::move(quantization)) {
    for (const char *name :
         {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
          "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"})
      linears.push_back(std::string("model.layers.0.") + name);
    for (const char *name : {"model.layers.0.input_layernorm.weight",
                             "model.layers.0.post_attention_layernorm.weight",
                             "model.norm.weight"})
      tensors[name] = filled("F16", {kHidden}, kOne);
    tensors["model.embed_tokens.weight"] = filled("F16", {8, kHidden}, kOne);
    tensors["lm_head.weight"] = filled("F16", {8, kHidden}, kOne);
  }

  /// The same part for all projections.
  Model &each(llvm::StringRef suffix, const Tensor &tensor) {
    for (const std::string &name : linears)
      tensors[name + suffix.str()] = tensor;
    return *this;
  }
  Tensor &operator[](llvm::StringRef suffix) {
    return tensors[linears.front() + suffix.str()];
  }
  void remove(llvm::StringRef suffix) {
    tensors.erase(linears.front() + suffix.str());
  }

  llvm::Expected<ModelDescription> describe() {
    auto config = parseJsonObject(
        R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 32,
            "intermediate_size": 32, "num_hidden_layers": 1,
            "num_attention_heads": 2, "vocab_size": 8, "rms_norm_eps": 1e-5,
            "quantization_config": )" +
            quantization + "}",
        "config.json");
    if (!config)
      return config.takeError();
    llvm::json::Object header;
    std::string data;
    for (const auto &[name, tensor] : tensors) {
      int64_t begin = data.size();
      data += tensor.bytes;
      header[name] = llvm::json::Object{
          {"dtype", tensor.type},
          {"shape", llvm::json::Array(tensor.shape)},
          {"data_offsets", llvm::json::Array{begin, int64_t(data.size())}}};
    }
    std::string text;
    llvm::raw_string_ostream(text) << llvm::json::Value(std::move(header));
    std::vector<std::unique_ptr<llvm::MemoryBuffer>> files;
    files.push_back(buffer(safetensors(text, 0) + data, "m/model.safetensors"));
    auto checkpoint = Checkpoint::fromHuggingFace(
        std::move(*config), std::nullopt, std::move(files), "m", diags);
    if (!checkpoint)
      return checkpoint.takeError();
    return describeModel(*checkpoint, diags);
  }
  /// Errors, then warnings.
  std::string errors() {
    std::string message = failure(describe());
    return message + diags.str();
  }

  std::string quantization;
  std::vector<std::string> linears;
  std::map<std::string, Tensor> tensors;
  Diagnostics diags;
};

std::string gptqConfig(llvm::StringRef keys = "") {
  return R"({"quant_method": "gptq", "bits": 4, "group_size": 16)" +
         keys.str() + "}";
}

Model gptq(llvm::StringRef keys = "") {
  Model model(gptqConfig(keys));
  model.each(".qweight", filled("I32", {kHidden / 8, kHidden}, 0x12345678))
      .each(".qzeros", filled("I32", {2, kHidden / 8}, 0x77777777))
      .each(".scales", filled("F16", {2, kHidden}, kOne))
      .each(".g_idx", groups(true));
  return model;
}

Model awq(llvm::StringRef config) {
  Model model(config.str());
  model.each(".qweight", filled("I32", {kHidden, kHidden / 8}, 0x12345678))
      .each(".qzeros", filled("I32", {2, kHidden / 8}, 0x77777777))
      .each(".scales", filled("F16", {2, kHidden}, kOne));
  return model;
}

std::string compressedConfig(llvm::StringRef weights, llvm::StringRef keys = "",
                             llvm::StringRef format = "pack-quantized") {
  return R"({"quant_method": "compressed-tensors", "format": ")" +
         format.str() + R"(", "config_groups": {"group_0": {
           "targets": ["Linear"], "weights": {)" +
         weights.str() + "}}}" +
         (keys.contains("\"ignore\"") ? "" : R"(, "ignore": ["lm_head"])") +
         keys.str() + "}";
}
constexpr llvm::StringLiteral kFourBits =
    R"("num_bits": 4, "type": "int", "strategy": "group", "group_size": 16)";

Model packed(llvm::StringRef config) {
  Model model(config.str());
  Tensor shape{"I64", {2}, ""};
  append<int64_t>(shape.bytes, kHidden);
  append<int64_t>(shape.bytes, kHidden);
  model.each(".weight_packed", filled("I32", {kHidden, kHidden / 8}, 0x1234567))
      .each(".weight_scale", filled("F16", {kHidden, 2}, kOne))
      .each(".weight_shape", shape);
  return model;
}

/// How the query of the model is stored.
StoredWeight queryOf(const ModelDescription &model) {
  return model.stored.of(model.table.find(TensorRole::Query) -
                         model.table.specs.data());
}

} // namespace

#define EXPECT_ERROR(MODEL, TEXT)                                              \
  do {                                                                         \
    std::string errors = (MODEL).errors();                                     \
    EXPECT_NE(errors.find(TEXT), std::string::npos) << errors;                 \
  } while (false)

TEST(Quantization, ChoosesTheMethod) {
  Model model(R"({"quant_method": "bitsandbytes"})");
  EXPECT_EQ(model.errors(),
            "m/config.json: \"quantization_config.quant_method\": expected a "
            "supported value, found \"bitsandbytes\"; supported: \"awq\", "
            "\"compressed-tensors\" and \"gptq\"");
  EXPECT_ERROR(Model("{}"), "\"quantization_config.quant_method\": expected");
  EXPECT_ERROR(Model("7"), "\"quantization_config\": expected an object");
}

//===-- GPTQ --------------------------------------------------------------===//

TEST(Gptq, IsReadAsItIs) {
  Model model = gptq();
  auto description = model.describe();
  ASSERT_TRUE(bool(description)) << failure(std::move(description));
  EXPECT_EQ(model.diags.str(), "");
  EXPECT_EQ(queryOf(*description), (StoredWeight{"int4:g16:f16", "gptq", ""}));
  Model other = gptq(R"(, "sym": false, "checkpoint_format": "gptq_v2")");
  description = other.describe();
  ASSERT_TRUE(bool(description)) << failure(std::move(description));
  EXPECT_EQ(queryOf(*description),
            (StoredWeight{"int4:g16:f16:zp", "gptq_v2", ""}));
}

TEST(Gptq, SharesTheOrderOfOneVector) {
  Model model = gptq(R"(, "desc_act": true)");
  model.each(".g_idx", groups(false));
  auto description = model.describe();
  ASSERT_TRUE(bool(description)) << failure(std::move(description));
  auto orderOf = [&](TensorRole role) {
    return description->stored
        .of(description->table.find(role) - description->table.specs.data())
        .order;
  };
  EXPECT_EQ(orderOf(TensorRole::Query), "model.layers.{}.self_attn.q_proj");
  EXPECT_EQ(orderOf(TensorRole::Value), "model.layers.{}.self_attn.q_proj");
  EXPECT_EQ(orderOf(TensorRole::Output), "model.layers.{}.self_attn.o_proj");
  EXPECT_EQ(orderOf(TensorRole::Up), "model.layers.{}.mlp.gate_proj");
  // Another order is its own.
  Tensor &key = model.tensors["model.layers.0.self_attn.k_proj.g_idx"];
  std::reverse(reinterpret_cast<int32_t *>(key.bytes.data()),
               reinterpret_cast<int32_t *>(key.bytes.data()) + kHidden);
  description = model.describe();
  ASSERT_TRUE(bool(description)) << failure(std::move(description));
  EXPECT_EQ(orderOf(TensorRole::Key), "model.layers.{}.self_attn.k_proj");
}

TEST(Gptq, ChecksItsConfiguration) {
  EXPECT_ERROR(
      Model(R"({"quant_method": "gptq", "bits": 3, "group_size": 16})"),
      "config.json: \"quantization_config.bits\": expected 4 or 8, "
      "found 3; compile the model that it was made from with "
      "--weights=int4:g32");
  EXPECT_ERROR(Model(R"({"quant_method": "gptq", "bits": 4})"),
               "\"quantization_config.group_size\": expected the size of "
               "groups, or -1 for whole rows, found nothing");
  EXPECT_ERROR(
      Model(R"({"quant_method": "gptq", "bits": 4, "group_size": 12})"),
      "\"quantization_config.group_size\": expected -1 or a multiple "
      "of 8 from 16 on, found 12");
  EXPECT_ERROR(
      gptq(R"(, "checkpoint_format": "marlin")"),
      "\"quantization_config.checkpoint_format\": expected a supported "
      "value, found \"marlin\"; supported: \"gptq\" and \"gptq_v2\"");
  EXPECT_ERROR(gptq(R"(, "dynamic": {"x": {}})"),
               "\"quantization_config.dynamic\": expected a supported value");
  EXPECT_ERROR(gptq(R"(, "sym": 1)"),
               "\"quantization_config.sym\": expected true or false, found 1");
}

TEST(Gptq, ChecksItsTensors) {
  Model model = gptq();
  model[".qweight"].shape = {kHidden, kHidden / 8};
  EXPECT_ERROR(model, "m/model.safetensors: tensor "
                      "\"model.layers.0.self_attn.q_proj.qweight\": expected "
                      "i32 [4, 32] for the query projection, found i32 [32, "
                      "4]; quantization_config does not describe this tensor");
  model = gptq();
  model.remove(".qzeros");
  EXPECT_ERROR(model, "q_proj.qzeros\": expected i32 [2, 4] for the query "
                      "projection, found no such tensor");
  model = gptq();
  std::memcpy(model[".scales"].bytes.data() + 10, &kInfinity, 2);
  EXPECT_ERROR(model, "q_proj.scales\": expected finite scales, found infinity "
                      "or NaN at element 5");
  model = gptq();
  model[".scales"] = filled("F16", {4, kHidden}, kOne);
  EXPECT_ERROR(model, "q_proj.scales\": expected f16, bf16 or f32 [2, 32] for "
                      "the query projection, found f16 [4, 32]");
  model = gptq();
  model[".scales"] = filled("I32", {2, kHidden}, 1);
  EXPECT_ERROR(model, "expected f16, bf16 or f32 [2, 32]");
  model = gptq();
  model[".weight"] = filled("F16", {kHidden, kHidden}, kOne);
  EXPECT_ERROR(model, "q_proj.weight\": expected no such tensor in this "
                      "architecture");
}

TEST(Gptq, ChecksGroupsOfColumns) {
  Model model = gptq(R"(, "desc_act": true)");
  int32_t group = 2;
  std::memcpy(model[".g_idx"].bytes.data() + 12, &group, 4);
  EXPECT_ERROR(model, "q_proj.g_idx\": expected groups from 0 to 1, found 2 "
                      "for column 3");
  group = -1;
  std::memcpy(model[".g_idx"].bytes.data() + 12, &group, 4);
  EXPECT_ERROR(model, "expected groups from 0 to 1, found -1 for column 3");
  group = 1;
  std::memcpy(model[".g_idx"].bytes.data() + 12, &group, 4);
  EXPECT_ERROR(model, "q_proj.g_idx\": expected 16 columns in group 0, found "
                      "15; scales of groups of other sizes cannot be kept; "
                      "compile the model that it was made from with "
                      "--weights=int4:g16");
  model = gptq();
  model[".g_idx"] = groups(false);
  EXPECT_ERROR(model, "q_proj.g_idx\": expected columns in the order of their "
                      "groups, as \"desc_act\": false says, found another one");
  // Where they are, no other column's scale is taken in their place.
  model = gptq(R"(, "desc_act": true)");
  model.remove(".g_idx");
  EXPECT_ERROR(model, "q_proj.g_idx\": expected the groups of columns, as "
                      "\"desc_act\": true says, found no such tensor");
}

TEST(Gptq, IgnoresBiasesOfZeros) {
  Model model = gptq();
  model.each(".bias", filled("F16", {kHidden}, uint16_t(0)));
  EXPECT_EQ(model.errors(), "");
  model[".bias"] = filled("F16", {kHidden}, kOne);
  EXPECT_ERROR(model, "q_proj.bias\": expected no such tensor");
}

//===-- AWQ ---------------------------------------------------------------===//

TEST(Awq, IsReadAsItIs) {
  Model model = awq(R"({"quant_method": "awq", "bits": 4, "group_size": 16,
                        "zero_point": true, "version": "GEMM",
                        "modules_to_not_convert": ["lm_head"]})");
  auto description = model.describe();
  ASSERT_TRUE(bool(description)) << failure(std::move(description));
  EXPECT_EQ(model.diags.str(), "");
  EXPECT_EQ(queryOf(*description),
            (StoredWeight{"int4:g16:f16:zp", "awq", ""}));
}

TEST(Awq, ChecksConfigurationAndTensors) {
  EXPECT_ERROR(Model(R"({"quant_method": "awq", "bits": 8, "group_size": 16})"),
               "\"quantization_config.bits\": expected 4, found 8");
  EXPECT_ERROR(Model(R"({"quant_method": "awq", "bits": 4, "group_size": 16,
                         "version": "gemv"})"),
               "\"quantization_config.version\": expected \"gemm\", found "
               "\"gemv\"");
  EXPECT_ERROR(Model(R"({"quant_method": "awq", "bits": 4, "group_size": 16,
                         "zero_point": false})"),
               "\"quantization_config.zero_point\": expected true");
  Model model = awq(R"({"quant_method": "awq", "bits": 4, "group_size": 16})");
  model[".qweight"].shape = {kHidden / 8, kHidden};
  EXPECT_ERROR(model, "q_proj.qweight\": expected i32 [32, 4]");
}

//===-- compressed-tensors ------------------------------------------------===//

TEST(CompressedTensors, AreReadAsTheyAre) {
  Model model = packed(compressedConfig(kFourBits));
  auto description = model.describe();
  ASSERT_TRUE(bool(description)) << failure(std::move(description));
  EXPECT_EQ(model.diags.str(), "");
  EXPECT_EQ(queryOf(*description),
            (StoredWeight{"int4:g16:f16", "packed", ""}));

  Model bytes(
      compressedConfig(R"("num_bits": 8, "type": "int", "strategy": "channel")",
                       "", "int-quantized"));
  bytes.each(".weight", filled("I8", {kHidden, kHidden}, int8_t(3)))
      .each(".weight_scale", filled("BF16", {kHidden, 1}, uint16_t(0x3f80)));
  description = bytes.describe();
  ASSERT_TRUE(bool(description)) << failure(std::move(description));
  EXPECT_EQ(queryOf(*description), (StoredWeight{"int8:g0:bf16", "bytes", ""}));

  Model floats(compressedConfig(
      R"("num_bits": 8, "type": "float", "strategy": "tensor")", "",
      "float-quantized"));
  floats.each(".weight", filled("F8_E4M3", {kHidden, kHidden}, uint8_t(0x38)))
      .each(".weight_scale", filled("F32", {1}, 1.0f));
  description = floats.describe();
  ASSERT_TRUE(bool(description)) << failure(std::move(description));
  EXPECT_EQ(queryOf(*description), (StoredWeight{"fp8:f32", "fp8", ""}));
}

TEST(CompressedTensors, CheckTheirConfiguration) {
  EXPECT_ERROR(packed(compressedConfig(kFourBits, "", "marlin-24")),
               "\"quantization_config.config_groups.group_0.format\": expected "
               "\"pack-quantized\", \"int-quantized\" or \"float-quantized\", "
               "found \"marlin-24\"");
  EXPECT_ERROR(packed(compressedConfig(R"("num_bits": 2, "type": "int")")),
               "weights.num_bits\": expected 4 or 8 for \"pack-quantized\", "
               "found 2");
  EXPECT_ERROR(packed(compressedConfig(R"("num_bits": 4, "type": "float")")),
               "weights.type\": expected a supported value, found \"float\"");
  EXPECT_ERROR(packed(compressedConfig(
                   R"("num_bits": 4, "type": "int", "strategy": "block")")),
               "weights.strategy\": expected a supported value, found "
               "\"block\"");
  EXPECT_ERROR(packed(compressedConfig(
                   R"("num_bits": 8, "type": "float", "strategy": "group",
                      "group_size": 16)",
                   "", "float-quantized")),
               "weights.strategy\": expected \"channel\" or \"tensor\" for "
               "\"float-quantized\", found \"group\"");
  EXPECT_ERROR(
      packed(compressedConfig(kFourBits, R"(, "kv_cache_scheme": {})")),
      "\"quantization_config.kv_cache_scheme\": expected a supported "
      "value");
  EXPECT_ERROR(
      packed(compressedConfig(kFourBits,
                              R"(, "ignore": ["re:(?!.*mlp).*", "lm_head"])")),
      "\"quantization_config.ignore\": expected patterns that can be read, "
      "found \"re:(?!.*mlp).*\" (it uses what only Python's patterns have); "
      "write the names of the modules");
  EXPECT_ERROR(
      packed(compressedConfig(kFourBits, R"(, "ignore": ["re:(", "lm_head"])")),
      "expected patterns that can be read, found \"re:(\"");
  EXPECT_ERROR(Model(R"({"quant_method": "compressed-tensors",
                         "format": "pack-quantized"})"),
               "\"quantization_config.config_groups\": expected at least one "
               "group, found none");
}

TEST(CompressedTensors, CheckTheirTensors) {
  Model model = packed(compressedConfig(kFourBits));
  model[".weight_shape"].bytes[0] = 31;
  EXPECT_ERROR(model, "q_proj.weight_shape\": expected the numbers [32, 32], "
                      "found [31, 32]");
  model =
      packed(compressedConfig((kFourBits + R"(, "symmetric": false)").str()));
  EXPECT_ERROR(model, "q_proj.weight_zero_point\": expected zero points, as "
                      "\"symmetric\": false says, found no such tensor");
  for (const char *order : {"\"group\"", "\"dynamic\"", "true"}) {
    model = packed(
        compressedConfig((kFourBits + R"(, "actorder": )" + order).str()));
    EXPECT_ERROR(model, "q_proj.weight_g_idx\": expected the groups of "
                        "columns, as \"actorder\": \"group\" says, found no "
                        "such tensor");
    model.each(".weight_g_idx", groups(false));
    EXPECT_EQ(model.errors(), "") << order;
  }
  for (const char *order : {"\"weight\"", "\"static\"", "false", "null"})
    EXPECT_EQ(packed(compressedConfig(
                         (kFourBits + R"(, "actorder": )" + order).str()))
                  .errors(),
              "")
        << order;
  EXPECT_ERROR(packed(compressedConfig(
                   (kFourBits + R"(, "actorder": "columns")").str())),
               "actorder\": expected a supported value, found \"columns\"");
  model = packed(
      compressedConfig(kFourBits, R"(, "ignore": ["lm_head", "re:.*q_proj"])"));
  EXPECT_ERROR(model, "q_proj.weight_scale\": expected no scales of a module "
                      "that quantization_config does not target or ignores, "
                      "found some");
  model = packed(compressedConfig(kFourBits, R"(, "ignore": [])"));
  EXPECT_ERROR(model, "tensor \"lm_head.weight_scale\": expected scales of a "
                      "module that quantization_config targets, found none; "
                      "add the module to \"ignore\"");
}

//===-- zeros -------------------------------------------------------------===//

namespace {

Model masked() {
  Model model("null");
  model.each(".weight_orig", filled("F16", {kHidden, kHidden}, kOne))
      .each(".weight_mask", filled("F16", {kHidden, kHidden}, kOne));
  return model;
}

Model sparse24(
    llvm::StringRef sparsity =
        R"("format": "sparse-24-bitmask", "sparsity_structure": "2:4",
                      "targets": ["Linear"], "ignore": ["lm_head"])") {
  Model model(
      R"({"quant_method": "compressed-tensors", "format": "dense",
          "config_groups": {}, "sparsity_config": {)" +
      sparsity.str() + "}}");
  Tensor shape{"I64", {2, 1}, ""};
  append<int64_t>(shape.bytes, kHidden);
  append<int64_t>(shape.bytes, kHidden);
  model.each(".compressed", filled("F16", {kHidden, kHidden / 2}, kOne))
      .each(".bitmask", filled("U8", {kHidden, kHidden / 8}, uint8_t(0x33)))
      .each(".shape", shape);
  return model;
}

} // namespace

TEST(TorchMasks, AreReadAsTheyAre) {
  Model model = masked();
  auto description = model.describe();
  ASSERT_TRUE(bool(description)) << failure(std::move(description));
  EXPECT_EQ(model.diags.str(), "");
  EXPECT_EQ(queryOf(*description), (StoredWeight{"f16", "masked", ""}));
  model = masked();
  model[".weight_mask"] = filled("BOOL", {kHidden, kHidden}, uint8_t(1));
  description = model.describe();
  EXPECT_TRUE(bool(description)) << failure(std::move(description));
}

TEST(TorchMasks, CheckTheirTensors) {
  Model model = masked();
  model.remove(".weight_orig");
  EXPECT_ERROR(model,
               "tensor \"model.layers.0.self_attn.q_proj.weight_mask\": "
               "expected \"model.layers.0.self_attn.q_proj.weight_orig"
               "\" beside it, as torch.nn.utils.prune has them, found no "
               "such tensor");
  model = masked();
  model.remove(".weight_mask");
  EXPECT_ERROR(model, "q_proj.weight_orig\": expected "
                      "\"model.layers.0.self_attn.q_proj.weight_mask\" beside "
                      "it");
  model = masked();
  model[".weight_mask"] = filled("F16", {kHidden / 2, kHidden}, kOne);
  EXPECT_ERROR(model,
               "q_proj.weight_mask\": expected a mask of f32, f16, bf16, "
               "bool or u8 [32, 32] for the query projection, found f16 "
               "[16, 32]");
  model = masked();
  model[".weight_mask"] = filled("I64", {kHidden, kHidden}, int64_t(1));
  EXPECT_ERROR(model,
               "q_proj.weight_mask\": expected a mask of f32, f16, bf16, "
               "bool or u8 [32, 32] for the query projection, found i64");
  model = masked();
  model[".weight_orig"] = filled("I32", {kHidden, kHidden}, int32_t(1));
  EXPECT_ERROR(model,
               "q_proj.weight_orig\": expected f32, f16 or bf16 [32, 32]");
  model = masked();
  model[".weight"] = filled("F16", {kHidden, kHidden}, kOne);
  EXPECT_ERROR(model, "q_proj.weight\": expected no weight beside");
}

TEST(CompressedTensors, ReadSparseFloats) {
  Model model = sparse24();
  auto description = model.describe();
  ASSERT_TRUE(bool(description)) << failure(std::move(description));
  EXPECT_EQ(model.diags.str(), "");
  EXPECT_EQ(queryOf(*description), (StoredWeight{"f16", "sparse24", ""}));
}

TEST(CompressedTensors, CheckSparseTensors) {
  EXPECT_ERROR(sparse24(R"("format": "sparse-bitmask")"),
               "\"quantization_config.sparsity_config.format\": expected a "
               "supported value, found \"sparse-bitmask\"");
  EXPECT_ERROR(sparse24(R"("format": "sparse-24-bitmask",
                           "sparsity_structure": "4:8")"),
               "sparsity_structure\": expected a supported value, found "
               "\"4:8\"");
  Model model = packed(compressedConfig(kFourBits));
  model[".bitmask"] = filled("U8", {kHidden, kHidden / 8}, uint8_t(0x33));
  EXPECT_ERROR(model, "q_proj.bitmask\": expected no bitmask in a checkpoint "
                      "whose sparsity_config has no sparse-24-bitmask, found "
                      "one; correct quantization_config");
  model = sparse24();
  model.remove(".bitmask");
  EXPECT_ERROR(model, "q_proj.bitmask\": expected u8 [32, 4] for the query "
                      "projection, found no such tensor");
  model = sparse24();
  model.remove(".compressed");
  EXPECT_ERROR(model, "q_proj.compressed\": expected the values that are kept, "
                      "[32, 16], found no such tensor");
  model = sparse24();
  model[".compressed"] = filled("F16", {kHidden, kHidden}, kOne);
  EXPECT_ERROR(model, "q_proj.compressed\": expected f32, f16 or bf16 [32, 16] "
                      "for the query projection, found f16 [32, 32]");
  model = sparse24();
  model[".shape"].bytes[0] = 31;
  EXPECT_ERROR(model, "q_proj.shape\": expected the numbers [32, 32], found "
                      "[31, 32]");
  model = sparse24();
  model[".weight_scale"] = filled("F16", {kHidden, 1}, kOne);
  EXPECT_ERROR(model, "q_proj.weight_scale\": expected floating point values "
                      "under a bitmask, found scales of codes");
}
