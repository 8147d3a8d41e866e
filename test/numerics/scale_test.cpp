// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What AWQ and SmoothQuant fold into a model changes nothing but the rounding:
// with the integer formats taken out of the scaled module, its logits are those
// of the model.

#include "adze/Calibrate.h"
#include "adze/Compiler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <regex>
#include <sstream>
#include <unistd.h>

using namespace adze;

namespace {

struct Folder {
  Folder() : path("/tmp/adze-scale-" + std::to_string(getpid())) {
    std::filesystem::remove_all(path);
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

std::string readFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<int32_t> randomTokens(size_t count, int32_t vocabulary) {
  std::mt19937 random(7);
  std::vector<int32_t> ids(count);
  for (int32_t &id : ids)
    id = int32_t(random() % uint32_t(vocabulary));
  return ids;
}

/// A row of logits for each token.
std::vector<std::vector<float>> logitsOf(const std::string &model,
                                         const CompileOptions &options,
                                         const std::vector<int32_t> &tokens) {
  auto compiled = compile(model, options).or_throw();
  auto session = compiled.session().or_throw();
  std::vector<uint32_t> rows(tokens.size());
  for (size_t i = 0; i < rows.size(); ++i)
    rows[i] = uint32_t(i);
  Logits logits = session.eval(tokens, rows).or_throw();
  std::vector<std::vector<float>> all;
  for (size_t i = 0; i < rows.size(); ++i)
    all.emplace_back(logits.row(i), logits.row(i) + logits.vocabulary);
  return all;
}

/// What the entry `hidden` gives, in a row; zeros behind it.
std::vector<std::vector<float>> hiddenOf(const std::string &model,
                                         const CompileOptions &options,
                                         const std::vector<int32_t> &tokens) {
  auto compiled = compile(model, options).or_throw();
  auto session = compiled.session().or_throw();
  std::vector<float> out(tokens.size() * 256);
  EXPECT_EQ(adze_embed(session.c(), tokens.data(), tokens.size(),
                       ADZE_POOLING_NONE, 0, out.data(), out.size()),
            ADZE_OK);
  return {out};
}

void expectNear(const std::vector<std::vector<float>> &got,
                const std::vector<std::vector<float>> &expected,
                double tolerance) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i].size(), expected[i].size());
    double difference = 0, largest = 0;
    for (size_t v = 0; v < got[i].size(); ++v) {
      difference = std::max(
          difference, std::fabs(double(got[i][v]) - double(expected[i][v])));
      largest = std::max(largest, std::fabs(double(expected[i][v])));
    }
    EXPECT_LE(difference, tolerance * largest) << "row " << i;
  }
}

size_t count(const std::string &text, const std::string &what) {
  size_t found = 0;
  for (size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + 1))
    ++found;
  return found;
}

struct Case {
  const char *model;
  /// Factors that are folded into columns: of how many weights of a layer.
  size_t columns;
};

class Scaling : public testing::TestWithParam<Case> {};

TEST_P(Scaling, ChangesNothingBeforeItIsRounded) {
  Folder folder;
  std::string model =
      std::string(ADZE_SOURCE_DIR "/test/numerics/references/hf/") +
      GetParam().model;
  CalibrateOptions calibration;
  calibration.ids = randomTokens(4 * 24, 10);
  calibration.sequences = 4;
  calibration.tokens = 24;
  calibration.gram = false;
  calibrate(model, "", folder.path + "/stats", calibration).or_throw();

  std::vector<int32_t> tokens = randomTokens(20, 10);
  CompileOptions options;
  options.kv = "f32";
  options.cache = false;
  options.weights = "f32";
  auto expected = logitsOf(model, options, tokens);

  for (const char *method : {"awq", "smoothquant"}) {
    SCOPED_TRACE(method);
    std::string path = folder.path + "/" + method + ".mlir";
    CompileOptions scaled = options;
    scaled.weights = "int8";
    scaled.calibration = folder.path + "/stats";
    scaled.method = method;
    emitModule(model, "after-compress", path, scaled).or_throw();
    std::string text = readFile(path);
    EXPECT_EQ(count(text, "adze.scale_columns"), GetParam().columns);
    // The same expressions, with a cast to f32 where there was one to int8.
    text = std::regex_replace(text, std::regex("#adze\\.int<[^>]*>"),
                              "#adze.float<f32>");
    std::ofstream(path) << text;
    CompileOptions plain = options;
    plain.weights.clear();
    // What stayed in bf16 may be multiplied by instructions that round x too.
    plain.activations = "f32";
    expectNear(logitsOf(path, plain, tokens), expected, 1e-5);
  }
}

class ScalingByRotation : public testing::TestWithParam<const char *> {};

TEST_P(ScalingByRotation, ChangesNothing) {
  std::string model =
      std::string(ADZE_SOURCE_DIR "/test/numerics/references/hf/") + GetParam();
  std::vector<int32_t> tokens = randomTokens(20, 10);
  CompileOptions options;
  options.kv = options.weights = "f32";
  options.cache = false;
  auto expected = logitsOf(model, options, tokens);
  auto hidden = hiddenOf(model, options, tokens);
  options.rotate = true;
  expectNear(logitsOf(model, options, tokens), expected, 2e-5);
  expectNear(hiddenOf(model, options, tokens), hidden, 2e-5);
}

INSTANTIATE_TEST_SUITE_P(Models, ScalingByRotation,
                         testing::Values("llama2-gqa8", "smollm",
                                         "llama2-head6-tied",
                                         "qwen2-head96-bf16", "phi3-bf16"),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

INSTANTIATE_TEST_SUITE_P(
    Models, Scaling,
    testing::Values( // Rows of less than 32 columns stay as they are; a head
                     // that is no embedding is scaled too.
        Case{"llama2-gqa8", 8}, Case{"qwen2-head96-bf16", 7},
        Case{"qwen3-head80", 7}, Case{"gemma3-bf16", 7}, Case{"phi3-bf16", 7},
        Case{"smollm", 6}),
    [](const auto &info) {
      std::string name = info.param.model;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

} // namespace
