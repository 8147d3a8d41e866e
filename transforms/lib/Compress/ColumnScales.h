// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weights whose columns were multiplied with s (adze.scale_columns) read x / s
// where statistics are of x. The weight knows s by its expression; here
// statistics are brought to what it reads.
#ifndef ADZE_LIB_COMPRESS_COLUMNSCALES_H
#define ADZE_LIB_COMPRESS_COLUMNSCALES_H

#include "adze/Dialect/Adze/Adze.h"
#include "adze/Weights/Evaluator.h"
#include "adze/Weights/Statistics.h"

namespace adze::detail {

/// What the columns of `weight` were multiplied with in `layer`; empty where
/// its expression has no such factors.
llvm::Expected<std::vector<float>>
columnScales(WeightOp weight, int64_t layer, const WeightEvaluator &evaluator);

/// Statistics of x / s from those of x.
class ScaledStatistics {
public:
  /// `s` is empty, or positive and as long as x.
  ScaledStatistics(const InputStatistics &of, llvm::ArrayRef<float> s);

  /// Lasts as long as this.
  const InputStatistics &get() const { return view; }
  /// Memory that this needs beside `of`.
  static uint64_t bytesFor(const InputStatistics &of) {
    return sizeof(float) * (uint64_t(of.gram.size()) + 3 * of.columns);
  }

private:
  std::vector<float> gram, sumSquares, absMax, absSum;
  InputStatistics view;
};

} // namespace adze::detail

#endif // ADZE_LIB_COMPRESS_COLUMNSCALES_H
