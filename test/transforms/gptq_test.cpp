// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sweeps that round: codes against those of an independent float64
// implementation (test/scripts/compress/gptq_reference.py), the factor against
// its definition, and matrices that are none.

#include "SweepCase.h"
#include "adze/Dialect/Adze/FormatName.h"
#include "adze/Transforms/IntProjection.h"
#include "mlir/IR/MLIRContext.h"
#include <cmath>

using namespace adze;
using namespace adze::testing;
namespace json = llvm::json;

namespace {

struct Case : SweepCase {
  explicit Case(const json::Object &object)
      : SweepCase(object), name(object.getString("name")->str()) {}
  InverseFactorOptions options() const {
    return {number("damping"), *object.getBoolean("act_order")};
  }
  std::string name;
};

class GptqTest : public ::testing::Test {
protected:
  void SetUp() override {
    context.loadDialect<AdzeDialect>();
    references = readReferences("gptq.json");
    ASSERT_TRUE(references.has_value());
    for (const json::Value &value : *references->getAsArray())
      cases.emplace_back(*value.getAsObject());
    ASSERT_GE(cases.size(), 8u);
  }
  static InverseFactor factorOf(const Case &test) {
    auto factor = InverseFactor::make(test.gram, test.columns, test.options());
    EXPECT_TRUE(bool(factor)) << llvm::toString(factor.takeError());
    return std::move(*factor);
  }
  static std::string factorError(llvm::ArrayRef<float> gram, int64_t k) {
    auto factor = InverseFactor::make(gram, k, {});
    return factor ? "" : llvm::toString(factor.takeError());
  }

