// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A module parsed from text with its weights in memory, for tests.
#ifndef ADZE_TEST_INTERPRETER_TESTMODULE_H
#define ADZE_TEST_INTERPRETER_TESTMODULE_H

#include "adze/Interpreter/Interpreter.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "gtest/gtest.h"

#include <cmath>
#include <random>

namespace adze::test {

/// Numbers as a format stores them, row by row.
inline std::vector<uint8_t> encode(FormatAttrInterface format,
                                   llvm::ArrayRef<float> values, int64_t cols) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i < values.size(); i += cols) {
    std::vector<uint8_t> row(format.getRowBytes(cols));
    format.encodeRow(values.slice(i, cols), row);
    bytes.insert(bytes.end(), row.begin(), row.end());
  }
  return bytes;
}

/// Random values for every source weight of a module: matrices around
/// 1 / sqrt(columns), vectors around `center`.
inline void addRandomWeights(mlir::ModuleOp module, MemoryWeightSource &source,
                             uint64_t seed, float center = 0.0f) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  for (auto weight : module.getOps<WeightOp>()) {
    if (!weight.isSource())
      continue;
    WeightType type = weight.getWeightType();
    int64_t cols = type.getCols(), rows = type.isVector() ? 1 : type.getRows();
    for (int64_t layer : weight.getLayerIndices()) {
      std::vector<float> values(rows * cols);
      for (float &value : values)
        value = type.isVector() ? center + 0.2f * normal(random)
                                : normal(random) / std::sqrt(float(cols));
      source.add(weight.getSourceName(layer), type.getFormat().getFormatName(),
                 type.getShape(), encode(type.getFormat(), values, cols));
    }
  }
}

class TestModule {
public:
  /// Diagnostics go to `diagnostics`; a text that does not parse is a failure.
  explicit TestModule(llvm::StringRef text);

  mlir::ModuleOp get() { return *module; }
  /// False if the text did not parse (the test has failed already).
  explicit operator bool() const { return bool(module); }

  /// f32 source tensor.
  void add(llvm::StringRef name, llvm::ArrayRef<int64_t> shape,
           llvm::ArrayRef<float> values) {
    auto *bytes = reinterpret_cast<const uint8_t *>(values.data());
    weights.add(name, "f32", shape, {bytes, bytes + 4 * values.size()});
  }

  /// Results of @f, or none after a diagnostic.
  std::vector<HostTensor> run(llvm::ArrayRef<HostTensor> args,
                              const Batch *batch = nullptr,
                              InterpreterOptions options = {}) {
    auto interpreter = Interpreter::create(get(), weights, options);
    if (failed(interpreter))
      return {};
    auto results = (*interpreter)->call("f", args, batch);
    return failed(results) ? std::vector<HostTensor>() : std::move(*results);
  }

  std::string diagnostics;
  mlir::MLIRContext context;
  MemoryWeightSource weights;
  mlir::OwningOpRef<mlir::ModuleOp> module;

private:
  mlir::ScopedDiagnosticHandler handler;
};

inline void expectNear(const HostTensor &got, llvm::ArrayRef<double> expected,
                       double tolerance = 1e-9) {
  ASSERT_EQ(got.floats.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(got.floats[i], expected[i], tolerance) << "element " << i;
}

/// Largest difference over the largest magnitude.
inline double relativeError(const HostTensor &a, const HostTensor &b) {
  if (a.shape != b.shape || a.floats.size() != b.floats.size())
    return HUGE_VAL;
  double difference = 0, largest = 0;
  for (size_t i = 0; i < a.floats.size(); ++i) {
    if (!std::isfinite(a.floats[i]) || !std::isfinite(b.floats[i]))
      return HUGE_VAL;
    difference = std::max(difference, std::fabs(a.floats[i] - b.floats[i]));
    largest = std::max(largest, std::fabs(b.floats[i]));
  }
  return difference == 0 ? 0 : difference / largest;
}

/// Deterministic values in (-1, 1).
inline HostTensor randomRows(int64_t rows, int64_t cols, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<double> values(rows * cols);
  for (double &value : values)
    value = float(uniform(random));
  return HostTensor::ofFloats({rows, cols}, std::move(values));
}

} // namespace adze::test

#endif // ADZE_TEST_INTERPRETER_TESTMODULE_H
