// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- Statistics.h - What calibration saw of the inputs --------*- C++ -*-===//
//
// A folder with `statistics.json` and files of data. An *input* is a value that
// linears read; its name is the source name of the first weight that reads it,
// with the layer's number (`model.layers.3.self_attn.q_proj.weight`). Of each
// input there are tensors, K its number of columns, sums over all rows x:
//
//   INPUT/gram         f32 [K, K]  sum of x x^T, both halves (may be missing)
//   INPUT/sum_squares  f32 [K]     its diagonal
//   INPUT/abs_max      f32 [K]     largest |x|
//   INPUT/abs_sum      f32 [K]     sum of |x|
//   INPUT/count        i64 [1]     rows seen
//
// The JSON is a weight table (WeightTable.h) with more keys:
//
//   {"version": 1, "kind": "statistics", "complete": true,
//    "model": "...", "text": "...", "tokens": 65536, "sequences": 128,
//    "inputs": {"model.layers.3.self_attn.k_proj.weight":
//               "model.layers.3.self_attn.q_proj.weight", ...},
//    "tensors": {...}}
//
// "rounding" tells how layers were rounded before the next one was observed, if
// they were. `complete` is false until the writer has finished: such a folder
// can be gone on with, but not read.
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_WEIGHTS_STATISTICS_H
#define ADZE_WEIGHTS_STATISTICS_H

#include "adze/Weights/WeightTable.h"

namespace adze {

inline constexpr llvm::StringLiteral kStatisticsFile = "statistics.json";

/// What statistics are of. Two runs with equal ones see the same numbers.
struct StatisticsOrigin {
  std::string model; ///< identifies the source model: a hash of its files
  std::string text;  ///< SHA-256 of the calibration text, in hexadecimal
  int64_t tokens = 0;
  int64_t sequences = 0;
  /// How layers were rounded before the next one was observed; empty: they were
  /// as they are in the model.
  std::string rounding = {};
};

/// Of one input; views last as long as the Statistics and, where they are of
/// some of its columns only, as `own`.
struct InputStatistics {
  llvm::StringRef input;
  int64_t columns = 0;
  int64_t count = 0;          ///< rows seen
  llvm::ArrayRef<float> gram; ///< columns * columns; empty if not kept
  llvm::ArrayRef<float> sumSquares, absMax, absSum; ///< `columns` each
  std::shared_ptr<const std::vector<float>> own = nullptr;

  /// Of these columns.
  InputStatistics of(llvm::ArrayRef<int64_t> kept) const;
};

/// An opened and checked folder; its files are mapped read-only.
class Statistics {
public:
  /// The error lists what is wrong with the folder. Statistics of another model
  /// than `model` are an error, unless that is empty.
  static llvm::Expected<std::unique_ptr<Statistics>>
  open(llvm::StringRef folder, llvm::StringRef model = "");

  /// Of the input that the weight of this source name (its layer filled in) is
  /// multiplied with.
  llvm::Expected<InputStatistics> of(llvm::StringRef weightName) const;
  bool has(llvm::StringRef weightName) const {
    return inputOf.contains(weightName);
  }

  const StatisticsOrigin &origin() const { return from; }
  llvm::StringRef model() const { return from.model; }
  llvm::StringRef text() const { return from.text; }
  int64_t tokens() const { return from.tokens; }
  int64_t sequences() const { return from.sequences; }
  /// Names of the inputs, in their order, and of the file they come from.
  std::vector<llvm::StringRef> inputs() const;
  llvm::StringRef path() const { return jsonPath; }

private:
  Statistics() = default;

  std::string jsonPath;
  StatisticsOrigin from;
  std::unique_ptr<WeightTable> table;
  llvm::StringMap<InputStatistics> stats; // by input
  llvm::StringMap<std::string> inputOf;   // weight -> input
};

/// Writes a folder, input by input. What add() has taken is on disk, whole: a
/// run that is killed and started again with the same origin goes on from
/// there.
class StatisticsWriter {
public:
  /// Makes the folder, or opens one that an earlier run of the same origin has
  /// left. A folder with statistics of another origin is an error that names
  /// both.
  static llvm::Expected<std::unique_ptr<StatisticsWriter>>
  create(llvm::StringRef folder, const StatisticsOrigin &origin);

  struct Input {
    std::string name;
    std::vector<std::string> weights; ///< all that read it, `name` included
    int64_t count = 0;
    llvm::ArrayRef<float> gram; ///< may be empty
    llvm::ArrayRef<float> sumSquares, absMax, absSum;
  };

  /// Writes `FILE.bin` with these inputs, then the JSON with them. Inputs that
  /// were there already are replaced.
  llvm::Error add(llvm::StringRef file, llvm::ArrayRef<Input> inputs);
  /// Whether an earlier run, or this one, has added the input.
  bool isDone(llvm::StringRef input) const { return done.contains(input); }
  /// Whether an earlier run has finished the folder.
  bool isComplete() const { return complete; }
  /// Marks the folder as whole.
  llvm::Error finish();

private:
  StatisticsWriter() = default;
  llvm::Error writeJson() const;

  std::string folder;
  StatisticsOrigin origin;
  bool complete = false;
  llvm::StringMap<char> done;
  std::vector<WeightTableEntry> entries;
  std::vector<std::pair<std::string, std::string>> inputOf; // weight, input
};

} // namespace adze

#endif // ADZE_WEIGHTS_STATISTICS_H
