// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Every way in which a GGUF file can be wrong, with the exact message.

#include "TestFiles.h"
#include "adze/Frontend/Tokenizer.h"

#include "gtest/gtest.h"

using namespace adze;
using namespace adze::test;

static const std::string altered =
    "; the file is truncated or altered: fetch it again\n";

/// ggufFailure with a newline at the end of errors, to compare lists.
static std::string failureOf(const GgufWriter &file) {
  std::string message = ggufFailure(file.write());
  return message.empty() ? message : message + "\n";
}

TEST(Gguf, ReadsMetadataVocabularyAndTensors) {
  Diagnostics diags;
  std::string bytes = tinyGguf().write();
  auto file = readGguf(llvm::MemoryBufferRef(bytes, "m.gguf"), diags);
  ASSERT_TRUE(bool(file)) << failure(std::move(file));
  EXPECT_EQ(file->version, 3u);
  EXPECT_EQ(file->metadata.getInteger("llama.block_count"), 1);
  EXPECT_EQ(file->metadata.get("tokenizer.ggml.tokens"), nullptr);
  ASSERT_TRUE(file->vocab);
  EXPECT_EQ(file->vocab->tokens[2], "</s>");
  EXPECT_EQ(file->vocab->bosId, 1);
  EXPECT_FALSE(file->vocab->padId.has_value());
  ASSERT_EQ(file->tensors.size(), 11u);
  // Rows first: 12 x 8, not 8 x 12.
  EXPECT_EQ(llvm::ArrayRef<int64_t>(file->tensors[8].shape),
            llvm::ArrayRef<int64_t>({12, 8}));
  EXPECT_EQ(file->tensors[0].offset % 32, 0u);
  EXPECT_EQ(file->tensors.back().offset + file->tensors.back().bytes,
            bytes.size());
}

TEST(Gguf, ReadsEveryValueType) {
  GgufWriter file;
  std::string payload;
  append<int8_t>(payload, -3);
  file.pair("i8", 1, payload);
  file.pair("b", 7, std::string(1, '\1'));
  payload.clear();
  append<uint64_t>(payload, UINT64_MAX);
  file.pair("u64", 10, payload);
  payload.clear();
  append<double>(payload, 0.25);
  file.pair("f64", 12, payload);
  payload.clear();
  append<uint32_t>(payload, 9); // a list of lists of u16
  append<uint64_t>(payload, 1);
  append<uint32_t>(payload, 2);
  append<uint64_t>(payload, 2);
  append<uint16_t>(payload, 7);
  append<uint16_t>(payload, 8);
  file.pair("nested", 9, payload);
  Diagnostics diags;
  std::string bytes = file.write();
  auto read = readGguf(llvm::MemoryBufferRef(bytes, "m"), diags);
  ASSERT_TRUE(bool(read)) << failure(std::move(read));
  EXPECT_EQ(read->metadata.getInteger("i8"), -3);
  EXPECT_EQ(read->metadata.getBoolean("b"), true);
  EXPECT_EQ(read->metadata.get("u64")->getAsUINT64(), UINT64_MAX);
  EXPECT_EQ(read->metadata.getNumber("f64"), 0.25);
  EXPECT_EQ(*read->metadata.get("nested"),
            llvm::json::Value(llvm::json::Array{llvm::json::Array{7, 8}}));
}

TEST(Gguf, RefusesBrokenPreambles) {
  EXPECT_EQ(ggufFailure("GGML3..."),
            "m.gguf: expected the magic \"GGUF\", found \"GGML\"; this is no "
            "GGUF file");
  EXPECT_EQ(ggufFailure(""), "m.gguf: expected the magic \"GGUF\", found "
                             "\"\"; this is no GGUF file");
  EXPECT_EQ(ggufFailure("GGUF\3") + "\n",
            "m.gguf: expected 4 bytes of the version at byte 4, found 1 before "
            "the end of the file" +
                altered);
  GgufWriter file;
  file.version = 1;
  EXPECT_EQ(ggufFailure(file.write()),
            "m.gguf: expected GGUF version 2 or 3, found 1; convert the model "
            "again");
  file.version = 0x03000000;
  EXPECT_EQ(ggufFailure(file.write()),
            "m.gguf: expected a little-endian file, found a big-endian one; "
            "convert the model again without --bigendian");
  file.version = 2;
  EXPECT_EQ(ggufFailure(file.write()), "");
  file.numTensors = UINT64_MAX;
  EXPECT_EQ(failureOf(file),
            "m.gguf: expected as many tensors as the 16 bytes that follow can "
            "hold, found a count of 18446744073709551615" +
                altered);
  file.numTensors = 0;
  file.numPairs = 1ull << 40;
  EXPECT_EQ(failureOf(file),
            "m.gguf: expected as many metadata pairs as the 8 bytes that "
            "follow can hold, found a count of 1099511627776" +
                altered);
}

