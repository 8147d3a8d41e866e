// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which elements of a weight become zero: those of the lowest scores. Among
// equal scores the first ones go, in the order of rows and then of columns.
#ifndef ADZE_TRANSFORMS_PRUNEMASK_H
#define ADZE_TRANSFORMS_PRUNEMASK_H

#include "adze/Transforms/PruneRules.h"
#include "adze/Transforms/SecondOrder.h"

namespace adze {

/// How many of `size` an amount is: the nearest number, from a half to the even
/// one, as torch.nn.utils.prune has it.
int64_t amountOf(double amount, int64_t size);

/// Sets the `count` lowest scores' elements of `mask` to 1.
void markLowest(llvm::ArrayRef<double> scores, int64_t count,
                llvm::MutableArrayRef<uint8_t> mask);

/// Of `scores`, neighbours in a row, in groups of zeros.of: of each group those
/// that are not among the best zeros.keep.
void markGroups(llvm::ArrayRef<double> scores, const ZerosPattern &zeros,
                llvm::MutableArrayRef<uint8_t> mask);

/// What elements are compared with, where the amount of zeros leaves a choice.
enum class ComparedWith { Tensor, Row };

/// The scores of what becomes zero together, elements or blocks, in the order
/// of rows: |w| times the scale of its column, or for a block the root of the
/// mean of the squares of that.
std::vector<double> unitScores(const ZerosPattern &zeros,
                               llvm::ArrayRef<float> w, int64_t columns,
                               llvm::ArrayRef<double> scales,
                               ParallelFor parallel);

/// The mask, 1 for what becomes zero, of `w` [rows, columns], row-major, by
/// unitScores(); `scales` may be empty: 1. Blocks at the edges may be smaller.
/// With ComparedWith::Row, blocks are compared with those of the same rows.
/// Columns are whole groups of N:M.
std::vector<uint8_t> chooseMask(const ZerosPattern &zeros,
                                llvm::ArrayRef<float> w, int64_t columns,
                                llvm::ArrayRef<double> scales,
                                ComparedWith with, ParallelFor parallel);

} // namespace adze

#endif // ADZE_TRANSFORMS_PRUNEMASK_H
