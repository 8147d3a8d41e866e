// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- Evaluator.h - Bytes and values of weights ----------------*- C++ -*-===//
//
// The one evaluator of weights and weight expressions, for the interpreter,
// the artefact writer and calibration. It works row by row from the mapped
// sources: memory is bounded by a panel, whatever the weight.
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_WEIGHTS_EVALUATOR_H
#define ADZE_WEIGHTS_EVALUATOR_H

#include "adze/Dialect/Adze/Adze.h"
#include "adze/Weights/WeightSource.h"
#include "mlir/IR/BuiltinOps.h"

#include <memory>

namespace adze {

namespace detail {
struct WeightProgram;
}

/// Storage of a weight is a sequence of *units*, each evaluated on its own: a
/// panel of 16 rows (layout panels), a block of 16 rows (layout rows), or a
/// whole vector.
int64_t numWeightUnits(WeightType type);
/// Where unit `unit` starts in the storage of one layer; for
/// unit == numWeightUnits its end, WeightType::getStorageBytes.
int64_t weightUnitOffset(WeightType type, int64_t unit);

/// Thread safe: const calls may run at once, on the same weight too. The module
/// and the source must outlive it, and the module's weights must not change.
class WeightEvaluator {
public:
  /// Compiles the expressions of all weights of `module`. An expression op
  /// that is not known here (a plug-in's) is an error that names it.
  static llvm::Expected<std::unique_ptr<WeightEvaluator>>
  create(mlir::ModuleOp module, WeightSource &source);
  ~WeightEvaluator();

  /// Logical values of rows [row, row + count) as float32, `count` * columns of
  /// them; of a vector, its elements [row, row + count).
  llvm::Error readRows(WeightOp weight, int64_t layer, int64_t row,
                       int64_t count, float *out) const;

  /// The same, but for a last cast that rounds them to the weight's format:
  /// quick, and zero where the weight is zero for certain.
  llvm::Error readUnrounded(WeightOp weight, int64_t layer, int64_t row,
                            int64_t count, float *out) const;

  /// Storage bytes of units [begin, end) in the weight's own layout and format:
  /// weightUnitOffset(end) - weightUnitOffset(begin) bytes. Rows that exist
  /// only as padding are zero.
  llvm::Error evaluate(WeightOp weight, int64_t layer, int64_t begin,
                       int64_t end, uint8_t *out) const;

  /// Looks up every source tensor of every layer and checks it against the
  /// weight's declared type. The error lists all that do not fit (at most 50).
  llvm::Error checkSources() const;

private:
  explicit WeightEvaluator(WeightSource &source);
  llvm::Error read(WeightOp weight, int64_t layer, int64_t row, int64_t count,
                   bool isRounded, float *out) const;

  WeightSource &source;
  llvm::DenseMap<mlir::Operation *, std::unique_ptr<detail::WeightProgram>>
      programs;
};

} // namespace adze

#endif // ADZE_WEIGHTS_EVALUATOR_H
