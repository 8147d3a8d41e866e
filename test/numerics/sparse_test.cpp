// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Whole models whose weights have zeros, in blocks or not: the model that
// ships, with blocks or elements taken out, in each kind of format, on every
// variant that runs here.
//
// Kernels that leave blocks of zeros out add the same numbers in the same order
// as those that multiply them: compared bit by bit with the model compiled
// without adze-choose-sparse. Codes with zero points are added in shorter
// blocks: near, and the same bits on all variants, for any number of rows and
// threads. And the interpreter, which knows of no blocks, agrees.

#include "../common/ZeroBlocks.h"
#include "CompiledModel.h"
#include "ModelCompiler.h"
#include "adze/Codegen/TargetVariants.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <unistd.h>
#include <utility>

using namespace adze;
using namespace adze::test;
namespace fs = std::filesystem;

namespace {

/// The model that ships without half of its blocks.
class SparseModel {
public:
  SparseModel() {
    folder = fs::temp_directory_path() /
             ("adze-sparse-" + std::to_string(::getpid()));
    fs::remove_all(folder);
    fs::copy(fs::path(ADZE_SOURCE_DIR) / "examples/models/bard", folder);
    EXPECT_GT(zeroBlocks(folder, 0.5), 100);
  }
  ~SparseModel() { fs::remove_all(folder); }
  std::string path() const { return folder.string(); }
  /// Kernel rates by which blocks are the fastest, whatever this machine has.
  std::string rates() const {
    fs::path file = folder / "rates.json";
    std::ofstream out(file);
    out << R"({"tables": [{"machine": "none", "rows": [1], "targets": [)";
    const char *next = "";
    for (const TargetVariant &variant : x86Variants())
      out << std::exchange(next, ", ") << '"' << variant.name.str() << '"';
    out << R"(], "times": {)";
    next = "";
    for (const char *format : {"int8", "int4", "bf16", "f16", "f32"})
      out << std::exchange(next, ", ") << '"' << format
          << R"(": {"blocks": {"1": [0.5]}})";
    out << "}}]}";
    return file.string();
  }

private:
  fs::path folder;
};

struct Setting {
  const char *weights, *activations, *kv;
  /// How far logits may be from the dense kernels' and the interpreter's, of
  /// the largest; 0: no bit.
  float nearDense, nearInterpreter;
};

std::vector<int32_t> someTokens() {
  std::vector<int32_t> tokens;
  for (int i = 0; i < 90; ++i)
    tokens.push_back(2 + i * 37 % 1000);
  return tokens;
}

/// One token after the other.
std::vector<float> stepByStep(adze_session *session,
                              const std::vector<int32_t> &tokens) {
  EXPECT_EQ(adze_session_rewind(session, 0), ADZE_OK);
  std::vector<float> all;
  uint32_t row = 0;
  for (int32_t token : tokens) {
    const float *logits = nullptr;
    if (adze_eval(session, &token, 1, &row, 1, &logits)) {
      ADD_FAILURE() << adze_last_error()->message;
      return {};
    }
    all.insert(all.end(), logits, logits + adze_session_vocabulary(session));
  }
  return all;
}

/// The largest difference, of the largest number.
template <typename T>
float distance(const std::vector<float> &a, const std::vector<T> &b) {
  if (a.size() != b.size())
    return INFINITY;
  double most = 0, scale = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, std::fabs(double(a[i]) - double(b[i])));
    scale = std::max(scale, std::fabs(double(b[i])));
  }
  return float(most / scale);
}

/// Weights of the layers that linears read, and how many of them are sparse.
std::pair<int, int> countSparse(mlir::ModuleOp module) {
  int all = 0, sparse = 0;
  module.walk([&](LinearOp linear) {
    WeightOp weight = lookupWeight(linear, linear.getWeightAttr());
    if (!weight.isPerLayer())
      return;
    ++all;
    sparse += mlir::isa<BlocksFormatAttr>(
        mlir::Attribute(weight.getWeightType().getFormat()));
  });
  return {all, sparse};
}

class SparseModels : public testing::TestWithParam<Setting> {
protected:
  CompileOptions options() {
    CompileOptions made;
    made.weights = GetParam().weights;
    made.activations = GetParam().activations;
    made.kv = GetParam().kv;
    return made;
  }
};

TEST_P(SparseModels, EqualDenseOnes) {
  SparseModel model;
  CompileOptions without = options();
  without.disable = {"adze-choose-sparse"};
  CompiledModel sparse(model.path(), options()), dense(model.path(), without);
  ASSERT_EQ(sparse.error(), "");
  ASSERT_EQ(dense.error(), "");
  std::vector<int32_t> tokens = someTokens();
  std::vector<float> first;
  for (const std::string &variant : sparse.variants()) {
    SCOPED_TRACE(variant);
    ModelHandle opened = openModel(sparse.path(), variant),
                other = openModel(dense.path(), variant);
    ASSERT_TRUE(opened && other);
    SessionHandle of = makeSession(other.get(), 1);
    std::vector<float> expected = evaluate(of.get(), tokens);
    for (uint32_t threads : {1u, 2u, 3u}) {
      SessionHandle session = makeSession(opened.get(), threads);
      std::vector<float> logits = evaluate(session.get(), tokens);
      if (GetParam().nearDense == 0)
        EXPECT_EQ(logits, expected) << threads << " threads";
      else
        EXPECT_LT(distance(logits, expected), GetParam().nearDense);
      EXPECT_EQ(stepByStep(session.get(), tokens), logits);
      // Codes have the same bits everywhere; dense ones are compared elsewhere.
      if (GetParam().nearDense == 0)
        continue;
      if (first.empty())
        first = logits;
      EXPECT_EQ(logits, first);
    }
  }
}

