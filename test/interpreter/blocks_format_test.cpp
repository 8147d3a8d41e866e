// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// #adze.blocks: which blocks are zero, what a panel holds, byte for byte, and
// what the evaluator says of a type that keeps too little.

#include "EncodedRows.h"
#include "TestModule.h"
#include "adze/Dialect/Adze/FormatName.h"
#include "llvm/Support/MathExtras.h"
#include <random>

using namespace adze;
using namespace adze::test;

namespace {

class BlocksFormat : public testing::Test {
protected:
  BlocksFormat() { context.loadDialect<AdzeDialect>(); }
  FormatAttrInterface element(const char *name) {
    auto parsed = parseFormatName(name, &context);
    EXPECT_TRUE(bool(parsed)) << llvm::toString(parsed.takeError());
    return *parsed;
  }
  BlocksFormatAttr blocks(const char *name, int64_t keep) {
    return BlocksFormatAttr::get(&context, element(name), keep);
  }
  mlir::MLIRContext context;
};

/// Rows where `isZero` says which blocks are zero.
struct Panel : EncodedRows {
  template <typename IsZero>
  Panel(FormatAttrInterface format, int64_t rows, int64_t cols, IsZero isZero)
      : EncodedRows(
            format, rows, cols,
            [random = std::mt19937(3), isZero](int64_t r, int64_t k) mutable {
              std::uniform_real_distribution<float> uniform(0.5, 2);
              return isZero(k / 32) ? 0 : r % 2 ? uniform(random) : -1.5f;
            }) {}
  float at(FormatAttrInterface format, int64_t r, int64_t k, int64_t cols) {
    std::vector<float> values(cols);
    if (!pointers[r])
      return 0;
    format.decodeRow({pointers[r], size_t(bytes)}, values);
    return values[k];
  }
};

uint16_t wordAt(const std::vector<uint8_t> &bytes, size_t index) {
  uint16_t word;
  std::memcpy(&word, bytes.data() + 2 * index, 2);
  return word;
}

} // namespace

constexpr const char *kElements[] = {
    "f32",          "f16",       "bf16",       "int8",    "int8:g32",
    "int8:g64:zp",  "int4:g128", "int4:g32",   "int4:g0", "int4:g32:f32:zp",
    "int4:g96:f16", "int8:zp",   "int4:g0:zp", "int3:g32"};

TEST_F(BlocksFormat, PanelsHoldWhatRowsDo) {
  for (const char *name : kElements)
    for (int64_t rows : {16, 5})
      for (int64_t cols : {1, 31, 32, 33, 100, 289}) {
        SCOPED_TRACE(testing::Message()
                     << name << " " << rows << " x " << cols);
        FormatAttrInterface format = element(name);
        auto isZero = [](int64_t block) { return block % 3 == 1; };
        Panel panel(format, rows, cols, isZero);
        int64_t all = BlocksFormatAttr::countBlocks(cols);
        BlocksFormatAttr sparse = blocks(name, all);
        std::vector<uint16_t> expected;
        for (int64_t b = 0; b < all; ++b)
          if (!isZero(b))
            expected.push_back(uint16_t(b));
        auto found = sparse.findBlocks(panel.pointers, cols);
        ASSERT_EQ(std::vector<uint16_t>(found.begin(), found.end()), expected);
        for (int64_t keep : {int64_t(expected.size()), all}) {
          sparse = blocks(name, keep);
          EXPECT_EQ(sparse.getFormatName(), std::string(name) + "+blocks");
          EXPECT_EQ(sparse.getRowBytes(cols), panel.bytes);
          std::vector<uint8_t> packed(sparse.getPanelBytes(cols), 0xcd);
          EXPECT_EQ(packed.size() % 64, 0u);
          sparse.packPanel(panel.pointers, cols, packed);
          ASSERT_EQ(wordAt(packed, 0), expected.size());
          for (size_t i = 0; i < expected.size(); ++i)
            ASSERT_EQ(wordAt(packed, 1 + i), expected[i]);
          for (int64_t r = 0; r < 16; ++r)
            for (int64_t k = 0; k < cols; ++k)
              ASSERT_EQ(sparse.decodePanel(packed, cols, r, k),
                        panel.at(format, r, k, cols))
                  << "row " << r << " column " << k;
        }
      }
}

