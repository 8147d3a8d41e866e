// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weights whose columns were multiplied with s (adze.scale_columns) read x / s
// where statistics are of x. The weight knows s by its expression or, where its
// rounding made a tensor of it, by one beside that tensor; here statistics are
// brought to what it reads.
#ifndef ADZE_LIB_COMPRESS_COLUMNSCALES_H
#define ADZE_LIB_COMPRESS_COLUMNSCALES_H

#include "Calibrated.h"

namespace adze::detail {

/// What the columns of `weight` were multiplied with in `layer`; empty where
/// there are no such factors.
llvm::Expected<std::vector<float>> columnScales(WeightOp weight, int64_t layer,
                                                const CalibratedModule &with);

/// What the entry is called, f32 factors, beside the tensor `source` that a
/// weight with such factors became.
std::string columnScalesName(llvm::StringRef source);

/// Whether the expression of `weight` has any.
bool hasColumnScales(WeightOp weight);

/// Statistics of x / s from those of x.
class ScaledStatistics {
public:
  /// An error if `s` is neither empty nor as long as x.
  static llvm::Expected<ScaledStatistics> make(const InputStatistics &of,
                                               llvm::ArrayRef<float> s);
  ScaledStatistics(ScaledStatistics &&) = default;
  ScaledStatistics &operator=(ScaledStatistics &&) = default;

  /// Lasts as long as this.
  const InputStatistics &get() const { return view; }
  /// Memory that this needs beside `of`, at most.
  static uint64_t bytesFor(int64_t columns) {
    return sizeof(float) * uint64_t(columns) * uint64_t(columns + 3);
  }

private:
  ScaledStatistics(const InputStatistics &of, llvm::ArrayRef<float> s);

  // Moved with their elements in place: what `view` refers to.
  std::vector<float> gram, sumSquares, absMax, absSum;
  InputStatistics view;
};

/// Of what `weight`, made of `tensor`, is multiplied with in `layer`: x / s. An
/// error if it is of another length than the weight's rows.
llvm::Expected<ScaledStatistics> inputOf(const CalibratedModule &with,
                                         WeightOp weight, int64_t layer,
                                         llvm::StringRef tensor,
                                         bool needsGram);

} // namespace adze::detail

#endif // ADZE_LIB_COMPRESS_COLUMNSCALES_H