TEST_P(SparseModels, AgreeWithTheInterpreter) {
  SparseModel model;
  CompileOptions host = options();
  host.target = "host";
  host.kernelRates = model.rates();
  ModelCompiler compiler(host);
  llvm::Error error = compiler.load(model.path());
  ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
  error = compiler.optimize();
  ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
  auto [all, sparse] = countSparse(compiler.module());
  EXPECT_EQ(all, 4); // qkv, o, gate with up, down
  EXPECT_EQ(sparse, all);
  std::vector<int32_t> tokens = someTokens();
  tokens.resize(20);
  auto expected = compiler.interpret(tokens);
  ASSERT_TRUE(bool(expected)) << llvm::toString(expected.takeError());
  CompiledModel compiled(model.path(), host);
  ASSERT_EQ(compiled.error(), "");
  ModelHandle opened = openModel(compiled.path(), "");
  ASSERT_TRUE(opened);
  SessionHandle session = makeSession(opened.get(), 2);
  EXPECT_LT(distance(evaluate(session.get(), tokens), *expected),
            GetParam().nearInterpreter);
}

/// Weights of layers that an artefact stores in formats that begin so.
int countStored(const std::string &path, const std::string &format) {
  ModelHandle model = openModel(path, "");
  int count = 0;
  for (size_t i = 0; model && i < adze_model_weight_count(model.get()); ++i) {
    adze_weight_info weight = {};
    weight.size = sizeof weight;
    EXPECT_EQ(adze_model_weight(model.get(), i, &weight), ADZE_OK);
    count += llvm::StringRef(weight.format).starts_with(format) &&
             weight.layer != ~0u;
  }
  return count;
}

/// Zeros that are not in blocks, left out of what linears read on any variant.
TEST(MaskedModels, EqualDenseOnes) {
  struct {
    const char *weights, *activations, *prune, *stored;
  } settings[] = {{"int8", "int8:g128", "2:4", "int8+nm/"},
                  {"int8", "f32", "0.5", "int8+mask/"},
                  {"int4:g32", "int8:g128", "0.6", "int4:g32+mask/"},
                  {"int4:g128", "int8:g128", "2:8", "int4:g128+"},
                  {"bf16", "", "2:4", "bf16+nm/"},
                  {"f16", "", "0.5", "f16+mask/"}};
  constexpr int kLayers = 5; // of qkv, o, gate with up, down
  const std::string bard =
      (fs::path(ADZE_SOURCE_DIR) / "examples/models/bard").string();
  for (const auto &setting : settings) {
    SCOPED_TRACE(testing::Message()
                 << setting.weights << " x " << setting.activations
                 << " pruned " << setting.prune);
    CompileOptions options;
    options.weights = setting.weights;
    options.activations = setting.activations;
    options.prune = setting.prune;
    options.kv = "f32";
    CompileOptions without = options;
    without.disable = {"adze-choose-sparse"};
    options.insert = {"before-codegen:adze-choose-sparse"};
    CompiledModel masked(bard, options), dense(bard, without);
    ASSERT_EQ(masked.error(), "");
    ASSERT_EQ(dense.error(), "");
    EXPECT_EQ(countStored(masked.path(), setting.stored), 4 * kLayers);
    EXPECT_EQ(countStored(dense.path(), setting.stored), 0);
    std::vector<int32_t> tokens = someTokens();
    for (const std::string &variant : masked.variants()) {
      SCOPED_TRACE(variant);
      ModelHandle opened = openModel(masked.path(), variant),
                  other = openModel(dense.path(), variant);
      ASSERT_TRUE(opened && other);
      SessionHandle of = makeSession(other.get(), 1);
      SessionHandle session = makeSession(opened.get(), 2);
      std::vector<float> logits = evaluate(session.get(), tokens);
      EXPECT_EQ(logits, evaluate(of.get(), tokens));
      EXPECT_EQ(stepByStep(session.get(), tokens), logits);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Bard, SparseModels,
    testing::Values(Setting{"f32", "f32", "f32", 0, 1e-4f},
                    Setting{"bf16", "f32", "f32", 0, 1e-4f},
                    Setting{"f16", "f32", "f32", 0, 1e-4f},
                    Setting{"bf16", "", "bf16", 0, 5e-2f},
                    Setting{"int8", "f32", "f32", 0, 1e-4f},
                    Setting{"int4:g32:f16:zp", "f32", "f32", 0, 1e-4f},
                    Setting{"int8", "int8:g128", "f32", 0, 2e-2f},
                    Setting{"int8", "int8:token", "f32", 0, 2e-2f},
                    Setting{"int4:g128", "int8:g128", "f32", 0, 2e-2f},
                    Setting{"int4:g32", "int8:g32", "f32", 0, 2e-2f},
                    Setting{"int4:g64:f16:zp", "int8:g128", "f32", 2e-2f,
                            2e-2f}),
    [](const auto &info) {
      std::string name = std::string(info.param.weights) + "_" +
                         info.param.activations + "_" + info.param.kv;
      for (char &c : name)
        if (!std::isalnum(static_cast<unsigned char>(c)))
          c = '_';
      return name;
    });

} // namespace
