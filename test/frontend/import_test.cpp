// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The module that import makes: that it verifies and survives text and
// bytecode, its shape for every variation of the decoder, and what is refused.

#include "ImportTesting.h"
#include "adze/Frontend/CheckpointSource.h"
#include "adze/Weights/Evaluator.h"

#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"

#include "adze/Dialect/Adze/Adze.h"
#include "adze/Frontend/DType.h"

#include "gtest/gtest.h"

#include <random>

#include <regex>

using namespace adze;
using namespace adze::test;

using Module = mlir::OwningOpRef<mlir::ModuleOp>;

namespace {
class EveryReference : public testing::TestWithParam<Reference> {};
} // namespace

TEST_P(EveryReference, ImportsAndRoundTrips) {
  Diagnostics diags;
  auto checkpoint = Checkpoint::open(GetParam().model, diags);
  ASSERT_TRUE(bool(checkpoint)) << failure(std::move(checkpoint));
  mlir::MLIRContext context;
  auto module = importModel(context, *checkpoint, {}, diags);
  ASSERT_TRUE(bool(module)) << failure(std::move(module));
  ASSERT_TRUE(mlir::succeeded(mlir::verify(**module)));

  std::string text = print(**module);
  Module reread = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  ASSERT_TRUE(bool(reread));
  EXPECT_EQ(print(*reread), text);

  std::string bytes;
  llvm::raw_string_ostream os(bytes);
  ASSERT_TRUE(mlir::succeeded(mlir::writeBytecodeToFile(**module, os)));
  Module decoded = mlir::parseSourceString<mlir::ModuleOp>(bytes, &context);
  ASSERT_TRUE(bool(decoded));
  EXPECT_EQ(print(*decoded), text);
}

INSTANTIATE_TEST_SUITE_P(Import, EveryReference,
                         testing::ValuesIn(references()), [](const auto &info) {
                           return testName(info.param.name);
                         });
INSTANTIATE_TEST_SUITE_P(Blocks, EveryReference,
                         testing::ValuesIn(blockReferences()),
                         [](const auto &info) {
                           return testName(info.param.name);
                         });
INSTANTIATE_TEST_SUITE_P(Quantized, EveryReference,
                         testing::ValuesIn(quantizedReferences()),
                         [](const auto &info) {
                           return testName(info.param.name);
                         });

/// A small decoder with these keys on top.
static std::string configWith(llvm::StringRef architecture,
                              llvm::StringRef keys) {
  return R"({"architectures": [")" + architecture.str() + R"("],
    "hidden_size": 12, "intermediate_size": 20, "num_hidden_layers": 4,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6,
    "vocab_size": 30, "max_position_embeddings": 64, "rms_norm_eps": 1e-06,
    "bos_token_id": 1, "eos_token_id": [2, 29])" +
         keys.str() + "}";
}

static llvm::StringRef allF32(llvm::StringRef) { return "F32"; }
static llvm::StringRef allBF16(llvm::StringRef) { return "BF16"; }

namespace {
/// One imported model and its text.
struct Imported {
  explicit Imported(
      llvm::StringRef config,
      llvm::function_ref<llvm::StringRef(llvm::StringRef)> typeOf = allF32,
      const ImportOptions &options = {}) {
    auto checkpoint = madeUpModel(config, typeOf, diags);
    if (!checkpoint) {
      error = failure(std::move(checkpoint));
      return;
    }
    auto imported = importModel(context, *checkpoint, options, diags);
    if (!imported) {
      error = failure(std::move(imported));
      return;
    }
    module = std::move(*imported);
    text = print(*module);
  }
  bool has(llvm::StringRef part) const { return contains(text, part); }
  static bool contains(llvm::StringRef text, llvm::StringRef part) {
    return text.contains(part);
  }

  mlir::MLIRContext context;
  Diagnostics diags;
  Module module;
  std::string text, error;
};
} // namespace

#define EXPECT_HAS(MODEL, PART)                                                \
  EXPECT_TRUE((MODEL).has(PART)) << (MODEL).text << (MODEL).error
#define EXPECT_LACKS(MODEL, PART)                                              \
  EXPECT_FALSE((MODEL).has(PART)) << (MODEL).text << (MODEL).error

