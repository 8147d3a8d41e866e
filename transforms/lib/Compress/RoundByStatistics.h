// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What passes share that choose the codes of weights by what the weights read:
// they find the weights that plain rounding would make, ask the pass for codes
// and say what the rounding cost. The rest is CompressContext's.
#ifndef ADZE_LIB_COMPRESS_ROUNDBYSTATISTICS_H
#define ADZE_LIB_COMPRESS_ROUNDBYSTATISTICS_H

#include "CompressContext.h"
#include "adze/Transforms/PruneRules.h"

namespace adze::detail {

/// Chooses codes for the weights that read one input: for those that are pruned
/// and for the others one is made of its own, one after the other.
class CodeChooser {
public:
  virtual ~CodeChooser();

  /// What the weights read, and whether they are pruned. An error is of these
  /// statistics.
  virtual llvm::Error enter(const InputStatistics &input, bool prunes,
                            ParallelFor parallel) = 0;
  /// Rounds `w` in place; `rows` get what the format stores. Where `zeros` is
  /// not null, it is pruned as well. An error is of this weight.
  virtual llvm::Error choose(IntFormatAttr format, const ZerosPattern *zeros,
                             llvm::MutableArrayRef<float> w,
                             llvm::MutableArrayRef<uint8_t> rows,
                             ParallelFor parallel) = 0;
  /// Whether enter() does something else for weights that are pruned: then they
  /// are entered for by themselves.
  virtual bool mindsPruning() const { return false; }
  /// What a user should know about this input, for a remark; may be empty.
  virtual std::string note() const { return ""; }
  /// Bytes that are needed beside weights and statistics, at most.
  virtual uint64_t bytesFor(int64_t columns) const { return 0; }
};

/// What choose() says of scales that are not finite.
llvm::Error tooLarge(IntFormatAttr format);

/// Runs it on all weights of a module that are casts of floats to #adze.int and
/// that only linears read. Weights that `prune` matches are pruned as well.
/// Diagnostics say what is wrong.
mlir::LogicalResult
roundByStatistics(mlir::ModuleOp module, const CompressOptions &options,
                  llvm::function_ref<std::unique_ptr<CodeChooser>()> make,
                  llvm::StringRef prune = "");

} // namespace adze::detail

#endif // ADZE_LIB_COMPRESS_ROUNDBYSTATISTICS_H
