// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Calibration, rounding and compilation in one call. Needs no MLIR header.
//
//   adze::QuantizeOptions options;
//   options.weights = "int4:g128";
//   adze::quantizeToFile("model/", text, "model.adze.so", options).or_throw();
//
// A run that was killed goes on when it is called again with the same
// arguments, and the artefact is the same.
#ifndef ADZE_QUANTIZE_H
#define ADZE_QUANTIZE_H

#include "adze/Calibrate.h"

namespace adze {

/// `weights` are needed, `calibration` means nothing here. `progress` gets the
/// stages of both.
struct QuantizeOptions : CalibrateOptions {
  /// Folder for the statistics and for what was rounded; empty: `output` with
  /// .work behind it, which is removed once the artefact is there.
  std::string work;
};

struct QuantizeStats {
  CalibrateStats calibration;
  CompileStats compile;
  /// Of all of it. What was said beforehand is of the parts that were left
  /// then.
  double seconds = 0, estimatedSeconds = 0;
  uint64_t peakAnonBytes = 0; ///< of all of it
};

/// Observes `model` on `text` (UTF-8), rounds its integer weights by that, and
/// writes the artefact `output`. `estimate` is told the seconds that all of it
/// will take from then on, once a layer's worth is known.
Result<QuantizeStats> quantizeToFile(const std::string &model,
                                     const std::string &text,
                                     const std::string &output,
                                     const QuantizeOptions &options);

} // namespace adze

#endif // ADZE_QUANTIZE_H