TEST(Import, WritesALlama) {
  Imported model(configWith("LlamaForCausalLM", ""));
  EXPECT_EQ(model.error, "");
  EXPECT_HAS(model, "adze.level = #adze.level<model>");
  EXPECT_HAS(model, "adze.weight @emb from \"model.embed_tokens.weight\" : "
                    "!adze.weight<30x12, #adze.float<f32>>");
  EXPECT_HAS(model, "adze.weight @head from \"lm_head.weight\" :");
  EXPECT_HAS(model,
             "adze.weight @l.k from \"model.layers.{}.self_attn.k_proj.weight\""
             " x 4 : !adze.weight<12x12, #adze.float<f32>>");
  EXPECT_HAS(model, "adze.state @kv x 4 : !adze.kv<2x6xf32>");
  EXPECT_HAS(model, "heads 4 half");
  EXPECT_HAS(model, "heads 4 kv_heads 2 scale 0.40824829046386");
  EXPECT_HAS(model, "<causal>");
  EXPECT_HAS(model, "adze.repeat 4 @layer(");
  EXPECT_HAS(model, ", @head : (tensor<?x12xf32>) -> tensor<?x30xf32>");
  EXPECT_LACKS(model, "bias");
  EXPECT_LACKS(model, "l.qn");
  EXPECT_LACKS(model, "adze.table");

  // take_rows comes last in both entries.
  for (llvm::StringRef name : {"step", "hidden"}) {
    auto entry = model.module->lookupSymbol<mlir::func::FuncOp>(name);
    ASSERT_TRUE(entry);
    EXPECT_TRUE(entry->hasAttr(kEntryAttrName));
    EXPECT_TRUE(entry.isPublic());
    auto result = entry.front().back().getOperand(0);
    EXPECT_TRUE(result.getDefiningOp<TakeRowsOp>());
  }
  EXPECT_TRUE(
      model.module->lookupSymbol<mlir::func::FuncOp>("layer").isPrivate());
}

TEST(Import, UsesTheEmbeddingAsATiedHead) {
  Imported model(
      configWith("LlamaForCausalLM", R"(, "tie_word_embeddings": true)"));
  EXPECT_HAS(model, ", @emb : (tensor<?x12xf32>) -> tensor<?x30xf32>");
  EXPECT_LACKS(model, "@head");
}

TEST(Import, AddsBiases) {
  Imported qwen2(configWith("Qwen2ForCausalLM", ""));
  EXPECT_HAS(qwen2, "adze.weight @l.v_bias from "
                    "\"model.layers.{}.self_attn.v_proj.bias\" x 4");
  for (const char *name : {"q", "k", "v"})
    EXPECT_HAS(qwen2, std::string("@l.") + name + "[%arg0] bias @l." + name +
                          "_bias : ");
  EXPECT_LACKS(qwen2, "@l.o_bias");
  EXPECT_LACKS(qwen2, "@l.up_bias");

  Imported llama(configWith("LlamaForCausalLM",
                            R"(, "attention_bias": true, "mlp_bias": true)"));
  for (const char *name : {"q", "k", "v", "o", "gate", "up", "down"})
    EXPECT_HAS(llama, std::string("@l.") + name + "[%arg0] bias @l." + name +
                          "_bias : ");
}

TEST(Import, NormsHeadsBeforeRotary) {
  Imported model(configWith("Qwen3ForCausalLM", ""));
  std::regex q(R"((%\d+) = adze\.rms_norm %\d+, @l\.qn\[%arg0\] eps \S+ )"
               R"(heads 4 : tensor<\?x24xf32>)");
  std::regex k(R"((%\d+) = adze\.rms_norm %\d+, @l\.kn\[%arg0\] eps \S+ )"
               R"(heads 2 : tensor<\?x12xf32>)");
  std::smatch found;
  ASSERT_TRUE(std::regex_search(model.text, found, q)) << model.text;
  EXPECT_HAS(model, "adze.rotary " + found[1].str() + ", ");
  ASSERT_TRUE(std::regex_search(model.text, found, k)) << model.text;
  EXPECT_HAS(model, "adze.rotary " + found[1].str() + ", ");
}

TEST(Import, MasksWithTheWindow) {
  Imported model(configWith("MistralForCausalLM", R"(, "sliding_window": 5)"));
  EXPECT_HAS(model, "<causal, window = 5>");
  EXPECT_HAS(model, "adze.repeat 4 @layer(");
  EXPECT_LACKS(model, "<causal>");
  EXPECT_LACKS(model, "layer_sliding");
}