TEST(Gguf, RefusesBrokenMetadata) {
  EXPECT_EQ(ggufFailure(GgufWriter().u32("a", 1).u32("a", 2).write()),
            "m.gguf: \"a\": expected each metadata key once, found it again");
  EXPECT_EQ(ggufFailure(GgufWriter().pair("a", 13, "xxxxxxxx").write()),
            "m.gguf: \"a\": expected a value type from 0 to 12, found 13");
  EXPECT_EQ(ggufFailure(GgufWriter().pair("a", 7, "\2").write()),
            "m.gguf: \"a\": expected 0 or 1 for a truth value, found 2");
  EXPECT_EQ(ggufFailure(GgufWriter().u32("\xff", 1).write()),
            "m.gguf: expected a metadata key in UTF-8, found \"\\xFF\"");
  EXPECT_EQ(ggufFailure(GgufWriter().u32("general.alignment", 24).write()),
            "m.gguf: \"general.alignment\": expected a power of two, found 24");
  EXPECT_EQ(ggufFailure(GgufWriter().u32("general.alignment", 0).write()),
            "m.gguf: \"general.alignment\": expected a power of two, found 0");
  EXPECT_EQ(ggufFailure(GgufWriter().u32("tokenizer.ggml.tokens", 0).write()),
            "m.gguf: \"tokenizer.ggml.tokens\": expected a list of strings, "
            "found a value type 4");

  EXPECT_EQ(ggufFailure(GgufWriter().tensor("", {1}, 0, 0).write()),
            "m.gguf: expected a tensor name in UTF-8, found \"\"");

  // A list whose count is a lie.
  std::string payload;
  append<uint32_t>(payload, 8);
  append<uint64_t>(payload, 1ull << 60);
  EXPECT_EQ(failureOf(GgufWriter().pair("tokenizer.ggml.merges", 9, payload)),
            "m.gguf: expected as many values of \"tokenizer.ggml.merges\" as "
            "the 27 bytes that follow can hold, found a count of "
            "1152921504606846976" +
                altered);
  // Lists in lists in lists.
  payload.clear();
  for (int i = 0; i < 10000; ++i) {
    append<uint32_t>(payload, 9);
    append<uint64_t>(payload, 1);
  }
  EXPECT_EQ(ggufFailure(GgufWriter().pair("a", 9, payload).write()),
            "m.gguf: \"a\": expected lists nested at most 4 deep, found more");
}

TEST(Gguf, PassesOverHugeLists) {
  std::string payload;
  append<uint32_t>(payload, 0);
  append<uint64_t>(payload, 3 << 20);
  payload.resize(payload.size() + (3 << 20));
  EXPECT_EQ(
      ggufFailure(GgufWriter().pair("big", 9, payload).u32("after", 1).write()),
      "warning: m.gguf: \"big\": found a list longer than 1048576 "
      "values, which is ignored\n");
}

TEST(Gguf, RefusesBrokenVocabularies) {
  GgufWriter file;
  file.strs("tokenizer.ggml.tokens", {"a", "b"});
  file.u32("tokenizer.ggml.bos_token_id", 2);
  file.u32("tokenizer.ggml.padding_token_id", UINT32_MAX);
  file.u32("tokenizer.ggml.add_bos_token", 1);
  std::string payload;
  append<uint32_t>(payload, 6);
  append<uint64_t>(payload, 1);
  append<float>(payload, 0.5f);
  file.pair("tokenizer.ggml.scores", 9, payload);
  EXPECT_EQ(failureOf(file),
            "m.gguf: \"tokenizer.ggml.add_bos_token\": expected true or false, "
            "found 1\n"
            "m.gguf: \"tokenizer.ggml.bos_token_id\": expected the id of one "
            "of the 2 tokens, found 2\n"
            "m.gguf: \"tokenizer.ggml.scores\": expected one value for each of "
            "the 2 tokens, found 1\n");
}

