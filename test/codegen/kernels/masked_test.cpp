// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Linears of integer weights that are stored without their zeros: bit for bit
// what the dense ones give, on every variant, tile and part.

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

Matrix makeWeight(int64_t n, int64_t k, Zeros zeros, std::mt19937 &random) {
  Matrix weight(n, k, Stored::F32);
  weight.fill(random);
  for (int64_t r = 0; r < n; ++r)
    for (int64_t i = 0; i < k; ++i)
      if (zeros == Zeros::All || (zeros == Zeros::Half && random() % 2) ||
          (zeros == Zeros::Most && random() % 10) ||
          (zeros == Zeros::TwoOfFour && (i + r) % 4 < 2))
        weight.put(r, i, 0);
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
  FormatAttrInterface masked(IntFormatAttr element, bool even) {
    int64_t codes = MaskedFormatAttr::getCodeBytes(element, 64, 64);
    int64_t keep = even ? codes : (MaskedFormatAttr::kMaskBytes + codes) * 128;
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
        FormatAttrInterface format = masked(element, even);
        auto sparse = compile(format, rows);
        ASSERT_TRUE(dense && sparse);
        for (Size size : kSizes)
          for (Zeros zeros : {Zeros::TwoOfFour, Zeros::Half, Zeros::Most,
                              Zeros::None, Zeros::All}) {
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

INSTANTIATE_TEST_SUITE_P(Variants, MaskedTest,
                         testing::ValuesIn(emulatedVariants(/*expands=*/true)),
                         variantName);

} // namespace
