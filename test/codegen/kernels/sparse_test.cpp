// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Linears of weights without their blocks of zeros: bit for bit what the dense
// ones give, or, with zero points, the order of sums that is promised, on every
// variant, tile and part; and near loops in double.

#include "QuantizedLab.h"
#include "Step.h"
#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

using namespace adze;
using namespace adze::test;

namespace {

/// Which blocks of a weight are zero.
enum class Zeros { Half, Most, None, All, OneLeft };
constexpr Zeros kAllZeros[] = {Zeros::Half, Zeros::Most, Zeros::None,
                               Zeros::All, Zeros::OneLeft};

/// A matrix N x K of random values but for such blocks.
Matrix makeWeight(int64_t n, int64_t k, Stored type, Zeros zeros,
                  std::mt19937 &random) {
  Matrix weight(n, k, type);
  weight.fill(random);
  int64_t blocks = (k + 31) / 32, panels = (n + 15) / 16;
  std::uniform_real_distribution<double> uniform(0, 1);
  for (int64_t p = 0; p < panels; ++p)
    for (int64_t b = 0; b < blocks; ++b) {
      bool keep =
          zeros == Zeros::None ||
          (zeros == Zeros::Half && uniform(random) < 0.5) ||
          (zeros == Zeros::Most && uniform(random) < 0.2) ||
          (zeros == Zeros::OneLeft && p == panels - 1 && b == blocks - 1);
      // Not all panels alike.
      if (zeros == Zeros::Half && p % 3 == 2)
        keep = false;
      if (!keep)
        for (int64_t r = 16 * p; r < std::min(n, 16 * p + 16); ++r)
          for (int64_t i = 32 * b; i < std::min(k, 32 * b + 32); ++i)
            weight.put(r, i, 0);
    }
  return weight;
}

/// Rows as a format stores them.
struct Rows {
  Rows(const Matrix &weight, FormatAttrInterface format)
      : bytes(format.getRowBytes(weight.cols)), n(weight.rows),
        memory(weight.rows * bytes) {
    std::vector<float> values(weight.cols);
    for (int64_t r = 0; r < weight.rows; ++r) {
      for (int64_t i = 0; i < weight.cols; ++i)
        values[i] = weight.at(r, i);
      format.encodeRow(values, {memory.data() + r * bytes, size_t(bytes)});
    }
  }
  std::vector<const uint8_t *> panel(int64_t p) const {
    std::vector<const uint8_t *> rows;
    for (int64_t r = 16 * p; r < 16 * p + 16; ++r)
      rows.push_back(r < n ? memory.data() + r * bytes : nullptr);
    return rows;
  }
  int64_t bytes, n;
  Memory memory;
};

/// Keeps as much as any weight here needs: kernels do not depend on K.
BlocksFormatAttr roomyFormat(FormatAttrInterface element) {
  return BlocksFormatAttr::get(mlir::Attribute(element).getContext(), element,
                               32);
}

/// Keeps no more than a weight needs.
BlocksFormatAttr tightFormat(FormatAttrInterface element, const Rows &rows,
                             int64_t k) {
  mlir::MLIRContext *context = mlir::Attribute(element).getContext();
  auto any = BlocksFormatAttr::get(context, element, 1);
  size_t keep = 1;
  for (int64_t p = 0; p < (rows.n + 15) / 16; ++p)
    keep = std::max(keep, any.findBlocks(rows.panel(p), k).size());
  return BlocksFormatAttr::get(context, element, keep);
}

FormatAttrInterface asFormat(mlir::Attribute attribute) {
  return mlir::cast<FormatAttrInterface>(attribute);
}

std::string textOf(mlir::Attribute attribute) {
  std::string text;
  llvm::raw_string_ostream(text) << attribute;
  return text;
}

FormatAttrInterface parseFormat(KernelLab &lab, const std::string &text) {
  return mlir::cast<FormatAttrInterface>(
      mlir::parseAttribute(text, &lab.context));
}

class SparseTest : public testing::TestWithParam<const TargetVariant *> {
protected:
  std::unique_ptr<CompiledKernel>
  compile(const std::string &text, int64_t columns = KernelLab::kMostColumns) {
    auto kernel = lab.compile(text, *GetParam(), columns);
    EXPECT_TRUE(kernel) << lab.errors << text;
    return kernel;
  }
  KernelLab lab;
  std::mt19937 random{11};
};

struct Size {
  int64_t n, k;
};
constexpr Size kSizes[] = {{1, 1},    {16, 32},   {33, 31},  {40, 65},
                           {70, 129}, {200, 300}, {50, 1024}};
constexpr int64_t kRows[] = {1, 2, 3, 4, 5, 8, 9, 12, 13, 25, 54};

/// A weight for each kind of zeros, at small sizes too.
template <typename Body> void forEachWeight(Body body) {
  for (Size size : kSizes)
    for (Zeros zeros : kAllZeros) {
      SCOPED_TRACE(testing::Message() << "N " << size.n << " K " << size.k
                                      << " zeros " << int(zeros));
      body(size, zeros);
      if (testing::Test::HasFatalFailure())
        return;
    }
}

TEST_P(SparseTest, FloatRowsGiveTheBitsOfTheDenseWeight) {
  for (const char *text :
       {"#adze.float<f32>", "#adze.float<f16>", "#adze.float<bf16>",
        "#adze.int<8, scale = f32>", "#adze.int<4, group = 32, scale = bf16>",
        "#adze.int<4, group = 64, scale = f16, zeros>"})
    for (Stored in : {Stored::F32, Stored::BF16}) {
      SCOPED_TRACE(testing::Message() << text << " in " << nameOf(in));
      FormatAttrInterface element = parseFormat(lab, text);
      auto kernelOf = [&](mlir::Attribute format) {
        return compile("adze.kernel @k linear {format = " + textOf(format) +
                       ", in = " + nameOf(in) + "}");
      };
      BlocksFormatAttr roomy = roomyFormat(asFormat(element));
      auto dense = kernelOf(element), sparse = kernelOf(roomy);
      ASSERT_TRUE(dense && sparse);
      forEachWeight([&](Size size, Zeros zeros) {
        auto [n, k] = size;
        Matrix weight = makeWeight(n, k, Stored::F32, zeros, random);
        Memory panels = lab.pack(weight, element);
        Memory blocks = lab.pack(weight, asFormat(roomy));
        for (int64_t m : kRows) {
          Matrix x(m, k, in), y(m, n, Stored::F32), expected(m, n, Stored::F32);
          x.fill(random);
          runInParts(*dense, word(x), expected, panels, k);
          runInParts(*sparse, word(x), y, blocks, k);
          for (int64_t r = 0; r < m; ++r)
            ASSERT_EQ(y.rowBytes(r), expected.rowBytes(r))
                << "M " << m << " row " << r;
        }
      });
    }
}

/// Whether block b of the panel of row r holds nothing but zeros.
std::vector<std::vector<bool>> findZeroBlocks(const IntegerWeight &w) {
  std::vector<std::vector<bool>> zero((w.n + 15) / 16,
                                      std::vector<bool>((w.k + 31) / 32, true));
  for (int64_t r = 0; r < w.n; ++r)
    for (int64_t i = 0; i < w.k; ++i)
      if (w.code(r, i) != w.zero(r, i / w.group()))
        zero[r / 16][i / 32] = false;
  return zero;
}

/// One output of a weight with zero points: blocks of 32, in ascending order;
/// those of zeros add nothing. Others have the sums of IntegerWeight.
float multiply(const IntegerWeight &w,
               const std::vector<std::vector<bool>> &isZero,
               const QuantizedRow &x, int64_t xGroup, int64_t r) {
  if (!w.format.getZeros())
    return w.multiply(x, xGroup, r);
  int32_t middle = 1 << (w.format.getBits() - 1);
  bool rowLast = w.rowScalesLast(xGroup);
  float sum = 0;
  for (int64_t first = 0; first < w.k; first += 32) {
    if (isZero[r / 16][first / 32])
      continue;
    int64_t end = std::min(w.k, first + 32), g = first / w.group();
    int64_t dot = 0, codes = 0;
    for (int64_t i = first; i < end; ++i) {
      dot += int64_t(w.code(r, i) - middle) * x.codes[i];
      codes += x.codes[i];
    }
    float xScale = rowLast ? 1 : x.scales[xGroup ? first / xGroup : 0];
    sum = std::fma(float(dot), w.scale(r, g) * xScale, sum);
    sum = std::fma(xScale * float(codes),
                   w.scale(r, g) * float(middle - w.zero(r, g)), sum);
  }
  return rowLast ? sum * x.scales[0] : sum;
}

struct Case {
  const char *format;
  int64_t group, sums; // of x
};
const Case kCases[] = {
    {"#adze.int<8, scale = f32>", 128, 32},
    {"#adze.int<8, scale = f32>", 0, 32},
    {"#adze.int<8, group = 32, scale = bf16>", 32, 32},
    {"#adze.int<8, group = 64, scale = f16, zeros>", 128, 16},
    {"#adze.int<8, group = 64, scale = f16, zeros>", 0, 32},
    {"#adze.int<8, scale = bf16, zeros>", 128, 32},
    {"#adze.int<4, group = 128, scale = bf16>", 128, 32},
    {"#adze.int<4, group = 32, scale = bf16>", 128, 32},
    {"#adze.int<4, group = 32, scale = f16, zeros>", 96, 8},
    {"#adze.int<4, group = 96, scale = f32>", 0, 32},
    {"#adze.int<4, scale = f32>", 64, 32}};

std::string codesText(mlir::Attribute format, const Case &c,
                      const std::string &rest = "}") {
  return "adze.kernel @k linear {in = i8, format = " + textOf(format) +
         ", group = " + std::to_string(c.group) +
         " : i64, sums = " + std::to_string(c.sums) + " : i64" + rest;
}

TEST_P(SparseTest, CodesAreAddedInTheOrderThatIsPromised) {
  for (const Case &c : kCases) {
    SCOPED_TRACE(testing::Message()
                 << c.format << " x " << c.group << " sums " << c.sums);
    IntFormatAttr element = parseIntFormat(lab, c.format);
    ASSERT_TRUE(element);
    BlocksFormatAttr format = roomyFormat(asFormat(element));
    auto kernel = compile(codesText(format, c));
    ASSERT_TRUE(kernel);
    forEachWeight([&](Size size, Zeros zeros) {
      auto [n, k] = size;
      IntegerWeight weight(element, n, k);
      Matrix values = makeWeight(n, k, Stored::F32, zeros, random);
      Rows rows(values, asFormat(element));
      std::memcpy(weight.rows.data(), rows.memory.data(), rows.memory.size());
      Memory panels = lab.pack(values, asFormat(format));
      const int64_t most = 54;
      Matrix x(most, k, Stored::F32), expected(most, n, Stored::F32);
      x.fill(random);
      std::vector<QuantizedRow> quantized;
      for (int64_t r = 0; r < most; ++r) {
        std::vector<float> row;
        for (int64_t i = 0; i < k; ++i)
          row.push_back(x.at(r, i));
        quantized.emplace_back(row, c.group, c.sums);
      }
      size_t bytes = quantized[0].bytes().size();
      Memory codes(most * bytes);
      auto isZero = findZeroBlocks(weight);
      if (zeros == Zeros::All)
        for (const auto &panel : isZero)
          ASSERT_EQ(std::count(panel.begin(), panel.end(), false), 0);
      for (int64_t r = 0; r < most; ++r) {
        std::memcpy(codes.data() + r * bytes, quantized[r].bytes().data(),
                    bytes);
        for (int64_t i = 0; i < n; ++i)
          expected.put(r, i,
                       multiply(weight, isZero, quantized[r], c.group, i));
      }
      for (int64_t m : kRows) {
        Matrix y(m, n, Stored::F32);
        runInParts(*kernel, word(codes), y, panels, k);
        for (int64_t r = 0; r < m; ++r)
          ASSERT_EQ(y.rowBytes(r), expected.rowBytes(r))
              << "M " << m << " row " << r;
      }
      // What was promised is near what is meant.
      for (int64_t i = 0; i < n; ++i) {
        std::vector<float> w = weight.decode(i);
        double sum = 0, all = 0;
        for (int64_t j = 0; j < k; ++j) {
          double v = double(quantized[0].codes[j]) *
                     quantized[0].scales[c.group ? j / c.group : 0];
          sum += v * w[j];
          all += std::fabs(v * w[j]);
        }
        ASSERT_NEAR(expected.at(0, i), sum, 1e-5 * all) << i;
      }
    });
  }
}

/// More rows and panels than above, of which not all stay in L2 together: tiles
/// that take transposed rows, with no more scratch than they ask for, against
/// the tile of one row.
TEST_P(SparseTest, TallTilesGiveTheBitsOfSingleRows) {
  const Case cases[] = {{"#adze.int<8, scale = f32>", 128, 32},
                        {"#adze.int<8, scale = f32>", 0, 16},
                        {"#adze.int<8, group = 32, scale = bf16>", 32, 32},
                        {"#adze.int<8, group = 64, scale = f16>", 128, 8},
                        {"#adze.int<4, group = 128, scale = bf16>", 128, 32},
                        {"#adze.int<4, group = 64, scale = f32>", 0, 32},
                        {"#adze.int<4, group = 512, scale = f32>", 512, 32},
                        {"#adze.int<4, scale = f32>", 128, 32},
                        {"#adze.int<4, scale = bf16>", 0, 32}};
  struct {
    Size size;
    int64_t most;
    Zeros zeros;
  } weights[] = {{{240, 2077}, 300, Zeros::Half},
                 {{200, 97}, 2000, Zeros::Most},
                 {{208, 31}, 100, Zeros::None},
                 {{300, 640}, 100, Zeros::OneLeft}};
  for (const Case &c : cases)
    for (const auto &[size, most, zeros] : weights) {
      auto [n, k] = size;
      SCOPED_TRACE(testing::Message()
                   << c.format << " x " << c.group << " N " << n << " K " << k);
      FormatAttrInterface element = parseFormat(lab, c.format);
      Matrix weight = makeWeight(n, k, Stored::F32, zeros, random);
      BlocksFormatAttr format = tightFormat(element, Rows(weight, element), k);
      auto kernel = compile(codesText(format, c), k);
      ASSERT_TRUE(kernel);
      Memory panels = lab.pack(weight, asFormat(format));
      Matrix x(most, k, Stored::F32), expected(most, n, Stored::F32);
      x.fill(random);
      std::vector<float> row(k);
      size_t bytes = QuantizedRow(row, c.group, c.sums).bytes().size();
      Memory codes(most * bytes);
      for (int64_t r = 0; r < most; ++r) {
        for (int64_t i = 0; i < k; ++i)
          row[i] = x.at(r, i);
        std::memcpy(codes.data() + r * bytes,
                    QuantizedRow(row, c.group, c.sums).bytes().data(), bytes);
        (*kernel)(0, (n + 15) / 16, nullptr,
                  {word(codes) + r * bytes, word(expected) + r * n * 4,
                   word(panels), 1, uint64_t(n), uint64_t(k)});
      }
      for (int64_t m : {int64_t(16), int64_t(47), int64_t(48), int64_t(49),
                        int64_t(61), int64_t(97), int64_t(100), most}) {
        Matrix y(m, n, Stored::F32);
        runInParts(*kernel, word(codes), y, panels, k);
        for (int64_t r = 0; r < m; ++r)
          ASSERT_EQ(y.rowBytes(r), expected.rowBytes(r))
              << "M " << m << " row " << r;
      }
    }
}

/// Gate and up with a region: units of two panels with lists of their own.
TEST_P(SparseTest, StreamsAndRegions) {
  const Case c = kCases[5];
  const int64_t n = 56, k = 160, blocks = 4;
  IntFormatAttr element = parseIntFormat(lab, c.format);
  IntegerWeight weight(element, blocks * 32, k);
  Matrix values = makeWeight(blocks * 32, k, Stored::F32, Zeros::Half, random);
  Rows rows(values, asFormat(element));
  std::memcpy(weight.rows.data(), rows.memory.data(), rows.memory.size());
  BlocksFormatAttr format = tightFormat(asFormat(element), rows, k);
  ASSERT_LT(format.getKeep(), 5);
  auto kernel = compile(
      codesText(format, c,
                ", streams = 2 : i64} {\n^bb0(%g: f32, %u: f32):\n"
                "  %p = arith.mulf %g, %u : f32\n  adze.yield %p : f32 }"));
  ASSERT_TRUE(kernel);
  Memory panels = lab.pack(values, asFormat(format));
  auto isZero = findZeroBlocks(weight);
  for (int64_t m : {1, 4, 13, 61}) {
    Matrix x(m, k, Stored::F32), y(m, n, Stored::F32);
    x.fill(random);
    std::vector<QuantizedRow> quantized;
    for (int64_t r = 0; r < m; ++r) {
      std::vector<float> row;
      for (int64_t i = 0; i < k; ++i)
        row.push_back(x.at(r, i));
      quantized.emplace_back(row, c.group, c.sums);
    }
    size_t bytes = quantized[0].bytes().size();
    Memory codes(m * bytes);
    for (int64_t r = 0; r < m; ++r)
      std::memcpy(codes.data() + r * bytes, quantized[r].bytes().data(), bytes);
    (*kernel)(0, blocks, nullptr,
              {word(codes), word(y), word(panels), uint64_t(m), uint64_t(n),
               uint64_t(k)});
    for (int64_t r = 0; r < m; ++r)
      for (int64_t i = 0; i < n; ++i) {
        int64_t gate = i / 16 * 32 + i % 16;
        float g = multiply(weight, isZero, quantized[r], c.group, gate);
        float u = multiply(weight, isZero, quantized[r], c.group, gate + 16);
        ASSERT_EQ(y.at(r, i), g * u) << "M " << m << " row " << r << " " << i;
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Variants, SparseTest,
                         testing::ValuesIn(emulatedVariants()), variantName);

} // namespace