TEST(Gguf, RefusesAVocabularyWithoutName) {
  EXPECT_EQ(failureOf(GgufWriter()
                          .strs("tokenizer.ggml.tokens", {"a"})
                          .u32("tokenizer.ggml.model", 1)),
            "m.gguf: \"tokenizer.ggml.model\": expected a string, found 1\n");
}

TEST(Gguf, RefusesBrokenTensors) {
  GgufWriter file;
  file.dataBytes = 128;
  file.tensor("type", {8}, 99, 0);
  file.tensor("row", {2, 33}, 2, 0);
  file.tensor("huge", {1ll << 40, 1ll << 40}, 0, 0);
  file.tensor("negative", {-1}, 0, 0);
  file.tensor("offset", {1}, 0, 4);
  file.tensor("outside", {32}, 0, 96);
  file.tensor("far", {1}, 0, UINT64_MAX - 31);
  file.tensor("first", {16}, 0, 32);
  file.tensor("second", {1}, 0, 64);
  file.tensor("second", {1}, 0, 64);
  const std::string t = "m.gguf: tensor ";
  EXPECT_EQ(
      failureOf(file),
      t +
          "\"type\": expected a type that GGUF defines (0 is F32, 1 F16, 30 "
          "BF16), found number 99; the file is altered, or its type is newer "
          "than this reader\n" +
          t +
          "\"row\": expected rows of a multiple of 32 elements for type "
          "q4_0, found 33\n" +
          t +
          "\"huge\": expected a shape whose size in bytes fits in 64 bits, "
          "found [1099511627776, 1099511627776] of f32\n" +
          t +
          "\"negative\": expected a shape whose size in bytes fits in 64 "
          "bits, found [-1] of f32\n" +
          t + "\"second\": expected each tensor once, found it again\n" + t +
          "\"offset\": expected an offset that is a multiple of 32, found 4\n" +
          t +
          "\"second\": expected data of its own, found an overlap with "
          "tensor \"first\" at offset 64\n" +
          t +
          "\"outside\": expected its 128 bytes within the 128 bytes of "
          "data in the file, found offset 96, and likewise for 1 more tensor" +
          altered);
  EXPECT_EQ(
      ggufFailure(GgufWriter().tensor("t", {1, 1, 1, 1, 1}, 0, 0).write()),
      "m.gguf: tensor \"t\": expected at most 4 dimensions, found 5");
}

TEST(Gguf, RefusesTruncationAtEveryByte) {
  std::string bytes = tinyGguf().write();
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_NE(ggufFailure(llvm::StringRef(bytes).take_front(size)), "")
        << size << " of " << bytes.size();
}

TEST(Gguf, KnowsTheBlockTypes) {
  GgufWriter file;
  file.dataBytes = 288;
  file.tensor("q", {2, 256}, 12, 0);
  Diagnostics diags;
  std::string bytes = file.write();
  auto read = readGguf(llvm::MemoryBufferRef(bytes, "m"), diags);
  ASSERT_TRUE(bool(read)) << failure(std::move(read));
  EXPECT_EQ(dtypeName(read->tensors[0].type), "q4_k");
  EXPECT_EQ(read->tensors[0].bytes, 288u);
  EXPECT_TRUE(isBlocked(read->tensors[0].type));
}

TEST(Gguf, SurvivesMutation) {
  Random random(3);
  std::string original = tinyGguf().write();
  size_t accepted = 0, described = 0;
  for (int i = 0; i < 30000; ++i) {
    std::string bytes = mutate(original, random);
    Diagnostics diags;
    auto checkpoint = Checkpoint::fromGguf(buffer(bytes, "m.gguf"), diags);
    if (!checkpoint) {
      llvm::consumeError(checkpoint.takeError());
      continue;
    }
    ++accepted;
    for (const CheckpointTensor &tensor : checkpoint->tensors())
      ASSERT_EQ(checkpoint->data(tensor).size(), tensor.bytes);
    auto model = describeModel(*checkpoint, diags);
    described += bool(model);
    if (!model)
      llvm::consumeError(model.takeError());
  }
  EXPECT_GT(accepted, described);
  EXPECT_GT(described, 0u);
}