TEST(Import, MakesTwoKindsOfLayersWhereSomeSlide) {
  Imported model(configWith("Qwen2ForCausalLM",
                            R"(, "use_sliding_window": true,
    "sliding_window": 7, "layer_types": ["full_attention",
    "sliding_attention", "sliding_attention", "full_attention"])"));
  EXPECT_HAS(model, "adze.repeat 1 @layer(");
  EXPECT_HAS(model, "adze.repeat 2 from 1 @layer_sliding(");
  EXPECT_HAS(model, "adze.repeat 1 from 3 @layer(");
  auto kind = [&](llvm::StringRef name) {
    return print(model.module->lookupSymbol<mlir::func::FuncOp>(name));
  };
  EXPECT_TRUE(Imported::contains(kind("layer"), "<causal>"));
  EXPECT_TRUE(
      Imported::contains(kind("layer_sliding"), "<causal, window = 7>"));
  // Both read the same weights.
  EXPECT_EQ(llvm::StringRef(model.text).count("adze.weight @l.q "), 1u);
}

TEST(Import, DoesNotGrowWithDepth) {
  auto lines = [](int layers) {
    std::string config = std::regex_replace(
        configWith("Qwen3ForCausalLM", ""), std::regex("layers\": 4"),
        "layers\": " + std::to_string(layers));
    Imported model(config);
    EXPECT_EQ(model.error, "");
    return llvm::StringRef(model.text).count('\n');
  };
  EXPECT_EQ(lines(1), lines(40));
  EXPECT_LT(lines(1), 80u);
}

TEST(Import, KeepsAOneLayerModelRolled) {
  std::string config =
      std::regex_replace(configWith("LlamaForCausalLM", ""),
                         std::regex("layers\": 4"), "layers\": 1");
  Imported model(config);
  EXPECT_HAS(model, "model.layers.{}.self_attn.q_proj.weight\" x 1 :");
  EXPECT_HAS(model, "adze.state @kv x 1 :");
  EXPECT_HAS(model, "adze.repeat 1 @layer(");
}

TEST(Import, DescribesTheModel) {
  Imported model(configWith("LlamaForCausalLM", ""), allBF16);
  auto meta =
      parseJsonObject(model.module.get()
                          ->getAttrOfType<mlir::StringAttr>(kMetaAttrName)
                          .getValue(),
                      "meta");
  ASSERT_TRUE(bool(meta)) << failure(std::move(meta));
  auto expected = parseJsonObject(
      R"({"architecture": "LlamaForCausalLM", "context": 64, "vocab": 30,
          "hidden": 12, "intermediate": 20, "layers": 4, "heads": 4,
          "kv_heads": 2, "head_dim": 6, "kv_dtype": "bf16", "weights": "bf16",
          "bos": 1, "eos": [2, 29], "source": "made-up",
          "rope_theta": 10000.0})",
      "expected");
  EXPECT_EQ(llvm::json::Value(std::move(*meta)),
            llvm::json::Value(std::move(*expected)));
}

TEST(Import, ChoosesTheTypeOfTheCache) {
  std::string config = configWith("LlamaForCausalLM", "");
  EXPECT_HAS(Imported(config), "!adze.kv<2x6xf32>");
  EXPECT_HAS(Imported(config, allBF16), "!adze.kv<2x6xbf16>");
  EXPECT_HAS(Imported(config, allBF16, {"f32"}), "!adze.kv<2x6xf32>");
  EXPECT_HAS(Imported(config, allF32, {"f16"}), "!adze.kv<2x6xf16>");
  EXPECT_HAS(Imported(config, allF32, {"int8"}), "!adze.kv<2x6xi8>");
  EXPECT_EQ(Imported(config, allF32, {"i8"}).error,
            "type of the KV cache: expected f32, bf16, f16 or int8, found "
            "\"i8\"");
}

TEST(Import, KeepsTheTypeOfEachTensor) {
  // As llama.cpp's converter leaves it: vectors in f32.
  Imported model(configWith("LlamaForCausalLM", ""), [](llvm::StringRef name) {
    return name.contains("norm") ? "F32" : "F16";
  });
  EXPECT_HAS(model, "x 4 : !adze.weight<12, #adze.float<f32>>");
  EXPECT_HAS(model, "x 4 : !adze.weight<24x12, #adze.float<f16>>");
}

TEST(Import, MakesKindsOfLayersWhoseTypesDiffer) {
  Imported model(configWith("LlamaForCausalLM", ""), [](llvm::StringRef name) {
    return name.contains("1.mlp.up") || name.contains("2.mlp.up") ? "F16"
                                                                  : "F32";
  });
  EXPECT_EQ(model.error, "");
  for (llvm::StringRef part :
       {"@l0.up from \"model.layers.{}.mlp.up_proj.weight\" layers [0, 3] : "
        "!adze.weight<20x12, #adze.float<f32>>",
        "@l1.up from \"model.layers.{}.mlp.up_proj.weight\" layers [1, 2] : "
        "!adze.weight<20x12, #adze.float<f16>>",
        // Matrices follow, so that projections can be fused; vectors are
        // those of all layers.
        "@l1.q from \"model.layers.{}.self_attn.q_proj.weight\" layers [1, 2]",
        "@l.n1 from \"model.layers.{}.input_layernorm.weight\" x 4",
        "adze.repeat 1 @layer_0(", "adze.repeat 2 from 1 @layer_1(",
        "adze.repeat 1 from 3 @layer_0("})
    EXPECT_HAS(model, part);
  EXPECT_LACKS(model, "@l.q ");
}

