// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What passes share that compute new weights, mostly by what the weights read:
// the module's weight table and values, the statistics, the weight store, the
// work on all inputs at once as far as memory allows, and new sources in place
// of the old weights.
#ifndef ADZE_LIB_COMPRESS_COMPRESSCONTEXT_H
#define ADZE_LIB_COMPRESS_COMPRESSCONTEXT_H

#include "Calibrated.h"
#include "adze/Transforms/SecondOrder.h"
#include "mlir/IR/BuiltinOps.h"

namespace adze::detail {

class CompressReport;

struct CompressOptions : CalibratedOptions {
  std::string report; ///< JSON file to write; empty: none
  bool needsGram = true;
};

/// Options of passes that sweep; the error says what is expected of one.
llvm::Expected<SweepPrecision> parseSweep(double damping,
                                          llvm::StringRef precision);

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
  /// The evaluator of a module whose weights have changed since, but not the
  /// tensors that they are made of.
  mlir::LogicalResult renewEvaluator();
  /// Null where there are none.
  const Statistics *statistics() const { return with.statistics.get(); }
  const WeightStore &store() const { return *with.store; }
  /// Of the module as it was when it was opened.
  const WeightEvaluator &evaluator() const { return *with.evaluator; }
  /// Of what the weight is multiplied with; see CalibratedModule.
  llvm::Expected<InputStatistics> statisticsOf(llvm::StringRef tensor) const {
    return with.statisticsOf(tensor, options.needsGram);
  }

  /// See CalibratedModule.
  llvm::Expected<std::vector<int64_t>> keptColumns(llvm::StringRef name) const {
    return with.keptColumns(name);
  }

  /// Each layer of `weight`, with its name.
  std::vector<WeightInLayer> layersOf(WeightOp weight);

  /// What forEachInput does with weights that read one input, divided by the
  /// same factors (the statistics are of what is left): `items` are
  /// indices of its first argument. Without statistics each weight is one, and
  /// the statistics have 0 columns.
  using Work = llvm::function_ref<llvm::Error(
      const InputStatistics &, llvm::ArrayRef<size_t> items, ParallelFor)>;
  /// `columns` -> bytes that are needed beside weights and statistics.
  using Bytes = llvm::function_ref<uint64_t(int64_t)>;
  /// How far it is becomes known as `stage` (adze/Transforms/Progress.h).
  mlir::LogicalResult forEachInput(llvm::StringLiteral stage,
                                   llvm::ArrayRef<WeightInLayer> items,
                                   Bytes bytes, Work work);

  /// `error`, which is of a tensor, with its name; what reads tensors says it
  /// already.
  static llvm::Error ofTensor(llvm::StringRef name, llvm::Error error);

  /// All of a matrix, every value finite; of statistics with its columns.
  llvm::Expected<std::vector<float>> read(const WeightInLayer &item,
                                          WeightOp values,
                                          const InputStatistics &input) const;

  /// Has the module read `added` too, and writes `report` where the options ask
  /// for it.
  mlir::LogicalResult addSources(llvm::ArrayRef<WeightTableEntry> added,
                                 const CompressReport *report = nullptr);
  /// A name for what `made` (pruned, coded) makes of the tensor that `weight`
  /// comes from; `taken` are those of the module.
  std::string sourceName(WeightOp weight, llvm::StringRef made);
  /// Reads of `weight` from `source` from here on; `type` may be another one.
  void replace(WeightOp weight, llvm::StringRef source, WeightType type = {});
  /// Stores rows of `type`, row-major, rounded to its format; the entry has no
  /// name yet.
  llvm::Expected<WeightTableEntry> store(WeightType type,
                                         llvm::ArrayRef<float> values) const;
  /// Stores what `item` becomes, rows as its format has them; the entry is
  /// called as `source` is in its layer.
  llvm::Expected<WeightTableEntry> store(const WeightInLayer &item,
                                         llvm::StringRef source,
                                         llvm::ArrayRef<uint8_t> rows) const;

  /// Where the columns of `item` are scaled, adds a tensor beside the one of
  /// `source` that it becomes to `entries`, so that they are still known. It is
  /// called before the module changes.
  llvm::Error keepScales(const WeightInLayer &item, llvm::StringRef source,
                         std::vector<WeightTableEntry> &entries) const;

  void parallel(int64_t count, llvm::function_ref<void(int64_t)> task);

private:
  mlir::ModuleOp module;
  const CompressOptions &options;
  CalibratedModule with;
  llvm::StringSet<> names; // of sources; filled when it is first needed
};

} // namespace adze::detail

#endif // ADZE_LIB_COMPRESS_COMPRESSCONTEXT_H
