// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Calibration: sums against naive loops in double, statistics of whole models
// against what the interpreter's taps show, in exact arithmetic.

#include "CalibrationText.h"
#include "InputSums.h"
#include "ModelCompiler.h"
#include "adze/Calibrate.h"
#include "adze/Interpreter/Interpreter.h"
#include "adze/Weights/Statistics.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ThreadPool.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <unistd.h>

using namespace adze;

namespace {

//===-- sums --------------------------------------------------------------===//

std::vector<float> randomRows(int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> rows(static_cast<size_t>(count));
  for (float &value : rows)
    value = normal(random);
  return rows;
}

TEST(InputSums, AreThoseOfNaiveLoops) {
  llvm::DefaultThreadPool one(llvm::hardware_concurrency(1));
  llvm::DefaultThreadPool three(llvm::optimal_concurrency(3));
  for (int64_t k : {1, 7, 16, 17, 48, 49, 100, 1100}) {
    InputSums sums(k, true), again(k, true);
    std::vector<double> gram(size_t(k * k)), magnitudes(size_t(k), 0.0),
        largest(size_t(k), 0.0);
    int64_t count = 0;
    for (int64_t rows : {1, 5, 64}) {
      std::vector<float> x = randomRows(rows * k, unsigned(k + rows));
      sums.add(x.data(), rows, one);
      again.add(x.data(), rows, three);
      count += rows;
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t i = 0; i < k; ++i) {
          double value = x[size_t(r * k + i)];
          magnitudes[size_t(i)] += std::fabs(value);
          largest[size_t(i)] = std::max(largest[size_t(i)], std::fabs(value));
          for (int64_t j = 0; j < k; ++j)
            gram[size_t(i * k + j)] += value * double(x[size_t(r * k + j)]);
        }
    }
    EXPECT_EQ(sums.count(), count);
    std::vector<float> made = sums.gram();
    EXPECT_EQ(made, again.gram()) << "the bits depend on the threads";
    EXPECT_EQ(sums.absSum(), again.absSum());
    double worst = 0;
    for (int64_t i = 0; i < k; ++i) {
      size_t diagonal = size_t(i * k + i);
      EXPECT_EQ(made[diagonal], sums.sumSquares()[size_t(i)]);
      EXPECT_EQ(sums.absMax()[size_t(i)], float(largest[size_t(i)]));
      EXPECT_FLOAT_EQ(sums.absSum()[size_t(i)], float(magnitudes[size_t(i)]));
      for (int64_t j = 0; j < k; ++j) {
        size_t at = size_t(i * k + j);
        EXPECT_EQ(made[at], made[size_t(j * k + i)]);
        double scale = std::sqrt(gram[diagonal] * gram[size_t(j * k + j)]);
        worst = std::max(worst, std::fabs(double(made[at]) - gram[at]) / scale);
      }
    }
    EXPECT_LT(worst, 1e-6) << "columns " << k;
  }
}

TEST(InputSums, SayWhatIsNotFinite) {
  llvm::DefaultThreadPool pool(llvm::hardware_concurrency(1));
  for (float bad : {INFINITY, -INFINITY, NAN}) {
    InputSums sums(20, false);
    std::vector<float> x(40, 1.0f);
    sums.add(x.data(), 2, pool);
    EXPECT_TRUE(sums.isFinite());
    x[23] = bad;
    sums.add(x.data(), 2, pool);
    EXPECT_FALSE(sums.isFinite());
  }
}

//===-- whole models ------------------------------------------------------===//

