// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What passes that compute weights say of how far they are, and that they stop
// where somebody wants no more.

#include "adze/Calibrate.h"
#include "adze/Compiler.h"

#include "llvm/ADT/STLExtras.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>
#include <unistd.h>

using namespace adze;

namespace {

const char *const kModel = ADZE_SOURCE_DIR "/examples/models/bard";

class Progress : public testing::Test {
protected:
  Progress() : path("/tmp/adze-progress-" + std::to_string(getpid())) {
    std::filesystem::remove_all(path);
    CalibrateOptions calibration;
    std::mt19937 random(7);
    calibration.ids.resize(4 * 24);
    for (int32_t &id : calibration.ids)
      id = int32_t(random() % 1000);
    calibration.sequences = 4;
    calibration.tokens = 24;
    calibrate(kModel, "", path + "/stats", calibration).or_throw();
    options.calibration = path + "/stats";
    options.target = "host";
    options.cache = false;
  }
  ~Progress() override { std::filesystem::remove_all(path); }

  /// Compiles and checks that stages begin with nothing, never go back and end.
  void expectStages(const std::vector<std::string> &stages) {
    std::map<std::string, std::pair<uint64_t, uint64_t>> seen;
    std::map<std::string, int> calls;
    options.progress = [&](const char *stage, uint64_t done, uint64_t total) {
      if (!llvm::is_contained(stages, stage))
        return false;
      auto [it, isNew] = seen.insert({stage, {done, total}});
      if (isNew) {
        EXPECT_EQ(done, 0u) << stage;
      }
      EXPECT_LE(it->second.first, done) << stage;
      EXPECT_LE(done, total) << stage;
      it->second = {done, total};
      ++calls[stage];
      return false;
    };
    compileToFile(kModel, path + "/m.adze.so", options).or_throw();
    for (const std::string &stage : stages) {
      ASSERT_TRUE(seen.contains(stage)) << stage;
      EXPECT_EQ(seen[stage].first, seen[stage].second) << stage;
      // Of each layer, and more than once.
      EXPECT_GT(calls[stage], 5) << stage;
    }
  }

  std::string path;
  CompileOptions options;
};

std::string readFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST_F(Progress, IsOfEachPassThatWorksForLong) {
  options.weights = "int4:g32";
  for (const char *method : {"gptq", "search", "awq", "smoothquant"}) {
    SCOPED_TRACE(method);
    options.method = method;
    bool scales = options.method == "awq" || options.method == "smoothquant";
    expectStages({scales ? "scale" : "round"});
  }
  options.method.clear();
  options.weights.clear();
  options.prune = "0.5";
  for (const char *method : {"magnitude", "wanda", "sparsegpt"}) {
    SCOPED_TRACE(method);
    options.pruneMethod = method;
    expectStages({"prune"});
  }
  options.prune.clear();
  options.pruneMethod.clear();
  options.weights = "mixed:5bpw";
  expectStages({"choose", "round"});
}

TEST_F(Progress, ChangesNothing) {
  options.weights = "int4:g32";
  options.method = "awq+gptq";
  expectStages({"scale", "round"});
  std::string heard = readFile(path + "/m.adze.so");
  options.progress = nullptr;
  compileToFile(kModel, path + "/m.adze.so", options).or_throw();
  EXPECT_EQ(heard, readFile(path + "/m.adze.so"));
}

TEST_F(Progress, StopsAPass) {
  options.weights = "int4:g32";
  options.method = "awq+gptq";
  for (const char *stage : {"scale", "round"})
    // The last word stops it too: nothing behind it runs.
    for (uint64_t from : {0, 500, 1000}) {
      SCOPED_TRACE(stage);
      std::string last;
      options.progress = [&](const char *name, uint64_t done, uint64_t) {
        last = name;
        return std::string(name) == stage && done >= from;
      };
      auto made = compileToFile(kModel, path + "/x.adze.so", options);
      ASSERT_FALSE(made);
      EXPECT_EQ(made.error().code, ADZE_CANCELLED) << made.error().text();
      EXPECT_EQ(made.error().message, "stopped");
      EXPECT_EQ(last, stage);
      EXPECT_FALSE(std::filesystem::exists(path + "/x.adze.so"));
    }
}

} // namespace
