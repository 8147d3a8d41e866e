// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Directories and files on disk: what is missing, shards, and real models.

#include "TestFiles.h"
#include "adze/Frontend/Tokenizer.h"

#include "gtest/gtest.h"

using namespace adze;
using namespace adze::test;

static std::string openFailure(llvm::StringRef path) {
  Diagnostics diags;
  std::string message = failure(Checkpoint::open(path, diags));
  return message + diags.str();
}

/// A file with one I8 tensor.
static std::string one(llvm::StringRef name) {
  return safetensors(
      "{\"" + name.str() +
          R"(":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}})",
      1);
}

TEST(Checkpoint, NamesMissingFiles) {
  EXPECT_EQ(openFailure("/nowhere"),
            "/nowhere: cannot open: No such file or directory");
  TemporaryDirectory dir;
  std::string root = dir.root().str();
  EXPECT_EQ(openFailure(root),
            root +
                ": expected a config.json, found none; pass the directory "
                "of a Hugging Face model\n" +
                root +
                ": expected model.safetensors or "
                "model.safetensors.index.json, found neither; fetch the "
                "weights of the model");
  dir.write("config.json", tinyConfig);
  dir.write("pytorch_model.bin", "");
  EXPECT_EQ(openFailure(root),
            root + ": expected model.safetensors or "
                   "model.safetensors.index.json, found neither; found "
                   "pytorch_model.bin: convert it with "
                   "save_pretrained(safe_serialization=True)");
  dir.write("x.safetensors", one("x"));
  EXPECT_EQ(openFailure(dir.file("x.safetensors")),
            dir.file("x.safetensors") +
                ": expected a directory with config.json, or a .gguf file, "
                "found a single safetensors file; pass the directory that it "
                "lies in");
  EXPECT_EQ(openFailure(dir.file("config.json")),
            dir.file("config.json") +
                ": expected a Hugging Face directory or a GGUF file, found a "
                "file that starts with \"{\\x0A  \\\"arc\"");
}

TEST(Checkpoint, ReadsShards) {
  TemporaryDirectory dir;
  dir.write("config.json", tinyConfig);
  dir.write("1.safetensors", one("x"));
  dir.write("2.safetensors", one("y"));
  dir.write("model.safetensors.index.json",
            R"({"metadata": {}, "weight_map":
                {"x": "1.safetensors", "y": "2.safetensors"}})");
  Diagnostics diags;
  auto checkpoint = Checkpoint::open(dir.root(), diags);
  ASSERT_TRUE(bool(checkpoint)) << failure(std::move(checkpoint));
  EXPECT_EQ(checkpoint->numFiles(), 2u);
  EXPECT_EQ(checkpoint->find("y")->file, 1u);
  EXPECT_EQ(checkpoint->filePath(1), dir.file("2.safetensors"));
  EXPECT_EQ(checkpoint->data(*checkpoint->find("y")).size(), 1u);
  EXPECT_EQ(checkpoint->find("z"), nullptr);
  EXPECT_EQ(diags.str(), "");
}

TEST(Checkpoint, RefusesBrokenShards) {
  TemporaryDirectory dir;
  std::string index = dir.file("model.safetensors.index.json");
  dir.write("config.json", tinyConfig);
  dir.write("model.safetensors.index.json",
            R"({"weight_map": {"x": "1.safetensors", "y": "2.safetensors",
                "z": "3.safetensors"}})");
  dir.write("1.safetensors", one("x"));
  std::string named = ": expected this shard, which " + index +
                      " names, found no such file; fetch the missing shard";
  EXPECT_EQ(openFailure(dir.root()), dir.file("2.safetensors") + named + "\n" +
                                         dir.file("3.safetensors") + named);
  dir.write("2.safetensors", one("x"));
  dir.write("3.safetensors", "");
  EXPECT_EQ(
      openFailure(dir.root()),
      dir.file("2.safetensors") +
          ": tensor \"x\": expected each tensor in one file, found it in " +
          dir.file("1.safetensors") + " too\n" + dir.file("3.safetensors") +
          ": expected at least 8 bytes of safetensors header, found 0; "
          "the file is truncated or no safetensors file: fetch it again");
  dir.write("2.safetensors", one("z"));
  dir.write("3.safetensors", one("w"));
  EXPECT_EQ(openFailure(dir.root()),
            index +
                ": tensor \"y\": expected it in 2.safetensors, found no "
                "such tensor there; the shard is of another version: fetch "
                "it again\n" +
                index +
                ": tensor \"z\": expected it in 3.safetensors, found "
                "it in 2.safetensors; index and shards do not belong "
                "together: fetch them again" +
                "warning: " + dir.file("3.safetensors") +
                ": tensor \"w\": is in the shard but not in " + index + "\n");
}

