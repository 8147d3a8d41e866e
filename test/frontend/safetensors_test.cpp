// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Every way in which a safetensors file or an index can be wrong, with the
// exact message.

#include "TestFiles.h"

#include "gtest/gtest.h"

using namespace adze;
using namespace adze::test;

static const char good[] =
    R"({"__metadata__":{"format":"pt"},)"
    R"("b":{"dtype":"BF16","shape":[2,3],"data_offsets":[8,20]},)"
    R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
    R"("e":{"dtype":"I8","shape":[0,4],"data_offsets":[20,20]}})";

TEST(Safetensors, ReadsTensorsInFileOrder) {
  std::string bytes = safetensors(good, 20);
  auto tensors = readSafetensors(llvm::MemoryBufferRef(bytes, "f"));
  ASSERT_TRUE(bool(tensors)) << failure(std::move(tensors));
  ASSERT_EQ(tensors->size(), 3u);
  EXPECT_EQ((*tensors)[0].name, "a");
  EXPECT_EQ((*tensors)[1].name, "b");
  EXPECT_EQ((*tensors)[1].type, DType::BF16);
  EXPECT_EQ((*tensors)[1].offset, sizeof(good) - 1 + 8 + 8);
  EXPECT_EQ((*tensors)[1].bytes, 12u);
  EXPECT_EQ((*tensors)[2].bytes, 0u);
}

TEST(Safetensors, AcceptsAnEmptyHeaderAndPadding) {
  EXPECT_EQ(safetensorsFailure(safetensors("{}      ", 0)), "");
}

TEST(Safetensors, RefusesBrokenHeaders) {
  std::string advice =
      "; the file is truncated or no safetensors file: fetch it again";
  EXPECT_EQ(safetensorsFailure(""),
            "m.safetensors: expected at least 8 bytes of safetensors header, "
            "found 0" +
                advice);
  EXPECT_EQ(
      safetensorsFailure(std::string("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10)),
      "m.safetensors: expected a safetensors header of at most 100000000 "
      "bytes, found 18446744073709551615" +
          advice);
  EXPECT_EQ(safetensorsFailure(safetensors("{}", 0).substr(0, 9)),
            "m.safetensors: expected a safetensors header of 2 bytes, found 1 "
            "bytes in the file after its length" +
                advice);
  EXPECT_EQ(safetensorsFailure(safetensors("[]", 0)),
            "m.safetensors: expected a JSON object as the safetensors header, "
            "found \"[]\"");
  EXPECT_EQ(safetensorsFailure(safetensors("", 4)),
            "m.safetensors: expected a JSON object as the safetensors header, "
            "found \"\"");
  EXPECT_EQ(safetensorsFailure(safetensors("{\"a\":", 0)),
            "m.safetensors: expected JSON, found \"[1:5, byte=5]: Unexpected "
            "EOF\"");
  EXPECT_EQ(safetensorsFailure(safetensors("{" + std::string(1 << 20, '['), 0)),
            "m.safetensors: expected JSON nested at most 64 deep, found more "
            "at line 1, column 65");
  EXPECT_EQ(
      safetensorsFailure(safetensors("{\"__metadata__\": {\"a\": 1}}", 0)),
      "m.safetensors: \"__metadata__\": expected an object of strings, found "
      "{\"a\":1}");
}

/// One entry "t" with these fields over 8 bytes of data.
static std::string entry(llvm::StringRef fields, size_t dataBytes = 8) {
  return safetensorsFailure(
      safetensors("{\"t\":{" + fields.str() + "}}", dataBytes));
}

TEST(Safetensors, RefusesBrokenEntries) {
  const std::string t = "m.safetensors: tensor \"t\": ";
  EXPECT_EQ(safetensorsFailure(safetensors("{\"t\": 1}", 0)),
            t + "expected an object with dtype, shape and data_offsets, found "
                "1");
  EXPECT_EQ(entry(R"("dtype":"Q4","shape":[2],"data_offsets":[0,8])"),
            t + "\"dtype\": expected a safetensors type such as \"F32\", "
                "\"F16\" or \"BF16\", found \"Q4\"");
  EXPECT_EQ(entry(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])"),
            t + "\"shape\": expected a list of at most 16 integers that are "
                "not negative, found [-2]");
  EXPECT_EQ(entry(R"("dtype":"F32","shape":[2.5],"data_offsets":[0,8])"),
            t + "\"shape\": expected a list of at most 16 integers that are "
                "not negative, found [2.5]");
  EXPECT_EQ(entry(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])"),
            t + "\"data_offsets\": expected [begin, end] with 0 <= begin <= "
                "end, found [8,0]");
  EXPECT_EQ(entry(R"("dtype":"F32","shape":[2],"data_offsets":[0,16])"),
            t + "\"data_offsets\": expected an end within the 8 bytes of data "
                "in the file, found 16; the file is truncated or altered: "
                "fetch it again");
  // Of a file that was cut, one message.
  EXPECT_EQ(
      safetensorsFailure(safetensors(
          R"({"a":{"dtype":"I8","shape":[4],"data_offsets":[8,12]},)"
          R"("b":{"dtype":"I8","shape":[4],"data_offsets":[0,4]},)"
          R"("c":{"dtype":"I8","shape":[4],"data_offsets":[4,8]},)"
          R"("d":{"dtype":"I8","shape":[4],"data_offsets":[12,16]}})",
          6)),
      "m.safetensors: tensor \"c\": \"data_offsets\": expected an end within "
      "the 6 bytes of data in the file, found 8, and likewise for 2 more "
      "tensors; the file is truncated or altered: fetch it again");
  EXPECT_EQ(entry(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])"),
            t + "expected 12 bytes for [3] of f32, found data_offsets that "
                "span 8");
  EXPECT_EQ(
      entry(
          R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8])"),
      t + "expected a shape whose size in bytes fits in 64 bits, found "
          "[4294967296, 4294967296] of f32");
  // All three at once, and nothing about the hole that remains.
  EXPECT_EQ(entry(""),
            t +
                "\"dtype\": expected a safetensors type such as \"F32\", "
                "\"F16\" or \"BF16\", found nothing\n" +
                t +
                "\"shape\": expected a list of at most 16 integers that "
                "are not negative, found nothing\n" +
                t +
                "\"data_offsets\": expected [begin, end] with 0 <= begin "
                "<= end, found nothing");
}

