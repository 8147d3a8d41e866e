// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The linear kernel against loops in double, over shapes with every tail,
// formats and variants; and its promise that a row's bits do not depend on the
// other rows or on how the domain was cut.

#include "Step.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace adze;
using namespace adze::test;

namespace {

struct Shape {
  int64_t n, k;
};

/// One linear with residual and bias: acc + bias + residual.
struct Linear {
  Linear(KernelLab &lab, int64_t m, Shape s, Stored weightType, Stored in,
         Stored out, std::mt19937 &random)
      : m(m), s(s), x(m, s.k, in), weight(s.n, s.k, weightType),
        residual(m, s.n, Stored::F32), y(m, s.n, out),
        bias(1, (s.n + 15) / 16 * 16, Stored::F32) {
    x.fill(random);
    weight.fill(random);
    residual.fill(random);
    for (int64_t n = 0; n < s.n; ++n)
      bias.put(0, n, float(n % 7) - 3);
    panels = std::make_unique<Memory>(lab.pack(weight));
  }
  static std::string text(Stored weight, Stored in, Stored out) {
    return std::string("adze.kernel @k linear {format = #adze.float<") +
           nameOf(weight) + ">, in = " + nameOf(in) + ", out = " + nameOf(out) +
           ", streams = 1 : i64, bias = true, captures = [f32]} {\n"
           "^bb0(%acc: f32, %r: f32):\n"
           "  %0 = arith.addf %acc, %r : f32\n  adze.yield %0 : f32 }";
  }
  void run(CompiledKernel &kernel, int64_t lo, int64_t hi) {
    kernel(lo, hi, nullptr,
           {word(x), word(residual), word(y), word(*panels), word(bias),
            uint64_t(m), uint64_t(s.n), uint64_t(s.k)});
  }
  int64_t units() const { return (s.n + 15) / 16; }
  void check() {
    for (int64_t r = 0; r < m; ++r)
      for (int64_t n = 0; n < s.n; ++n) {
        double sum = bias.at(0, n) + residual.at(r, n), size = std::fabs(sum);
        for (int64_t k = 0; k < s.k; ++k) {
          double product = double(x.at(r, k)) * weight.at(n, k);
          sum += product;
          size += std::fabs(product);
        }
        ASSERT_NEAR(y.at(r, n), sum,
                    size * 2e-6 + std::fabs(sum) * roundingOf(y.type))
            << "row " << r << " column " << n;
      }
  }

