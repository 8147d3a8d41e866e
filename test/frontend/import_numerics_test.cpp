// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The meaning of imported modules: the interpreter in float64 reproduces what
// transformers computed for every reference checkpoint, and the stored values
// of a trained model.

#include "../common/npy.h"
#include "ImportTesting.h"
#include "adze/Frontend/CheckpointSource.h"
#include "adze/Interpreter/Interpreter.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/FormatVariadic.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>

using namespace adze;
using namespace adze::test;

namespace {
/// An imported checkpoint and an interpreter of it, in exact arithmetic.
struct Model {
  explicit Model(const std::string &path) {
    auto opened = Checkpoint::open(path, diags);
    if (!opened) {
      error = failure(std::move(opened));
      return;
    }
    source.emplace(std::move(*opened));
    auto imported = importModel(context, source->checkpoint(), {}, diags);
    if (!imported) {
      error = failure(std::move(imported));
      return;
    }
    module = std::move(*imported);
    InterpreterOptions options;
    options.precision = InterpreterOptions::Precision::F64;
    options.roundCache = false;
    auto created = Interpreter::create(*module, *source, options);
    if (mlir::failed(created))
      error = "the interpreter does not take the module";
    else
      interpreter = std::move(*created);
  }

  /// Logits of all of `tokens`, or of those from `first` on when the ones
  /// before are in the cache.
  HostTensor run(llvm::ArrayRef<int32_t> tokens, int32_t first = 0,
                 llvm::StringRef entry = "step") {
    Batch batch;
    batch.add(/*sequence=*/0, first, tokens);
    auto result = interpreter->step(batch, entry);
    if (mlir::succeeded(result))
      return *result;
    ADD_FAILURE() << "the step failed";
    return HostTensor();
  }

  Diagnostics diags;
  mlir::MLIRContext context;
  std::optional<CheckpointSource> source;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::unique_ptr<Interpreter> interpreter;
  std::string error;
};

class ReferenceLogits : public testing::TestWithParam<Reference> {};
} // namespace

static std::vector<int32_t> integers(const NpyArray &array) {
  return {array.values.begin(), array.values.end()};
}

/// max|a-b| / max|b| of the worst row.
static double worstError(llvm::ArrayRef<double> a, const NpyArray &b) {
  double worst = 0;
  for (int64_t row = 0; row < b.rows(); ++row) {
    double difference = 0, scale = 0;
    for (int64_t i = row * b.columns(); i < (row + 1) * b.columns(); ++i) {
      // A NaN must not pass.
      double d = std::abs(a[i] - b.values[i]);
      difference = d <= difference ? difference : d;
      scale = std::max(scale, std::abs(b.values[i]));
    }
    if (!(difference / scale <= worst))
      worst = difference / scale;
  }
  return worst;
}

TEST_P(ReferenceLogits, AreThoseOfTransformers) {
  NpyArray tokens, expected;
  ASSERT_EQ(readNpy(GetParam().folder + "/tokens.npy", tokens), "");
  ASSERT_EQ(readNpy(GetParam().folder + "/expected_logits.npy", expected), "");
  Model model(GetParam().model);
  ASSERT_EQ(model.error, "");
  HostTensor logits = model.run(integers(tokens));
  ASSERT_EQ(logits.shape, (llvm::SmallVector<int64_t, 4>(
                              expected.shape.begin(), expected.shape.end())));
  double error = worstError(logits.floats, expected);
  EXPECT_LE(error, 1e-5);
  RecordProperty("error", llvm::formatv("{0:e2}", error).str());
}

INSTANTIATE_TEST_SUITE_P(Import, ReferenceLogits,
                         testing::ValuesIn(references()), [](const auto &info) {
                           return testName(info.param.name);
                         });

/// Blocks are read as they are: the reference has exactly the same weights.
INSTANTIATE_TEST_SUITE_P(Blocks, ReferenceLogits,
                         testing::ValuesIn(blockReferences()),
                         [](const auto &info) {
                           return testName(info.param.name);
                         });

/// A wrong epsilon passes every bound on references whose activations are far
/// above it. The quiet ones must feel that of each single norm.
class QuietReference : public testing::TestWithParam<const char *> {};

