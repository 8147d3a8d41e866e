// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weight tables: written, read back, and every way in which one can be wrong.

#include "TemporaryFolder.h"
#include "adze/Weights/WeightTable.h"

using namespace adze;

namespace {

class WeightTableTest : public test::TemporaryFolder {
protected:
  void SetUp() override {
    TemporaryFolder::SetUp();
    write("data.bin", std::string("0123456789abcdef", 16));
  }
  /// The error of opening a table of this text; empty if it opens.
  std::string openError(llvm::StringRef text) {
    write("table.json", text);
    auto table = WeightTable::open(path("table.json"));
    return table ? "" : llvm::toString(table.takeError());
  }
  void expectError(llvm::StringRef text, llvm::StringRef expected) {
    std::string error = openError(text);
    EXPECT_NE(error.find(expected.str()), std::string::npos)
        << "expected: " << expected.str() << "\nfound: " << error;
    EXPECT_NE(error.find("table.json"), std::string::npos) << error;
  }
  static std::string entry(llvm::StringRef fields) {
    return ("{\"version\": 1, \"tensors\": {\"t\": {" + fields + "}}}").str();
  }
};

TEST_F(WeightTableTest, WhatIsWrittenIsRead) {
  std::string table = path("table.json");
  std::string file = weightTablePath(table, path("data.bin"));
  EXPECT_EQ(file, "data.bin");
  ASSERT_FALSE(bool(
      writeWeightTable(table, {{"b \"quoted\"", file, 8, "bf16", {2, 2}, 8},
                               {"a", path("data.bin"), 0, "f32", {1}, 4},
                               {"odd", file, 3, "q4_k", {7}, 5}})));
  auto opened = WeightTable::open(table);
  ASSERT_TRUE(bool(opened)) << llvm::toString(opened.takeError());
  EXPECT_EQ((*opened)->entries().size(), 3u);
  EXPECT_EQ((*opened)->entries()[0].name, "a");
  auto view = (*opened)->lookup("b \"quoted\"");
  ASSERT_TRUE(bool(view));
  EXPECT_EQ(view->dtype, "bf16");
  EXPECT_EQ(view->shape, (llvm::SmallVector<int64_t, 4>{2, 2}));
  EXPECT_EQ(std::string(view->data, view->data + view->bytes), "89abcdef");
  auto missing = (*opened)->lookup("c");
  ASSERT_FALSE(bool(missing));
  EXPECT_EQ(llvm::toString(missing.takeError()),
            table + ": tensor \"c\": expected in the weight table, not found");
}

TEST_F(WeightTableTest, PathsOutsideStayAbsolute) {
  EXPECT_EQ(weightTablePath("/m/x/table.json", "/m/x/y/f.bin"), "y/f.bin");
  EXPECT_EQ(weightTablePath("/m/x/table.json", "/m/xy/f.bin"), "/m/xy/f.bin");
}

TEST_F(WeightTableTest, NoHalfWrittenTableIsLeft) {
  std::string nowhere = path("no/such/folder/table.json");
  llvm::Error error = writeWeightTable(nowhere, {});
  EXPECT_TRUE(bool(error));
  llvm::consumeError(std::move(error));
  EXPECT_FALSE(llvm::sys::fs::exists(nowhere));
}

TEST_F(WeightTableTest, WhatIsNoTable) {
  expectError("", "expected JSON");
  expectError("{", "expected JSON");
  expectError("[]", "expected a weight table");
  expectError("{\"version\": 1}", "expected a weight table");
  expectError("{\"version\": 2, \"tensors\": {}}",
              "expected weight table version 1, found 2");
  expectError(std::string(100000, '['), "nested deeper than");
  EXPECT_EQ(openError("{\"version\": 1, \"tensors\": {}}"), "");
  auto folderAsFile = WeightTable::open(folder);
  ASSERT_FALSE(bool(folderAsFile));
  EXPECT_NE(llvm::toString(folderAsFile.takeError()).find("regular file"),
            std::string::npos);
}

TEST_F(WeightTableTest, WrongEntries) {
  expectError("{\"version\": 1, \"tensors\": {\"t\": 3}}",
              "expected an object");
  expectError(entry("\"file\": \"data.bin\""), "expected the keys");
  std::string rest = "\"file\": \"data.bin\", \"dtype\": \"f32\", ";
  EXPECT_EQ(openError(entry(rest + "\"offset\": 12, \"shape\": [1], "
                                   "\"bytes\": 4")),
            "");
  expectError(entry(rest + "\"offset\": -1, \"shape\": [1], \"bytes\": 4"),
              "expected the keys");
  expectError(entry(rest + "\"offset\": 0, \"shape\": [], \"bytes\": 4"),
              "expected 1 to 8 dimensions, found 0");
  expectError(entry(rest + "\"offset\": 0, \"shape\": [0], \"bytes\": 0"),
              "expected positive dimensions");
  expectError(entry(rest + "\"offset\": 0, \"shape\": [1.5], \"bytes\": 0"),
              "expected positive dimensions");
  expectError(entry(rest + "\"offset\": 0, \"shape\": [2], \"bytes\": 4"),
              "expected 8 bytes for its shape, found 4 bytes");
  expectError(entry(rest + "\"offset\": 0, \"shape\": [4611686018427387904, "
                           "4611686018427387904], \"bytes\": 4"),
              "expected a shape that fits in memory");
  expectError(entry(rest + "\"offset\": 13, \"shape\": [1], \"bytes\": 4"),
              "expected 4 bytes at offset 13");
  expectError(entry(rest + "\"offset\": 18446744073709551615, \"shape\": [1], "
                           "\"bytes\": 4"),
              "expected 4 bytes at offset 18446744073709551615");
}

TEST_F(WeightTableTest, FilesThatCannotBeMapped) {
  std::string rest =
      ", \"dtype\": \"f32\", \"offset\": 0, \"shape\": [1], \"bytes\": 4";
  expectError(entry("\"file\": \"none.bin\"" + rest), "cannot be opened");
  expectError(entry("\"file\": \".\"" + rest), "expected a regular file");
}

TEST_F(WeightTableTest, OneFindingForAFileThatWasCut) {
  write("cut.bin", "012345");
  std::string text = "{\"version\": 1, \"tensors\": {";
  for (int i : {7, 2, 0, 1, 5})
    text += (i == 7 ? "\"t" : ", \"t") + std::to_string(i) +
            "\": {\"file\": \"cut.bin\", \"dtype\": \"f32\", \"offset\": " +
            std::to_string(4 * i) + ", \"shape\": [1], \"bytes\": 4}";
  std::string error = openError(text + "}}");
  EXPECT_NE(error.find("tensor \"t1\": expected 4 bytes at offset 4 of "),
            std::string::npos)
      << error;
  EXPECT_NE(error.find("cut.bin, which has 6, and likewise for 3 more tensors; "
                       "the file is truncated or altered"),
            std::string::npos)
      << error;
  EXPECT_EQ(error.find('\n'), std::string::npos) << error;
}

TEST_F(WeightTableTest, AllFindingsAtOnceUpToALimit) {
  std::string text = "{\"version\": 1, \"tensors\": {";
  for (int i = 0; i < 25; ++i)
    text += (i ? ", \"t" : "\"t") + std::to_string(i) + "\": 0";
  std::string error = openError(text + "}}");
  EXPECT_NE(error.find("\"t0\""), std::string::npos) << error;
  EXPECT_NE(error.find("and 5 more findings"), std::string::npos) << error;
}

} // namespace