TEST(Import, MakesKindsOfVectorsWhoseTypesDiffer) {
  Imported model(configWith("LlamaForCausalLM", ""), [](llvm::StringRef name) {
    return name.contains("2.input_layernorm") ? "F16" : "F32";
  });
  EXPECT_EQ(model.error, "");
  EXPECT_HAS(model, "@l0.n1 from \"model.layers.{}.input_layernorm.weight\" "
                    "layers [0, 1, 3]");
  EXPECT_HAS(model, "@l1.n1 from \"model.layers.{}.input_layernorm.weight\" "
                    "layers [2] : !adze.weight<12, #adze.float<f16>>");
  EXPECT_HAS(model, "adze.repeat 1 from 2 @layer_1(");
}

namespace {
/// Reads as Llama, but has lost a tensor of its table.
class WithoutGate : public Architecture {
  void readConfig(ConfigReader &reader, ModelConfig &config) const override {
    readDecoderConfig(reader, DecoderDefaults(), config);
  }
  TensorTable tensors(const ModelConfig &config,
                      Checkpoint::Kind kind) const override {
    TensorTable table = decoderTensors(config, kind);
    llvm::erase_if(table.specs, [](const TensorSpec &spec) {
      return spec.role == TensorRole::Gate;
    });
    table.ignored.push_back("model.layers.{}.mlp.gate_proj.weight");
    return table;
  }
};
} // namespace

TEST(Import, RefusesAnArchitectureWithoutATensorItNeeds) {
  WithoutGate architecture;
  ArchitectureRegistration own("GatelessForCausalLM", architecture);
  Imported model(configWith("GatelessForCausalLM", ""));
  EXPECT_EQ(model.error,
            "made-up: architecture \"GatelessForCausalLM\": expected its table "
            "of tensors to have the gate projection with shape [20, 12], found "
            "no such tensor");
}

TEST(Import, NamesModulesAsLocations) {
  Imported model(configWith("LlamaForCausalLM", ""));
  auto nameOf = [](mlir::Operation *op) {
    auto name = mlir::dyn_cast<mlir::NameLoc>(op->getLoc());
    return name ? name.getName().str() : "";
  };
  std::vector<std::string> linears, attentions;
  model.module->walk([&](mlir::Operation *op) {
    if (mlir::isa<LinearOp>(op))
      linears.push_back(nameOf(op));
    if (mlir::isa<AttentionOp>(op))
      attentions.push_back(nameOf(op));
  });
  EXPECT_EQ(linears,
            (std::vector<std::string>{
                "model.layers.{}.self_attn.q_proj",
                "model.layers.{}.self_attn.k_proj",
                "model.layers.{}.self_attn.v_proj",
                "model.layers.{}.self_attn.o_proj",
                "model.layers.{}.mlp.gate_proj", "model.layers.{}.mlp.up_proj",
                "model.layers.{}.mlp.down_proj", "lm_head"}));
  EXPECT_EQ(attentions, std::vector<std::string>{"model.layers.{}.self_attn"});
  EXPECT_EQ(nameOf(model.module->lookupSymbol("l.q")),
            "model.layers.{}.self_attn.q_proj.weight");
  EXPECT_EQ(nameOf(model.module->lookupSymbol("layer")), "model.layers.{}");
}

TEST(ImportGguf, UsesItsOwnNamesAndPairs) {
  Diagnostics diags;
  auto checkpoint =
      Checkpoint::fromGguf(buffer(tinyGguf().write(), "d/m.gguf"), diags);
  ASSERT_TRUE(bool(checkpoint)) << failure(std::move(checkpoint));
  mlir::MLIRContext context;
  auto module = importModel(context, *checkpoint, {}, diags);
  ASSERT_TRUE(bool(module)) << failure(std::move(module));
  std::string text = print(**module);
  for (llvm::StringRef part :
       {"@l.q from \"blk.{}.attn_q.weight\" x 1 :", "heads 2 interleaved",
        "\\22source\\22:\\22m.gguf\\22"})
    EXPECT_TRUE(Imported::contains(text, part)) << part.str() << "\n" << text;
  AttentionOp attention;
  (*module)->walk([&](AttentionOp op) { attention = op; });
  auto name = mlir::dyn_cast<mlir::NameLoc>(attention->getLoc());
  ASSERT_TRUE(name);
  EXPECT_EQ(name.getName(), "blk.{}.attn");
}