std::string readFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// A folder that is removed with this object.
struct Folder {
  explicit Folder(const char *name)
      : path("/tmp/adze-calibrate-" + std::to_string(getpid()) + "-" + name) {
    std::filesystem::remove_all(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

/// What the linears of a model read, summed in double.
struct Expected {
  int64_t columns = 0, count = 0;
  std::vector<double> gram, magnitudes, largest;

  void add(const HostTensor &x) {
    columns = x.shape[1];
    gram.resize(size_t(columns * columns));
    magnitudes.resize(size_t(columns));
    largest.resize(size_t(columns));
    count += x.shape[0];
    for (int64_t r = 0; r < x.shape[0]; ++r) {
      const double *row = x.floats.data() + r * columns;
      for (int64_t i = 0; i < columns; ++i) {
        magnitudes[size_t(i)] += std::fabs(row[i]);
        largest[size_t(i)] = std::max(largest[size_t(i)], std::fabs(row[i]));
        for (int64_t j = 0; j < columns; ++j)
          gram[size_t(i * columns + j)] += row[i] * row[j];
      }
    }
  }
};

/// Runs the sequences through the interpreter. Taps of layers have `{}` in
/// their name and come once for each layer, in order.
std::map<std::string, Expected>
interpret(ModelCompiler &compiler,
          const std::vector<std::vector<int32_t>> &sequences) {
  std::map<std::string, Expected> expected;
  std::map<std::string, int> calls;
  InterpreterOptions options;
  options.tap = [&](llvm::StringRef name, const HostTensor &value) {
    std::string full = name.str();
    int call = calls[full]++;
    if (size_t at = full.find("{}"); at != std::string::npos)
      full.replace(at, 2, std::to_string(call));
    expected[full].add(value);
  };
  auto interpreter =
      Interpreter::create(compiler.module(), *compiler.weights(), options);
  if (failed(interpreter)) {
    ADD_FAILURE() << "the interpreter does not take the module";
    return {};
  }
  for (size_t i = 0; i < sequences.size(); ++i) {
    calls.clear();
    Batch batch;
    batch.add(int32_t(i), 0, sequences[i], /*allRows=*/false);
    EXPECT_TRUE(succeeded((*interpreter)->step(batch)));
    (*interpreter)->release(int32_t(i));
  }
  return expected;
}

/// max |a - b| / max |b|.
double difference(llvm::ArrayRef<float> found,
                  const std::vector<double> &expected) {
  EXPECT_EQ(found.size(), expected.size());
  if (found.size() != expected.size())
    return INFINITY;
  double worst = 0, largest = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    worst = std::max(worst, std::fabs(double(found[i]) - expected[i]));
    largest = std::max(largest, std::fabs(expected[i]));
  }
  return worst / largest;
}

struct Case {
  std::string name, model;
  std::string kv;
  double tolerance;
  bool hasText = true; ///< else ids made up
};

std::string modelPath(const Case &c) {
  if (c.model == "bard")
    return ADZE_SOURCE_DIR "/examples/models/bard";
  return c.hasText ? ADZE_TEST_DATA "/models/" + c.model : c.model;
}

std::string calibrationText() {
  return readFile(ADZE_TEST_DATA "/text/wikitext2-valid.txt").substr(0, 20000);
}

class Calibrate : public testing::Test {
protected:
  void check(const Case &c) {
    std::string model = modelPath(c), text = calibrationText();
    if (!std::filesystem::exists(model) || (c.hasText && text.empty()))
      GTEST_SKIP() << model << " or the text is not there";
    CompileOptions import;
    import.kv = c.kv;
    ModelCompiler compiler(import);
    ASSERT_FALSE(bool(compiler.load(model)));
    ASSERT_FALSE(
        bool(compiler.runPasses(compiler.module(), "adze-insert-observers")));

    CalibrateOptions options;
    options.sequences = 3;
    options.tokens = 70; // more than one page of keys and values
    options.kv = c.kv;
    options.threads = 2;
    CalibrationTokens tokens;
    if (c.hasText) {
      auto made = tokenizeText(compiler.textTable(), text);
      ASSERT_TRUE(bool(made)) << llvm::toString(made.takeError());
      tokens = *made;
    } else {
      std::mt19937 random(1);
      for (int i = 0; i < 250; ++i)
        tokens.ids.push_back(int32_t(random() % 8)); // all have them
      options.ids = tokens.ids;
    }
    auto sequences = cutSequences(tokens, 3, 70);
    ASSERT_TRUE(bool(sequences));
    Folder two("two"), one("one");
    auto made = calibrate(model, text, two.path, options);
    ASSERT_TRUE(made) << made.error().text();

    auto expected = interpret(compiler, *sequences);
    compare(two.path, expected, c.tolerance);
    EXPECT_EQ(made->inputs, expected.size());

    // The same bytes from one thread.
    if (!c.hasText)
      return;
    options.threads = 1;
    made = calibrate(model, text, one.path, options);
    ASSERT_TRUE(made) << made.error().text();
    size_t files = 0;
    for (const auto &entry : std::filesystem::directory_iterator(two.path)) {
      std::string other = one.path + "/" + entry.path().filename().string();
      EXPECT_EQ(readFile(entry.path()), readFile(other)) << other;
      ++files;
    }
    EXPECT_GE(files, 3u); // two layers or more, and the table
  }

  void compare(const std::string &folder,
               const std::map<std::string, Expected> &expected,
               double tolerance) {
    auto statistics = Statistics::open(folder);
    ASSERT_TRUE(bool(statistics)) << llvm::toString(statistics.takeError());
    EXPECT_EQ((*statistics)->inputs().size(), expected.size());
    for (const auto &[name, input] : expected) {
      auto found = (*statistics)->of(name);
      ASSERT_TRUE(bool(found)) << llvm::toString(found.takeError());
      EXPECT_EQ(found->count, input.count) << name;
      std::vector<double> squares;
      for (int64_t i = 0; i < input.columns; ++i)
        squares.push_back(input.gram[size_t(i * input.columns + i)]);
      EXPECT_LT(difference(found->gram, input.gram), tolerance) << name;
      EXPECT_LT(difference(found->sumSquares, squares), tolerance) << name;
      EXPECT_LT(difference(found->absSum, input.magnitudes), tolerance) << name;
      EXPECT_LT(difference(found->absMax, input.largest), tolerance) << name;
    }
  }
};

TEST_F(Calibrate, StoriesIsWhatTheInterpreterSees) {
  check({"stories", "stories260k-hf", "", 1e-4});
}
TEST_F(Calibrate, StoriesFromGgufIsWhatTheInterpreterSees) {
  check({"gguf", "stories260k-gguf/stories260K.gguf", "", 1e-4});
}
TEST_F(Calibrate, BardIsWhatTheInterpreterSees) {
  check({"bard", "bard", "f32", 1e-4});
}

/// Small random models of every architecture, container and stored format.
class CalibrateReferences : public Calibrate,
                            public testing::WithParamInterface<std::string> {};

std::vector<std::string> referenceModels() {
  std::vector<std::string> models;
  for (const char *kind : {"hf", "gguf", "quantized", "blocks"}) {
    std::filesystem::path folder =
        std::filesystem::path(ADZE_SOURCE_DIR "/test/numerics/references") /
        kind;
    for (const auto &entry : std::filesystem::directory_iterator(folder)) {
      auto file = entry.path() / "model.gguf";
      models.push_back(std::filesystem::exists(file) ? file.string()
                                                     : entry.path().string());
    }
  }
  std::sort(models.begin(), models.end());
  return models;
}

TEST_P(CalibrateReferences, AreWhatTheInterpreterSees) {
  check({"reference", GetParam(), "f32", 1e-4, /*hasText=*/false});
}
INSTANTIATE_TEST_SUITE_P(All, CalibrateReferences,
                         testing::ValuesIn(referenceModels()),
                         [](const auto &info) {
                           std::string name = info.param.substr(
                               info.param.rfind("references/") + 11);
                           for (char &c : name)
                             c = std::isalnum(c) ? c : '_';
                           return name;
                         });

TEST_F(Calibrate, RefusesWhatItCannotRun) {
  Folder folder("refused");
  std::string model = modelPath({"", "bard", "", 0});
  CalibrateOptions options;
  options.tokens = 16;
  options.sequences = 4;
  auto message = [&](const std::string &text) {
    auto made = calibrate(model, text, folder.path, options);
    return made ? std::string("it did") : made.error().message;
  };
  EXPECT_NE(message("").find("it has 0 tokens, and 4 sequences of 16 need"),
            std::string::npos)
      << message("");
  EXPECT_NE(message("To be").find("the calibration text is too short"),
            std::string::npos);
  EXPECT_NE(message("\xff\xfe").find("UTF-8"), std::string::npos);
  options.tokens = 1;
  EXPECT_NE(
      message("To be").find("at least 1 sequence of 2 tokens, got 4 of 1"),
      std::string::npos);
  options.tokens = 16;
  options.ids.assign(100, 1024);
  EXPECT_EQ(message("To be"),
            "token 1024 is not in the model's vocabulary of 1024");
  options.ids.clear();
  options.tokens = 1 << 19;
  EXPECT_NE(message("To be").find("do not fit the model's context of"),
            std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder.path));
}

TEST_F(Calibrate, StopsAndGoesOn) {
  std::string model = modelPath({"", "bard", "", 0});
  std::string text;
  for (int i = 0; i < 200; ++i)
    text += "Speak the speech, I pray you, as I pronounced it to you. ";
  CalibrateOptions options;
  options.tokens = 32;
  options.sequences = 5;
  options.gram = false;
  Folder folder("stopped"), whole("whole");
  auto made = calibrate(model, text, whole.path, options);
  ASSERT_TRUE(made) << made.error().text();
  uint32_t parts = made->parts;

  // In the middle of the third part.
  options.progress = [](const char *, uint64_t done, uint64_t) {
    return done == 13;
  };
  made = calibrate(model, text, folder.path, options);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ADZE_CANCELLED) << made.error().text();
  options.progress = nullptr;
  // Not with another text.
  made = calibrate(model, text + "!", folder.path, options);
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("expected statistics of"),
            std::string::npos)
      << made.error().text();

  made = calibrate(model, text, folder.path, options);
  ASSERT_TRUE(made) << made.error().text();
  EXPECT_EQ(made->resumed, 2u);
  size_t files = 0;
  for (const auto &entry : std::filesystem::directory_iterator(whole.path)) {
    std::string other = folder.path + "/" + entry.path().filename().string();
    EXPECT_EQ(readFile(entry.path()), readFile(other)) << other;
    ++files;
  }
  EXPECT_EQ(files, parts); // data of all but the embedding, and the table

  // Once more: there already. Another model's: refused.
  made = calibrate(model, text, folder.path, options);
  ASSERT_TRUE(made) << made.error().text();
  EXPECT_EQ(made->resumed, parts);
  options.gram = true;
  made = calibrate(model, text, folder.path, options);
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("without Gram matrices"),
            std::string::npos)
      << made.error().text();
}

} // namespace
