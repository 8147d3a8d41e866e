// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Linears by AMX, emulated where the CPU lacks it (AmxEmulator.h): codes bit
// for bit as on all variants, bf16 near loops in double and the same for every
// number of rows. The tests of all variants (linear_test, quantized_test) run
// this one beside; these have the shapes that matter to its tiles.

#include "../../common/AmxEmulator.h"
#include "QuantizedLab.h"
#include "Step.h"
#include "adze/abi.h"
#include <gtest/gtest.h>

using namespace adze;
using namespace adze::test;

namespace {

class AmxTest : public testing::Test {
protected:
  void SetUp() override {
    for (const TargetVariant *candidate : emulatedVariants())
      if (candidate->kernel.hasAmx)
        variant = candidate;
    if (!variant)
      GTEST_SKIP() << "needs AVX-512 with VNNI";
    counts = AmxEmulator::counts();
  }
  std::unique_ptr<CompiledKernel> compile(const std::string &text) {
    auto kernel = lab.compile(text, *variant);
    EXPECT_TRUE(kernel) << lab.errors << text;
    return kernel;
  }
  /// That tiles were multiplied and each configuration was released, as far as
  /// it can be seen: where the CPU has AMX, nothing is counted.
  void expectDots(uint64_t AmxEmulator::Counts::*kind) const {
    if (!(variant->need & ~hostNeedBits() & ADZE_X86_AMX))
      return;
    AmxEmulator::Counts now = AmxEmulator::counts();
    EXPECT_GT(now.*kind, counts.*kind);
    uint64_t configured = now.configurations - counts.configurations;
    EXPECT_GT(configured, 0u);
    EXPECT_EQ(now.releases - counts.releases, configured);
  }
  AmxEmulator::Counts counts = {}; // before the test
  const TargetVariant *variant = nullptr;
  KernelLab lab;
  std::mt19937 random{5};
};

TEST_F(AmxTest, CodesAreAddedInTheOrderThatIsPromised) {
  struct {
    const char *format;
    int64_t group, sums; // of x
  } cases[] = {{"#adze.int<8, scale = f32>", 128, 128},
               {"#adze.int<8, scale = f32>", 0, 32},
               {"#adze.int<8, group = 64, scale = f16, zeros>", 128, 32},
               {"#adze.int<8, group = 32, scale = bf16>", 32, 32},
               {"#adze.int<4, group = 128, scale = bf16>", 128, 128},
               {"#adze.int<4, group = 128, scale = f32>", 0, 64},
               {"#adze.int<4, group = 32, scale = bf16>", 128, 32},
               {"#adze.int<4, group = 96, scale = f32>", 96, 32},
               {"#adze.int<8, group = 16, scale = f16>", 128, 16},
               {"#adze.int<4, scale = bf16, zeros>", 0, 512}};
  struct {
    int64_t n, k;
  } shapes[] = {{1, 1}, {70, 33}, {48, 128}, {16, 72}, {113, 300}, {40, 776}};
  for (auto &[name, group, sums] : cases) {
    SCOPED_TRACE(testing::Message() << name << " x " << group);
    IntFormatAttr format = parseIntFormat(lab, name);
    ASSERT_TRUE(format);
    auto kernel =
        compile(std::string("adze.kernel @k linear {in = i8, format = ") +
                name + ", group = " + std::to_string(group) +
                " : i64, sums = " + std::to_string(sums) + " : i64}");
    ASSERT_TRUE(kernel);
    for (auto [n, k] : shapes) {
      IntegerWeight weight(format, n, k);
      weight.fill(random);
      const int64_t most = 115; // tiles of 64, 32 and 16, and a rest
      Matrix x(most, k, Stored::F32), expected(most, n, Stored::F32);
      x.fill(random);
      std::vector<uint8_t> rows;
      for (int64_t r = 0; r < most; ++r) {
        std::vector<float> values;
        for (int64_t i = 0; i < k; ++i)
          values.push_back(x.at(r, i));
        QuantizedRow row(values, group, sums);
        llvm::append_range(rows, row.bytes());
        for (int64_t i = 0; i < n; ++i)
          expected.put(r, i, weight.multiply(row, group, i));
      }
      for (int64_t m : {15, 16, 17, 32, 50, 64, 115}) {
        // Nothing beyond the last row may be read.
        Memory memory(rows.size() / most * m);
        std::memcpy(memory.data(), rows.data(), memory.size());
        Matrix y(m, n, Stored::F32);
        (*kernel)(0, (n + 15) / 16, nullptr,
                  {word(memory), word(y), word(weight.panels), uint64_t(m),
                   uint64_t(n), uint64_t(k)});
        for (int64_t r = 0; r < m; ++r)
          ASSERT_EQ(y.rowBytes(r), expected.rowBytes(r))
              << "M " << m << " N " << n << " K " << k << " row " << r;
      }
    }
  }
  expectDots(&AmxEmulator::Counts::codeDots);
}

/// Sums as large as they get: 255 * -128 for each k, and no saturation.
TEST_F(AmxTest, ExtremeCodesAreExact) {
  IntFormatAttr format = parseIntFormat(lab, "#adze.int<8, scale = f32>");
  auto kernel = compile("adze.kernel @k linear {in = i8, format = #adze.int<8, "
                        "scale = f32>, group = 0 : i64, sums = 64 : i64}");
  ASSERT_TRUE(kernel && format);
  const int64_t m = 32, n = 32, k = 4096 + 24;
  IntegerWeight weight(format, n, k);
  weight.fill(random);
  for (int64_t r = 0; r < n; ++r)
    std::memset(weight.rows.data() + r * weight.rowBytes, r % 2 ? 255 : 0, k);
  weight.pack();
  std::vector<uint8_t> rows;
  Matrix expected(m, n, Stored::F32), y(m, n, Stored::F32);
  for (int64_t r = 0; r < m; ++r) {
    QuantizedRow row(std::vector<float>(k, r % 3 ? 1.0f : -1.0f), 0, 64);
    if (r % 3 == 0) { // further than rounding goes
      std::fill(row.codes.begin(), row.codes.end(), int8_t(-128));
      for (size_t i = 0; i < row.sums.size(); ++i)
        row.sums[i] = -128 * int32_t(std::min<int64_t>(64, k - 64 * i));
    }
    llvm::append_range(rows, row.bytes());
    for (int64_t i = 0; i < n; ++i)
      expected.put(r, i, weight.multiply(row, 0, i));
  }
  Memory memory(rows.size());
  std::memcpy(memory.data(), rows.data(), rows.size());
  (*kernel)(0, n / 16, nullptr,
            {word(memory), word(y), word(weight.panels), uint64_t(m),
             uint64_t(n), uint64_t(k)});
  for (int64_t r = 0; r < m; ++r)
    EXPECT_EQ(y.rowBytes(r), expected.rowBytes(r)) << "row " << r;
  expectDots(&AmxEmulator::Counts::codeDots);
}

TEST_F(AmxTest, FloatsAreNearAndDoNotDependOnOtherRows) {
  auto kernel =
      compile("adze.kernel @k linear {format = #adze.float<bf16>, in = bf16}");
  ASSERT_TRUE(kernel);
  struct {
    int64_t n, k;
  } shapes[] = {{1, 1}, {16, 64}, {70, 33}, {113, 300}, {48, 517}};
  for (auto [n, k] : shapes) {
    const int64_t most = 50;
    Matrix weight(n, k, Stored::BF16), x(most, k, Stored::BF16),
        whole(most, n, Stored::F32);
    weight.fill(random);
    x.fill(random);
    Memory panels = lab.pack(weight);
    for (int64_t m : {50, 1, 2, 4, 8, 16, 23, 32}) {
      // The last rows, at the end of their memory.
      Matrix part(m, k, Stored::BF16), y(m, n, Stored::F32);
      for (int64_t r = 0; r < m; ++r)
        for (int64_t i = 0; i < k; ++i)
          part.put(r, i, x.at(most - m + r, i));
      (*kernel)(0, (n + 15) / 16, nullptr,
                {word(part), word(y), word(panels), uint64_t(m), uint64_t(n),
                 uint64_t(k)});
      if (m == most)
        std::memcpy(whole.memory.data(), y.memory.data(), y.memory.size());
      for (int64_t r = 0; r < m; ++r)
        ASSERT_EQ(y.rowBytes(r), whole.rowBytes(most - m + r))
            << "M " << m << " N " << n << " K " << k << " row " << r;
    }
    for (int64_t r = 0; r < most; ++r)
      for (int64_t i = 0; i < n; ++i) {
        double sum = 0, size = 0;
        for (int64_t j = 0; j < k; ++j) {
          double product = double(x.at(r, j)) * weight.at(i, j);
          sum += product, size += std::fabs(product);
        }
        ASSERT_NEAR(whole.at(r, i), sum, 2e-6 * size) << r << " " << i;
      }
  }
  expectDots(&AmxEmulator::Counts::floatDots);
}

} // namespace
