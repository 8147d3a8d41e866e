// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Statistics of a calibration: written, gone on with, read, and every way in
// which a folder can be wrong.

#include "TemporaryFolder.h"
#include "adze/Weights/Statistics.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace adze;

namespace {

const StatisticsOrigin kOrigin = {"model-hash", "text-hash", 1024, 2};

class StatisticsTest : public test::TemporaryFolder {
protected:
  std::unique_ptr<StatisticsWriter> writer() {
    auto result = StatisticsWriter::create(folder, kOrigin);
    if (!result) {
      ADD_FAILURE() << llvm::toString(result.takeError());
      return nullptr;
    }
    return std::move(*result);
  }
  /// An input of three columns, all numbers from `base` on.
  StatisticsWriter::Input input(std::string name, float base,
                                bool withGram = true) {
    for (int i = 0; i < 9; ++i)
      gram[i] = base + float(i);
    StatisticsWriter::Input result;
    result.name = name;
    result.weights = {name, name + ".k"};
    result.count = 1024;
    if (withGram)
      result.gram = gram;
    result.sumSquares = llvm::ArrayRef(gram).slice(0, 3);
    result.absMax = llvm::ArrayRef(gram).slice(3, 3);
    result.absSum = llvm::ArrayRef(gram).slice(6, 3);
    return result;
  }
  std::string openError(llvm::StringRef model = "") {
    auto opened = Statistics::open(folder, model);
    return opened ? "" : llvm::toString(opened.takeError());
  }
  void expectError(llvm::StringRef expected, llvm::StringRef model = "") {
    std::string error = openError(model);
    EXPECT_NE(error.find(expected.str()), std::string::npos)
        << "expected: " << expected.str() << "\nfound: " << error;
    EXPECT_NE(error.find("statistics.json"), std::string::npos) << error;
  }
  void writeWhole() {
    auto out = writer();
    ASSERT_FALSE(bool(out->add("layer-0", {input("l.0.q", 1)})));
    ASSERT_FALSE(bool(out->finish()));
  }
  /// Puts `to` for the first `from` of the JSON.
  void edit(llvm::StringRef from, llvm::StringRef to) {
    auto buffer = llvm::MemoryBuffer::getFile(path("statistics.json"));
    ASSERT_TRUE(bool(buffer));
    std::string text = (*buffer)->getBuffer().str();
    size_t at = text.find(from.str());
    ASSERT_NE(at, std::string::npos) << text;
    text.replace(at, from.size(), to.str());
    std::error_code ec;
    llvm::raw_fd_ostream(path("statistics.json"), ec) << text;
    ASSERT_FALSE(ec);
  }