/// A tile is the block as a dense panel has it; scales follow the tiles.
TEST_F(BlocksFormat, PartsLieWhereTheyAreSaidTo) {
  const int64_t cols = 256;
  auto isZero = [](int64_t block) { return block != 2 && block != 7; };
  for (const char *name : {"bf16", "int8", "int4:g128", "int4:g32:zp"}) {
    SCOPED_TRACE(name);
    FormatAttrInterface format = element(name);
    Panel panel(format, 16, cols, isZero);
    std::vector<uint8_t> dense(format.getPanelBytes(cols));
    format.packPanel(panel.pointers, cols, dense);
    BlocksFormatAttr sparse = blocks(name, 3);
    std::vector<uint8_t> packed(sparse.getPanelBytes(cols));
    sparse.packPanel(panel.pointers, cols, packed);
    EXPECT_EQ(sparse.getHeaderBytes(), 64);
    int64_t tile = sparse.getTileBytes();
    EXPECT_EQ(sparse.getScalesOffset(), 64 + 3 * tile);
    for (int64_t i = 0; i < 2; ++i)
      EXPECT_EQ(std::memcmp(packed.data() + 64 + i * tile,
                            dense.data() + (i ? 7 : 2) * tile, tile),
                0);
    for (int64_t i = 0; i < tile; ++i) // not held: zero
      ASSERT_EQ(packed[64 + 2 * tile + i], 0);
    int64_t scales = sparse.getScalesOffset(), from = 8 * tile;
    if (std::string(name) == "int8") // one set, of f32
      EXPECT_EQ(std::memcmp(packed.data() + scales, dense.data() + from, 64),
                0);
    if (std::string(name) == "int4:g128") // both groups
      EXPECT_EQ(std::memcmp(packed.data() + scales, dense.data() + from, 64),
                0);
    if (std::string(name) == "int4:g32:zp") { // those of the blocks
      EXPECT_EQ(
          std::memcmp(packed.data() + scales, dense.data() + from + 64, 32), 0);
      EXPECT_EQ(std::memcmp(packed.data() + scales + 32,
                            dense.data() + from + 7 * 32, 32),
                0);
      // Three sets of scales are kept, on two lines; then zero points.
      EXPECT_EQ(std::memcmp(packed.data() + scales + 128 + 16,
                            dense.data() + from + 256 + 7 * 16, 16),
                0);
    }
  }
}

TEST_F(BlocksFormat, NegativeZerosAreZeros) {
  for (const char *name : {"f32", "f16", "bf16"}) {
    FormatAttrInterface format = element(name);
    std::vector<float> values(64, -0.0f);
    values[40] = 1e-6f;
    std::vector<uint8_t> row(format.getRowBytes(64));
    format.encodeRow(values, row);
    std::vector<const uint8_t *> rows(16);
    rows[3] = row.data();
    auto found = blocks(name, 2).findBlocks(rows, 64);
    EXPECT_EQ(std::vector<uint16_t>(found.begin(), found.end()),
              std::vector<uint16_t>{1});
  }
}

/// Exact zeros stay exact zeros when a row is rounded to codes.
TEST_F(BlocksFormat, RoundingKeepsZeros) {
  for (const char *name : kElements) {
    SCOPED_TRACE(name);
    FormatAttrInterface format = element(name);
    std::mt19937 random(9);
    std::normal_distribution<float> normal(0.3f, 1);
    std::vector<float> values(384), read(384);
    for (size_t k = 0; k < values.size(); ++k)
      values[k] = k / 32 % 2 || random() % 4 == 0 ? 0 : normal(random);
    std::vector<uint8_t> row(format.getRowBytes(384));
    format.encodeRow(values, row);
    format.decodeRow(row, read);
    for (size_t k = 0; k < values.size(); ++k)
      if (values[k] == 0)
        ASSERT_EQ(read[k], 0) << k;
  }
}

TEST_F(BlocksFormat, EvaluatorPacksAndRefusesWhatDoesNotFit) {
  auto text = [](int keep) {
    std::string in = "!adze.weight<32x64, #adze.float<f32>>";
    std::string out = "!adze.weight<32x64, #adze.blocks<#adze.float<f32>, "
                      "keep = " +
                      std::to_string(keep) + ">, panels>";
    return "adze.weight @a from \"a\" : " + in + "\nadze.weight @e : " + out +
           " {\n%a = adze.ref @a : " + in + "\n%e = adze.pack %a : " + in +
           " -> " + out + "\nadze.yield %e : " + out + "\n}\n";
  };
  for (int keep : {1, 2}) {
    TestModule m(text(keep));
    ASSERT_TRUE(bool(m));
    addRandomWeights(m.get(), m.weights, 17); // nothing is zero
    auto made = WeightEvaluator::create(m.get(), m.weights);
    ASSERT_TRUE(bool(made)) << llvm::toString(made.takeError());
    auto weight = m.get().lookupSymbol<WeightOp>("e");
    std::vector<uint8_t> bytes(weight.getWeightType().getStorageBytes());
    std::string error =
        llvm::toString((*made)->evaluate(weight, 0, 0, 2, bytes.data()));
    EXPECT_EQ(error,
              keep == 2 ? ""
                        : "weight @e, layer 0: rows 0 to 15 have 2 blocks that "
                          "are not zero, and f32+blocks keeps 1; run "
                          "adze-choose-sparse on these tensors");
    std::vector<float> row(64);
    ASSERT_FALSE(bool((*made)->readRows(weight, 0, 20, 1, row.data())));
    if (keep == 2)
      EXPECT_EQ(weight.getWeightType().getFormat().decodePanel(
                    llvm::ArrayRef<uint8_t>(bytes).drop_front(bytes.size() / 2),
                    64, 4, 33),
                row[33]);
  }
}
