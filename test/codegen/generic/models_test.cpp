// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Models with the kernels of one op, or of all, switched off: plain loops give
// the reference logits too. Whatever the weights, they multiply in f32.

#include "../../common/npy.h"
#include "CompiledModel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <tuple>

using namespace adze;
using namespace adze::test;
namespace fs = std::filesystem;

namespace {

struct Reference {
  fs::path model;
  NpyArray logits;
  std::vector<int32_t> tokens;
};

/// The reference called `name`, or the stories of the test data. Empty `model`
/// if that is not there.
Reference referenceOf(const std::string &name) {
  Reference reference;
  fs::path folder = fs::path(ADZE_SOURCE_DIR) / "test/numerics/references/hf";
  const char *logits = "expected_logits.npy", *tokens = "tokens.npy";
  if (name.rfind("stories", 0) == 0) {
    folder = fs::path(ADZE_TEST_DATA) / "models";
    logits = "expected_logits_f64.npy";
    tokens = "expected_greedy_ids.npy";
  }
  if (!fs::exists(folder / name))
    return reference;
  NpyArray ids;
  EXPECT_EQ(readNpy((folder / name / logits).string(), reference.logits), "");
  EXPECT_EQ(readNpy((folder / name / tokens).string(), ids), "");
  reference.tokens.assign(ids.values.begin(), ids.values.end());
  reference.model = folder / name;
  return reference;
}

/// Largest max|a-b| / max|b| of all positions.
double relativeError(const std::vector<float> &got, const NpyArray &want) {
  double worst = 0;
  size_t columns = size_t(want.columns());
  for (size_t row = 0; row * columns < got.size(); ++row) {
    double difference = 0, scale = 0;
    for (size_t i = row * columns; i < (row + 1) * columns; ++i) {
      if (!std::isfinite(got[i]))
        return INFINITY;
      difference = std::max(difference, std::fabs(got[i] - want.values[i]));
      scale = std::max(scale, std::fabs(want.values[i]));
    }
    worst = std::max(worst, difference / scale);
  }
  return worst;
}

using Case = std::tuple<const char *, const char *>;
class GenericModels : public testing::TestWithParam<Case> {};

TEST_P(GenericModels, LogitsEqual) {
  auto [name, op] = GetParam();
  Reference reference = referenceOf(name);
  if (reference.model.empty())
    GTEST_SKIP() << "needs " << name << " in " << ADZE_TEST_DATA;
  CompileOptions options;
  options.kv = "f32";
  options.generic = {op};
  // Without any kernel all variants are made; one op at a time, the best.
  bool everything = std::string(op) == "all";
  options.target = everything ? "all" : "host";
  CompiledModel compiled(reference.model.string(), options);
  ASSERT_EQ(compiled.error(), "");
  std::vector<std::string> variants = compiled.variants();
  ASSERT_FALSE(variants.empty());
  for (const std::string &variant : variants) {
    ModelHandle opened = openModel(compiled.path(), variant);
    ASSERT_TRUE(opened);
    for (uint32_t threads : {1u, 2u}) {
      SessionHandle session = makeSession(opened.get(), threads);
      ASSERT_TRUE(session);
      std::vector<float> got = evaluate(session.get(), reference.tokens);
      ASSERT_EQ(got.size(), reference.logits.values.size());
      EXPECT_LE(relativeError(got, reference.logits), 1e-4)
          << variant << " with " << threads << " threads";
      if (!everything)
        continue;
      // Token by token: the cache is read as it was written, bit for bit.
      ASSERT_EQ(adze_session_rewind(session.get(), 0), ADZE_OK);
      size_t vocabulary = adze_session_vocabulary(session.get());
      for (size_t i = 0; i < std::min<size_t>(reference.tokens.size(), 8);
           ++i) {
        uint32_t row = 0;
        const float *logits = nullptr;
        ASSERT_EQ(
            adze_eval(session.get(), &reference.tokens[i], 1, &row, 1, &logits),
            ADZE_OK);
        EXPECT_TRUE(std::equal(logits, logits + vocabulary,
                               got.begin() + i * vocabulary))
            << "at position " << i;
      }
    }
  }
}

std::string nameOf(const testing::TestParamInfo<Case> &info) {
  std::string name =
      std::string(std::get<0>(info.param)) + "_" + std::get<1>(info.param);
  for (char &c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)))
      c = '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(
    F32, GenericModels,
    testing::Combine(
        testing::Values("stories260k-hf", "llama2-gqa8", "mistral-window",
                        "qwen2-head6-tied", "qwen3-head80"),
        testing::Values("all", "adze.linear", "adze.attention", "adze.embed",
                        "adze.rms_norm", "adze.rotary", "adze.rotary_table",
                        "adze.kv_append", "adze.take_rows", "adze.map")),
    nameOf);
INSTANTIATE_TEST_SUITE_P(
    Quiet, GenericModels,
    testing::Combine(testing::Values("llama-quiet", "qwen3-quiet"),
                     testing::Values("all", "adze.rms_norm")),
    nameOf);
INSTANTIATE_TEST_SUITE_P(
    Half, GenericModels,
    testing::Combine(testing::Values("llama-f16", "llama-bf16-sharded",
                                     "qwen2-head96-bf16"),
                     testing::Values("all", "adze.linear")),
    nameOf);

TEST(GenericModelsOptions, AnOpWithoutKernelIsNamed) {
  Reference reference = referenceOf("llama2-gqa8");
  CompileOptions options;
  options.target = "host";
  options.generic = {"adze.silu"};
  CompiledModel compiled(reference.model.string(), options);
  EXPECT_NE(compiled.error().find("\"adze.silu\" is no op with a kernel"),
            std::string::npos)
      << compiled.error();
  EXPECT_NE(compiled.error().find("adze.rms_norm"), std::string::npos);
}

} // namespace