  mlir::MLIRContext context;
  std::optional<json::Value> references;
  std::vector<Case> cases;
};

TEST_F(GptqTest, CodesInDoubleAreThoseOfTheReference) {
  for (const Case &test : cases) {
    SCOPED_TRACE(test.name);
    InverseFactor factor = factorOf(test);
    IntProjection projection(test.format(context), test.rows, factor.order());
    projection.prepare(test.w, inOrder);
    std::vector<float> w = test.w;
    double loss = sweep(factor, w, projection, SweepPrecision::Double, inOrder);
    double squares = 0;
    for (int64_t r = 0; r < test.rows; ++r) {
      for (int64_t i = 0; i < test.columns; ++i) {
        EXPECT_EQ(projection.codes(r)[size_t(i)], test.code(r, i))
            << "row " << r << ", column " << i;
        double e = double(test.w[size_t(r * test.columns + i)]) -
                   double(w[size_t(r * test.columns + i)]);
        squares += e * e;
      }
      for (auto [g, scale] : llvm::enumerate(projection.scales(r))) {
        EXPECT_EQ(double(scale.scale), test.scale(r, g));
        EXPECT_EQ(scale.zero, test.zero(r, g));
      }
    }
    // What was gone through comes to the error of the damped matrix.
    double error = test.number("error");
    EXPECT_NEAR(loss - factor.added() * squares, error, 1e-5 * error);
    EXPECT_NEAR(test.errorOf(w), error, 1e-5 * error);
    EXPECT_NEAR(energy(test.w, test.gram, test.columns, inOrder),
                test.number("energy"), 1e-5 * test.number("energy"));
  }
}

TEST_F(GptqTest, TheFastPathDiffersByAStepInOneOfAThousand) {
  int64_t codes = 0, different = 0;
  for (const Case &test : cases) {
    SCOPED_TRACE(test.name);
    InverseFactor factor = factorOf(test);
    IntProjection projection(test.format(context), test.rows, factor.order());
    projection.prepare(test.w, inOrder);
    std::vector<float> w = test.w;
    sweep(factor, w, projection, SweepPrecision::Fast, inOrder);
    for (int64_t r = 0; r < test.rows; ++r)
      for (int64_t i = 0; i < test.columns; ++i) {
        int64_t step =
            std::abs(projection.codes(r)[size_t(i)] - test.code(r, i));
        EXPECT_LE(step, 1);
        different += step != 0;
        ++codes;
      }
    EXPECT_NEAR(test.errorOf(w), test.number("error"),
                1e-3 * test.number("error"));
  }
  EXPECT_LE(different * 1000, codes);
}

TEST_F(GptqTest, TheRowIsWhatTheFormatReads) {
  for (const Case &test : cases) {
    SCOPED_TRACE(test.name);
    InverseFactor factor = factorOf(test);
    IntFormatAttr format = test.format(context);
    IntProjection projection(format, test.rows, factor.order());
    projection.prepare(test.w, inOrder);
    std::vector<float> w = test.w, decoded(size_t(test.columns));
    sweep(factor, w, projection, SweepPrecision::Double, inOrder);
    std::vector<uint8_t> row(size_t(format.getRowBytes(test.columns)));
    for (int64_t r = 0; r < test.rows; ++r) {
      projection.storeRow(r, row);
      format.decodeRow(row, decoded);
      EXPECT_EQ(llvm::ArrayRef<float>(decoded),
                llvm::ArrayRef<float>(w).slice(size_t(r * test.columns),
                                               size_t(test.columns)));
    }
  }
}

TEST_F(GptqTest, ThreadsChangeNothing) {
  const Case &test = cases.back();
  ASSERT_GT(test.rows, 128);
  InverseFactor factor = factorOf(test);
  for (SweepPrecision precision :
       {SweepPrecision::Double, SweepPrecision::Fast}) {
    std::vector<float> results[2] = {test.w, test.w};
    double losses[2];
    for (int i : {0, 1}) {
      IntProjection projection(test.format(context), test.rows, factor.order());
      projection.prepare(test.w, i ? inThreads : inOrder);
      losses[i] = sweep(factor, results[i], projection, precision,
                        i ? inThreads : inOrder);
    }
    EXPECT_EQ(losses[0], losses[1]);
    EXPECT_EQ(results[0], results[1]);
  }
}

TEST_F(GptqTest, TheFactorIsTheInverse) {
  for (const Case &test : cases) {
    SCOPED_TRACE(test.name);
    InverseFactor factor = factorOf(test);
    size_t k = size_t(test.columns);
    // (U H U^T) is the identity.
    std::vector<double> product(k * k);
    auto h = [&](size_t i, size_t j) {
      size_t a = size_t(factor.order()[i]), b = size_t(factor.order()[j]);
      return double(test.gram[a * k + b]) + (i == j ? factor.added() : 0);
    };
    for (size_t i = 0; i < k; ++i)
      for (size_t j = 0; j < k; ++j)
        for (size_t m = i; m < k; ++m)
          product[i * k + j] += factor.upper()[i * k + m] * h(m, j);
    double worst = 0;
    for (size_t i = 0; i < k; ++i)
      for (size_t j = 0; j < k; ++j) {
        double sum = 0;
        for (size_t m = j; m < k; ++m)
          sum += product[i * k + m] * factor.upper()[j * k + m];
        worst = std::max(worst, std::fabs(sum - (i == j)));
        if (j < i) {
          EXPECT_EQ(factor.upper()[i * k + j], 0);
        }
      }
    EXPECT_LT(worst, 1e-9);
  }
}

TEST_F(GptqTest, InputsThatSayNothingLeavePlainRounding) {
  const Case &test = cases.front();
  std::vector<float> none(test.gram.size());
  IntFormatAttr format = test.format(context);
  for (bool actOrder : {false, true}) {
    auto factor = InverseFactor::make(none, test.columns, {0.01, actOrder});
    ASSERT_TRUE(bool(factor)) << llvm::toString(factor.takeError());
    IntProjection projection(format, test.rows, factor->order());
    projection.prepare(test.w, inOrder);
    std::vector<float> w = test.w;
    sweep(*factor, w, projection, SweepPrecision::Double, inOrder);
    std::vector<uint8_t> row(size_t(format.getRowBytes(test.columns))),
        plain = row;
    for (int64_t r = 0; r < test.rows; ++r) {
      projection.storeRow(r, row);
      format.encodeRow(llvm::ArrayRef<float>(test.w).slice(
                           size_t(r * test.columns), size_t(test.columns)),
                       plain);
      EXPECT_EQ(row, plain);
    }
  }
}

TEST_F(GptqTest, ScalesThatAreTooLargeForTheirTypeAreSaid) {
  auto f16 = mlir::Float16Type::get(&context);
  auto format = IntFormatAttr::get(&context, 4, 8, f16, /*zeros=*/false);
  std::vector<int32_t> order(16);
  std::iota(order.begin(), order.end(), 0);
  for (float largest : {1000.0f, 1e7f}) {
    std::vector<float> w(32, 1.0f);
    w[21] = largest;
    IntProjection projection(format, 2, order);
    for (int64_t row : {0, 1})
      for (int64_t i = 0; i < 16; ++i) {
        auto from = w.begin() + row * 16 + i;
        if (i % 8 == 0)
          projection.enter(row, i, std::vector<double>(from, from + 8), {});
        projection.project(row, i, *from);
      }
    std::vector<uint8_t> rows(size_t(2 * format.getRowBytes(16)));
    EXPECT_EQ(projection.store(rows, inOrder), largest < 1e6f);
  }
}

TEST_F(GptqTest, DampingGrowsUntilThereIsAFactor) {
  // Eigenvalues 2.2 and -0.2: a twentieth of the mean is not enough.
  std::vector<float> gram = {1, 1.2f, 1.2f, 1};
  auto factor = InverseFactor::make(gram, 2, {0.05, false});
  ASSERT_TRUE(bool(factor)) << llvm::toString(factor.takeError());
  EXPECT_DOUBLE_EQ(factor->damping(), 0.5);
  EXPECT_DOUBLE_EQ(factor->added(), 0.5);
  // Without any, a singular one gets a little.
  gram = {1, 1, 1, 1};
  factor = InverseFactor::make(gram, 2, {0, false});
  ASSERT_TRUE(bool(factor)) << llvm::toString(factor.takeError());
  EXPECT_GT(factor->damping(), 0);
  EXPECT_LT(factor->damping(), 1e-4);
}

TEST_F(GptqTest, WhatIsNoGramMatrix) {
  EXPECT_EQ(factorError({1, 0, 0, -1}, 2),
            "expected a sum of squares on the diagonal of the Gram matrix, "
            "found -1.000000 at 1");
  EXPECT_EQ(factorError({1, 100, 100, 1}, 2),
            "the Gram matrix is not positive definite, even with 10 times its "
            "mean diagonal added");
}

} // namespace
