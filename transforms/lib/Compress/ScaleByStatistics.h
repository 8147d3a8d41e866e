// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What AWQ and SmoothQuant share: they find what can be scaled (ScaleGroups.h),
// read statistics and weights, ask the pass for factors, store them, fold them
// into the module and say what they gained.
#ifndef ADZE_LIB_COMPRESS_SCALEBYSTATISTICS_H
#define ADZE_LIB_COMPRESS_SCALEBYSTATISTICS_H

#include "Calibrated.h"
#include "adze/Transforms/SecondOrder.h"

namespace adze::detail {

struct ScaleOptions : CalibratedOptions {
  std::string report; ///< JSON file to write; empty: none
};

/// What reads one value, and what the value was in the calibration.
struct ScaledInput {
  struct Reader {
    IntFormatAttr format;
    std::vector<float> w; ///< [rows, columns]
  };
  InputStatistics statistics;
  std::vector<Reader> readers;
  /// The factor of each column, of so many. Equal where heads share values.
  std::vector<int32_t> factorOf;
  int64_t factors = 0;

  /// What the readers compute loses if their columns are multiplied with
  /// s[factorOf] before they are rounded plainly, and divided after it: sum of
  /// tr(E H E^T). Empty: they are rounded as they are.
  double lossWith(llvm::ArrayRef<float> s, ParallelFor parallel) const;
  /// Sum of tr(W H W^T): what that is a part of.
  double whole(ParallelFor parallel) const;
};

struct ScaleChoice {
  std::vector<float> factors; ///< positive and finite
  double alpha = 0;           ///< the exponent that they came of
  /// lossWith() of them and of none, where choosing them took these.
  std::optional<double> loss = {}, plain = {};
};

using ScaleChooser =
    llvm::function_ref<ScaleChoice(const ScaledInput &, ParallelFor)>;

/// Runs it on all groups of a module. Diagnostics say what is wrong.
mlir::LogicalResult scaleByStatistics(mlir::ModuleOp module,
                                      const ScaleOptions &options,
                                      ScaleChooser choose);

/// The factors of AWQ (Lin et al., 2023): powers of the mean magnitude of
/// columns, with the exponent of least loss of `steps` from 0 on.
ScaleChoice chooseAwq(const ScaledInput &input, int64_t steps,
                      ParallelFor parallel);
/// Those of SmoothQuant (Xiao et al., 2022), max|x|^alpha / max|W|^(1 - alpha).
ScaleChoice chooseSmoothQuant(const ScaledInput &input, double alpha);

} // namespace adze::detail

#endif // ADZE_LIB_COMPRESS_SCALEBYSTATISTICS_H