TEST_P(QuietReference, FeelsTheEpsilonOfEachNorm) {
  std::string folder = referencesRoot() + "/" + GetParam();
  NpyArray tokens, expected;
  ASSERT_EQ(readNpy(folder + "/tokens.npy", tokens), "");
  ASSERT_EQ(readNpy(folder + "/expected_logits.npy", expected), "");
  Model model(llvm::StringRef(GetParam()).starts_with("gguf/")
                  ? folder + "/model.gguf"
                  : folder);
  ASSERT_EQ(model.error, "");
  llvm::SmallVector<RmsNormOp> norms;
  model.module->walk([&](RmsNormOp op) {
    // The entry that is not run here.
    if (op->getParentOfType<mlir::func::FuncOp>().getName() != "hidden")
      norms.push_back(op);
  });
  // Two of a layer and the last one; of qwen3 also those of queries and keys.
  bool normsHeads = llvm::StringRef(GetParam()).contains("qwen3");
  ASSERT_EQ(norms.size(), normsHeads ? 5u : 3u);
  for (RmsNormOp norm : norms) {
    mlir::FloatAttr eps = norm.getEpsAttr();
    norm.setEpsAttr(
        mlir::FloatAttr::get(eps.getType(), 10 * eps.getValueAsDouble()));
    model.interpreter->reset();
    HostTensor logits = model.run(integers(tokens));
    ASSERT_EQ(logits.floats.size(), expected.values.size());
    // A hundred times what the compiled models may differ by.
    EXPECT_GT(worstError(logits.floats, expected), 1e-2)
        << norm.getWeight().str();
    norm.setEpsAttr(eps);
  }
  model.interpreter->reset();
  EXPECT_LE(worstError(model.run(integers(tokens)).floats, expected), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Import, QuietReference,
                         testing::Values("hf/llama-quiet", "hf/qwen3-quiet",
                                         "gguf/qwen3-quiet-f32"),
                         [](const auto &info) { return testName(info.param); });

/// So are the codes, scales and zero points of other quantizers.
INSTANTIATE_TEST_SUITE_P(Quantized, ReferenceLogits,
                         testing::ValuesIn(quantizedReferences()),
                         [](const auto &info) {
                           return testName(info.param.name);
                         });

/// The values that come with stories260k: logits of 200 ids, of which each is
/// the best continuation of those before.
static void checkStories(const std::string &path, const std::string &values) {
  NpyArray ids, expected;
  ASSERT_EQ(readNpy(values + "/expected_greedy_ids.npy", ids), "");
  ASSERT_EQ(readNpy(values + "/expected_logits_f64.npy", expected), "");
  std::vector<int32_t> tokens = integers(ids);
  Model model(path);
  ASSERT_EQ(model.error, "");
  HostTensor logits = model.run(tokens);
  ASSERT_EQ(logits.floats.size(), expected.values.size());
  double worst = 0;
  for (size_t i = 0; i < expected.values.size(); ++i) {
    double d = std::abs(logits.floats[i] - expected.values[i]);
    worst = d <= worst ? worst : d;
  }
  EXPECT_LE(worst, 1e-3);
  for (int64_t row = 0; row + 1 < expected.rows(); ++row) {
    auto begin = logits.floats.begin() + row * expected.columns();
    auto best = std::max_element(begin, begin + expected.columns());
    ASSERT_EQ(best - begin, tokens[row + 1]) << row;
  }
}

TEST(Stories260k, HasTheStoredLogits) {
  ADZE_NEED_DATA(path, "models/stories260k-hf");
  checkStories(path, path);
}

TEST(Stories260k, IsTheSameAsGguf) {
  ADZE_NEED_DATA(values, "models/stories260k-hf");
  ADZE_NEED_DATA(path, "models/stories260k-gguf/stories260K.gguf");
  checkStories(path, values);
}

/// A model with a window: the cache must hold what the mask needs.
TEST(ImportedModel, StepsAsItRuns) {
  Model model(referencesRoot() + "/hf/mistral-window");
  ASSERT_EQ(model.error, "");
  NpyArray tokens, expected;
  std::string folder = referencesRoot() + "/hf/mistral-window";
  ASSERT_EQ(readNpy(folder + "/tokens.npy", tokens), "");
  ASSERT_EQ(readNpy(folder + "/expected_logits.npy", expected), "");
  std::vector<int32_t> ids = integers(tokens);
  std::vector<double> logits;
  for (size_t first = 0; first < ids.size(); first += 7)
    llvm::append_range(
        logits, model.run(llvm::ArrayRef(ids).slice(first).take_front(7), first)
                    .floats);
  ASSERT_EQ(logits.size(), expected.values.size());
  EXPECT_LE(worstError(logits, expected), 1e-5);
}

TEST(ImportedModel, GivesHiddenStates) {
  Model model(referencesRoot() + "/hf/llama2-head6-tied");
  ASSERT_EQ(model.error, "");
  std::vector<int32_t> ids = {1, 3, 2};
  HostTensor hidden = model.run(ids, 0, "hidden");
  model.interpreter->reset();
  HostTensor logits = model.run(ids);

  // The tied head by hand.
  WeightOp table =
      *model.module->getOps<WeightOp>().begin(); // the embedding is the first
  ASSERT_EQ(table.getSymName(), "emb");
  int64_t vocab = table.getWeightType().getRows();
  int64_t width = table.getWeightType().getCols();
  ASSERT_EQ(hidden.shape, (llvm::SmallVector<int64_t, 4>{3, width}));
  auto evaluator = WeightEvaluator::create(*model.module, *model.source);
  ASSERT_TRUE(bool(evaluator)) << failure(std::move(evaluator));
  std::vector<float> rows(vocab * width);
  ASSERT_EQ(text((*evaluator)->readRows(table, 0, 0, vocab, rows.data())), "");
  for (int64_t t = 0; t < 3; ++t)
    for (int64_t v = 0; v < vocab; ++v) {
      double sum = 0;
      for (int64_t i = 0; i < width; ++i)
        sum += hidden.floats[t * width + i] * rows[v * width + i];
      EXPECT_NEAR(logits.floats[t * vocab + v], sum, 1e-9);
    }
}
