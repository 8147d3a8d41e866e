// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Row kernels, rotary kernels and head sinks against loops in double.

#include "Step.h"
#include "mlir/AsmParser/AsmParser.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace adze;
using namespace adze::test;

namespace {

class RowKernelTest : public testing::TestWithParam<const TargetVariant *> {
protected:
  std::unique_ptr<CompiledKernel> compile(const std::string &text) {
    auto kernel = lab.compile(text, *GetParam());
    EXPECT_TRUE(kernel) << text << "\n" << lab.errors;
    return kernel;
  }
  void expectPairs(const std::string &body, double (*reference)(double, double),
                   const std::vector<float> &as, const std::vector<float> &bs,
                   double relative);
  KernelLab lab;
  std::mt19937 random{5};
};

TEST_P(RowKernelTest, RmsNorm) {
  for (Stored in : kAllStored)
    for (Stored out : kAllStored)
      for (int64_t heads : {1, 3}) {
        auto kernel = compile(
            std::string("adze.kernel @k rms_norm {eps = 1.0e-5, in = ") +
            nameOf(in) + ", out = " + nameOf(out) +
            ", heads = " + std::to_string(heads) + " : i64}");
        ASSERT_TRUE(kernel);
        for (int64_t size : {1, 6, 16, 64, 77, 288}) {
          int64_t m = 3, n = size * heads;
          Matrix x(m, n, in), w(1, size, Stored::F32), y(m, n, out);
          x.fill(random);
          w.fill(random);
          (*kernel)(0, 1, nullptr, {word(x), word(y), word(w), 3, uint64_t(n)});
          (*kernel)(1, m, nullptr, {word(x), word(y), word(w), 3, uint64_t(n)});
          for (int64_t r = 0; r < m; ++r)
            for (int64_t i = 0; i < n; ++i) {
              double sum = 0;
              for (int64_t j = 0; j < size; ++j)
                sum += std::pow(double(x.at(r, i / size * size + j)), 2);
              double expected =
                  x.at(r, i) / std::sqrt(sum / size + 1e-5) * w.at(0, i % size);
              ASSERT_NEAR(y.at(r, i), expected,
                          1e-6 + std::fabs(expected) * roundingOf(out))
                  << nameOf(in) << " " << nameOf(out) << " size " << size;
            }
        }
      }
}

TEST_P(RowKernelTest, Embed) {
  for (Stored type : kAllStored)
    for (bool packed : {false, true}) {
      auto kernel =
          compile(std::string("adze.kernel @k embed {format = #adze.float<") +
                  nameOf(type) + ">, layout = #adze.layout<" +
                  (packed ? "panels" : "rows") + ">, out = f32}");
      ASSERT_TRUE(kernel);
      for (int64_t n : {1, 6, 16, 33, 64}) {
        Matrix table(37, n, type), y(4, n, Stored::F32);
        table.fill(random);
        Memory panels = lab.pack(table);
        Memory tokens(4 * 4);
        const int32_t ids[] = {36, 0, 15, 16};
        std::copy(ids, ids + 4, tokens.as<int32_t>());
        (*kernel)(0, 4, nullptr,
                  {word(tokens), word(y), packed ? word(panels) : word(table),
                   4, uint64_t(n)});
        for (int64_t r = 0; r < 4; ++r)
          for (int64_t i = 0; i < n; ++i)
            ASSERT_EQ(y.at(r, i), table.at(ids[r], i))
                << nameOf(type) << " packed " << packed << " N " << n;
      }
    }
}

/// Tables of codes: what decodePanel reads, to the rounding of a sum where
/// there are zero points.
TEST_P(RowKernelTest, EmbedCodes) {
  for (const char *text :
       {"#adze.int<8, scale = f32>", "#adze.int<8, group = 32, scale = f16>",
        "#adze.int<4, group = 128, scale = bf16>",
        "#adze.int<4, group = 24, scale = f16, zeros>",
        "#adze.int<4, scale = f32, zeros>"}) {
    auto kernel = compile(std::string("adze.kernel @k embed {format = ") +
                          text + ", layout = #adze.layout<panels>, out = f32}");
    ASSERT_TRUE(kernel);
    auto format = mlir::cast<IntegerFormatAttrInterface>(
        mlir::parseAttribute(text, &lab.context));
    for (int64_t n : {1, 6, 8, 16, 33, 40, 64, 100, 264, 300}) {
      Matrix table(37, n, Stored::F32), y(4, n, Stored::F32);
      table.fill(random);
      Memory panels = lab.pack(table, format);
      Memory tokens(4 * 4);
      const int32_t ids[] = {36, 0, 15, 16};
      std::copy(ids, ids + 4, tokens.as<int32_t>());
      (*kernel)(0, 4, nullptr,
                {word(tokens), word(y), word(panels), 4, uint64_t(n)});
      int64_t bytes = format.getPanelBytes(n);
      for (int64_t r = 0; r < 4; ++r)
        for (int64_t i = 0; i < n; ++i) {
          float expected = format.decodePanel(
              {panels.data() + ids[r] / 16 * bytes, size_t(bytes)}, n,
              ids[r] % 16, i);
          if (format.hasMinimum())
            ASSERT_NEAR(y.at(r, i), expected, 1e-5) << text << " N " << n;
          else
            ASSERT_EQ(y.at(r, i), expected) << text << " N " << n;
        }
    }
  }
}

TEST_P(RowKernelTest, EmbedCodesInRowsIsAnError) {
  EXPECT_FALSE(lab.compile("adze.kernel @k embed {format = #adze.int<8, scale "
                           "= f32>, layout = #adze.layout<rows>, out = f32}",
                           *GetParam()));
  EXPECT_NE(lab.errors.find("panels for a format with codes"),
            std::string::npos)
      << lab.errors;
}

TEST_P(RowKernelTest, TakeRowsAndMap) {
  for (Stored type : kAllStored) {
    auto take = compile(std::string("adze.kernel @k take_rows {elem = ") +
                        nameOf(type) + "}");
    auto map = compile(
        std::string("adze.kernel @k map {in = [") + nameOf(type) +
        ", f32], out = f32} {\n^bb0(%a: f32, %b: f32):\n"
        "  %c = arith.constant 2.0 : f32\n  %0 = arith.mulf %a, %c : f32\n"
        "  %1 = arith.maximumf %0, %b : f32\n  adze.yield %1 : f32 }");
    ASSERT_TRUE(take && map);
    for (int64_t n : {1, 7, 16, 50, 64}) {
      Matrix x(9, n, type), y(3, n, type), b(3, n, Stored::F32),
          z(3, n, Stored::F32);
      x.fill(random);
      b.fill(random);
      Memory rows(3 * 4);
      const int32_t ids[] = {8, 0, 5};
      std::copy(ids, ids + 3, rows.as<int32_t>());
      (*take)(0, 3, nullptr, {word(x), word(rows), word(y), 3, uint64_t(n)});
      (*map)(0, 3, nullptr, {word(y), word(b), word(z), 3, uint64_t(n)});
      for (int64_t r = 0; r < 3; ++r)
        for (int64_t i = 0; i < n; ++i) {
          ASSERT_EQ(y.at(r, i), x.at(ids[r], i));
          ASSERT_EQ(z.at(r, i), std::max(2 * y.at(r, i), b.at(r, i)));
        }
    }
  }
}

/// Frequencies / 2 pi of a rotary embedding of base 10000.
std::vector<double> turnsOf(int64_t headDim) {
  std::vector<double> turns;
  for (int64_t i = 0; i < headDim / 2; ++i)
    turns.push_back(std::pow(10000.0, -2.0 * i / headDim) / 6.283185307179586);
  return turns;
}

TEST_P(RowKernelTest, RotaryTableLeavesStillPairsUnscaled) {
  auto kernel = compile("adze.kernel @k rotary_table {scale = 0.5 : f64, "
                        "turns = array<f64: 0.25, 0.0, 0.0>}");
  ASSERT_TRUE(kernel);
  std::vector<int32_t> positions = {0, 1, 1000003};
  BatchView view = {};
  view.positions = positions.data();
  Matrix y(3, 6, Stored::F32);
  (*kernel)(0, 3, &view, {word(y)});
  for (int64_t r = 0; r < 3; ++r)
    for (int64_t i = 1; i < 3; ++i) {
      EXPECT_EQ(y.at(r, i), 1.0) << r << " " << i;
      EXPECT_EQ(y.at(r, 3 + i), 0.0) << r << " " << i;
    }
  EXPECT_NEAR(y.at(0, 0), 0.5, 2e-7);
  EXPECT_NEAR(y.at(1, 3), 0.5, 2e-7); // a quarter of a turn
}

TEST_P(RowKernelTest, RotaryTable) {
  for (int64_t d : {2, 6, 64, 80, 128}) {
    std::string list;
    for (double t : turnsOf(d))
      list += (list.empty() ? "" : ", ") + std::to_string(t);
    auto kernel = compile("adze.kernel @k rotary_table {scale = 0.5 : f64, "
                          "turns = array<f64: " +
                          list + ">}");
    ASSERT_TRUE(kernel);
    std::vector<double> turns;
    for (double t : turnsOf(d))
      turns.push_back(std::stod(std::to_string(t)));
    std::vector<int32_t> positions = {0, 1, 255, 4095, 1000003};
    BatchView view = {};
    view.positions = positions.data();
    Matrix y(5, d, Stored::F32);
    (*kernel)(0, 5, &view, {word(y)});
    for (int64_t r = 0; r < 5; ++r)
      for (int64_t i = 0; i < d / 2; ++i) {
        double a = positions[r] * turns[i];
        a = 6.283185307179586 * (a - std::round(a));
        ASSERT_NEAR(y.at(r, i), 0.5 * std::cos(a), 2e-7) << d << " " << r;
        ASSERT_NEAR(y.at(r, d / 2 + i), 0.5 * std::sin(a), 2e-7);
      }
  }
}

TEST_P(RowKernelTest, Rotary) {
  for (int64_t pairing : {0, 1})
    for (Stored type : kAllStored)
      for (int64_t d : {2, 6, 64, 80}) {
        auto kernel =
            compile("adze.kernel @k rotary {heads = 3 : i64, head_dim = " +
                    std::to_string(d) + " : i64, in = " + nameOf(type) +
                    ", pairing = " + std::to_string(pairing) + " : i32}");
        ASSERT_TRUE(kernel);
        Matrix x(2, 3 * d, type), table(2, d, Stored::F32),
            y(2, 3 * d, Stored::F32);
        x.fill(random);
        table.fill(random);
        (*kernel)(0, 2, nullptr,
                  {word(x), word(table), word(y), 2, uint64_t(3 * d)});
        for (int64_t r = 0; r < 2; ++r)
          for (int64_t h = 0; h < 3; ++h)
            for (int64_t i = 0; i < d / 2; ++i) {
              int64_t low = h * d + (pairing ? 2 * i : i);
              int64_t high = h * d + (pairing ? 2 * i + 1 : i + d / 2);
              double a = x.at(r, low), b = x.at(r, high);
              double c = table.at(r, i), s = table.at(r, d / 2 + i);
              ASSERT_NEAR(y.at(r, low), a * c - b * s, 1e-6) << "D " << d;
              ASSERT_NEAR(y.at(r, high), b * c + a * s, 1e-6);
            }
      }
}

/// A QKV linear with norm, rotary, store and append; then attention over what
/// it appended: the whole path of a layer's attention.
TEST_P(RowKernelTest, HeadSinks) {
  for (Stored kv : kAllStored)
    for (int64_t d : {2, 6, 64, 80, 96}) {
      SCOPED_TRACE(testing::Message() << nameOf(kv) << " D " << d);
      const int64_t q = 4, g = 2, k = 21, padded = (d + 15) / 16 * 16;
      std::string D = std::to_string(d);
      auto kernel =
          compile("adze.kernel @k linear {format = #adze.float<f32>, bias = "
                  "true, kv = " +
                  std::string(nameOf(kv)) + ", sink = #adze.heads<" + D +
                  ", [#adze.head<4, norm = @a, eps = 1.0e-6, rotary, store>, "
                  "#adze.head<2, norm = @b, eps = 1.0e-6, rotary, key>, "
                  "#adze.head<2, value>]>}");
      ASSERT_TRUE(kernel);
      for (int64_t m : {1, 5, 9}) {
        Step step(lab, {{60, m}}, 2, g, d, kv, random);
        int64_t rows = (q + 2 * g) * d;
        Matrix x(m, k, Stored::F32), w(rows, k, Stored::F32),
            bias(1, rows / d * padded, Stored::F32),
            wide(rows / d * padded, k, Stored::F32), rope(m, d, Stored::F32),
            y(m, q * d, Stored::F32), normA(1, d, Stored::F32),
            normB(1, d, Stored::F32);
        for (Matrix *matrix : {&x, &w, &rope, &normA, &normB})
          matrix->fill(random);
        for (int64_t r = 0; r < rows; ++r) {
          bias.put(0, r / d * padded + r % d, 0.01f * float(r % 11));
          for (int64_t i = 0; i < k; ++i)
            wide.put(r / d * padded + r % d, i, w.at(r, i));
        }
        Memory panels = lab.pack(wide);
        std::vector<uint64_t> arguments = {
            word(x),    word(y),     word(rope),      word(panels),
            word(bias), word(normA), word(normB),     word(*step.pool),
            1,          uint64_t(m), uint64_t(q * d), uint64_t(k)};
        (*kernel)(0, 3, &step.view, arguments);
        (*kernel)(3, q + 2 * g, &step.view, arguments);

        auto head = [&](int64_t row, int64_t h) {
          std::vector<double> v(d);
          double sum = 0;
          for (int64_t i = 0; i < d; ++i) {
            v[i] = 0.01f * float((h * d + i) % 11);
            for (int64_t j = 0; j < k; ++j)
              v[i] += double(x.at(row, j)) * w.at(h * d + i, j);
            sum += v[i] * v[i];
          }
          if (h >= q + g)
            return v;
          for (int64_t i = 0; i < d; ++i)
            v[i] *=
                (h < q ? normA : normB).at(0, i) / std::sqrt(sum / d + 1e-6);
          for (int64_t i = 0; i < d / 2; ++i) {
            double a = v[i], b = v[i + d / 2];
            double c = rope.at(row, i), s = rope.at(row, i + d / 2);
            v[i] = a * c - b * s;
            v[i + d / 2] = b * c + a * s;
          }
          return v;
        };
        for (int64_t r = 0; r < m; ++r) {
          for (int64_t h = 0; h < q; ++h)
            for (int64_t i = 0; i < d; ++i)
              ASSERT_NEAR(y.at(r, h * d + i), head(r, h)[i], 2e-5);
          // The cache, by the layout that KernelBuilder.h describes.
          int64_t position = 60 + r, slot = position % 64;
          int64_t depth = kv == Stored::F16 ? 1 : 4 / bytesOf(kv),
                  inUnit = 4 / bytesOf(kv),
                  keyColumns = (d + inUnit - 1) / inUnit * inUnit;
          const uint8_t *page =
              step.pool->data() +
              step.pages[position / 64] * step.view.pageBytes +
              step.view.layerBytes;
          int64_t headBytes = step.view.layerBytes / g;
          for (int64_t h = 0; h < g; ++h)
            for (int64_t i = 0; i < d; ++i) {
              const uint8_t *keys = page + h * headBytes;
              const uint8_t *values = keys + 64 * keyColumns * bytesOf(kv);
              int64_t keyAt =
                  ((slot / 16 * (keyColumns / depth) + i / depth) * 16 +
                   slot % 16) *
                      depth +
                  i % depth;
              int64_t valueAt =
                  ((i / 16 * (64 / depth) + slot / depth) * 16 + i % 16) *
                      depth +
                  slot % depth;
              double key = head(r, q + h)[i], value = head(r, q + g + h)[i];
              ASSERT_NEAR(get(keys, kv, keyAt), key,
                          2e-5 + std::fabs(key) * roundingOf(kv));
              ASSERT_NEAR(get(values, kv, valueAt), value,
                          2e-5 + std::fabs(value) * roundingOf(kv));
            }
        }
      }
    }
}

TEST_P(RowKernelTest, ElementaryFunctions) {
  struct Function {
    const char *op;
    double (*reference)(double);
    double lo, hi, absolute, relative;
  };
  const Function functions[] = {
      {"math.exp", [](double x) { return std::exp(x); }, -87, 88, 1e-37, 3e-7},
      {"math.exp2", [](double x) { return std::exp2(x); }, -126, 127, 1e-37,
       2e-7},
      {"math.log", [](double x) { return std::log(x); }, 1e-30, 100, 1e-7,
       2e-7},
      {"math.tanh", [](double x) { return std::tanh(x); }, -12, 12, 0, 3e-7},
      {"math.erf", [](double x) { return std::erf(x); }, -5, 5, 0, 3e-7},
      {"math.sin", [](double x) { return std::sin(x); }, -3e4, 3e4, 2e-7, 0},
      {"math.cos", [](double x) { return std::cos(x); }, -3e4, 3e4, 2e-7, 0},
      {"math.rsqrt", [](double x) { return 1 / std::sqrt(x); }, 1e-6, 100, 0,
       2e-7},
      {"math.sqrt", [](double x) { return std::sqrt(x); }, 0, 100, 0, 1e-7},
      {"math.log2", [](double x) { return std::log2(x); }, 1e-30, 100, 2e-7,
       4e-7},
      {"math.log10", [](double x) { return std::log10(x); }, 1e-30, 100, 2e-7,
       4e-7},
      {"math.cbrt", [](double x) { return std::cbrt(x); }, -1000, 1000, 0,
       1e-7},
      {"math.cosh", [](double x) { return std::cosh(x); }, -87, 87, 0, 4e-7},
      {"math.sinh", [](double x) { return std::sinh(x); }, -87, 87, 2e-7, 4e-7},
      {"math.round", [](double x) { return std::round(x); }, -9.5, 9.5, 0, 0},
      {"math.absf", [](double x) { return std::fabs(x); }, -9, 9, 0, 0},
      {"adze.silu", [](double x) { return x / (1 + std::exp(-x)); }, -90, 90,
       1e-7, 4e-7},
      {"adze.gelu",
       [](double x) {
         double u = 0.7978845608028654 * (x + 0.044715 * x * x * x);
         return 0.5 * x * (1 + std::tanh(u));
       },
       -20, 20, 5e-7, 4e-7},
  };
  for (const Function &f : functions) {
    auto kernel =
        compile(std::string("adze.kernel @k map {in = [f32], out = f32} {\n"
                            "^bb0(%a: f32):\n  %0 = ") +
                f.op + " %a : f32\n  adze.yield %0 : f32 }");
    ASSERT_TRUE(kernel);
    const int64_t n = 20001;
    Matrix x(1, n, Stored::F32), y(1, n, Stored::F32);
    for (int64_t i = 0; i < n; ++i)
      x.put(0, i, float(f.lo + (f.hi - f.lo) * i / (n - 1)));
    (*kernel)(0, 1, nullptr, {word(x), word(y), 1, uint64_t(n)});
    for (int64_t i = 0; i < n; ++i) {
      double expected = f.reference(x.at(0, i));
      ASSERT_NEAR(y.at(0, i), expected,
                  f.absolute + f.relative * std::fabs(expected))
          << f.op << " at " << x.at(0, i);
    }
  }
}

/// y = op(a, b), elementwise, over all pairs of `as` and `bs`.
void RowKernelTest::expectPairs(const std::string &body,
                                double (*reference)(double, double),
                                const std::vector<float> &as,
                                const std::vector<float> &bs, double relative) {
  auto kernel = compile("adze.kernel @k map {in = [f32, f32], out = f32} {"
                        "^bb0(%a: f32, %b: f32):" +
                        body + " adze.yield %0 : f32 }");
  ASSERT_TRUE(kernel);
  int64_t n = as.size() * bs.size();
  Matrix a(1, n, Stored::F32), b(1, n, Stored::F32), y(1, n, Stored::F32);
  for (int64_t i = 0; i < n; ++i) {
    a.put(0, i, as[i / bs.size()]);
    b.put(0, i, bs[i % bs.size()]);
  }
  (*kernel)(0, 1, nullptr, {word(a), word(b), word(y), 1, uint64_t(n)});
  for (int64_t i = 0; i < n; ++i) {
    double expected = reference(a.at(0, i), b.at(0, i)), have = y.at(0, i);
    float narrow = float(expected); // overflows and underflows like f32
    if (std::isnan(narrow))
      EXPECT_TRUE(std::isnan(have)) << a.at(0, i) << " " << b.at(0, i);
    else if (std::isinf(narrow) || narrow == 0)
      EXPECT_TRUE(have == narrow && std::signbit(have) == std::signbit(narrow))
          << a.at(0, i) << " " << b.at(0, i) << ": " << have << ", expected "
          << narrow;
    else
      ASSERT_NEAR(have, expected, 1.5e-45 + relative * std::fabs(expected))
          << a.at(0, i) << " " << b.at(0, i);
  }
}

TEST_P(RowKernelTest, Powers) {
  auto power = [](double a, double b) { return std::pow(a, b); };
  std::vector<float> bases, exponents;
  for (int i = -60; i <= 60; ++i)
    bases.push_back(std::exp2(float(i) * 2.03f));
  for (int i = 1; i < 60; ++i)
    bases.push_back(0.9f + 0.0033f * float(i)); // around 1
  for (float e = -20; e < 20; e += 0.37f)
    exponents.push_back(e);
  for (float e : {0.5f, 1.f, 2.f, 3.f, 10.f, -1.f, 1000.f, -1000.f, 1e30f})
    exponents.push_back(e);
  const char *powf = " %0 = math.powf %a, %b : f32";
  expectPairs(powf, power, bases, exponents, 1e-7);
  // Every pair of what is special.
  float inf = HUGE_VALF, nan = NAN;
  std::vector<float> special = {
      0.f,        -0.f,        1.f,        -1.f,  2.f,    -2.f,
      3.f,        -3.f,        0.5f,       -0.5f, inf,    -inf,
      nan,        1e-45f,      -1e-45f,    3e38f, -3e38f, 2.5f,
      16777215.f, -16777215.f, 16777216.f, 1e-38f};
  expectPairs(powf, power, special, special, 1e-7);
  // Whole powers of small whole numbers are exact.
  expectPairs(powf, power, {-7.f, -2.f, 2.f, 3.f, 5.f, 10.f},
              {0.f, 1.f, 2.f, 3.f, 4.f, 7.f}, 0);
  expectPairs(
      " %c = arith.constant -3 : i32"
      " %p = math.fpowi %a, %c : f32, i32"
      " %0 = arith.addf %p, %b : f32",
      [](double a, double b) { return std::pow(a, -3) + b; },
      {-2.f, 0.5f, 1.f, 4.f}, {0.f}, 1e-7);
  expectPairs(
      " %c = arith.constant 2.0 : f32"
      " %0 = math.clampf %a to [%b, %c] : f32",
      [](double a, double b) { return std::min(std::max(a, b), 2.0); },
      {-5.f, -1.f, 0.f, 1.f, 3.f}, {-1.f, 0.5f}, 0);
}

INSTANTIATE_TEST_SUITE_P(Variants, RowKernelTest,
                         testing::ValuesIn(emulatedVariants()), variantName);

} // namespace
