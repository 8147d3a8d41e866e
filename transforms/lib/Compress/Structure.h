// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Structure that a model can lose: columns of values that linears make, that
// elementwise ops, rotary embeddings, norms of heads and attention carry, and
// that linears read. Neurons of a feed-forward block, heads of attention.
#ifndef ADZE_LIB_COMPRESS_STRUCTURE_H
#define ADZE_LIB_COMPRESS_STRUCTURE_H

#include "adze/Dialect/Adze/Adze.h"
#include "adze/Weights/Evaluator.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"
#include <map>

namespace adze::detail {

/// Values with the same columns, in all functions that share the weights, and
/// those weights. A column can only be taken from all of them.
struct Cluster {
  int64_t columns = 0;
  int64_t unit = 1; ///< columns that only go together: those of a head
  llvm::SmallVector<mlir::Value> values;
  llvm::SmallVector<LinearOp> producers, readers;
  /// Weights (and biases) with a row, and weights with a column for each.
  llvm::SmallVector<WeightOp> rows, cols;
  llvm::SmallVector<mlir::Operation *> heads; ///< rotary, norms of heads
  /// Attention that has them as queries, or as keys and values.
  llvm::SmallVector<AttentionOp> queries, keys;
  /// Why nothing can be taken out, and which op says so; empty: it can.
  std::string why;
  mlir::Operation *at = nullptr;
  llvm::SmallVector<int64_t> layers; ///< those of the weights

  int64_t units() const { return columns / unit; }
  bool isNeurons() const { return queries.empty() && keys.empty(); }
  /// Query heads that share a head of keys and values.
  int64_t sharing() {
    return int64_t(queries.front().getHeads() / queries.front().getKvHeads());
  }
};

class Structure {
public:
  /// Finds what linears both make and read, and the keys and values of
  /// attention.
  explicit Structure(mlir::ModuleOp module);

  std::vector<Cluster> clusters;
  /// Of a value's columns; null where no linear makes or reads them.
  Cluster *of(mlir::Value value);

private:
  void checkAttention(Cluster &queries);

  llvm::DenseMap<mlir::Value, size_t> clusterOf;
};

/// Rows and columns of a weight that are zero.
struct ZeroLines {
  llvm::BitVector rows, columns;
  std::string error; ///< empty: none
};

/// What is zero in the weights of a structure, and what is zero or not read
/// because of it.
class DeadColumns {
public:
  /// `tensors` are those that were read before, by their names, and will be.
  DeadColumns(mlir::ModuleOp module, Structure &structure,
              const WeightEvaluator &evaluator,
              llvm::StringMap<ZeroLines> &tensors)
      : module(module), structure(structure), evaluator(evaluator),
        tensors(tensors) {}

  /// Reads the weights of all linears, but those tensors.
  llvm::Error measure();
  /// The units of a cluster, but of keys and values, whose columns nothing
  /// needs in `layer`: each reader has a column of zeros there, or the value is
  /// zero for certain.
  llvm::BitVector deadUnits(const Cluster &cluster, int64_t layer);
  /// Heads of keys and values that only dead query heads read.
  llvm::BitVector deadKeys(const Cluster &keys, int64_t layer);
  /// Whether `function` returns its first value as it is in `layer`.
  bool addsNothing(mlir::Operation *function, int64_t layer);

private:
  llvm::BitVector zeros(mlir::Value value, int64_t layer);
  const ZeroLines &zerosOf(WeightOp weight, int64_t layer);
  llvm::Error measure(WeightOp weight, int64_t layer, ZeroLines &zeros) const;

  mlir::ModuleOp module;
  Structure &structure;
  const WeightEvaluator &evaluator;
  llvm::StringMap<ZeroLines> &tensors;
  std::map<std::pair<mlir::Operation *, int64_t>, ZeroLines> known;
};

} // namespace adze::detail

#endif // ADZE_LIB_COMPRESS_STRUCTURE_H
