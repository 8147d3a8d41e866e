// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Whole models by the variant with AMX, its instructions interpreted where the
// CPU lacks them: with codes the logits are bit for bit those of other
// variants; with bf16 they are near, and those of each position do not depend
// on how many rows there are. Threads have tiles of their own.
//
// The runtime does not take what this CPU cannot run: the artefact is changed
// to say that the variant needs less.

#include "../common/AmxEmulator.h"
#include "CompiledModel.h"
#include "adze/Codegen/TargetVariants.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

extern "C" {
#include "artefact.h"
}

using namespace adze;
using namespace adze::test;

namespace {

const std::string kAmx = "x86-64-v4+vnni+bf16+amx", kOther = "x86-64-v4+vnni";

/// Takes the bits away that this CPU lacks from what the first variant needs.
void needNothingMore(const std::string &path) {
  int file = ::open(path.c_str(), O_RDWR);
  struct stat info = {};
  ASSERT_TRUE(file >= 0 && ::fstat(file, &info) == 0);
  size_t size = size_t(info.st_size);
  void *memory =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  ASSERT_NE(memory, MAP_FAILED);
  uint8_t *data = static_cast<uint8_t *>(memory);
  adze_elf elf;
  ASSERT_EQ(adze_elf_read(data, size, "test", &elf), ADZE_OK);
  uint8_t *head = data + elf.desc_offset;
  uint64_t at = sizeof(adze_model_desc);
  auto table = [&] { return reinterpret_cast<adze_table *>(head + at); };
  while (table()->tag != ADZE_TABLE_VARIANTS)
    at += sizeof(adze_table) + (table()->bytes + 7) / 8 * 8;
  auto *variant =
      reinterpret_cast<adze_variant *>(head + at + sizeof(adze_table));
  EXPECT_TRUE(variant->need[0] & ADZE_X86_AMX);
  variant->need[0] &= hostNeedBits();
  adze_artefact_hash(data, size, &elf, head + 32);
  ::munmap(memory, size);
}

class AmxModel : public testing::Test {
protected:
  void SetUp() override {
    if (!(hostNeedBits() & ADZE_X86_VNNI512))
      GTEST_SKIP() << "needs AVX-512 with VNNI";
    for (int32_t i = 0; i < 60; ++i)
      tokens.push_back(i * 7 % 10);
  }
  void compile(const char *weights) {
    CompileOptions options;
    options.target = kAmx + "," + kOther;
    options.weights = weights;
    options.kv = "f32";
    compiled = std::make_unique<CompiledModel>(
        std::string(ADZE_SOURCE_DIR) +
            "/test/numerics/references/hf/llama2-gqa8",
        options);
    ASSERT_EQ(compiled->error(), "");
    needNothingMore(compiled->path());
  }
  /// Logits of all tokens, `chunk` of them at a time.
  std::vector<float> logits(const std::string &variant, uint32_t threads,
                            uint32_t chunk) {
    AmxEmulator emulator; // after compiling: LLVM sets handlers of its own
    ModelHandle model = openModel(compiled->path(), variant);
    SessionHandle session =
        model ? makeSession(model.get(), threads, 1, chunk) : nullptr;
    std::vector<float> all;
    if (!session)
      return all;
    for (size_t first = 0; first < tokens.size(); first += chunk) {
      std::vector<int32_t> part(tokens.begin() + first,
                                tokens.begin() +
                                    std::min(tokens.size(), first + chunk));
      std::vector<float> more = evaluate(session.get(), part);
      all.insert(all.end(), more.begin(), more.end());
    }
    EXPECT_FALSE(AmxEmulator::isConfigured());
    return all;
  }
  static bool isEmulated() { return !(hostNeedBits() & ADZE_X86_AMX); }

  std::unique_ptr<CompiledModel> compiled;
  std::vector<int32_t> tokens;
};

TEST_F(AmxModel, CodesGiveTheBitsOfOtherVariants) {
  for (const char *weights : {"int8", "int4:g64"}) {
    SCOPED_TRACE(weights);
    compile(weights);
    if (HasFatalFailure())
      return;
    std::vector<float> expected = logits(kOther, 1, 128);
    ASSERT_FALSE(expected.empty());
    uint64_t before = AmxEmulator::counts().codeDots;
    for (uint32_t threads : {1u, 2u})
      EXPECT_EQ(logits(kAmx, threads, 128), expected) << threads << " threads";
    if (isEmulated())
      EXPECT_GT(AmxEmulator::counts().codeDots, before);
  }
}

TEST_F(AmxModel, HalvesDoNotDependOnTheNumberOfRows) {
  compile("bf16");
  if (HasFatalFailure())
    return;
  uint64_t before = AmxEmulator::counts().floatDots;
  std::vector<float> whole = logits(kAmx, 2, 128);
  if (isEmulated())
    EXPECT_GT(AmxEmulator::counts().floatDots, before);
  EXPECT_EQ(logits(kAmx, 1, 19), whole);
  EXPECT_EQ(logits(kAmx, 1, 1), whole);
  // Dots of bf16 round what f32 arithmetic does not.
  std::vector<float> exact = logits(kOther, 1, 128);
  ASSERT_EQ(exact.size(), whole.size());
  size_t vocabulary = exact.size() / tokens.size();
  for (size_t t = 0; t < tokens.size(); ++t) {
    double most = 0, wrong = 0;
    for (size_t i = t * vocabulary; i < (t + 1) * vocabulary; ++i) {
      most = std::max(most, std::fabs(double(exact[i])));
      wrong = std::max(wrong, std::fabs(double(whole[i]) - exact[i]));
    }
    EXPECT_LE(wrong, 2e-2 * most) << "position " << t;
  }
}

} // namespace
