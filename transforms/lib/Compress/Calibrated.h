// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A module as passes see it that go by statistics: its weight table, what
// calibration saw, the values of its weights, and the store that they add to.
// And which weights plain rounding would make, whose floats are there to see.
#ifndef ADZE_LIB_COMPRESS_CALIBRATED_H
#define ADZE_LIB_COMPRESS_CALIBRATED_H

#include "adze/Dialect/Adze/Adze.h"
#include "adze/Weights/Evaluator.h"
#include "adze/Weights/Statistics.h"
#include "adze/Weights/WeightStore.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/StringSet.h"
#include <optional>

namespace adze::detail {

struct CalibratedOptions {
  llvm::StringRef pass;   ///< its name, for diagnostics
  std::string statistics; ///< folder of a calibration
  std::string store;      ///< folder of a weight store
  std::string table;      ///< the weight table; empty: the module's
  bool needsStatistics = true, needsStore = true;
};

struct CalibratedModule {
  /// Opens all of it and checks that the statistics are of this very model.
  /// Diagnostics say what is wrong.
  static mlir::FailureOr<CalibratedModule>
  open(mlir::ModuleOp module, const CalibratedOptions &options);

  /// Of the input that the weight is multiplied with, of the columns of it that
  /// there are in the module; its values are checked, those of a Gram matrix
  /// too where there is one. Of 0 columns where there are no statistics.
  llvm::Expected<InputStatistics> statisticsOf(llvm::StringRef tensor,
                                               bool needsGram) const;
  /// The columns that are left of a tensor's input, where adze-remove-dead took
  /// some out; empty: all.
  llvm::Expected<std::vector<int64_t>>
  keptColumns(llvm::StringRef tensor) const;
  /// Writes a table with `entries` too, and makes it the module's.
  llvm::Error addEntries(mlir::ModuleOp module,
                         llvm::ArrayRef<WeightTableEntry> entries);

  std::unique_ptr<WeightTable> table;
  std::unique_ptr<Statistics> statistics; ///< null where none were given
  /// Of the module as it was opened.
  std::unique_ptr<WeightEvaluator> evaluator;
  std::optional<WeightStore> store; ///< if one is needed
};

/// What the entry of keptColumns() is called, i32 indices, beside the tensor's.
std::string keptColumnsName(llvm::StringRef tensor);

/// Names of the weights that linears, expressions of weights, and other ops
/// read.
struct WeightReaders {
  explicit WeightReaders(mlir::ModuleOp module);
  bool onlyLinears(WeightOp weight) const {
    llvm::StringRef name = weight.getSymName();
    return linears.contains(name) && !weights.contains(name) &&
           !others.contains(name);
  }

  llvm::StringSet<> linears, weights, others;
};

/// The floats that `weight` is a cast of to an integer format, in rows; null if
/// it is something else.
WeightOp getRoundedFloats(WeightOp weight);

/// adze-convert-weights with these formats, which a pass runs before its own
/// work; nothing where they are empty.
mlir::OpPassManager conversionTo(llvm::StringRef weights);

/// `name` with the layer filled in, for a weight per layer.
std::string withLayer(llvm::StringRef name, WeightOp weight, int64_t layer);

/// "a.{}.q.weight" -> "a.{}.q.KIND.weight": rules of formats and of people by
/// tensor name go on matching. Not a name in `taken`, which gets it.
std::string derivedName(llvm::StringRef source, llvm::StringRef kind,
                        llvm::StringSet<> &taken);
/// Names of all source tensors of a module.
llvm::StringSet<> sourceNames(mlir::ModuleOp module);

/// Runs tasks on the threads of the context; for ParallelFor.
void runParallel(mlir::MLIRContext *context, int64_t count,
                 llvm::function_ref<void(int64_t)> task);
/// Runs them on this thread, one after the other.
void inTurn(int64_t count, llvm::function_ref<void(int64_t)> task);

} // namespace adze::detail

#endif // ADZE_LIB_COMPRESS_CALIBRATED_H
