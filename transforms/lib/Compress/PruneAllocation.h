// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How many zeros each weight gets, where all of them together are to have an
// amount.
#ifndef ADZE_LIB_COMPRESS_PRUNEALLOCATION_H
#define ADZE_LIB_COMPRESS_PRUNEALLOCATION_H

#include "CompressContext.h"
#include "adze/Transforms/PruneRules.h"

namespace adze::detail {

enum class Allocation {
  Uniform,     ///< each the amount of its rule
  Global,      ///< one threshold of scores for all
  Sensitivity, ///< the least sum of errors of what weights compute
};
llvm::Expected<Allocation> parseAllocation(llvm::StringRef name);

/// |x|_2 of each column: what Wanda multiplies magnitudes with.
std::vector<double> inputNorms(const InputStatistics &input);

/// The amount of each item. Items of the same rule (equal `zeros->text`) share
/// what that rule gives all of them; N:M leaves no choice.
llvm::Expected<std::vector<double>>
allocateAmounts(CompressContext &context, llvm::ArrayRef<WeightInLayer> items,
                llvm::ArrayRef<const ZerosPattern *> zeros, PruneMethod method,
                Allocation allocation);

} // namespace adze::detail

#endif // ADZE_LIB_COMPRESS_PRUNEALLOCATION_H
