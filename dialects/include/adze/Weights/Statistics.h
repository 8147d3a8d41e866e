// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- Statistics.h - What the linears of a model read ----------*- C++ -*-===//
//
// Reads the folder that `adze calibrate` writes: `statistics.json` and data
// files beside it. The JSON is a weight table (WeightTable.h) with a header:
//
//   {"version": 1, "kind": "statistics", "model": "<modelIdentity>",
//    "text": "<sha256>", "sequences": 128, "tokens": 512, "gram": true,
//    "inputs": {"model.layers.0.k_proj.weight":
//    "model.layers.0.q_proj.weight"}, "tensors":
//    {"model.layers.0.q_proj.weight/gram": {...}}}
//
// An input is a value that linears read, named after the first source tensor
// that reads it. Its tensors, of K columns, are f32: `gram` [K, K] (may be left
// out), `sum_squares`, `abs_max`, `abs_sum` [K] and `count` [1].
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_WEIGHTS_STATISTICS_H
#define ADZE_WEIGHTS_STATISTICS_H

#include "adze/Weights/WeightTable.h"

namespace adze {

/// Views into the mapped files; they last as long as the Statistics.
struct InputStatistics {
  std::string name;
  /// sum over rows of x x^T, row-major, both halves; empty if it was left out.
  llvm::ArrayRef<float> gram;
  llvm::ArrayRef<float> sumSquares, absMax, absSum;
  double count = 0; ///< rows seen

  int64_t columns() const { return int64_t(sumSquares.size()); }
};

/// A folder of statistics, mapped read-only. Thread safe once it is open.
class Statistics {
public:
  /// Opens `folder` and checks that the tensors of every input are there and
  /// fit each other. Values are looked at by of().
  static llvm::Expected<std::unique_ptr<Statistics>>
  open(llvm::StringRef folder);

  /// What the linear with the source tensor `weightName` (layer filled in)
  /// reads. Values that no sum over rows can have (NaN, infinity, a negative
  /// square) are an error that names the tensor and the place.
  llvm::Expected<InputStatistics> of(llvm::StringRef weightName) const;

  /// The name of what that linear reads, without a look at its values.
  llvm::Expected<llvm::StringRef> inputOf(llvm::StringRef weightName) const;

  /// An error unless these are statistics of the model whose identity is
  /// `expected` (see modelIdentity).
  llvm::Error checkModel(llvm::StringRef expected) const;

  llvm::StringRef path() const { return file; }
  llvm::StringRef model() const { return modelHash; }
  llvm::StringRef text() const { return textHash; }
  int64_t tokens() const { return tokenCount; } ///< per sequence
  int64_t sequences() const { return sequenceCount; }

private:
  Statistics() = default;
  llvm::Error readHeader();
  llvm::Expected<llvm::ArrayRef<float>>
  floats(const llvm::Twine &name, int64_t rows, int64_t columns) const;
  llvm::Expected<InputStatistics> bind(llvm::StringRef input) const;

  std::string file; // statistics.json
  std::unique_ptr<WeightTable> table;
  std::string modelHash, textHash;
  int64_t tokenCount = 0, sequenceCount = 0;
  llvm::StringMap<std::string> inputs; // of weights, by name
};

} // namespace adze

#endif // ADZE_WEIGHTS_STATISTICS_H