TEST(Checkpoint, TakesStopTokensFromGenerationConfig) {
  TemporaryDirectory dir;
  dir.write("config.json", tinyConfig);
  dir.write("generation_config.json", "{\"eos_token_id\": \"x\"}");
  dir.write("model.safetensors", safetensors("{}", 0));
  Diagnostics diags;
  auto checkpoint = Checkpoint::open(dir.root(), diags);
  ASSERT_TRUE(bool(checkpoint)) << failure(std::move(checkpoint));
  EXPECT_TRUE(llvm::StringRef(failure(describeModel(*checkpoint, diags)))
                  .starts_with(dir.file("generation_config.json") +
                               ": \"eos_token_id\": expected an integer"));
}

TEST(RealModels, Stories260kFromHuggingFace) {
  ADZE_NEED_DATA(path, "models/stories260k-hf");
  Diagnostics diags;
  auto checkpoint = Checkpoint::open(path, diags);
  ASSERT_TRUE(bool(checkpoint)) << failure(std::move(checkpoint));
  auto model = describeModel(*checkpoint, diags);
  ASSERT_TRUE(bool(model)) << failure(std::move(model));
  EXPECT_EQ(diags.str(), "");
  EXPECT_EQ(model->config.layers, 5);
  EXPECT_EQ(model->config.headDim, 8);
  EXPECT_EQ(model->config.kvHeads, 4);
  EXPECT_EQ(model->config.vocab, 512);
  EXPECT_TRUE(model->config.tiedHead);
  EXPECT_EQ(model->config.eosTokens, std::vector<int64_t>{2});
}

TEST(RealModels, Stories260kFromGgufHoldsTheSameWeights) {
  ADZE_NEED_DATA(gguf, "models/stories260k-gguf/stories260K.gguf");
  ADZE_NEED_DATA(directory, "models/stories260k-hf");
  Diagnostics diags;
  auto a = Checkpoint::open(gguf, diags);
  auto b = Checkpoint::open(directory, diags);
  ASSERT_TRUE(bool(a)) << failure(std::move(a));
  ASSERT_TRUE(bool(b)) << failure(std::move(b));
  auto model = describeModel(*a, diags);
  ASSERT_TRUE(bool(model)) << failure(std::move(model));
  EXPECT_EQ(diags.str(), "");
  EXPECT_EQ(model->config.rope.pairing, RopeConfig::Pairing::Interleaved);
  ASSERT_TRUE(a->vocab());
  EXPECT_EQ(a->vocab()->tokens.size(), 512u);
  // Rows of q and k are in another order; the others are bit for bit the same.
  auto other = describeModel(*b, diags);
  ASSERT_TRUE(bool(other)) << failure(std::move(other));
  for (TensorRole role :
       {TensorRole::Embedding, TensorRole::Value, TensorRole::Gate,
        TensorRole::Down, TensorRole::FinalNorm, TensorRole::AttentionNorm}) {
    auto x = a->data(*a->find(model->table.find(role)->name(3)));
    auto y = b->data(*b->find(other->table.find(role)->name(3)));
    EXPECT_TRUE(x == y) << tensorRoleName(role).str();
  }
}

TEST(RealModels, GgufVocabularies) {
  ADZE_NEED_DATA(root, "tokenizers/vocab_gguf");
  std::error_code code;
  size_t seen = 0;
  for (llvm::sys::fs::directory_iterator it(root, code), end;
       it != end && !code; it.increment(code)) {
    if (!llvm::StringRef(it->path()).ends_with(".gguf"))
      continue;
    Diagnostics diags;
    auto checkpoint = Checkpoint::open(it->path(), diags);
    ASSERT_TRUE(bool(checkpoint)) << failure(std::move(checkpoint));
    ASSERT_TRUE(checkpoint->vocab()) << it->path();
    EXPECT_GT(checkpoint->vocab()->tokens.size(), 1000u) << it->path();
    EXPECT_FALSE(checkpoint->vocab()->model.empty()) << it->path();
    EXPECT_TRUE(checkpoint->tensors().empty());
    ++seen;
  }
  EXPECT_GT(seen, 0u);
}

// Checkpoints that transformers itself wrote (and GGUF files of them): each is
// understood without an error or a warning.
TEST(ReferenceModels, AreUnderstood) {
  size_t seen = 0;
  for (llvm::StringRef kind : {"hf", "gguf"}) {
    std::string root =
        std::string(ADZE_SOURCE_DIR "/test/numerics/references/") + kind.str();
    std::error_code code;
    for (llvm::sys::fs::directory_iterator it(root, code), end;
         it != end && !code; it.increment(code)) {
      std::string path = it->path();
      if (kind == "gguf")
        path += "/model.gguf";
      Diagnostics diags;
      auto checkpoint = Checkpoint::open(path, diags);
      if (!checkpoint) {
        ADD_FAILURE() << failure(std::move(checkpoint));
        continue;
      }
      EXPECT_EQ(failure(describeModel(*checkpoint, diags)), "") << path;
      // What is compiled differs from transformers for short texts.
      if (llvm::StringRef(path).contains("phi4-long"))
        EXPECT_TRUE(llvm::StringRef(diags.str())
                        .contains("compiled with the rotary factors for a "
                                  "context of 128"))
            << path << diags.str();
      else
        EXPECT_EQ(diags.str(), "") << path;
      ++seen;
    }
  }
  EXPECT_GT(seen, 20u);
}
