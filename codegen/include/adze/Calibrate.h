// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Calibration: runs a model on text, layer after layer, and writes what its
// linears read as statistics (docs/calibration.md). Passes that quantize or
// prune by them never run a model themselves. Needs no MLIR header.
//
//   auto stats = adze::calibrate("model/", text, "model.stats").or_throw();
//
// A run that was killed goes on from the last whole layer when it is called
// again with the same arguments, and the result is the same.
#ifndef ADZE_CALIBRATE_H
#define ADZE_CALIBRATE_H

#include "adze/Compiler.h"

#include <functional>
#include <string>
#include <vector>

namespace adze {

/// `cache` and `target` mean nothing here, nor do `weights`, `method` and
/// `store` without `sequential`: the model runs as it is, on this machine.
/// `progress` gets the stage "calibrate" and how many runs of a sequence
/// through a layer are done (rounding a layer, with `sequential`, counts like
/// them), and what rotation says. With an empty `activations`, linears multiply
/// in f32, so that all x86 variants give the same statistics.
struct CalibrateOptions : CompileOptions {
  /// The text is cut into this many sequences of so many tokens, spread over
  /// all of it. The beginning token counts, where the tokenizer adds one.
  uint32_t sequences = 128, tokens = 512;
  /// Tokens to cut in place of the text's, for a model without a tokenizer.
  /// Nothing is put before a sequence of them.
  std::vector<int32_t> ids;
  /// Without the Gram matrices only figures per column are kept: a small
  /// folder, enough for AWQ, SmoothQuant and importance.
  bool gram = true;
  /// Each layer reads what the layers before give once they are rounded to
  /// `weights`, by the statistics that were made of them and with `method`, as
  /// compileToFile() will round them. Every layer runs twice.
  bool sequential = false;
  /// Told once, when the first sequences have run: the seconds that the rest
  /// will take.
  std::function<void(double seconds)> estimate;
};

struct CalibrateStats {
  double seconds = 0, estimatedSeconds = 0;
  double roundingSeconds = 0; ///< of them, rounding layers
  uint32_t sequences = 0, tokens = 0;
  uint32_t parts = 0;   ///< embedding, layers, head
  uint32_t resumed = 0; ///< of them, those that an earlier run has done
  uint32_t inputs = 0;  ///< values observed
  uint64_t bytes = 0;   ///< of the folder
  uint64_t peakAnonBytes = 0, peakRssBytes = 0;
  std::vector<std::string> warnings;
};

/// Writes the statistics of `model` over `text` (UTF-8) into `folder`, which is
/// made. A folder that has them already is left as it is; one of another model,
/// text or cut is an error.
Result<CalibrateStats> calibrate(const std::string &model,
                                 const std::string &text,
                                 const std::string &folder,
                                 const CalibrateOptions &options = {});

} // namespace adze

#endif // ADZE_CALIBRATE_H