/// Readers of files know no dialect: their list of types is compared here.
TEST(Import, BlockTypesAreTheFormatsOfTheDialect) {
  int found = 0;
  for (uint32_t number = 0; number < 64; ++number) {
    std::optional<DType> type = dtypeFromGgml(number);
    if (!type || isFloatWeight(*type))
      continue;
    bool isFormat = symbolizeGgufBlock(dtypeName(*type)).has_value();
    EXPECT_EQ(isMatrixWeight(*type), isFormat) << dtypeName(*type).str();
    found += isFormat;
  }
  EXPECT_EQ(found, 13);
}

TEST(ImportGguf, RefusesBlocksThatNothingReads) {
  Diagnostics diags;
  GgufWriter file = tinyGguf();
  file.tensor("output.weight", {3, 256}, 17, file.dataBytes); // IQ2_XS
  file.dataBytes += 256;
  auto checkpoint = Checkpoint::fromGguf(buffer(file.write(), "m.gguf"), diags);
  ASSERT_TRUE(bool(checkpoint)) << failure(std::move(checkpoint));
  mlir::MLIRContext context;
  std::string error = failure(importModel(context, *checkpoint, {}, diags));
  EXPECT_TRUE(Imported::contains(
      error, "m.gguf: tensor \"output.weight\": expected type f32, f16, bf16 "
             "or one of q4_0, q4_1, q5_0, q5_1, q8_0, q2_k, q3_k, q4_k, q5_k, "
             "q6_k, iq4_nl, iq4_xs, mxfp4, found iq2_xs"))
      << error;
}

/// Damaged configurations, headers and tensors of other quantizers: errors, or
/// weights that can be read to their ends.
TEST(ImportQuantized, SurvivesDamage) {
  std::mt19937 random(7);
  mlir::MLIRContext context;
  size_t imported = 0, refused = 0;
  for (const Reference &reference : quantizedReferences()) {
    auto config = llvm::MemoryBuffer::getFile(reference.model + "/config.json");
    auto weights =
        llvm::MemoryBuffer::getFile(reference.model + "/model.safetensors");
    ASSERT_TRUE(bool(config) && bool(weights)) << reference.model;
    uint64_t header;
    std::memcpy(&header, (*weights)->getBufferStart(), 8);
    for (int round = 0; round < 40; ++round) {
      std::string text = (*config)->getBuffer().str();
      std::string bytes = (*weights)->getBuffer().str();
      std::string &damaged = round % 3 ? bytes : text;
      size_t begin = round % 3 == 2 ? 8 + header : 0;
      size_t end = round % 3 == 1 ? 8 + header : damaged.size();
      for (int i = round % 4; i >= 0; --i) {
        char &at = damaged[begin + random() % (end - begin)];
        // Digits stay digits mostly: other numbers instead of other syntax.
        at = std::isdigit(static_cast<unsigned char>(at))
                 ? char('0' + random() % 10)
                 : char(random());
      }
      Diagnostics diags;
      auto object = parseJsonObject(text, "config.json");
      if (!object) {
        llvm::consumeError(object.takeError());
        ++refused;
        continue;
      }
      std::vector<std::unique_ptr<llvm::MemoryBuffer>> files;
      files.push_back(buffer(bytes, "model.safetensors"));
      auto checkpoint = Checkpoint::fromHuggingFace(
          std::move(*object), std::nullopt, std::move(files), "damaged", diags);
      if (!checkpoint) {
        llvm::consumeError(checkpoint.takeError());
        ++refused;
        continue;
      }
      auto module = importModel(context, *checkpoint, {}, diags);
      if (!module) {
        llvm::consumeError(module.takeError());
        ++refused;
        continue;
      }
      ++imported;
      CheckpointSource source(*checkpoint);
      auto evaluator = WeightEvaluator::create(**module, source);
      ASSERT_TRUE(bool(evaluator)) << llvm::toString(evaluator.takeError());
      for (auto weight : (*module)->getOps<WeightOp>()) {
        WeightType type = weight.getWeightType();
        std::vector<uint8_t> out(type.getStorageBytes());
        for (int64_t layer : weight.getLayerIndices())
          llvm::consumeError((*evaluator)
                                 ->evaluate(weight, layer, 0,
                                            numWeightUnits(type), out.data()));
      }
    }
  }
  EXPECT_GT(imported, 50u);
  EXPECT_GT(refused, 50u);
}