TEST(Safetensors, RefusesOverlapsAndHoles) {
  auto two = [](int b0, int b1, int data) {
    return safetensorsFailure(
        safetensors(R"({"a":{"dtype":"I8","shape":[4],"data_offsets":[0,4]},)"
                    R"("b":{"dtype":"I8","shape":[)" +
                        std::to_string(b1 - b0) + R"(],"data_offsets":[)" +
                        std::to_string(b0) + "," + std::to_string(b1) + "]}}",
                    data));
  };
  EXPECT_EQ(two(4, 8, 8), "");
  EXPECT_EQ(two(2, 8, 8),
            "m.safetensors: tensor \"b\": expected data of its own, found an "
            "overlap with tensor \"a\" from byte 2 to 4 of the data");
  EXPECT_EQ(two(6, 8, 8),
            "m.safetensors: tensor \"b\": expected data from byte 4 on, where "
            "the tensor before ends, found a hole up to byte 6");
  EXPECT_EQ(two(4, 8, 10), "m.safetensors: expected the file to end after the "
                           "last tensor, found 2 bytes more");
  EXPECT_EQ(safetensorsFailure(safetensors(
                R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},)"
                R"("a":{"dtype":"I8","shape":[1],"data_offsets":[1,2]}})",
                2)),
            "m.safetensors: \"a\": expected each key once, found it again at "
            "line 1, column 54; remove one of the two");
}

TEST(Safetensors, SurvivesMutation) {
  Random random(2);
  std::string original = safetensors(good, 20);
  size_t accepted = 0;
  for (int i = 0; i < 30000; ++i) {
    std::string bytes = mutate(original, random);
    auto tensors = readSafetensors(llvm::MemoryBufferRef(bytes, "f"));
    if (!tensors) {
      llvm::consumeError(tensors.takeError());
      continue;
    }
    ++accepted;
    for (const CheckpointTensor &tensor : *tensors) {
      ASSERT_LE(tensor.offset, bytes.size());
      ASSERT_LE(tensor.bytes, bytes.size() - tensor.offset);
      ASSERT_EQ(tensorBytes(tensor.type, tensor.shape), tensor.bytes);
    }
  }
  EXPECT_GT(accepted, 0u);
}

TEST(ShardIndex, GivesTheShardOfEachTensor) {
  auto index = readShardIndex(llvm::MemoryBufferRef(
      R"({"weight_map": {"x": "2.safetensors", "y": "1.safetensors"}})", "i"));
  ASSERT_TRUE(bool(index)) << failure(std::move(index));
  EXPECT_EQ(index->shards,
            (std::vector<std::string>{"1.safetensors", "2.safetensors"}));
  EXPECT_EQ(index->shardOfTensor.lookup("x"), 1u);
  EXPECT_EQ(index->shardOfTensor.lookup("y"), 0u);
}

TEST(ShardIndex, RefusesPathsOutOfTheDirectory) {
  auto indexFailure = [](llvm::StringRef text) {
    return failure(readShardIndex(llvm::MemoryBufferRef(text, "i")));
  };
  EXPECT_EQ(indexFailure(R"({"weight_map": {"x": "../../etc/passwd"}})"),
            "i: \"weight_map\": \"x\": expected the name of a file in the same "
            "directory, found \"../../etc/passwd\"");
  EXPECT_EQ(indexFailure(R"({"weight_map": {"y": "..", "x": 3}})"),
            "i: \"weight_map\": \"x\": expected the name of a file in the same "
            "directory, found 3\n"
            "i: \"weight_map\": \"y\": expected the name of a file in the same "
            "directory, found \"..\"");
  EXPECT_EQ(indexFailure("{}"), "i: \"weight_map\": expected an object that "
                                "gives each tensor its file, found nothing");
}
