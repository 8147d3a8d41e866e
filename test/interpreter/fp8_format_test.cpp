// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// #adze.fp8 against the published definition of E4M3: all 256 codes, rounding,
// rows and panels.

#include "TestModule.h"
#include "adze/Dialect/Adze/FormatName.h"

using namespace adze;
using namespace adze::test;

namespace {

/// Sign, 4 bits of exponent with a bias of 7, 3 bits of mantissa.
double defined(int code) {
  double sign = code & 0x80 ? -1 : 1;
  int exponent = code >> 3 & 15, mantissa = code & 7;
  if ((code & 0x7f) == 0x7f)
    return NAN;
  if (!exponent)
    return sign * mantissa / 8.0 * std::pow(2.0, -6);
  return sign * (1 + mantissa / 8.0) * std::pow(2.0, exponent - 7);
}

class Fp8Format : public testing::Test {
protected:
  Fp8Format() { context.loadDialect<AdzeDialect>(); }
  FormatAttrInterface format(const char *name) {
    auto parsed = parseFormatName(name, &context);
    EXPECT_TRUE(bool(parsed)) << llvm::toString(parsed.takeError());
    return *parsed;
  }
  mlir::MLIRContext context;
};

/// A row of `codes` with the scale 1.
std::vector<uint8_t> rowOf(std::vector<uint8_t> codes) {
  float one = 1;
  codes.resize(codes.size() + 4);
  std::memcpy(codes.data() + codes.size() - 4, &one, 4);
  return codes;
}

} // namespace

TEST_F(Fp8Format, NamesRoundTrip) {
  for (const char *name : {"fp8:f32", "fp8:f16", "fp8:bf16"})
    EXPECT_EQ(format(name).getFormatName(), name);
  for (const char *name : {"fp8", "fp8:", "fp8:f64", "fp8:g32"}) {
    auto parsed = parseFormatName(name, &context);
    EXPECT_FALSE(bool(parsed)) << name;
    llvm::consumeError(parsed.takeError());
  }
  // They are read, not made.
  auto rules = parseFormatRules("fp8:bf16", &context);
  ASSERT_FALSE(bool(rules));
  EXPECT_EQ(llvm::toString(rules.takeError()),
            "weights in fp8:bf16 are read from checkpoints as they are, not "
            "made; int8 is nearest");
}

TEST_F(Fp8Format, AllCodesAreAsDefined) {
  std::vector<uint8_t> codes(256);
  for (int i = 0; i < 256; ++i)
    codes[i] = i;
  std::vector<float> values(256);
  format("fp8:f32").decodeRow(rowOf(codes), values);
  for (int i = 0; i < 256; ++i)
    if (std::isnan(defined(i)))
      EXPECT_TRUE(std::isnan(values[i])) << i;
    else
      EXPECT_EQ(values[i], defined(i)) << i;
}

TEST_F(Fp8Format, RoundsToTheNearest) {
  // The largest element makes the scale 1.
  std::vector<float> values{448};
  for (int i = 0; i < 0x7e; ++i) {
    double a = defined(i), b = defined(i + 1);
    values.push_back(a);
    values.push_back(-(a + (b - a) * 0.49));
    values.push_back(a + (b - a) * 0.51);
    values.push_back((a + b) / 2);
  }
  FormatAttrInterface f = format("fp8:f32");
  std::vector<uint8_t> row(f.getRowBytes(values.size()));
  f.encodeRow(values, row);
  std::vector<float> back(values.size());
  f.decodeRow(row, back);
  for (int i = 0; i < 0x7e; ++i) {
    double a = defined(i), b = defined(i + 1);
    EXPECT_EQ(back[1 + 4 * i], a);
    EXPECT_EQ(back[2 + 4 * i], -a);
    EXPECT_EQ(back[3 + 4 * i], b);
    EXPECT_EQ(back[4 + 4 * i], i % 2 ? b : a) << "ties go to even";
  }
}

TEST_F(Fp8Format, PanelsHoldTheRows) {
  std::mt19937 random(5);
  for (const char *name : {"fp8:f32", "fp8:f16", "fp8:bf16"})
    for (int64_t cols : {1, 3, 8, 13, 64}) {
      FormatAttrInterface f = format(name);
      int64_t rowBytes = f.getRowBytes(cols);
      std::vector<std::vector<uint8_t>> rows(16);
      std::vector<std::vector<float>> decoded(16);
      std::vector<const uint8_t *> pointers(16, nullptr);
      for (int64_t r = 0; r < 16; ++r) {
        if (r == 7)
          continue; // a row of padding
        std::vector<float> values(cols);
        std::normal_distribution<float> normal;
        for (float &v : values)
          v = normal(random);
        rows[r].resize(rowBytes);
        f.encodeRow(values, rows[r]);
        decoded[r].resize(cols);
        f.decodeRow(rows[r], decoded[r]);
        pointers[r] = rows[r].data();
      }
      std::vector<uint8_t> panel(f.getPanelBytes(cols), 0xcd);
      f.packPanel(pointers, cols, panel);
      for (int64_t r = 0; r < 16; ++r)
        for (int64_t k = 0; k < cols; ++k)
          EXPECT_EQ(f.decodePanel(panel, cols, r, k),
                    r == 7 ? 0.0f : decoded[r][k])
              << name << " " << cols << " " << r << " " << k;
      EXPECT_EQ(panel.size() % 64, 0u);
    }
}
