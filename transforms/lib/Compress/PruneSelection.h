// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which weights of a module the rules of --prune are for, and the report of
// what was pruned, which the module carries to the artefact's proof.
#ifndef ADZE_LIB_COMPRESS_PRUNESELECTION_H
#define ADZE_LIB_COMPRESS_PRUNESELECTION_H

#include "CompressReport.h"
#include "adze/Transforms/PruneRules.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringSet.h"

namespace adze::detail {

class PruneSelection {
public:
  /// Diagnostics begin with `pass`.
  PruneSelection(mlir::ModuleOp module, llvm::StringRef pass)
      : module(module), pass(pass) {}

  /// Fails with a diagnostic: rules that cannot be read or match no matrix.
  mlir::LogicalResult read(llvm::StringRef rules);
  /// What `weight`, all of its layers, is to become; null: as it is. Fails with
  /// a diagnostic where rules split the layers of a weight or the parts of one,
  /// and where N:M does not divide the columns.
  mlir::FailureOr<const ZerosPattern *> choose(WeightOp weight);

  /// Whether a rule asks for zeros at all.
  bool asksForZeros() const;

private:
  const PruneRule *find(WeightOp weight, llvm::StringRef tensor);

  mlir::ModuleOp module;
  llvm::StringRef pass;
  std::vector<PruneRule> rules;
};

/// Tensors that an earlier pass has pruned.
llvm::StringSet<> prunedBefore(mlir::ModuleOp module);

/// The report as the module's, before what earlier passes have put there. What
/// was pruned in several ways has an entry of each.
void addPruning(mlir::ModuleOp module, const CompressReport &report);

} // namespace adze::detail

#endif // ADZE_LIB_COMPRESS_PRUNESELECTION_H