  std::vector<float> gram = std::vector<float>(9);
};

TEST_F(StatisticsTest, SomeColumnsOnly) {
  writeWhole();
  auto opened = Statistics::open(folder);
  ASSERT_TRUE(bool(opened)) << llvm::toString(opened.takeError());
  auto all = (*opened)->of("l.0.q");
  ASSERT_TRUE(bool(all)) << llvm::toString(all.takeError());
  InputStatistics some = all->of({0, 2});
  opened->reset(); // it has its own
  EXPECT_EQ(some.columns, 2);
  EXPECT_EQ(some.count, 1024);
  // Of 1 to 9, rows of three.
  EXPECT_EQ(some.gram.vec(), (std::vector<float>{1, 3, 7, 9}));
  EXPECT_EQ(some.sumSquares.vec(), (std::vector<float>{1, 3}));
  EXPECT_EQ(some.absMax.vec(), (std::vector<float>{4, 6}));
  EXPECT_EQ(some.absSum.vec(), (std::vector<float>{7, 9}));
}

TEST_F(StatisticsTest, WhatIsWrittenIsRead) {
  auto out = writer();
  ASSERT_FALSE(bool(out->add("layer-0", {input("l.0.q", 1)})));
  ASSERT_FALSE(bool(out->add("layer-1", {input("l.1.q", 10, false)})));
  ASSERT_FALSE(bool(out->finish()));
  auto opened = Statistics::open(folder, "model-hash");
  ASSERT_TRUE(bool(opened)) << llvm::toString(opened.takeError());
  Statistics &stats = **opened;
  EXPECT_EQ(stats.text(), "text-hash");
  EXPECT_EQ(stats.tokens(), 1024);
  EXPECT_EQ(stats.sequences(), 2);
  EXPECT_EQ(stats.inputs(), (std::vector<llvm::StringRef>{"l.0.q", "l.1.q"}));
  auto first = stats.of("l.0.q.k");
  ASSERT_TRUE(bool(first));
  EXPECT_EQ(first->input, "l.0.q");
  EXPECT_EQ(first->columns, 3);
  EXPECT_EQ(first->count, 1024);
  ASSERT_EQ(first->gram.size(), 9u);
  EXPECT_EQ(first->gram[8], 9);
  EXPECT_EQ(first->sumSquares[2], 3);
  EXPECT_EQ(first->absMax[0], 4);
  EXPECT_EQ(first->absSum[1], 8);
  auto second = stats.of("l.1.q");
  ASSERT_TRUE(bool(second));
  EXPECT_TRUE(second->gram.empty());
  EXPECT_EQ(second->absSum[2], 18);
  EXPECT_TRUE(stats.has("l.1.q.k"));
  EXPECT_FALSE(stats.has("l.2.q"));
  auto none = stats.of("l.2.q");
  ASSERT_FALSE(bool(none));
  std::string error = llvm::toString(none.takeError());
  EXPECT_NE(error.find("weight \"l.2.q\": expected statistics"),
            std::string::npos)
      << error;
}

TEST_F(StatisticsTest, GoesOnWhereItStopped) {
  ASSERT_FALSE(bool(writer()->add("layer-0", {input("l.0.q", 1)})));
  expectError("found those of a calibration that did not end");
  auto out = writer();
  EXPECT_FALSE(out->isComplete());
  EXPECT_TRUE(out->isDone("l.0.q"));
  EXPECT_FALSE(out->isDone("l.1.q"));
  ASSERT_FALSE(bool(out->add("layer-1", {input("l.1.q", 10)})));
  ASSERT_FALSE(bool(out->finish()));
  EXPECT_EQ(openError(), "");
  EXPECT_TRUE(writer()->isComplete());
}

TEST_F(StatisticsTest, InputsAreReplaced) {
  auto out = writer();
  ASSERT_FALSE(bool(out->add("layer-0", {input("l.0.q", 1)})));
  ASSERT_FALSE(bool(out->add("layer-0", {input("l.0.q", 5, false)})));
  ASSERT_FALSE(bool(out->finish()));
  auto opened = Statistics::open(folder);
  ASSERT_TRUE(bool(opened)) << llvm::toString(opened.takeError());
  auto stats = (*opened)->of("l.0.q");
  ASSERT_TRUE(bool(stats));
  EXPECT_EQ(stats->sumSquares[0], 5);
  EXPECT_TRUE(stats->gram.empty());
}

TEST_F(StatisticsTest, OfAnotherOrigin) {
  writeWhole();
  expectError("expected statistics of model other, found those of model "
              "model-hash; calibrate the model that is compiled, rotated if "
              "that is",
              "other");
  StatisticsOrigin origin = kOrigin;
  origin.sequences = 3;
  auto other = StatisticsWriter::create(folder, origin);
  ASSERT_FALSE(bool(other));
  std::string error = llvm::toString(other.takeError());
  EXPECT_NE(error.find("3 sequences, 1024 tokens; found those of model "
                       "model-hash, text text-hash, 2 sequences"),
            std::string::npos)
      << error;
}

TEST_F(StatisticsTest, PartsOfDifferentSizes) {
  auto bad = input("l.0.q", 1);
  bad.absSum = bad.absSum.drop_back();
  std::string error = llvm::toString(writer()->add("layer-0", {bad}));
  EXPECT_NE(error.find("\"l.0.q\": expected parts of 3 columns"),
            std::string::npos)
      << error;
}

TEST_F(StatisticsTest, WrongFolders) {
  expectError("cannot be opened");
  std::error_code ec;
  llvm::raw_fd_ostream(path("statistics.json"), ec) << "{\"version\": 1";
  expectError("expected JSON");
  llvm::raw_fd_ostream(path("statistics.json"), ec)
      << "{\"version\": 1, \"tensors\": {}}";
  expectError("expected statistics of a calibration");
  auto check = [&](llvm::StringRef from, llvm::StringRef to,
                   llvm::StringRef expected) {
    llvm::sys::fs::remove(path("statistics.json"));
    writeWhole();
    edit(from, to);
    expectError(expected);
  };
  check("\"version\":1", "\"version\":2",
        "expected statistics of version 1, found 2; calibrate again");
  check("\"tokens\":1024", "\"tokens\":\"many\"", "expected the keys");
  check("\"l.0.q.k\":\"l.0.q\"", "\"l.0.q.k\":7",
        "weight \"l.0.q.k\": expected the name of its input");
  check("\"l.0.q.k\":\"l.0.q\"", "\"l.0.q.k\":\"l.7.q\"",
        "tensor \"l.7.q/sum_squares\": expected in the weight table, not "
        "found");
  check("\"shape\":[3,3]", "\"shape\":[9]",
        "tensor \"l.0.q/gram\": expected f32 3x3, found f32 9");
  check("\"i64\"", "\"i32\"", "expected one i64, found i32 of 8 bytes");
  check("\"offset\":64,", "\"offset\":66,",
        "tensor \"l.0.q/abs_max\": expected an offset that 4 divides");
  check("\"layer-0.bin\"", "\"none.bin\"", "cannot be opened");
  llvm::sys::fs::remove(path("statistics.json"));
  gram[0] = 0;
  auto out = writer();
  auto bad = input("l.0.q", 1);
  gram[1] = -1;
  ASSERT_FALSE(bool(out->add("layer-0", {bad})));
  ASSERT_FALSE(bool(out->finish()));
  expectError("\"l.0.q/sum_squares\": expected numbers that are finite and not "
              "negative, found -1.000000 in column 1");
  llvm::sys::fs::remove(path("statistics.json"));
  out = writer();
  bad = input("l.0.q", 1);
  bad.count = 0;
  ASSERT_FALSE(bool(out->add("layer-0", {bad})));
  ASSERT_FALSE(bool(out->finish()));
  expectError("\"l.0.q/count\": expected at least one row, found 0");
}

} // namespace
