// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a change of weights cost, per weight: for remarks, and as JSON.
#ifndef ADZE_LIB_COMPRESS_COMPRESSREPORT_H
#define ADZE_LIB_COMPRESS_COMPRESSREPORT_H

#include "adze/Dialect/Adze/Adze.h"
#include "adze/Transforms/SecondOrder.h"
#include "adze/Weights/Statistics.h"
#include "llvm/Support/JSON.h"

namespace adze::detail {

/// Of a weight W that became W - E, with H the Gram matrix of what it reads (or
/// its diagonal, where the statistics have no more).
struct ChangeError {
  double relative = 0;          ///< |E| / |W|
  std::optional<double> output; ///< tr(E H E^T) / tr(W H W^T)
  std::optional<double> plain;  ///< the same for plain rounding
  double zeros = 0;             ///< part of the elements that are zero

  std::string text() const;
  /// The fields of it that there are.
  void addTo(llvm::json::Object &object) const;
};

/// tr(X H X^T) with H the Gram matrix of the input, or its diagonal.
double outputOf(llvm::ArrayRef<float> x, const InputStatistics &input,
                ParallelFor parallel);

/// `input` may have no statistics (columns 0): then there is no output error.
/// With `rounded`, also that of plain rounding to it.
ChangeError measureChange(llvm::ArrayRef<float> w, llvm::ArrayRef<float> after,
                          const InputStatistics &input, ParallelFor parallel,
                          IntFormatAttr rounded = {});

class CompressReport {
public:
  /// `statistics` may be null.
  CompressReport(const Statistics *statistics, llvm::StringRef pass);
  void add(llvm::json::Object weight) { weights.push_back(std::move(weight)); }
  size_t size() const { return weights.size(); }
  llvm::json::Value whole() const;
  /// On one line.
  std::string text() const;
  llvm::Error write(llvm::StringRef path) const;

private:
  llvm::json::Object root; // but the weights
  llvm::json::Array weights;
};

} // namespace adze::detail

#endif // ADZE_LIB_COMPRESS_COMPRESSREPORT_H
