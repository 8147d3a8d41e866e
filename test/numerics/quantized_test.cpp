// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Integer weights in whole models: the model of stories and the one that ships,
// in each format with each kind of activations, on every variant that runs
// here.
//
// Integer dots are exact and blocks are added in one order, so variants agree
// bit for bit where keys and values are f32: compared with memcmp on logits and
// id by id on greedy text. Against the same model in floating point, logits
// differ by what rounding does (bounds below, of the largest logit).

#include "CompiledModel.h"
#include "TestCalibration.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <optional>

using namespace adze;
using namespace adze::test;
namespace fs = std::filesystem;

namespace {

struct Setting {
  const char *model, *weights, *activations;
  /// Root mean square of the change of a logit, of the spread of logits.
  double most;
};

std::string pathOf(const Setting &setting) {
  return std::string(setting.model) == "bard"
             ? std::string(ADZE_SOURCE_DIR) + "/examples/models/bard"
             : std::string(ADZE_TEST_DATA) + "/models/" + setting.model;
}

constexpr size_t kIds = 96;

/// Greedy, token by token, from the token 1.
std::vector<int32_t> greedy(adze_session *session) {
  EXPECT_EQ(adze_session_rewind(session, 0), ADZE_OK);
  std::vector<int32_t> made{1};
  uint32_t row = 0;
  size_t vocabulary = adze_session_vocabulary(session);
  while (made.size() < kIds) {
    const float *logits = nullptr;
    if (adze_eval(session, &made.back(), 1, &row, 1, &logits)) {
      ADD_FAILURE() << adze_last_error()->message;
      return {};
    }
    made.push_back(
        int32_t(std::max_element(logits, logits + vocabulary) - logits));
  }
  return made;
}

/// The root mean square of a - b, of that of b around its mean.
double distance(const std::vector<float> &a, const std::vector<float> &b) {
  double sum = 0, squares = 0, mean = 0;
  for (float y : b)
    mean += double(y) / double(b.size());
  for (size_t i = 0; i < b.size(); ++i) {
    sum += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
    squares += (b[i] - mean) * (b[i] - mean);
  }
  return std::sqrt(sum / squares);
}

class Quantized : public testing::TestWithParam<Setting> {};

TEST_P(Quantized, VariantsAgreeAndStayCloseToFloats) {
  std::string path = pathOf(GetParam());
  if (!fs::exists(path))
    GTEST_SKIP() << "needs " << path;
  CompileOptions options;
  options.kv = "f32";
  options.weights = GetParam().weights;
  options.activations = GetParam().activations;
  std::optional<TestCalibration> calibration;
  if (options.activations.find(":static") != std::string::npos) {
    // What a model says itself is what its activations are like.
    CompileOptions dynamic = options;
    dynamic.activations.clear();
    dynamic.target = "host";
    CompiledModel speaker(path, dynamic);
    ASSERT_EQ(speaker.error(), "");
    ModelHandle opened = openModel(speaker.path(), "");
    ASSERT_TRUE(opened);
    SessionHandle session = makeSession(opened.get(), 2);
    calibration.emplace(path, greedy(session.get()), uint32_t(kIds))
        .addTo(options);
  }
  CompiledModel compiled(path, options);
  ASSERT_EQ(compiled.error(), "");
  std::vector<std::string> variants = compiled.variants();
  ASSERT_FALSE(variants.empty());
  std::vector<int32_t> ids;
  std::vector<float> logits;
  for (const std::string &variant : variants) {
    ModelHandle opened = openModel(compiled.path(), variant);
    ASSERT_TRUE(opened);
    for (uint32_t threads : {1u, 2u}) {
      SessionHandle session = makeSession(opened.get(), threads);
      std::vector<int32_t> made = greedy(session.get());
      ASSERT_EQ(made.size(), kIds);
      if (ids.empty())
        ids = made;
      EXPECT_EQ(made, ids) << variant << ", " << threads << " threads";
      // The same positions at once.
      ASSERT_EQ(adze_session_rewind(session.get(), 0), ADZE_OK);
      std::vector<float> got = evaluate(session.get(), ids);
      if (logits.empty())
        logits = got;
      ASSERT_EQ(got.size(), logits.size());
      EXPECT_EQ(
          std::memcmp(got.data(), logits.data(), got.size() * sizeof(float)), 0)
          << variant << ", " << threads << " threads";
    }
  }

  CompileOptions plain;
  plain.kv = plain.weights = "f32";
  plain.target = "host";
  CompiledModel floats(path, plain);
  ASSERT_EQ(floats.error(), "");
  ModelHandle opened = openModel(floats.path(), "");
  SessionHandle session = makeSession(opened.get(), 2);
  double found = distance(logits, evaluate(session.get(), ids));
  EXPECT_LE(found, GetParam().most);
  EXPECT_GT(found, 1e-4); // codes were multiplied
}

INSTANTIATE_TEST_SUITE_P(
    Models, Quantized,
    testing::Values(Setting{"stories260k-hf", "int8", "int8:g128", 0.05},
                    Setting{"stories260k-hf", "int8", "int8:token", 0.05},
                    Setting{"stories260k-hf", "int4:g32", "int8:g32", 0.3},
                    Setting{"stories260k-hf", "int4:g32", "f32", 0.3},
                    Setting{"stories260k-hf", "int3:g32", "int8:g32", 0.7},
                    Setting{"stories260k-hf", "int8", "int8:g32:static", 0.1},
                    Setting{"stories260k-hf", "int8", "int8:token:static", 0.1},
                    Setting{"bard", "int8", "int8:g128:static", 0.1},
                    Setting{"bard", "int8", "int8:g128", 0.05},
                    Setting{"bard", "int4:g32", "int8:g32", 0.3},
                    Setting{"bard", "int4:g128", "int8:token", 0.3},
                    Setting{"bard", "int8", "f32", 0.05}),
    [](const auto &info) {
      std::string name = std::string(info.param.model) + "_" +
                         info.param.weights + "_" + info.param.activations;
      for (char &c : name)
        if (!std::isalnum(static_cast<unsigned char>(c)))
          c = '_';
      return name;
    });

} // namespace
