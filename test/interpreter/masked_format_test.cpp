// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// #adze.masked: what a panel holds, byte for byte, that it reads as its rows
// do, and what the evaluator says of a type that keeps too little.

#include "EncodedRows.h"
#include "TestModule.h"
#include "adze/Dialect/Adze/FormatName.h"
#include <cmath>
#include <random>
#include <set>

using namespace adze;
using namespace adze::test;

namespace {

class MaskedFormat : public testing::Test {
protected:
  MaskedFormat() { context.loadDialect<AdzeDialect>(); }
  FormatAttrInterface element(const char *name) {
    auto parsed = parseFormatName(name, &context);
    EXPECT_TRUE(bool(parsed)) << llvm::toString(parsed.takeError());
    return *parsed;
  }
  IntFormatAttr codes(const char *name) {
    return mlir::cast<IntFormatAttr>(mlir::Attribute(element(name)));
  }
  MaskedFormatAttr masked(const char *name, int64_t keep, bool even) {
    return MaskedFormatAttr::get(&context, element(name), keep, even);
  }
  /// One that keeps what these rows need.
  MaskedFormatAttr fitting(const char *name,
                           llvm::ArrayRef<const uint8_t *> rows, int64_t cols,
                           bool even) {
    return masked(name, masked(name, 0, even).packIfKept(rows, cols), even);
  }
  mlir::MLIRContext context;
};

template <typename T> T at(const std::vector<uint8_t> &bytes, int64_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

} // namespace

TEST_F(MaskedFormat, PanelsHoldWhatRowsDo) {
  std::mt19937 random(5);
  for (const char *name : {"int8", "int8:g32", "int4:g128", "int4:g32:f32",
                           "int4:g0", "int4:g96:f16", "bf16", "f16", "f32"})
    for (int64_t rows : {16, 5})
      for (int64_t cols : {1, 7, 8, 33, 100, 289})
        for (int tenths : {0, 5, 9, 10}) {
          SCOPED_TRACE(testing::Message() << name << " " << rows << " x "
                                          << cols << " zeros " << tenths);
          FormatAttrInterface format = element(name);
          EncodedRows panel(format, rows, cols, [&](int64_t, int64_t) {
            float value = float(random() % 200) / 100 - 1;
            return int(random() % 10) < tenths ? std::copysign(0.0f, value)
                                               : value;
          });
          std::vector<uint8_t> dense(format.getPanelBytes(cols));
          format.packPanel(panel.pointers, cols, dense);
          for (bool even : {false, true})
            for (int64_t more : {0, 1}) {
              MaskedFormatAttr fit = fitting(name, panel.pointers, cols, even);
              if (even &&
                  fit.getKeep() + more > MaskedFormatAttr::getMostBytes(format))
                continue;
              MaskedFormatAttr sparse =
                  masked(name, fit.getKeep() + more, even);
              EXPECT_EQ(sparse.getFormatName(),
                        std::string(name) + (even ? "+nm" : "+mask"));
              EXPECT_EQ(sparse.getRowBytes(cols), panel.bytes);
              EXPECT_EQ(mlir::isa<IntegerFormatAttrInterface>(
                            mlir::Attribute(sparse)),
                        mlir::isa<IntFormatAttr>(mlir::Attribute(format)));
              std::vector<uint8_t> packed(sparse.getPanelBytes(cols), 0xcd);
              EXPECT_EQ(packed.size() % 64, 0u);
              sparse.packPanel(panel.pointers, cols, packed);
              for (int64_t r = 0; r < 16; ++r)
                for (int64_t k = 0; k < cols; ++k)
                  ASSERT_EQ(sparse.decodePanel(packed, cols, r, k),
                            format.decodePanel(dense, cols, r, k))
                      << "row " << r << " column " << k;
            }
        }
}

/// Byte for byte, of one channel that is not zero.
TEST_F(MaskedFormat, PartsLieWhereTheyAreSaidTo) {
  // Channel 2: k = 0, 5 and 9 are 1, -1 and 0.5 of the largest code.
  auto valueAt = [](int64_t r, int64_t k) {
    return r != 2 ? 0.0f : k == 0 ? 1.0f : k == 5 ? -1.0f : k == 9 ? 0.5f : 0;
  };
  for (const char *name : {"int8", "int4:g0"})
    for (bool even : {false, true}) {
      SCOPED_TRACE(testing::Message() << name << " " << even);
      IntFormatAttr format = codes(name);
      bool isByte = format.getBits() == 8;
      EncodedRows panel(element(name), 16, 16, valueAt);
      MaskedFormatAttr sparse = fitting(name, panel.pointers, 16, even);
      // Of the first step two codes, which share a byte where they are nibbles.
      int64_t first = isByte ? 2 : 1;
      ASSERT_EQ(sparse.getKeep(), even ? first : 2 * 16 + first + 1);
      std::vector<uint8_t> packed(sparse.getPanelBytes(16));
      sparse.packPanel(panel.pointers, 16, packed);
      int64_t records[2] = {64, 64 + 16 + first};
      if (!even)
        for (int64_t s : {0, 1}) {
          records[s] += 64;
          EXPECT_EQ(at<uint32_t>(packed, 64 + 4 * s), uint64_t(records[s]));
        }
      EXPECT_EQ(at<uint32_t>(packed, 0), even ? 128u : 192u);
      EXPECT_EQ(at<uint32_t>(packed, 4), uint64_t(even ? 16 + first : 0));
      EXPECT_EQ(at<uint64_t>(packed, records[0]), uint64_t(1) << 8);
      EXPECT_EQ(at<uint64_t>(packed, records[0] + 8), uint64_t(1) << 9);
      EXPECT_EQ(at<uint64_t>(packed, records[1]), uint64_t(1) << 9);
      EXPECT_EQ(at<uint64_t>(packed, records[1] + 8), 0u);
      auto codeOf = [&](int64_t k) {
        std::vector<uint8_t> dense(format.getPanelBytes(16));
        format.packPanel(panel.pointers, 16, dense);
        if (isByte)
          return uint8_t(dense[(k / 4 * 16 + 2) * 4 + k % 4] - 128);
        return uint8_t(
            ((dense[(k / 8 * 16 + 2) * 4 + k % 4] >> (k % 8 / 4 * 4)) - 8) &
            15);
      };
      if (isByte) {
        EXPECT_EQ(packed[records[0] + 16], codeOf(0));
        EXPECT_EQ(packed[records[0] + 17], codeOf(5));
      } else {
        EXPECT_EQ(packed[records[0] + 16], codeOf(0) | codeOf(5) << 4);
      }
      EXPECT_EQ(packed[records[1] + 16], codeOf(9));
    }
}

/// The same of floats: in the order in which a dense panel has them.
TEST_F(MaskedFormat, FloatsLieWhereTheyAreSaidTo) {
  // Channel 2: k = 0, 5 and 9 are 1, -1 and 0.5; -0 is not kept.
  auto valueAt = [](int64_t r, int64_t k) {
    return r != 2   ? -0.0f
           : k == 0 ? 1.0f
           : k == 5 ? -1.0f
           : k == 9 ? 0.5f
                    : 0.0f;
  };
  struct {
    const char *name;
    int64_t bytes, depth;
    uint32_t one; // the bits of 1
  } cases[] = {
      {"bf16", 2, 2, 0x3f80}, {"f16", 2, 1, 0x3c00}, {"f32", 4, 1, 0x3f800000}};
  for (const auto &c : cases)
    for (bool even : {false, true}) {
      SCOPED_TRACE(testing::Message() << c.name << " " << even);
      EncodedRows panel(element(c.name), 16, 16, valueAt);
      MaskedFormatAttr sparse = fitting(c.name, panel.pointers, 16, even);
      ASSERT_EQ(sparse.getKeep(), even ? 2 * c.bytes : 2 * 16 + 3 * c.bytes);
      std::vector<uint8_t> packed(sparse.getPanelBytes(16), 0xcd);
      sparse.packPanel(panel.pointers, 16, packed);
      int64_t records[2] = {64, 64 + 16 + 2 * c.bytes};
      if (!even)
        for (int64_t s : {0, 1}) {
          records[s] += 64;
          EXPECT_EQ(at<uint32_t>(packed, 64 + 4 * s), uint32_t(records[s]));
        }
      // Padding of a line, in which nothing is.
      int64_t end = even ? 128 : 192;
      ASSERT_EQ(int64_t(packed.size()), end + 64);
      EXPECT_EQ(at<uint32_t>(packed, 0), uint32_t(end));
      for (int64_t i = end; i < end + 64; ++i)
        EXPECT_EQ(packed[i], 0);
      auto bitsOf = [&](int64_t s) {
        std::set<int64_t> bits;
        for (int64_t bit = 0; bit < 128; ++bit)
          if (packed[records[s] + bit / 8] >> bit % 8 & 1)
            bits.insert(bit);
        return bits;
      };
      auto bitOf = [&](int64_t k) {
        return (k / c.depth * 16 + 2) * c.depth + k % c.depth;
      };
      EXPECT_EQ(bitsOf(0), (std::set<int64_t>{bitOf(0), bitOf(5)}));
      EXPECT_EQ(bitsOf(1), (std::set<int64_t>{bitOf(1)}));
      auto valueOf = [&](int64_t s, int64_t i) {
        int64_t from = records[s] + 16 + i * c.bytes;
        return c.bytes == 2 ? at<uint16_t>(packed, from)
                            : at<uint32_t>(packed, from);
      };
      uint32_t sign = 1u << (8 * c.bytes - 1);
      EXPECT_EQ(valueOf(0, 0), c.one);
      EXPECT_EQ(valueOf(0, 1), c.one | sign);
      EXPECT_EQ(sparse.decodePanel(packed, 16, 2, 9), 0.5f);
      EXPECT_FALSE(std::signbit(sparse.decodePanel(packed, 16, 1, 0)));
    }
}

/// What is scaled by zero is zero, whatever its codes are: of masks as of
/// blocks.
TEST_F(MaskedFormat, ScalesOfZeroMakeZeros) {
  for (const char *name : {"int8", "int4:g32"})
    for (float scale : {0.0f, -0.0f}) {
      SCOPED_TRACE(testing::Message() << name << " " << scale);
      IntFormatAttr format = codes(name);
      EncodedRows panel(element(name), 16, 64,
                        [](int64_t, int64_t) { return 1.0f; });
      // Scales follow the codes of a row; those of bf16 are the upper half.
      int64_t codes = 64 * format.getBits() / 8;
      for (int64_t r = 0; r < 16; ++r)
        for (int64_t at = codes; at < panel.bytes; at += 4)
          std::memcpy(panel.storage.data() + r * panel.bytes + at, &scale, 4);
      EXPECT_EQ(masked(name, 0, true).packIfKept(panel.pointers, 64), 0);
      EXPECT_EQ(BlocksFormatAttr::get(&context, element(name), 1)
                    .findBlocks(panel.pointers, 64)
                    .size(),
                0u);
    }
}

TEST_F(MaskedFormat, EvaluatorPacksAndRefusesWhatDoesNotFit) {
  auto text = [](const std::string &format, const std::string &keep) {
    std::string in = "!adze.weight<32x16, " + format + ">";
    std::string out = "!adze.weight<32x16, #adze.masked<" + format +
                      ", keep = " + keep + ">, panels>";
    return "adze.weight @a from \"a\" : " + in + "\nadze.weight @e : " + out +
           " {\n%a = adze.ref @a : " + in + "\n%e = adze.pack %a : " + in +
           " -> " + out + "\nadze.yield %e : " + out + "\n}\n";
  };
  const char *int8 = "#adze.int<8, scale = f32>", *bf16 = "#adze.float<bf16>";
  struct {
    std::string format, keep, error;
  } cases[] = {
      {int8, "288", ""},
      {int8, "128, even", ""},
      {bf16, "544", ""},
      {bf16, "256, even", ""},
      {bf16, "400",
       "bytes of elements that are not zero and masks, and bf16+mask keeps "
       "400"},
      {int8, "200",
       "bytes of elements that are not zero and masks, and int8+mask keeps "
       "200"},
      {int8, "40, even",
       "bytes of elements that are not zero in eight columns, and "
       "int8+nm keeps 40"}};
  for (const auto &c : cases) {
    SCOPED_TRACE(c.format + " " + c.keep);
    TestModule m(text(c.format, c.keep));
    ASSERT_TRUE(bool(m));
    addRandomWeights(m.get(), m.weights, 17); // hardly anything is zero
    auto made = WeightEvaluator::create(m.get(), m.weights);
    ASSERT_TRUE(bool(made)) << llvm::toString(made.takeError());
    auto weight = m.get().lookupSymbol<WeightOp>("e");
    std::vector<uint8_t> bytes(weight.getWeightType().getStorageBytes());
    std::string error =
        llvm::toString((*made)->evaluate(weight, 0, 0, 2, bytes.data()));
    if (c.error.empty())
      EXPECT_EQ(error, "");
    else
      EXPECT_NE(error.find(c.error + "; run adze-choose-sparse on these"),
                std::string::npos)
          << error;
  }
}
