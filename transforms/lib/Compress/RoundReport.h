// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What rounding by statistics cost, per weight: for remarks, and as JSON.
#ifndef ADZE_LIB_COMPRESS_ROUNDREPORT_H
#define ADZE_LIB_COMPRESS_ROUNDREPORT_H

#include "adze/Dialect/Adze/Adze.h"
#include "adze/Transforms/SecondOrder.h"
#include "adze/Weights/Statistics.h"
#include "llvm/Support/JSON.h"

namespace adze::detail {

/// Of a weight W that became W - E, with H the Gram matrix of what it reads (or
/// its diagonal, where the statistics have no more).
struct RoundingError {
  double relative = 0; ///< |E| / |W|
  double output = 0;   ///< tr(E H E^T) / tr(W H W^T)
  double plain = 0;    ///< the same for plain rounding

  std::string text() const;
};

/// tr(X H X^T) with H the Gram matrix of the input, or its diagonal.
double outputOf(llvm::ArrayRef<float> x, const InputStatistics &input,
                ParallelFor parallel);

RoundingError measureRounding(IntFormatAttr format, llvm::ArrayRef<float> w,
                              llvm::ArrayRef<float> rounded,
                              const InputStatistics &input,
                              ParallelFor parallel);

class RoundReport {
public:
  RoundReport(const Statistics &statistics, llvm::StringRef pass);
  void add(llvm::StringRef tensor, llvm::StringRef format,
           const WeightTableEntry &entry, const RoundingError &error,
           llvm::StringRef note);
  /// On one line.
  std::string text() const;
  llvm::Error write(llvm::StringRef path) const;

private:
  llvm::json::Object root; // but the weights
  llvm::json::Array weights;

  llvm::json::Value whole() const;
};

} // namespace adze::detail

#endif // ADZE_LIB_COMPRESS_ROUNDREPORT_H
