// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Zeros that a matrix has: how many, and whether they lie as kernels want them.
#ifndef ADZE_WEIGHTS_ZEROS_H
#define ADZE_WEIGHTS_ZEROS_H

#include "adze/Weights/Evaluator.h"

namespace adze {

struct ZeroCounts {
  int64_t rows = 0, columns = 0, zeros = 0;
  /// Groups of 4 and of 8 neighbours in a row, and those with at least 2 and 4
  /// zeros; none where they do not divide the columns.
  int64_t groups4 = 0, sparse4 = 0, groups8 = 0, sparse8 = 0;
  /// Blocks of 16 rows by 32 columns (smaller at the edges), and those that
  /// are all zero.
  int64_t blocks = 0, zeroBlocks = 0;
  int64_t zeroRows = 0, zeroColumns = 0;

  double share() const {
    return double(zeros) / double(std::max<int64_t>(rows * columns, 1));
  }
  /// "2:4", "4:8", "16x32" where part of the blocks, and all zeros but a
  /// hundredth, are such; else empty.
  std::string pattern() const;
};

/// Of all rows of a matrix, read 16 at a time. A codes' zero is one too.
llvm::Expected<ZeroCounts> countZeros(const WeightEvaluator &weights,
                                      WeightOp weight, int64_t layer);

} // namespace adze

#endif // ADZE_WEIGHTS_ZEROS_H
