// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A barrier that is missing in a schedule is caught: the bits of a step change
// as soon as one thread is late. Each barrier of a step in turn is passed by,
// as if it were not in the code, and one thread is held up for a moment before
// and behind that place. With all barriers the same delays change nothing.
//
// The first barrier is left out: what it waits for begins with the step, where
// nothing can be held up. So is, with several rows, the last but one, between
// adze.take_rows and the norm: both cut the rows alike, and a thread reads only
// what it has written itself.

#include "CompiledModel.h"
#include "PlantedBarrier.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <thread>

using namespace adze;
using namespace adze::test;

namespace {

constexpr uint32_t kThreads = 2;

/// What the barriers of a step do. Threads write counters of their own; the
/// rest does not change while a step runs.
struct Plant {
  int64_t place = -1;     ///< of a barrier; -1: none
  bool isMissing = false; ///< it is passed by
  uint32_t late = 0;      ///< the thread that is held up before and behind it
  std::chrono::milliseconds delay{2};
  int64_t passed[kThreads] = {};
};

Plant plant; // the runtime hands nothing of ours to a barrier

void plantedBarrier(adze_frame *frame, uint32_t tid) {
  int64_t number = plant.passed[tid]++;
  if (number != plant.place || !plant.isMissing)
    real_barrier(frame, tid);
  bool isNear = number == plant.place || number == plant.place - 1;
  if (tid == plant.late && isNear)
    std::this_thread::sleep_for(plant.delay);
}

struct Setting {
  const char *name, *weights;
  uint32_t rows; ///< of a step: threads share less of those of one row
};

class Barriers : public testing::TestWithParam<Setting> {
protected:
  void SetUp() override {
    CompileOptions options;
    options.target = "host";
    options.weights = GetParam().weights;
    options.kv = "f32";
    compiled = std::make_unique<CompiledModel>(
        std::string(ADZE_SOURCE_DIR) +
            "/test/numerics/references/hf/llama2-gqa8",
        options);
    ASSERT_EQ(compiled->error(), "");
    model = openModel(compiled->path(), "");
    ASSERT_TRUE(model);
    session = makeSession(model.get(), kThreads, 1, 16, 64);
    ASSERT_TRUE(session);
    for (int32_t i = 0; i < 24; ++i)
      tokens.push_back(i * 7 % 10);
  }

  /// The logits of the step behind another one, whose values lie in the arena.
  std::vector<float> step(int64_t place, uint32_t late, bool isMissing,
                          int milliseconds = 2) {
    plant_barrier(session.get(), real_barrier);
    EXPECT_EQ(adze_session_rewind(session.get(), 0), ADZE_OK);
    evaluate(session.get(), {tokens.begin(), tokens.begin() + 9});
    plant = {place, isMissing, late, std::chrono::milliseconds(milliseconds)};
    plant_barrier(session.get(), plantedBarrier);
    return evaluate(session.get(),
                    {tokens.begin() + 9, tokens.begin() + 9 + GetParam().rows});
  }

  std::unique_ptr<CompiledModel> compiled;
  ModelHandle model;
  SessionHandle session;
  std::vector<int32_t> tokens;
};

bool equal(const std::vector<float> &a, const std::vector<float> &b) {
  return a.size() == b.size() &&
         !std::memcmp(a.data(), b.data(), a.size() * sizeof(float));
}

TEST_P(Barriers, OneThatIsMissingIsCaught) {
  SessionHandle alone = makeSession(model.get(), 1, 1, 16, 64);
  ASSERT_TRUE(alone);
  evaluate(alone.get(), {tokens.begin(), tokens.begin() + 9});
  std::vector<float> expected = evaluate(
      alone.get(), {tokens.begin() + 9, tokens.begin() + 9 + GetParam().rows});
  ASSERT_FALSE(expected.empty());

  ASSERT_TRUE(equal(step(-1, 0, false), expected));
  const int64_t barriers = plant.passed[0];
  ASSERT_EQ(plant.passed[1], barriers);
  ASSERT_GT(barriers, 4);
  // Nothing is missing, and threads are late all the same.
  for (int64_t at = 0; at < barriers; ++at)
    for (uint32_t late = 0; late < kThreads; ++late)
      ASSERT_TRUE(equal(step(at, late, false), expected)) << at;

  std::string unseen;
  for (int64_t missing = 1; missing < barriers; ++missing) {
    if (GetParam().rows > 1 && missing == barriers - 2)
      continue;
    // On a busy machine the other thread may be later still.
    bool isCaught = false;
    for (int round = 0; round < 6 && !isCaught; ++round)
      for (uint32_t late = 0; late < kThreads; ++late)
        isCaught |= !equal(step(missing, late, true, 2 << round), expected);
    if (!isCaught)
      unseen += " " + std::to_string(missing);
  }
  EXPECT_EQ(unseen, "") << "of " << barriers << " barriers";
  // The session is as it was.
  EXPECT_TRUE(equal(step(-1, 0, false), expected));
}

INSTANTIATE_TEST_SUITE_P(Models, Barriers,
                         testing::Values(Setting{"Floats", "f32", 7},
                                         Setting{"Codes", "int4:g32", 7},
                                         Setting{"OneRow", "f32", 1},
                                         Setting{"OneRowOfCodes", "int4:g32",
                                                 1}),
                         [](const testing::TestParamInfo<Setting> &info) {
                           return std::string(info.param.name);
                         });

} // namespace
