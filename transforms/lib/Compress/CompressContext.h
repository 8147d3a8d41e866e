// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What passes share that compute new weights, mostly by what the weights read:
// the module's weight table and values, the statistics, the weight store, the
// work on all inputs at once as far as memory allows, and new sources in place
// of the old weights.
#ifndef ADZE_LIB_COMPRESS_COMPRESSCONTEXT_H
#define ADZE_LIB_COMPRESS_COMPRESSCONTEXT_H

#include "adze/Dialect/Adze/Adze.h"
#include "adze/Transforms/SecondOrder.h"
#include "adze/Weights/Evaluator.h"
#include "adze/Weights/Statistics.h"
#include "adze/Weights/WeightStore.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringSet.h"

namespace adze::detail {

struct CompressOptions {
  llvm::StringRef pass;   ///< its name, for diagnostics
  std::string statistics; ///< folder of a calibration
  std::string store;      ///< folder of a weight store
  std::string table;      ///< the weight table, where no pass has made one
  std::string report;     ///< JSON file to write; empty: none
  bool needsStatistics = true, needsGram = true;
};

/// A weight in one layer.
struct WeightInLayer {
  WeightOp weight;
  int64_t layer = 0;
  std::string name; ///< of its tensor in the checkpoint
};

class CompressContext {
public:
  CompressContext(mlir::ModuleOp module, const CompressOptions &options)
      : module(module), options(options) {}

  mlir::InFlightDiagnostic error(mlir::Operation *op) {
    return op->emitError() << options.pass << ": ";
  }
  mlir::LogicalResult fail(mlir::Operation *op, llvm::Error failure) {
    return error(op) << llvm::toString(std::move(failure));
  }

  /// Opens all of it, the statistics where there are any. The module then says
  /// of which model it is.
  mlir::LogicalResult open();
  /// Null where there are none.
  const Statistics *statistics() const { return stats.get(); }
  const WeightStore &store() const { return *storage; }

  /// Each layer of `weight`, with its name.
  std::vector<WeightInLayer> layersOf(WeightOp weight);

  /// What forEachInput does with weights that read one input: `items` are
  /// indices of its first argument. Without statistics each weight is one, and
  /// the statistics have 0 columns.
  using Work = llvm::function_ref<llvm::Error(
      const InputStatistics &, llvm::ArrayRef<size_t> items, ParallelFor)>;
  /// `columns` -> bytes that are needed beside weights and statistics.
  using Bytes = llvm::function_ref<uint64_t(int64_t)>;
  mlir::LogicalResult forEachInput(llvm::ArrayRef<WeightInLayer> items,
                                   Bytes bytes, Work work);

  /// All of a matrix, every value finite; of statistics with its columns.
  llvm::Expected<std::vector<float>> read(const WeightInLayer &item,
                                          WeightOp values,
                                          const InputStatistics &input) const;

  /// Has the module read `added` too.
  mlir::LogicalResult addSources(llvm::ArrayRef<WeightTableEntry> added);
  /// A name for what `made` (pruned, coded) makes of the tensor that `weight`
  /// comes from; `taken` are those of the module.
  std::string sourceName(WeightOp weight, llvm::StringRef made);
  /// Reads of `weight` from `source` from here on.
  void replace(WeightOp weight, llvm::StringRef source);

  void parallel(int64_t count, llvm::function_ref<void(int64_t)> task);

private:
  mlir::LogicalResult openTable();
  llvm::Expected<InputStatistics> check(llvm::StringRef name) const;

  mlir::ModuleOp module;
  const CompressOptions &options;
  std::unique_ptr<WeightTable> table;
  std::unique_ptr<Statistics> stats;
  std::unique_ptr<WeightEvaluator> evaluator;
  std::optional<WeightStore> storage;
  llvm::StringSet<> names; // of sources; filled when it is first needed
};

/// Names of the weights that linears, expressions of weights, and other ops
/// read.
struct WeightReaders {
  explicit WeightReaders(mlir::ModuleOp module);
  llvm::StringSet<> linears, weights, others;
};

} // namespace adze::detail

#endif // ADZE_LIB_COMPRESS_COMPRESSCONTEXT_H
