// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sweeps that round: codes against those of an independent float64
// implementation (test/scripts/compress/gptq_reference.py), the factor against
// its definition, and matrices that are none.

#include "adze/Dialect/Adze/FormatName.h"
#include "adze/Transforms/IntProjection.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "gtest/gtest.h"
#include <cmath>
#include <thread>

using namespace adze;
namespace json = llvm::json;

namespace {

void inOrder(int64_t count, llvm::function_ref<void(int64_t)> task) {
  for (int64_t i = 0; i < count; ++i)
    task(i);
}
void inThreads(int64_t count, llvm::function_ref<void(int64_t)> task) {
  std::vector<std::thread> threads;
  for (int64_t t = 0; t < 3; ++t)
    threads.emplace_back([=] {
      for (int64_t i = count - 1 - t; i >= 0; i -= 3)
        task(i);
    });
  for (std::thread &thread : threads)
    thread.join();
}

/// The script's generator.
class Integers {
public:
  explicit Integers(uint64_t seed) : state(seed) {}
  int64_t next(int64_t span) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return int64_t((state >> 33) % uint64_t(2 * span + 1)) - span;
  }

private:
  uint64_t state;
};

struct Case {
  explicit Case(const json::Object &object) : object(object) {
    name = object.getString("name")->str();
    rows = *object.getInteger("rows");
    columns = *object.getInteger("columns");
    makeGram();
    makeWeight();
  }

  void makeGram() {
    int64_t samples = *object.getInteger("samples"), k = columns;
    Integers integers(uint64_t(*object.getInteger("seed")));
    std::vector<double> x(size_t(samples * k)), a(x.size());
    for (double &value : a)
      value = double(integers.next(8));
    for (int64_t r = 0; r < samples; ++r)
      for (int64_t j = 0; j < k; ++j)
        x[size_t(r * k + j)] = a[size_t(r * k + j)] * (j % 11 == 5 ? 6 : 1) +
                               a[size_t(r * k + (j + k - 1) % k)] +
                               2 * a[size_t(r * k + (j + k - 3) % k)];
    if (const json::Array *unseen = object.getArray("unseen"))
      for (const json::Value &column : *unseen)
        for (int64_t r = 0; r < samples; ++r)
          x[size_t(r * k + *column.getAsInteger())] = 0;
    gram.resize(size_t(k * k));
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j < k; ++j) {
        double sum = 0;
        for (int64_t r = 0; r < samples; ++r)
          sum += x[size_t(r * k + i)] * x[size_t(r * k + j)];
        gram[size_t(i * k + j)] = float(sum / 64);
      }
  }

  void makeWeight() {
    Integers integers(uint64_t(*object.getInteger("seed")) + 1);
    size_t count = size_t(rows * columns);
    std::vector<int64_t> b(2 * count);
    for (int64_t &value : b)
      value = integers.next(1000);
    for (size_t i = 0; i < count; ++i)
      w.push_back(float(b[i] * b[count + i]) / 0x1p20f);
    if (const json::Array *zero = object.getArray("zero_rows"))
      for (const json::Value &row : *zero)
        std::fill_n(w.begin() + *row.getAsInteger() * columns, columns, 0.0f);
  }

  IntFormatAttr format(mlir::MLIRContext &context) const {
    llvm::StringRef scale = *object.getString("scale");
    mlir::Type type =
        scale == "f32"   ? mlir::Type(mlir::Float32Type::get(&context))
        : scale == "f16" ? mlir::Type(mlir::Float16Type::get(&context))
                         : mlir::Type(mlir::BFloat16Type::get(&context));
    return IntFormatAttr::get(&context, *object.getInteger("bits"),
                              *object.getInteger("group"), type,
                              *object.getBoolean("zeros"));
  }
  int64_t code(int64_t row, int64_t column) const {
    llvm::StringRef text =
        *(*object.getArray("codes"))[size_t(row)].getAsString();
    size_t digits = *object.getInteger("bits") == 4 ? 1 : 2;
    unsigned value = 0;
    EXPECT_FALSE(
        text.substr(size_t(column) * digits, digits).getAsInteger(16, value));
    return value;
  }
  double scale(int64_t row, size_t group) const {
    return *(*(*object.getArray("scales"))[size_t(row)].getAsArray())[group]
                .getAsNumber();
  }
  int64_t zero(int64_t row, size_t group) const {
    return *(*(*object.getArray("zero_codes"))[size_t(row)].getAsArray())[group]
                .getAsInteger();
  }
  double number(llvm::StringRef key) const { return *object.getNumber(key); }
  InverseFactorOptions options() const {
    return {number("damping"), *object.getBoolean("act_order")};
  }

  const json::Object &object;
  std::string name;
  int64_t rows, columns;
  std::vector<float> w, gram;
};

/// tr(E H E^T), naively.
double errorOf(const Case &test, llvm::ArrayRef<float> rounded) {
  int64_t k = test.columns;
  double sum = 0;
  for (int64_t r = 0; r < test.rows; ++r)
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j < k; ++j) {
        auto change = [&](int64_t c) {
          return double(test.w[size_t(r * k + c)]) -
                 double(rounded[size_t(r * k + c)]);
        };
        sum += change(i) * double(test.gram[size_t(i * k + j)]) * change(j);
      }
  return sum;
}

class GptqTest : public testing::Test {
protected:
  void SetUp() override {
    context.loadDialect<AdzeDialect>();
    auto buffer = llvm::MemoryBuffer::getFile(
        ADZE_TEST_FOLDER "/transforms/references/gptq.json");
    ASSERT_TRUE(bool(buffer));
    auto parsed = json::parse((*buffer)->getBuffer());
    ASSERT_TRUE(bool(parsed)) << llvm::toString(parsed.takeError());
    references = std::move(*parsed);
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
    EXPECT_NEAR(errorOf(test, w), error, 1e-5 * error);
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
    EXPECT_NEAR(errorOf(test, w), test.number("error"),
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
