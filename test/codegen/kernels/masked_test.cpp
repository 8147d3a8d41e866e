// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Linears of weights that are stored without their zeros: bit for bit what the
// dense ones give, on every variant, tile and part.

#include "QuantizedLab.h"
#include "Step.h"
#include <gtest/gtest.h>

using namespace adze;
using namespace adze::test;

namespace {

std::string textOf(mlir::Attribute attribute) {
  std::string text;
  llvm::raw_string_ostream(text) << attribute;
  return text;
}

struct Case {
  const char *format;
  int64_t group, sums; // of x
};
const Case kCases[] = {{"#adze.int<8, scale = f32>", 128, 32},
                       {"#adze.int<8, scale = f32>", 0, 32},
                       {"#adze.int<8, group = 32, scale = bf16>", 32, 32},
                       {"#adze.int<4, group = 128, scale = bf16>", 128, 128},
                       {"#adze.int<4, group = 32, scale = bf16>", 128, 32},
                       {"#adze.int<4, scale = f32>", 64, 32}};

/// How a weight is pruned: to 2 of 4, or each element by chance.
enum class Zeros { TwoOfFour, Half, Most, None, All };
constexpr Zeros kAllZeros[] = {Zeros::TwoOfFour, Zeros::Half, Zeros::Most,
                               Zeros::None, Zeros::All};

Matrix makeWeight(int64_t n, int64_t k, Zeros zeros, std::mt19937 &random) {
  Matrix weight(n, k, Stored::F32);
  weight.fill(random);
  for (int64_t r = 0; r < n; ++r)
    for (int64_t i = 0; i < k; ++i)
      if (zeros == Zeros::All || (zeros == Zeros::Half && random() % 2) ||
          (zeros == Zeros::Most && random() % 10) ||
          (zeros == Zeros::TwoOfFour && (i + r) % 4 < 2))
        weight.put(r, i, random() % 4 ? 0.0f : -0.0f);
  return weight;
}

class MaskedTest : public testing::TestWithParam<const TargetVariant *> {
protected:
  std::unique_ptr<CompiledKernel> compile(mlir::Attribute format,
                                          const std::string &rows) {
    std::string text =
        "adze.kernel @k linear {format = " + textOf(format) + ", " + rows + "}";
    auto kernel = lab.compile(text, *GetParam());
    EXPECT_TRUE(kernel) << lab.errors << text;
    return kernel;
  }
  /// Keeps as much as any weight here needs: kernels do not depend on K.
  FormatAttrInterface masked(FormatAttrInterface element, bool even) {
    int64_t most = MaskedFormatAttr::getMostBytes(element);
    int64_t keep = even ? most : (MaskedFormatAttr::kMaskBytes + most) * 128;
    return mlir::cast<FormatAttrInterface>(mlir::Attribute(
        MaskedFormatAttr::get(&lab.context, element, keep, even)));
  }
  KernelLab lab;
  std::mt19937 random{7};
};

struct Size {
  int64_t n, k;
};
constexpr Size kSizes[] = {{1, 1}, {16, 32}, {33, 31}, {70, 136}, {50, 1024}};
constexpr Size kFloatSizes[] = {{1, 1},    {16, 32},  {33, 31},
                                {70, 136}, {50, 520}, {40, 301}};
constexpr int64_t kRows[] = {1, 2, 4, 5, 8, 13, 37};

TEST_P(MaskedTest, RowsGiveTheBitsOfTheDenseWeight) {
  for (const Case &c : kCases)
    for (bool codes : {true, false}) {
      SCOPED_TRACE(testing::Message() << c.format << (codes ? " x " : " f32")
                                      << (codes ? c.group : 0));
      IntFormatAttr element = parseIntFormat(lab, c.format);
      ASSERT_TRUE(element);
      std::string rows =
          codes ? "in = i8, group = " + std::to_string(c.group) +
                      " : i64, sums = " + std::to_string(c.sums) + " : i64"
                : "in = f32";
      auto dense = compile(element, rows);
      for (bool even : {true, false}) {
        FormatAttrInterface format = masked(
            mlir::cast<FormatAttrInterface>(mlir::Attribute(element)), even);
        auto sparse = compile(format, rows);
        ASSERT_TRUE(dense && sparse);
        for (Size size : kSizes)
          for (Zeros zeros : kAllZeros) {
            auto [n, k] = size;
            SCOPED_TRACE(testing::Message() << n << " x " << k << " zeros "
                                            << int(zeros) << " even " << even);
            Matrix weight = makeWeight(n, k, zeros, random);
            Memory densePanels = lab.pack(
                weight,
                mlir::cast<FormatAttrInterface>(mlir::Attribute(element)));
            Memory panels = lab.pack(weight, format);
            for (int64_t m : kRows) {
              Matrix x(m, k, Stored::F32), y(m, n, Stored::F32),
                  expected(m, n, Stored::F32);
              x.fill(random);
              std::vector<uint8_t> bytes;
              for (int64_t r = 0; codes && r < m; ++r) {
                std::vector<float> row;
                for (int64_t i = 0; i < k; ++i)
                  row.push_back(x.at(r, i));
                auto stored = QuantizedRow(row, c.group, c.sums).bytes();
                bytes.insert(bytes.end(), stored.begin(), stored.end());
              }
              Memory memory(std::max<size_t>(bytes.size(), 1));
              std::copy(bytes.begin(), bytes.end(), memory.data());
              uint64_t from = codes ? word(memory) : word(x);
              runInParts(*dense, from, expected, densePanels, k);
              runInParts(*sparse, from, y, panels, k);
              for (int64_t r = 0; r < m; ++r)
                ASSERT_EQ(y.rowBytes(r), expected.rowBytes(r))
                    << "M " << m << " row " << r;
            }
          }
      }
    }
}

/// Rows of f32 and of bf16, which dots multiply where a variant has them; K
/// that ends within a step, and more rows than are decoded at once.
TEST_P(MaskedTest, FloatsGiveTheBitsOfTheDenseWeight) {
  for (Stored type : kAllStored)
    for (Stored in : {Stored::F32, Stored::BF16}) {
      auto element = mlir::cast<FormatAttrInterface>(mlir::parseAttribute(
          std::string("#adze.float<") + nameOf(type) + ">", &lab.context));
      std::string rows = std::string("in = ") + nameOf(in);
      auto dense = compile(element, rows);
      for (bool even : {true, false}) {
        FormatAttrInterface format = masked(element, even);
        auto sparse = compile(format, rows);
        ASSERT_TRUE(dense && sparse);
        for (Size size : kFloatSizes)
          for (Zeros zeros : kAllZeros) {
            auto [n, k] = size;
            SCOPED_TRACE(testing::Message()
                         << nameOf(type) << " x " << nameOf(in) << " " << n
                         << " x " << k << " zeros " << int(zeros) << " even "
                         << even);
            Matrix weight = makeWeight(n, k, zeros, random);
            Memory densePanels = lab.pack(weight, element);
            Memory panels = lab.pack(weight, format);
            for (int64_t m : {1, 2, 7, 12, 17, 133}) {
              if (m > 17 && zeros != Zeros::Half)
                continue;
              Matrix x(m, k, in), y(m, n, Stored::F32),
                  expected(m, n, Stored::F32);
              x.fill(random);
              runInParts(*dense, word(x), expected, densePanels, k);
              runInParts(*sparse, word(x), y, panels, k);
              for (int64_t r = 0; r < m; ++r)
                ASSERT_EQ(y.rowBytes(r), expected.rowBytes(r))
                    << "M " << m << " row " << r;
            }
          }
      }
    }
}

INSTANTIATE_TEST_SUITE_P(Variants, MaskedTest,
                         testing::ValuesIn(emulatedVariants(/*expands=*/true)),
                         variantName);

} // namespace