  int64_t m;
  Shape s;
  Matrix x, weight, residual, y, bias;
  std::unique_ptr<Memory> panels;
};

class LinearTest : public testing::TestWithParam<const TargetVariant *> {
protected:
  KernelLab lab;
};

TEST_P(LinearTest, EqualsLoopsInDouble) {
  std::mt19937 random(1);
  const Shape shapes[] = {{1, 1},   {10, 7},   {16, 64}, {48, 33},
                          {64, 64}, {70, 129}, {113, 40}};
  for (Stored weight : kAllStored)
    for (Stored in : {Stored::F32, Stored::BF16})
      for (Stored out : kAllStored) {
        auto kernel = lab.compile(Linear::text(weight, in, out), *GetParam());
        ASSERT_TRUE(kernel) << lab.errors;
        for (Shape shape : shapes)
          for (int64_t m : {1, 2, 3, 4, 5, 8, 9, 17}) {
            if (out != Stored::F32 && m > 4)
              continue; // tiles were seen with f32
            SCOPED_TRACE(testing::Message()
                         << nameOf(weight) << " in " << nameOf(in) << " out "
                         << nameOf(out) << " M " << m << " N " << shape.n
                         << " K " << shape.k);
            Linear linear(lab, m, shape, weight, in, out, random);
            linear.run(*kernel, 0, linear.units());
            linear.check();
            if (HasFatalFailure())
              return;
          }
      }
}

TEST_P(LinearTest, RowsDoNotDependOnOtherRowsOrParts) {
  std::mt19937 random(2);
  for (Stored weight : kAllStored)
    for (Stored in : {Stored::F32, Stored::BF16}) {
      auto kernel =
          lab.compile(Linear::text(weight, in, Stored::F32), *GetParam());
      ASSERT_TRUE(kernel) << lab.errors;
      Linear whole(lab, 17, {150, 517}, weight, in, Stored::F32, random);
      whole.run(*kernel, 0, whole.units());
      for (int64_t m : {1, 2, 4, 8, 9}) {
        Linear part(lab, m, whole.s, weight, in, Stored::F32, random);
        part.panels = std::make_unique<Memory>(lab.pack(whole.weight));
        for (int64_t r = 0; r < m; ++r) {
          for (int64_t k = 0; k < whole.s.k; ++k)
            part.x.put(r, k, whole.x.at(17 - m + r, k));
          for (int64_t n = 0; n < whole.s.n; ++n)
            part.residual.put(r, n, whole.residual.at(17 - m + r, n));
        }
        // Uneven parts, as three threads would take them.
        part.run(*kernel, 0, 1);
        part.run(*kernel, 1, 6);
        part.run(*kernel, 6, part.units());
        for (int64_t r = 0; r < m; ++r)
          ASSERT_EQ(part.y.rowBytes(r), whole.y.rowBytes(17 - m + r))
              << nameOf(weight) << " M " << m << " row " << r;
      }
    }
}

TEST_P(LinearTest, GateAndUp) {
  std::mt19937 random(3);
  for (Stored type : kAllStored) {
    bool dots = GetParam()->kernel.hasBF16Dot && type == Stored::BF16;
    Stored in = dots ? Stored::BF16 : Stored::F32;
    auto kernel = lab.compile(
        std::string("adze.kernel @k linear {format = #adze.float<") +
            nameOf(type) + ">, in = " + nameOf(in) +
            ", streams = 2 : i64} {\n^bb0(%g: f32, %u: f32):\n"
            "  %s = adze.silu %g : f32\n  %p = arith.mulf %s, %u : f32\n"
            "  adze.yield %p : f32 }",
        *GetParam());
    ASSERT_TRUE(kernel) << lab.errors;
    for (int64_t n : {6, 16, 40, 172})
      for (int64_t m : {1, 4, 9}) {
        int64_t k = 37, blocks = (n + 15) / 16;
        Matrix x(m, k, in), gate(n, k, type), up(n, k, type),
            weight(blocks * 32, k, type), y(m, n, Stored::F32);
        x.fill(random);
        gate.fill(random);
        up.fill(random);
        for (int64_t c = 0; c < n; ++c)
          for (int64_t i = 0; i < k; ++i) {
            weight.put(c / 16 * 32 + c % 16, i, gate.at(c, i));
            weight.put(c / 16 * 32 + 16 + c % 16, i, up.at(c, i));
          }
        Memory panels = lab.pack(weight);
        (*kernel)(0, blocks, nullptr,
                  {word(x), word(y), word(panels), uint64_t(m), uint64_t(n),
                   uint64_t(k)});
        for (int64_t r = 0; r < m; ++r)
          for (int64_t c = 0; c < n; ++c) {
            double g = 0, u = 0;
            for (int64_t i = 0; i < k; ++i) {
              g += double(x.at(r, i)) * gate.at(c, i);
              u += double(x.at(r, i)) * up.at(c, i);
            }
            double expected = g / (1 + std::exp(-g)) * u;
            ASSERT_NEAR(y.at(r, c), expected, 1e-4)
                << nameOf(type) << " N " << n << " M " << m;
          }
      }
  }
}

TEST_P(LinearTest, UnknownOpInTheRegionIsNamed) {
  auto kernel = lab.compile(
      "adze.kernel @k linear {format = #adze.float<f32>} {\n^bb0(%a: f32):\n"
      "  %0 = math.acos %a : f32\n  adze.yield %0 : f32 }",
      *GetParam());
  EXPECT_FALSE(kernel);
  EXPECT_NE(lab.errors.find("'math.acos' op stands in the scalar region"),
            std::string::npos)
      << lab.errors;
}

TEST_P(LinearTest, WrongParamsAreNamed) {
  EXPECT_FALSE(lab.compile("adze.kernel @k linear {in = f16}", *GetParam()));
  EXPECT_NE(lab.errors.find("param 'format'"), std::string::npos);
  EXPECT_NE(lab.errors.find("param 'in' to be f32, bf16 or i8, found f16"),
            std::string::npos)
      << lab.errors;
}

INSTANTIATE_TEST_SUITE_P(Variants, LinearTest,
                         testing::ValuesIn(emulatedVariants()), variantName);

} // namespace
