// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiled models against transformers and stored float64 logits: every stored
// reference, every variant this machine runs, one and two threads, with and
// without the fusions.

#include "../common/npy.h"
#include "CompiledModel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <unistd.h>

using namespace adze;
using namespace adze::test;
namespace fs = std::filesystem;

namespace {

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

std::vector<int32_t> idsOf(const NpyArray &array) {
  return {array.values.begin(), array.values.end()};
}

/// Weights are those of the reference; what differs is the order of sums.
/// Blocks are decoded on the way into float sums.
double tolerance(const std::string &model) {
  bool isWide = model.find("f16") != std::string::npos ||
                model.rfind("blocks/", 0) == 0 ||
                model.rfind("quantized/", 0) == 0;
  return isWide ? 1e-3 : 1e-4;
}

/// A variant with bf16 dots rounds the activations of bf16 weights: it is held
/// to a float64 run with exactly that rounding (round_references.py), up to
/// values that fall on the other side of a rounding boundary.
constexpr double kRoundedTolerance = 5e-3;

/// Tile registers add up in another order than that run (AmxTile.h), so that
/// more values fall there: up to two steps of bf16. Linears alone are held to
/// loops in double (linear_test.cpp, amx_test.cpp).
constexpr double kTilesTolerance = 1e-2;

std::vector<std::string> references() {
  std::vector<std::string> found;
  for (const char *kind : {"hf", "gguf", "blocks", "quantized"}) {
    fs::path folder =
        fs::path(ADZE_SOURCE_DIR) / "test/numerics/references" / kind;
    for (const auto &entry : fs::directory_iterator(folder))
      found.push_back(std::string(kind) + "/" +
                      entry.path().filename().string());
  }
  std::sort(found.begin(), found.end());
  return found;
}

/// References know nothing of rounded activations.
std::string activationsOf(const std::string &name) {
  return name.rfind("blocks/", 0) == 0 || name.rfind("quantized/", 0) == 0
             ? "f32"
             : "";
}

class References : public testing::TestWithParam<std::string> {};

void checkReference(const std::string &name, const CompileOptions &options) {
  fs::path folder = fs::path(ADZE_SOURCE_DIR) / "test/numerics/references";
  fs::path model = folder / name;
  if (fs::exists(model / "model.gguf"))
    model /= "model.gguf";
  // Keys and values as exact as the weights: what is tested is the arithmetic.
  NpyArray want, rounded, ids;
  ASSERT_EQ(readNpy((folder / name / "expected_logits.npy").string(), want),
            "");
  bool isBF16 = name.find("bf16") != std::string::npos;
  if (isBF16)
    ASSERT_EQ(
        readNpy((folder / name / "expected_logits_bf16_dots.npy").string(),
                rounded),
        "");
  ASSERT_EQ(readNpy((folder / name / "tokens.npy").string(), ids), "");
  CompiledModel compiled(model.string(), options);
  ASSERT_EQ(compiled.error(), "");
  std::vector<std::string> variants = compiled.variants();
  ASSERT_FALSE(variants.empty());
  for (const std::string &variant : variants) {
    ModelHandle opened = openModel(compiled.path(), variant);
    ASSERT_TRUE(opened);
    for (uint32_t threads : {1u, 2u}) {
      SessionHandle session = makeSession(opened.get(), threads);
      ASSERT_TRUE(session);
      std::vector<float> got = evaluate(session.get(), idsOf(ids));
      ASSERT_EQ(got.size(), want.values.size());
      bool rounds = isBF16 && variant.find("bf16") != std::string::npos;
      bool tiles = variant.find("amx") != std::string::npos;
      EXPECT_LE(relativeError(got, rounds ? rounded : want),
                !rounds ? tolerance(name)
                : tiles ? kTilesTolerance
                        : kRoundedTolerance)
          << name << " on " << variant << " with " << threads << " threads";
    }
  }
}

TEST_P(References, LogitsEqual) {
  CompileOptions options;
  options.kv = "f32";
  options.activations = activationsOf(GetParam());
  checkReference(GetParam(), options);
}

/// Every switchable fusion off: each op is a kernel of its own.
TEST_P(References, LogitsEqualWithoutFusion) {
  CompileOptions options;
  options.kv = "f32";
  options.activations = activationsOf(GetParam());
  options.target = "host";
  options.disable = {
      "adze-hoist-take-rows",     "adze-normalize-rotary", "cse",
      "adze-fuse-head-sinks",     "adze-merge-qkv",        "adze-merge-gate-up",
      "adze-fuse-linear-regions", "adze-fuse-maps"};
  checkReference(GetParam(), options);
}

INSTANTIATE_TEST_SUITE_P(Stored, References, testing::ValuesIn(references()),
                         [](const auto &info) {
                           std::string name = info.param;
                           for (char &c : name)
                             if (!std::isalnum(static_cast<unsigned char>(c)))
                               c = '_';
                           return name;
                         });

//===-- A wrong epsilon
//----------------------------------------------------===//

std::string readFile(const fs::path &path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// `text` with what follows `key` replaced; unchanged if there is no key.
void replaceAfter(std::string &text, const std::string &key, size_t length,
                  const std::string &value) {
  if (size_t at = text.find(key); at != std::string::npos)
    text.replace(at + key.size(), length, value);
}

/// The same checkpoint with an epsilon that is `factor` times as large, in a
/// folder that is removed with this object.
class OtherEpsilon {
public:
  OtherEpsilon(const std::string &name, float factor) {
    static std::atomic<int> next{0};
    folder = fs::path(testing::TempDir()) /
             ("adze-epsilon-" + std::to_string(::getpid()) + "-" +
              std::to_string(next++));
    fs::copy(fs::path(ADZE_SOURCE_DIR) / "test/numerics/references" / name,
             folder);
    bool isGguf = name.rfind("gguf/", 0) == 0;
    fs::path edited = folder / (isGguf ? "model.gguf" : "config.json");
    path = isGguf ? edited : folder;
    std::string text = readFile(edited);
    if (isGguf) {
      // The key is followed by the type of a float and its bytes.
      std::string key("layer_norm_rms_epsilon\6\0\0\0", 26);
      float eps = 1e-6f * factor;
      replaceAfter(text, key, sizeof eps,
                   std::string(reinterpret_cast<char *>(&eps), sizeof eps));
    } else {
      std::string key = "\"rms_norm_eps\": ";
      size_t at = text.find(key) + key.size();
      replaceAfter(text, key, text.find(',', at) - at,
                   std::to_string(factor * std::stof(text.substr(at))));
    }
    isEdited = text != readFile(edited);
    std::ofstream(edited, std::ios::binary) << text;
  }
  ~OtherEpsilon() { fs::remove_all(folder); }
  OtherEpsilon(const OtherEpsilon &) = delete;

  fs::path path;
  bool isEdited = false;

private:
  fs::path folder;
};

class Epsilon : public testing::TestWithParam<const char *> {};

/// What the bound of LogitsEqual on the quiet references is worth.
TEST_P(Epsilon, ReferencesRejectAnother) {
  std::string name = GetParam();
  fs::path folder = fs::path(ADZE_SOURCE_DIR) / "test/numerics/references";
  NpyArray want, ids;
  ASSERT_EQ(readNpy((folder / name / "expected_logits.npy").string(), want),
            "");
  ASSERT_EQ(readNpy((folder / name / "tokens.npy").string(), ids), "");
  CompileOptions options;
  options.kv = "f32";
  options.target = "host";
  for (float factor : {10.0f, 2.0f}) {
    OtherEpsilon other(name, factor);
    ASSERT_TRUE(other.isEdited);
    CompiledModel compiled(other.path.string(), options);
    ASSERT_EQ(compiled.error(), "");
    ModelHandle opened = openModel(compiled.path(), "");
    ASSERT_TRUE(opened);
    SessionHandle session = makeSession(opened.get(), 1);
    ASSERT_TRUE(session);
    std::vector<float> got = evaluate(session.get(), idsOf(ids));
    ASSERT_EQ(got.size(), want.values.size());
    EXPECT_GT(relativeError(got, want), 100 * tolerance(name))
        << name << " with " << factor << " times its epsilon";
  }
}

INSTANTIATE_TEST_SUITE_P(Quiet, Epsilon,
                         testing::Values("hf/llama-quiet", "hf/qwen3-quiet",
                                         "gguf/qwen3-quiet-f32"),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::replace_if(
                               name.begin(), name.end(),
                               [](char c) { return c == '/' || c == '-'; },
                               '_');
                           return name;
                         });

//===-- stories260k -------------------------------------------------------===//

class Stories : public testing::TestWithParam<const char *> {};

TEST_P(Stories, LogitsAndGreedyIdsEqual) {
  fs::path data = fs::path(ADZE_TEST_DATA) / "models";
  fs::path model = data / GetParam();
  if (!fs::exists(model))
    GTEST_SKIP() << "needs " << model;
  NpyArray want, ids;
  ASSERT_EQ(
      readNpy((data / "stories260k-hf/expected_logits_f64.npy").string(), want),
      "");
  ASSERT_EQ(
      readNpy((data / "stories260k-hf/expected_greedy_ids.npy").string(), ids),
      "");
  std::vector<int32_t> expected = idsOf(ids);
  CompiledModel compiled(model.string(), {});
  ASSERT_EQ(compiled.error(), "");
  for (const std::string &variant : compiled.variants()) {
    ModelHandle opened = openModel(compiled.path(), variant);
    ASSERT_TRUE(opened);
    for (uint32_t threads : {1u, 2u}) {
      SessionHandle session = makeSession(opened.get(), threads);
      std::vector<float> got = evaluate(session.get(), expected);
      ASSERT_EQ(got.size(), want.values.size());
      double worst = 0;
      for (size_t i = 0; i < got.size(); ++i)
        worst = std::max(worst, std::fabs(got[i] - want.values[i]));
      EXPECT_LE(worst, 1e-3) << variant << ", " << threads << " threads";

      // Greedy, token by token, from the first.
      ASSERT_EQ(adze_session_rewind(session.get(), 0), ADZE_OK);
      std::vector<int32_t> made{expected[0]};
      uint32_t row = 0;
      size_t vocabulary = adze_session_vocabulary(session.get());
      while (made.size() < expected.size()) {
        const float *logits = nullptr;
        ASSERT_EQ(adze_eval(session.get(), &made.back(), 1, &row, 1, &logits),
                  ADZE_OK);
        made.push_back(
            int32_t(std::max_element(logits, logits + vocabulary) - logits));
      }
      EXPECT_EQ(made, expected) << variant << ", " << threads << " threads";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Data, Stories,
                         testing::Values("stories260k-hf",
                                         "stories260k-gguf/stories260K.gguf"),
                         [](const auto &info) {
                           return info.index ? "gguf" : "hf";
                         });

} // namespace
