// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Folders of statistics: read, and every way in which one can be wrong.

#include "adze/Weights/Statistics.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace adze;

namespace {

/// A folder with the statistics of one input of two columns, changed by tests.
class StatisticsTest : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("adze-stats", folder));
  }
  void TearDown() override { llvm::sys::fs::remove_directories(folder); }

  void write(llvm::StringRef name, llvm::StringRef text) {
    llvm::SmallString<128> path(folder);
    llvm::sys::path::append(path, name);
    std::error_code ec;
    llvm::raw_fd_ostream(path, ec) << text;
    ASSERT_FALSE(ec);
  }
  static std::string entry(llvm::StringRef name, int64_t offset,
                           llvm::StringRef shape, int64_t count) {
    return ("\"q/" + name + "\": {\"file\": \"d.bin\", \"offset\": " +
            llvm::Twine(offset * 4) + ", \"dtype\": \"f32\", \"shape\": [" +
            shape + "], \"bytes\": " + llvm::Twine(count * 4) + "}")
        .str();
  }
  void write() {
    write("d.bin", {reinterpret_cast<const char *>(values), sizeof values});
    std::string tensors = entry("sum_squares", 4, squaresShape, 2) + ", " +
                          entry("abs_max", 6, "2", 2) + ", " +
                          entry("abs_sum", 8, "2", 2) + ", " +
                          entry("count", 10, "1", 1);
    if (!gramShape.empty())
      tensors += ", " + entry("gram", 0, gramShape, 4);
    write("statistics.json",
          "{\"version\": 1, \"kind\": \"" + kind +
              "\", \"model\": \"abc\", \"text\": \"def\", \"sequences\": 3, "
              "\"tokens\": 5, \"inputs\": {\"q\": \"q\", \"k\": \"q\"}, "
              "\"tensors\": {" +
              tensors + "}}");
  }
  std::unique_ptr<Statistics> open() {
    write();
    auto statistics = Statistics::open(folder);
    EXPECT_TRUE(bool(statistics)) << llvm::toString(statistics.takeError());
    return statistics ? std::move(*statistics) : nullptr;
  }
  std::string openError() {
    write();
    auto statistics = Statistics::open(folder);
    return statistics ? "" : llvm::toString(statistics.takeError());
  }
  std::string valueError(llvm::StringRef weight) {
    auto statistics = open();
    auto input = statistics->of(weight);
    return input ? "" : llvm::toString(input.takeError());
  }
  void expectHas(const std::string &error, const std::string &text) {
    EXPECT_NE(error.find(text), std::string::npos) << error;
    EXPECT_NE(error.find("statistics.json"), std::string::npos) << error;
  }

  float values[11] = {10, -2, -2, 20, 10, 20, 3, 4, 5, 6, 15};
  std::string kind = "statistics", gramShape = "2, 2", squaresShape = "2";
  llvm::SmallString<128> folder;
};

TEST_F(StatisticsTest, Read) {
  auto statistics = open();
  ASSERT_TRUE(statistics);
  EXPECT_EQ(statistics->model(), "abc");
  EXPECT_EQ(statistics->text(), "def");
  EXPECT_EQ(statistics->sequences(), 3);
  EXPECT_EQ(statistics->tokens(), 5);
  auto input = statistics->of("k");
  ASSERT_TRUE(bool(input)) << llvm::toString(input.takeError());
  EXPECT_EQ(input->name, "q");
  EXPECT_EQ(input->columns(), 2);
  EXPECT_EQ(input->gram, llvm::ArrayRef<float>(values, 4));
  EXPECT_EQ(input->sumSquares, llvm::ArrayRef<float>(values + 4, 2));
  EXPECT_EQ(input->absMax, llvm::ArrayRef<float>(values + 6, 2));
  EXPECT_EQ(input->absSum, llvm::ArrayRef<float>(values + 8, 2));
  EXPECT_EQ(input->count, 15);
}

TEST_F(StatisticsTest, GramMayBeLeftOut) {
  gramShape = "";
  auto input = open()->of("q");
  ASSERT_TRUE(bool(input)) << llvm::toString(input.takeError());
  EXPECT_TRUE(input->gram.empty());
}

TEST_F(StatisticsTest, OtherKindsOfFolders) {
  kind = "weights";
  expectHas(openError(),
            "\"kind\": expected \"statistics\", found \"weights\"");
}

TEST_F(StatisticsTest, NoFolderAndNoEnd) {
  auto nothing = Statistics::open(folder);
  ASSERT_FALSE(bool(nothing));
  expectHas(llvm::toString(nothing.takeError()), "cannot be opened");
  write("calibration.json", "{}");
  auto unfinished = Statistics::open(folder);
  ASSERT_FALSE(bool(unfinished));
  EXPECT_NE(llvm::toString(unfinished.takeError()).find("is not finished"),
            std::string::npos);
}

TEST_F(StatisticsTest, Shapes) {
  gramShape = "4, 1";
  expectHas(openError(),
            "tensor \"q/gram\": expected f32 [2, 2], found f32 [4, 1]");
  gramShape = "2, 2";
  squaresShape = "1, 2";
  expectHas(openError(),
            "tensor \"q/sum_squares\": expected f32 [2], found f32 [1, 2]");
}

TEST_F(StatisticsTest, Values) {
  values[1] = std::nanf("");
  expectHas(valueError("q"), "tensor \"q/gram\": element 1: expected a finite "
                             "number, found nan");
  values[1] = 0;
  values[5] = -1;
  expectHas(valueError("q"), "tensor \"q/sum_squares\": element 1: expected a "
                             "finite number of at least 0, found -1");
  values[5] = INFINITY;
  expectHas(valueError("q"), "found inf");
  values[5] = 1;
  values[10] = 0;
  expectHas(openError(), "tensor \"q/count\": expected at least 1 row");
}

TEST_F(StatisticsTest, UnknownWeightAndOtherModel) {
  expectHas(valueError("v"), "expected weight \"v\", not found");
  auto statistics = open();
  EXPECT_FALSE(bool(statistics->checkModel("abc")));
  expectHas(llvm::toString(statistics->checkModel("xyz")),
            "expected the statistics of this model, xyz, found those of "
            "another, abc");
}

} // namespace
