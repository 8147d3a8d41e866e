// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The gate by its figures: what beats what, what is refused, what is taken.

#include "adze/Optimize.h"
#include <gtest/gtest.h>
#include <limits>

using namespace adze;

namespace {

Candidate candidate(const char *recipe, double milliseconds, double megabytes,
                    std::optional<double> perplexity, bool isSparse = false) {
  Candidate c;
  c.recipe = parseRecipe(recipe).or_throw();
  c.secondsPerToken = milliseconds / 1e3;
  c.weightBytes = uint64_t(megabytes * 1e6);
  c.bitsPerWeight = megabytes / 100 * 16;
  c.perplexity = perplexity;
  c.isSparse = isSparse;
  return c;
}

std::vector<Candidate> usual() {
  return {candidate("as it is", 40, 100, 10.0),
          candidate("int8", 20, 50, 10.01),
          candidate("int4:g128", 12, 26, 10.2),
          candidate("int4:g32", 12.1, 28, 10.1)};
}

constexpr double kSource = 10; // the perplexity of the model as it is

std::string chosen(std::vector<Candidate> candidates,
                   const OptimizeOptions &options) {
  judge(candidates, options, kSource);
  auto index = choose(candidates, options, kSource);
  return index ? candidates[*index].recipe.text() : index.error().message;
}

TEST(Gate, SpeedTakesTheFastestWithinTheLimit) {
  OptimizeOptions options;
  // 12 and 12.1 ms are the same within the noise: perplexity decides.
  EXPECT_EQ(chosen(usual(), options), "int4:g32");
  options.maxPerplexity = 0.005;
  EXPECT_EQ(chosen(usual(), options), "int8");
}

TEST(Gate, TheBestIsWithinTheNoiseOfTheFastest) {
  // Each is within the noise of the one before; the last is not of the first.
  std::vector<Candidate> all = {candidate("int8", 10.0, 30, 10.3),
                                candidate("int4:g32", 10.15, 30, 10.2),
                                candidate("int4:g64", 10.3, 30, 10.1)};
  EXPECT_EQ(chosen(all, {}), "int4:g32");
}

TEST(Gate, WhatIsNoNumberIsNeverTaken) {
  auto all = usual();
  all[2].perplexity = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(chosen(all, {}), "int4:g32");
  for (Candidate &c : all)
    c.perplexity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(chosen(all, {}).substr(0, 36),
            "no candidate is within the limits; t");
}

TEST(Gate, WhatIsBeyondTheLimitsRefusesNothing) {
  std::vector<Candidate> all = {candidate("int8", 10, 50, 10.0),
                                candidate("int4:g64", 12, 20, 10.2, true)};
  OptimizeOptions options;
  options.budgetBytes = 25'000'000;
  EXPECT_EQ(chosen(all, options), "int4:g64");
  options.budgetBytes = 0;
  judge(all, options, kSource);
  EXPECT_TRUE(all[1].isRefused);
}

TEST(Gate, SizeTakesTheSmallest) {
  OptimizeOptions options;
  options.goal = Goal::Size;
  EXPECT_EQ(chosen(usual(), options), "int4:g128");
}

TEST(Gate, QualityTakesTheBestThatFits) {
  OptimizeOptions options;
  options.goal = Goal::Quality;
  EXPECT_EQ(chosen(usual(), options), "as it is");
  options.budgetBytes = 60'000'000;
  EXPECT_EQ(chosen(usual(), options), "int8");
  options.budgetBytes = 0;
  options.budgetBits = 4.5;
  EXPECT_EQ(chosen(usual(), options), "int4:g32");
}

TEST(Gate, ABudgetThatNothingMeetsNamesTheNearest) {
  OptimizeOptions options;
  options.budgetBytes = 20'000'000;
  EXPECT_EQ(chosen(usual(), options),
            "no candidate is within the limits; the nearest is int4:g128: "
            "26.0 MB, the budget is 20.0 MB");
}

TEST(Gate, ASparseOneThatADenseOneBeatsInBothIsRefused) {
  auto all = usual();
  all.push_back(candidate("int8 method=search", 13, 30, 11.0, true));
  judge(all, {});
  EXPECT_TRUE(all.back().isRefused);
  EXPECT_EQ(all.back().why, "the dense \"int4:g128\" is better: "
                            "12 ms a token, 26.0 MB, perplexity 10.2");
  EXPECT_FALSE(all[1].isRefused);
}

TEST(Gate, ASparseOneThatIsBetterInOneStays) {
  auto all = usual();
  all.push_back(candidate("int4:g64", 7, 16, 10.25, true)); // faster
  EXPECT_EQ(chosen(all, {}), "int4:g64");
  all.back() = candidate("int4:g64", 25, 55, 9.8, true); // more exact
  judge(all, {});
  EXPECT_FALSE(all.back().isRefused);
}

TEST(Gate, WithoutATextBytesStandForQuality) {
  std::vector<Candidate> all = {candidate("int4:g128", 12, 26, {}),
                                candidate("int8", 13, 30, {}, true)};
  judge(all, {});
  EXPECT_TRUE(all[1].isRefused);
  all[1] = candidate("int8", 13, 20, {}, true);
  judge(all, {});
  EXPECT_FALSE(all[1].isRefused);
}

TEST(Gate, MarksWhatIsBeaten) {
  auto all = usual();
  all.push_back(candidate("int4:g64", 30, 60, 10.3));
  judge(all, {});
  EXPECT_TRUE(all.back().isBeaten);
  EXPECT_EQ(all.back().why, "beaten by int8");
  for (size_t i = 0; i + 1 < all.size(); ++i)
    EXPECT_FALSE(all[i].isBeaten) << i;
}

TEST(Gate, PredictionsFollowTheMachine) {
  OptimizeResult result;
  result.candidates = usual();
  Candidate &c = result.candidates[0];
  c.readRate = 20e9;
  result.measuredReadRate = 40e9;
  // Bound by memory: more than a plain read would read.
  c.bytesPerToken = uint64_t(1e9);
  EXPECT_DOUBLE_EQ(*result.predictedSecondsPerToken(), 0.02);
  // Of 40 ms, half go by the speed of reading.
  c.bytesPerToken = uint64_t(0.4e9);
  EXPECT_DOUBLE_EQ(*result.predictedSecondsPerToken(), 0.03);
  c.bytesPerToken = 0;
  EXPECT_DOUBLE_EQ(*result.predictedSecondsPerToken(), 0.04);
}

TEST(Gate, StepsTooShortArePredictedFromReadingOnly) {
  OptimizeResult result;
  result.candidates = usual();
  Candidate &c = result.candidates[0];
  c.secondsPerToken = 4e-5;
  c.readRate = result.measuredReadRate = 50e9;
  c.bytesPerToken = uint64_t(0.6e6);
  EXPECT_FALSE(result.predictedSecondsPerToken());
  c.bytesPerToken = uint64_t(1.8e6);
  EXPECT_DOUBLE_EQ(*result.predictedSecondsPerToken(), 4e-5);
  result.isDisturbed = true;
  EXPECT_FALSE(result.predictedSecondsPerToken());
}

TEST(Recipe, IsReadAsItIsWritten) {
  for (const char *text :
       {"as it is", "int4:g128", "int4:g128 method=search", "method=gptq",
        "*gate*=int8,*=int4:g32",
        "mixed:4.5bpw prune=0.5:16x32 prune-method=wanda", "int8 model=other/",
        "int8 model=other/ calibration=other.stats"}) {
    auto read = parseRecipe(text);
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(read->text(), text);
  }
  EXPECT_EQ(parseRecipe("weights=int8")->text(), "int8");
  EXPECT_EQ(parseRecipe("int8 int4").error().message,
            "a recipe is weights=FORMAT, with method=, prune=, prune-method=, "
            "model= and calibration= where they are wanted, got \"int4\" in "
            "\"int8 int4\"");
  EXPECT_EQ(parseRecipe(" ").error().message, "a recipe is empty");
  for (const char *wrong : {"int5", "int8 method=guess", "prune=7", "mixed:x",
                            "prune=0.5 prune-method=guess"})
    EXPECT_FALSE(parseRecipe(wrong)) << wrong;
}

} // namespace
