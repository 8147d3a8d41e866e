// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weights and Gram matrices of the reference scripts (test/scripts/compress),
// made by the same generator; all their numbers are exact in float32.
#ifndef ADZE_TEST_TRANSFORMS_SWEEPCASE_H
#define ADZE_TEST_TRANSFORMS_SWEEPCASE_H

#include "adze/Dialect/Adze/Adze.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "gtest/gtest.h"
#include <thread>

namespace adze::testing {

inline void inOrder(int64_t count, llvm::function_ref<void(int64_t)> task) {
  for (int64_t i = 0; i < count; ++i)
    task(i);
}
inline void inThreads(int64_t count, llvm::function_ref<void(int64_t)> task) {
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

/// An array of objects of test/transforms/references.
inline std::optional<llvm::json::Value> readReferences(llvm::StringRef name) {
  auto buffer = llvm::MemoryBuffer::getFile(
      ADZE_TEST_FOLDER "/transforms/references/" + name);
  EXPECT_TRUE(bool(buffer)) << name.str();
  if (!buffer)
    return std::nullopt;
  auto parsed = llvm::json::parse((*buffer)->getBuffer());
  EXPECT_TRUE(bool(parsed)) << llvm::toString(parsed.takeError());
  return std::move(*parsed);
}

struct SweepCase {
  explicit SweepCase(const llvm::json::Object &object) : object(object) {
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
    if (const llvm::json::Array *unseen = object.getArray("unseen"))
      for (const llvm::json::Value &column : *unseen)
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
    if (const llvm::json::Array *zero = object.getArray("zero_rows"))
      for (const llvm::json::Value &row : *zero)
        std::fill_n(w.begin() + *row.getAsInteger() * columns, columns, 0.0f);
  }

  /// Where the case has one.
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

  /// tr(E H E^T), naively.
  double errorOf(llvm::ArrayRef<float> rounded) const {
    int64_t k = columns;
    double sum = 0;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < k; ++i)
        for (int64_t j = 0; j < k; ++j) {
          auto change = [&](int64_t c) {
            return double(w[size_t(r * k + c)]) -
                   double(rounded[size_t(r * k + c)]);
          };
          sum += change(i) * double(gram[size_t(i * k + j)]) * change(j);
        }
    return sum;
  }

  const llvm::json::Object &object;
  int64_t rows, columns;
  std::vector<float> w, gram;
};

} // namespace adze::testing

#endif // ADZE_TEST_TRANSFORMS_SWEEPCASE_H
