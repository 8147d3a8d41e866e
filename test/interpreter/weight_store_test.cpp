// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weight stores: what is added is found by the table that names it, once.

#include "TemporaryFolder.h"
#include "adze/Weights/WeightStore.h"

using namespace adze;

namespace {

class WeightStoreTest : public test::TemporaryFolder {
protected:
  void SetUp() override {
    TemporaryFolder::SetUp();
    write("data.bin", "0123456789abcdef");
    ASSERT_FALSE(bool(writeWeightTable(path("base.json"),
                                       {{"a", "data.bin", 0, "f32", {2}, 8},
                                        {"b", "data.bin", 8, "f32", {2}, 8}})));
  }
  template <typename T> static T get(llvm::Expected<T> value) {
    EXPECT_TRUE(bool(value)) << llvm::toString(value.takeError());
    return std::move(*value);
  }
  size_t countFiles(llvm::StringRef name) {
    size_t count = 0;
    std::error_code ec;
    for (llvm::sys::fs::directory_iterator it(path(name), ec), end;
         it != end && !ec; it.increment(ec))
      ++count;
    return count;
  }
};

TEST_F(WeightStoreTest, WhatIsAddedIsFoundByTheTable) {
  WeightStore store = get(WeightStore::open(path("deep/store")));
  std::vector<uint8_t> codes(40);
  for (size_t i = 0; i < codes.size(); ++i)
    codes[i] = uint8_t(7 * i);
  WeightTableEntry entry = get(store.add("int4:g16", {2, 32}, codes));
  entry.name = "b"; // takes the place of the base's
  auto base = get(WeightTable::open(path("base.json")));
  std::string name = get(store.writeTable(*base, {entry}));
  EXPECT_TRUE(llvm::sys::path::is_absolute(name));
  auto table = get(WeightTable::open(name));
  ASSERT_EQ(table->entries().size(), 2u);
  TensorView view = get(table->lookup("b"));
  EXPECT_EQ(view.dtype, "int4:g16");
  EXPECT_EQ(llvm::ArrayRef<int64_t>(view.shape),
            llvm::ArrayRef<int64_t>({2, 32}));
  EXPECT_EQ(llvm::ArrayRef(view.data, view.bytes),
            llvm::ArrayRef<uint8_t>(codes));
  // In the file; a small one may lie anywhere in memory.
  EXPECT_EQ(entry.offset % 64, 0u);
  // Those of the base are where they were.
  TensorView old = get(table->lookup("a"));
  EXPECT_EQ(
      llvm::StringRef(reinterpret_cast<const char *>(old.data), old.bytes),
      "01234567");
}

TEST_F(WeightStoreTest, EqualTensorsAreStoredOnce) {
  WeightStore store = get(WeightStore::open(path("store")));
  std::vector<uint8_t> codes(20, 1);
  std::string first = get(store.add("int4:g16", {1, 32}, codes)).file;
  EXPECT_EQ(get(store.add("int4:g16", {1, 32}, codes)).file, first);
  EXPECT_EQ(countFiles("store"), 1u);
  // Other formats, shapes and bytes are other tensors.
  EXPECT_NE(get(store.add("int4:g32", {1, 32}, codes)).file, first);
  EXPECT_NE(get(store.add("int4:g16", {2, 16}, codes)).file, first);
  codes[3] = 2;
  EXPECT_NE(get(store.add("int4:g16", {1, 32}, codes)).file, first);
  EXPECT_EQ(countFiles("store"), 4u);
}

TEST_F(WeightStoreTest, AFileThatWasCutIsWrittenAgain) {
  WeightStore store = get(WeightStore::open(path("store")));
  std::vector<uint8_t> codes(20, 1);
  WeightTableEntry entry = get(store.add("int4:g16", {1, 32}, codes));
  std::error_code ec;
  llvm::raw_fd_ostream(entry.file, ec) << "cut";
  ASSERT_FALSE(ec);
  entry = get(store.add("int4:g16", {1, 32}, codes));
  uint64_t size = 0;
  ASSERT_FALSE(llvm::sys::fs::file_size(entry.file, size));
  EXPECT_EQ(size, entry.offset + entry.bytes);
}

TEST_F(WeightStoreTest, FoldersThatCannotBeMade) {
  auto none = WeightStore::open("");
  ASSERT_FALSE(bool(none));
  EXPECT_EQ(llvm::toString(none.takeError()),
            "expected the folder of a weight store");
  auto below = WeightStore::open(path("data.bin/store"));
  ASSERT_FALSE(bool(below));
  EXPECT_NE(llvm::toString(below.takeError())
                .find("data.bin/store: cannot make the folder"),
            std::string::npos);
}

} // namespace
