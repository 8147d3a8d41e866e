// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Quantized rows and linears that multiply their codes: bit for bit the order
// of sums that is promised, on every variant, tile and part; and near loops in
// double.

#include "QuantizedLab.h"
#include "Step.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace adze;
using namespace adze::test;

namespace {

std::string quantizeText(int64_t group, int64_t sums, Stored in,
                         bool hasRanges = false) {
  return "adze.kernel @k quantize {group = " + std::to_string(group) +
         " : i64, sums = " + std::to_string(sums) +
         " : i64, in = " + nameOf(in) + (hasRanges ? ", ranges = true}" : "}");
}

std::vector<float> rowOf(const Matrix &x, int64_t r) {
  std::vector<float> row;
  for (int64_t i = 0; i < x.cols; ++i)
    row.push_back(x.at(r, i));
  return row;
}

class QuantizedTest : public testing::TestWithParam<const TargetVariant *> {
protected:
  std::unique_ptr<CompiledKernel> compile(const std::string &text) {
    auto kernel = lab.compile(text, *GetParam());
    EXPECT_TRUE(kernel) << lab.errors << text;
    return kernel;
  }
  KernelLab lab;
  std::mt19937 random{7};
};

/// Ranges of the groups of K columns around the largest of normal numbers times
/// `size`, so that some are clamped; the second is zero.
std::vector<float> someRanges(std::mt19937 &random, int64_t k, int64_t group,
                              float size) {
  std::uniform_real_distribution<float> around(size, 3 * size);
  std::vector<float> ranges(group ? (k + group - 1) / group : 1);
  for (float &range : ranges)
    range = around(random);
  if (ranges.size() > 1)
    ranges[1] = 0;
  return ranges;
}

/// In memory, as an operand.
std::unique_ptr<Memory> stored(const std::vector<float> &values) {
  auto memory = std::make_unique<Memory>(std::max<size_t>(1, values.size()) *
                                         sizeof(float));
  std::memcpy(memory->data(), values.data(), values.size() * sizeof(float));
  return memory;
}

TEST_P(QuantizedTest, RowsAreWhatLoopsMake) {
  struct {
    int64_t group, sums;
  } layouts[] = {{0, 32},  {0, 4096}, {128, 128}, {128, 32},
                 {32, 32}, {48, 8},   {16, 16},   {64, 8}};
  for (auto [group, sums] : layouts)
    for (Stored in : kAllStored)
      for (bool hasRanges : {false, true}) {
        auto kernel = compile(quantizeText(group, sums, in, hasRanges));
        ASSERT_TRUE(kernel);
        for (int64_t k : {1, 7, 16, 33, 128, 300, 517}) {
          SCOPED_TRACE(testing::Message()
                       << "group " << group << " sums " << sums << " in "
                       << nameOf(in) << " K " << k << " ranges " << hasRanges);
          const int64_t m = 3;
          Matrix x(m, k, in);
          x.fill(random, 5);
          for (int64_t i = 0; i < std::min<int64_t>(k, 128); ++i)
            x.put(1, i, 0); // whole groups of zeros
          if (k > 2)
            x.put(2, 0, -2), x.put(2, 1, 1), x.put(2, 2, 127.0f / 64);
          std::vector<float> ranges;
          if (hasRanges)
            ranges = someRanges(random, k, group, 5);
          if (hasRanges && k > 3) { // halves, and codes at the ends and beyond
            float step = ranges[0] / 127;
            x.put(2, 0, 2.5f * step), x.put(2, 1, -3.5f * step);
            x.put(2, 2, ranges[0]), x.put(2, 3, -3.0e4f);
          }
          auto weight = stored(ranges);
          size_t bytes = QuantizedRow(rowOf(x, 0), group, sums).bytes().size();
          Memory y(m * bytes);
          std::memset(y.data(), 0xa5, y.size());
          std::vector<uint64_t> operands{word(x), word(y)};
          if (hasRanges)
            operands.push_back(word(*weight));
          operands.insert(operands.end(), {m, uint64_t(k)});
          (*kernel)(0, 1, nullptr, operands);
          (*kernel)(1, m, nullptr, operands);
          for (int64_t r = 0; r < m; ++r) {
            auto expected =
                QuantizedRow(rowOf(x, r), group, sums, ranges).bytes();
            std::vector<uint8_t> found(y.data() + r * bytes,
                                       y.data() + (r + 1) * bytes);
            ASSERT_EQ(found, expected) << "row " << r;
          }
        }
      }
}

TEST_P(QuantizedTest, HalvesRoundToEvenAndNansStay) {
  auto kernel = compile(quantizeText(16, 16, Stored::F32));
  ASSERT_TRUE(kernel);
  Matrix x(1, 32, Stored::F32);
  // m = 127: codes are the values, rounded.
  const float values[] = {127, 0.5, 1.5, 2.5, -0.5, -1.5, -126.5, 3.49};
  const int8_t codes[] = {127, 0, 2, 2, 0, -2, -126, 3};
  for (int i = 0; i < 8; ++i)
    x.put(0, i, values[i]);
  x.put(0, 20, NAN);
  Memory y(3 * 64);
  (*kernel)(0, 1, nullptr, {word(x), word(y), 1, 32});
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(y.as<int8_t>()[i], codes[i]) << values[i];
  EXPECT_EQ(get(y.data() + 64, Stored::F32, 0), 1);
  EXPECT_TRUE(std::isnan(get(y.data() + 64, Stored::F32, 1)));
}

/// What is not finite is not lost in a clamp: its group's scale becomes NaN,
/// and no other's.
TEST_P(QuantizedTest, RangesKeepWhatIsNotFinite) {
  for (int64_t sums : {8, 16}) {
    auto kernel = compile(quantizeText(16, sums, Stored::F32, true));
    ASSERT_TRUE(kernel);
    for (float value : {float(NAN), float(INFINITY), -float(INFINITY)}) {
      Matrix x(1, 48, Stored::F32);
      x.fill(random);
      x.put(0, 21, value);
      auto weight = stored({127, 1, 254});
      Memory y(3 * 64);
      (*kernel)(0, 1, nullptr, {word(x), word(y), word(*weight), 1, 48});
      EXPECT_EQ(get(y.data() + 64, Stored::F32, 0), 1);
      EXPECT_TRUE(std::isnan(get(y.data() + 64, Stored::F32, 1)));
      EXPECT_EQ(get(y.data() + 64, Stored::F32, 2), 2);
    }
  }
}

TEST_P(QuantizedTest, NormWritesQuantizedRows) {
  for (bool hasRanges : {false, true})
    for (int64_t group : {0, 32, 128})
      for (int64_t k : {16, 100, 288}) {
        SCOPED_TRACE(testing::Message() << "group " << group << " K " << k
                                        << " ranges " << hasRanges);
        std::string params = "eps = 1.0e-5 : f64, in = f32";
        auto plain = compile("adze.kernel @k rms_norm {" + params + "}");
        auto both = compile("adze.kernel @k rms_norm {" + params +
                            ", out = i8, group = " + std::to_string(group) +
                            " : i64, sums = 32 : i64" +
                            (hasRanges ? ", ranges = true}" : "}"));
        ASSERT_TRUE(plain && both);
        Matrix x(2, k, Stored::F32), w(1, k, Stored::F32), y(2, k, Stored::F32);
        x.fill(random);
        w.fill(random);
        (*plain)(0, 2, nullptr, {word(x), word(y), word(w), 2, uint64_t(k)});
        std::vector<float> ranges;
        if (hasRanges)
          ranges = someRanges(random, k, group, 1);
        auto weight = stored(ranges);
        size_t bytes = QuantizedRow(rowOf(y, 0), group, 32).bytes().size();
        Memory q(2 * bytes);
        std::memset(q.data(), 0xa5, q.size());
        std::vector<uint64_t> operands{word(x), word(q), word(w)};
        if (hasRanges)
          operands.push_back(word(*weight));
        operands.insert(operands.end(), {2, uint64_t(k)});
        (*both)(0, 2, nullptr, operands);
        for (int64_t r = 0; r < 2; ++r)
          ASSERT_EQ(std::vector<uint8_t>(q.data() + r * bytes,
                                         q.data() + (r + 1) * bytes),
                    QuantizedRow(rowOf(y, r), group, 32, ranges).bytes());
      }
}

/// Rows of x, quantized by loops.
struct Rows {
  Rows(const Matrix &x, int64_t group, int64_t sums) {
    for (int64_t r = 0; r < x.rows; ++r)
      rows.emplace_back(rowOf(x, r), group, sums);
    size_t bytes = rows[0].bytes().size();
    memory = std::make_unique<Memory>(x.rows * bytes);
    for (int64_t r = 0; r < x.rows; ++r)
      std::memcpy(memory->data() + r * bytes, rows[r].bytes().data(), bytes);
  }
  std::vector<QuantizedRow> rows;
  std::unique_ptr<Memory> memory;
};

struct Case {
  const char *format;
  int64_t group, sums; // of x
};
const Case kCases[] = {
    {"#adze.int<8, scale = f32>", 128, 128},
    {"#adze.int<8, scale = f32>", 0, 32},
    {"#adze.int<8, group = 32, scale = bf16>", 32, 32},
    {"#adze.int<8, group = 64, scale = f16, zeros>", 128, 32},
    {"#adze.int<4, group = 128, scale = bf16>", 128, 128},
    {"#adze.int<4, group = 32, scale = bf16>", 128, 32},
    {"#adze.int<4, group = 32, scale = f16, zeros>", 32, 16},
    {"#adze.int<4, group = 32, scale = f16, zeros>", 0, 32},
    {"#adze.int<4, group = 128, scale = f32>", 0, 64},
    {"#adze.int<4, group = 24, scale = bf16>", 32, 8},
    {"#adze.int<4, group = 16, scale = f32>", 48, 16},
    {"#adze.int<4, scale = f32>", 96, 96},
    {"#adze.int<4, scale = bf16, zeros>", 0, 512},
    {"#adze.int<3, group = 32, scale = bf16>", 128, 32},
    {"#adze.int<3, group = 128, scale = f32, zeros>", 128, 128},
};

std::string linearText(const Case &c, const std::string &rest = "}") {
  return std::string("adze.kernel @k linear {in = i8, format = ") + c.format +
         ", group = " + std::to_string(c.group) +
         " : i64, sums = " + std::to_string(c.sums) + " : i64" + rest;
}

TEST_P(QuantizedTest, LinearAddsInTheOrderThatIsPromised) {
  struct {
    int64_t n, k;
  } shapes[] = {{1, 1},     {16, 8},   {70, 33},  {48, 128},
                {113, 300}, {33, 517}, {20, 2200}};
  const int64_t most = 65; // tiles of 48 and 12, and a rest
  for (const Case &c : kCases) {
    SCOPED_TRACE(testing::Message()
                 << c.format << " x " << c.group << " sums " << c.sums);
    IntFormatAttr format = parseIntFormat(lab, c.format);
    ASSERT_TRUE(format);
    auto kernel = compile(linearText(c));
    ASSERT_TRUE(kernel);
    for (auto [n, k] : shapes) {
      IntegerWeight weight(format, n, k);
      weight.fill(random);
      Matrix x(most, k, Stored::F32);
      x.fill(random);
      Rows rows(x, c.group, c.sums);
      Matrix expected(most, n, Stored::F32);
      for (int64_t r = 0; r < most; ++r)
        for (int64_t i = 0; i < n; ++i)
          expected.put(r, i, weight.multiply(rows.rows[r], c.group, i));
      int64_t units = (n + 15) / 16;
      for (int64_t m : {1, 2, 3, 4, 5, 6, 7, 8, 9, 17, 48, 65}) {
        Matrix y(m, n, Stored::F32);
        // Uneven parts, as three threads would take them.
        int64_t cuts[] = {0, std::min<int64_t>(units, 1), units * 3 / 4, units};
        for (int part = 0; part < 3; ++part)
          (*kernel)(cuts[part], std::max(cuts[part], cuts[part + 1]), nullptr,
                    {word(*rows.memory), word(y), word(weight.panels),
                     uint64_t(m), uint64_t(n), uint64_t(k)});
        for (int64_t r = 0; r < m; ++r)
          ASSERT_EQ(y.rowBytes(r), expected.rowBytes(r))
              << "M " << m << " N " << n << " K " << k << " row " << r;
      }
      // What was promised is near what is meant.
      for (int64_t i = 0; i < n; ++i) {
        std::vector<float> w = weight.decode(i);
        double sum = 0, size = 0;
        for (int64_t j = 0; j < k; ++j) {
          double v = double(rows.rows[0].codes[j]) *
                     rows.rows[0].scales[c.group ? j / c.group : 0];
          sum += v * w[j];
          size += std::fabs(v * w[j]);
        }
        ASSERT_NEAR(expected.at(0, i), sum, 1e-5 * size) << i;
      }
    }
  }
}

TEST_P(QuantizedTest, ExtremeCodesDoNotSaturate) {
  for (const char *text :
       {"#adze.int<8, scale = f32>", "#adze.int<8, group = 32, scale = f32>",
        "#adze.int<4, group = 32, scale = f32>"}) {
    const int64_t n = 16, k = 512;
    IntegerWeight weight(parseIntFormat(lab, text), n, k);
    weight.fill(random);
    for (int64_t r = 0; r < n; ++r) // all codes at the top, or the bottom
      std::memset(weight.rows.data() + r * weight.rowBytes, r % 2 ? 0 : 255,
                  weight.scalesAt());
    weight.pack();
    Matrix x(2, k, Stored::F32), y(2, n, Stored::F32);
    for (int64_t i = 0; i < k; ++i)
      x.put(0, i, 1), x.put(1, i, -1);
    Rows rows(x, 0, 32);
    auto kernel = compile(linearText({text, 0, 32}));
    ASSERT_TRUE(kernel);
    (*kernel)(0, 1, nullptr,
              {word(*rows.memory), word(y), word(weight.panels), 2, uint64_t(n),
               uint64_t(k)});
    for (int64_t r = 0; r < 2; ++r)
      for (int64_t i = 0; i < n; ++i)
        ASSERT_EQ(y.at(r, i), weight.multiply(rows.rows[r], 0, i)) << text;
  }
}

/// Gate and up with a region, and a bias with a captured residual.
TEST_P(QuantizedTest, RegionsBiasesAndStreams) {
  for (const Case &c : {kCases[0], kCases[5], kCases[6]}) {
    SCOPED_TRACE(c.format);
    const int64_t n = 40, k = 160, blocks = 3;
    IntFormatAttr format = parseIntFormat(lab, c.format);
    IntegerWeight weight(format, blocks * 32, k);
    weight.fill(random);
    auto gated = compile(linearText(
        c, ", streams = 2 : i64} {\n^bb0(%g: f32, %u: f32):\n"
           "  %p = arith.mulf %g, %u : f32\n  adze.yield %p : f32 }"));
    auto biased = compile(linearText(
        c, ", bias = true, captures = [bf16], out = bf16} {\n"
           "^bb0(%a: f32, %r: f32):\n  %p = arith.addf %a, %r : f32\n"
           "  adze.yield %p : f32 }"));
    ASSERT_TRUE(gated && biased);
    for (int64_t m : {1, 4, 9}) {
      Matrix x(m, k, Stored::F32), y(m, n, Stored::F32),
          residual(m, 96, Stored::BF16), z(m, 96, Stored::BF16),
          bias(1, 96, Stored::F32);
      for (Matrix *matrix : {&x, &residual, &bias})
        matrix->fill(random);
      Rows rows(x, c.group, c.sums);
      (*gated)(0, blocks, nullptr,
               {word(*rows.memory), word(y), word(weight.panels), uint64_t(m),
                uint64_t(n), uint64_t(k)});
      (*biased)(0, 6, nullptr,
                {word(*rows.memory), word(residual), word(z),
                 word(weight.panels), word(bias), uint64_t(m), 96,
                 uint64_t(k)});
      for (int64_t r = 0; r < m; ++r) {
        auto product = [&](int64_t i) {
          return weight.multiply(rows.rows[r], c.group, i);
        };
        for (int64_t i = 0; i < n; ++i)
          ASSERT_EQ(y.at(r, i), product(i / 16 * 32 + i % 16) *
                                    product(i / 16 * 32 + 16 + i % 16));
        for (int64_t i = 0; i < 96; ++i) {
          Matrix rounded(1, 1, Stored::BF16);
          rounded.put(0, 0, product(i) + bias.at(0, i) + residual.at(r, i));
          ASSERT_EQ(z.at(r, i), rounded.at(0, 0));
        }
      }
    }
  }
}

/// A linear whose unit covers whole groups of its result writes codes.
TEST_P(QuantizedTest, LinearWritesQuantizedRows) {
  struct {
    int64_t streams, group, sums, n;
  } layouts[] = {
      {2, 128, 32, 256}, {2, 32, 32, 96}, {1, 64, 8, 192}, {1, 16, 16, 80}};
  for (auto [streams, group, sums, n] : layouts) {
    SCOPED_TRACE(testing::Message() << streams << " streams, group " << group);
    const int64_t k = 96, units = n / group;
    std::string params =
        ", streams = " + std::to_string(streams) + " : i64, captures = [f32]";
    std::string region =
        streams == 2
            ? "} {\n^bb0(%g: f32, %u: f32, %r: f32):\n"
              "  %s = adze.silu %g : f32\n  %p = arith.mulf %s, %u : f32\n"
              "  %q = arith.addf %p, %r : f32\n  adze.yield %q : f32 }"
            : "} {\n^bb0(%g: f32, %r: f32):\n"
              "  %q = arith.addf %g, %r : f32\n  adze.yield %q : f32 }";
    auto plain = compile(linearText(kCases[5], params + region));
    params += ", out = i8, out_group = " + std::to_string(group) +
              " : i64, out_sums = " + std::to_string(sums) + " : i64";
    auto both = compile(linearText(kCases[5], params + region));
    auto given =
        compile(linearText(kCases[5], params + ", out_ranges = true" + region));
    ASSERT_TRUE(plain && both && given);
    IntegerWeight weight(parseIntFormat(lab, kCases[5].format), streams * n, k);
    weight.fill(random);
    for (int64_t m : {1, 4, 13}) {
      Matrix x(m, k, Stored::F32), residual(m, n, Stored::F32),
          y(m, n, Stored::F32);
      x.fill(random);
      residual.fill(random);
      Rows rows(x, kCases[5].group, kCases[5].sums);
      (*plain)(0, n / 16, nullptr,
               {word(*rows.memory), word(residual), word(y),
                word(weight.panels), uint64_t(m), uint64_t(n), uint64_t(k)});
      size_t bytes = QuantizedRow(rowOf(y, 0), group, sums).bytes().size();
      for (bool hasRanges : {false, true}) {
        std::vector<float> ranges;
        if (hasRanges)
          ranges = someRanges(random, n, group, 1);
        auto operand = stored(ranges);
        Memory q(m * bytes);
        std::memset(q.data(), 0xa5, q.size());
        std::vector<uint64_t> operands{word(*rows.memory), word(residual),
                                       word(q), word(weight.panels)};
        if (hasRanges)
          operands.push_back(word(*operand));
        operands.insert(operands.end(),
                        {uint64_t(m), uint64_t(n), uint64_t(k)});
        for (int64_t cut : {int64_t(0), units / 2})
          (hasRanges ? *given : *both)(cut, cut ? units : units / 2, nullptr,
                                       operands);
        for (int64_t r = 0; r < m; ++r)
          ASSERT_EQ(std::vector<uint8_t>(q.data() + r * bytes,
                                         q.data() + (r + 1) * bytes),
                    QuantizedRow(rowOf(y, r), group, sums, ranges).bytes())
              << "M " << m << " row " << r << " ranges " << hasRanges;
      }
    }
  }
}

/// So are panels of small floats, whose values are exact but for the scale.
TEST_P(QuantizedTest, FloatRowsMeetSmallFloats) {
  auto format = llvm::cast<Fp8FormatAttr>(
      parseAttribute("#adze.fp8<scale = bf16>", &lab.context));
  for (Stored in : {Stored::F32, Stored::BF16}) {
    auto kernel = compile(std::string("adze.kernel @k linear {format = "
                                      "#adze.fp8<scale = bf16>, in = ") +
                          nameOf(in) + "}");
    ASSERT_TRUE(kernel);
    for (auto [n, k] :
         {std::pair<int64_t, int64_t>{1, 1}, {70, 33}, {40, 600}}) {
      int64_t rowBytes = format.getRowBytes(k),
              panelBytes = format.getPanelBytes(k);
      Memory rows(n * rowBytes), panels((n + 15) / 16 * panelBytes);
      for (int64_t r = 0; r < n; ++r) {
        std::vector<float> values(k, 3.0f + float(r));
        uint8_t *row = rows.data() + r * rowBytes;
        format.encodeRow(values, {row, size_t(rowBytes)}); // for the scale
        for (int64_t j = 0; j < k; ++j)                    // any code but NaN
          row[j] = (random() & 0x80) | random() % 0x7f;
      }
      for (int64_t p = 0; p < (n + 15) / 16; ++p) {
        std::vector<const uint8_t *> sixteen;
        for (int64_t r = 16 * p; r < 16 * p + 16; ++r)
          sixteen.push_back(r < n ? rows.data() + r * rowBytes : nullptr);
        format.packPanel(sixteen, k,
                         {panels.data() + p * panelBytes, size_t(panelBytes)});
      }
      Matrix x(70, k, in), y(70, n, Stored::F32);
      x.fill(random);
      for (int64_t m : {1, 3, 9, 70})
        (*kernel)(0, (n + 15) / 16, nullptr,
                  {word(x), word(y), word(panels), uint64_t(m), uint64_t(n),
                   uint64_t(k)});
      std::vector<float> w(k);
      for (int64_t i = 0; i < n; ++i) {
        format.decodeRow({rows.data() + i * rowBytes, size_t(rowBytes)}, w);
        for (int64_t r = 0; r < 70; ++r) {
          float chain = 0;
          for (int64_t j = 0; j < k; ++j)
            chain = std::fma(x.at(r, j), w[j], chain);
          ASSERT_EQ(y.at(r, i), chain) << r << " " << i;
        }
      }
    }
  }
}

/// Float rows: panels are decoded, and one chain of fma runs over all of K.
TEST_P(QuantizedTest, FloatRowsMeetDecodedPanels) {
  struct {
    int64_t n, k;
  } shapes[] = {{1, 1}, {70, 33}, {40, 600}};
  for (const Case &c : kCases)
    for (Stored in : {Stored::F32, Stored::BF16}) {
      SCOPED_TRACE(testing::Message() << c.format << " in " << nameOf(in));
      auto kernel = compile(std::string("adze.kernel @k linear {format = ") +
                            c.format + ", in = " + nameOf(in) + "}");
      ASSERT_TRUE(kernel);
      for (auto [n, k] : shapes) {
        IntegerWeight weight(parseIntFormat(lab, c.format), n, k);
        weight.fill(random);
        Matrix x(70, k, in), y(70, n, Stored::F32);
        x.fill(random);
        for (int64_t m : {70, 1, 3, 9}) {
          Matrix z(m, n, Stored::F32);
          (*kernel)(0, (n + 15) / 16, nullptr,
                    {word(x), word(z), word(weight.panels), uint64_t(m),
                     uint64_t(n), uint64_t(k)});
          if (m == 70)
            std::memcpy(y.memory.data(), z.memory.data(), z.memory.size());
          for (int64_t r = 0; r < m; ++r)
            ASSERT_EQ(z.rowBytes(r), y.rowBytes(r))
                << "M " << m << " row " << r;
        }
        for (int64_t i = 0; i < n; ++i) {
          std::vector<float> w = weight.decode(i);
          for (int64_t r = 0; r < 70; ++r) {
            float chain = 0;
            double sum = 0, size = 0;
            for (int64_t j = 0; j < k; ++j) {
              chain = std::fma(x.at(r, j), w[j], chain);
              sum += double(x.at(r, j)) * w[j];
              size += std::fabs(double(x.at(r, j)) * w[j]);
            }
            // A minimum is added to the scaled code, which may round.
            if (weight.format.getZeros())
              ASSERT_NEAR(y.at(r, i), sum, 2e-6 * size) << r << " " << i;
            else
              ASSERT_EQ(y.at(r, i), chain) << r << " " << i;
          }
        }
      }
    }
}

TEST_P(QuantizedTest, WrongParamsAreNamed) {
  auto errors = [&](const std::string &text) {
    EXPECT_FALSE(lab.compile(text, *GetParam())) << text;
    return lab.errors;
  };
  EXPECT_NE(errors(linearText({"#adze.float<bf16>", 128, 128}))
                .find("param 'format' to be an integer format"),
            std::string::npos)
      << lab.errors;
  EXPECT_NE(errors(linearText({kCases[5].format, 128, 128}))
                .find("param 'sums' to be a divisor of what the groups of "
                      "weight and x have in common (32), found 128"),
            std::string::npos)
      << lab.errors;
  EXPECT_NE(errors(linearText({kCases[0].format, 24, 8}))
                .find("param 'group' to be 0 (the whole row) or a multiple of "
                      "16, found 24"),
            std::string::npos)
      << lab.errors;
  EXPECT_NE(errors(linearText(kCases[0], ", out = i8, out_sums = 8 : i64}"))
                .find("param 'out_group' to be a multiple of 16, in a linear "
                      "without a sink, found none"),
            std::string::npos)
      << lab.errors;
  EXPECT_NE(errors(quantizeText(32, 24, Stored::F32))
                .find("param 'sums' to be a multiple of 8 that divides"),
            std::string::npos)
      << lab.errors;
  EXPECT_NE(errors("adze.kernel @k rms_norm {eps = 1.0e-5 : f64, heads = 2 : "
                   "i64, out = i8, group = 32 : i64, sums = 32 : i64}")
                .find("param 'heads' to be 1 where out = i8"),
            std::string::npos)
      << lab.errors;
}

INSTANTIATE_TEST_SUITE_P(Variants, QuantizedTest,
                         testing::ValuesIn(emulatedVariants()), variantName);

} // namespace
