// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How long steps of models take on this machine, side by side. The speed of
// memory changes from minute to minute on shared machines, so models that are
// to be compared run in turn, and each time goes with what a plain read got
// around it. Where something else runs on a core meanwhile, a barrier lasts
// until the system takes it off: a hundred times as long as a step of a small
// model. So what counts is the fastest round, and there are more rounds until
// one had the cores to itself and a second one is as fast.
#ifndef ADZE_CODEGEN_DRIVER_STEPTIMING_H
#define ADZE_CODEGEN_DRIVER_STEPTIMING_H

#include "adze/Compiler.h"
#include "llvm/ADT/ArrayRef.h"

namespace adze {

struct StepTiming {
  double seconds = 0;        ///< a step of one token, at `context` positions
  double prefillSeconds = 0; ///< a prompt of `context` tokens
  uint32_t context = 0;
  uint64_t bytesPerToken = 0; ///< weights, keys and values that a step reads
  /// Bytes/s that a plain read of as many bytes had around the steps: of
  /// memory, or of the cache where they fit it.
  double readRate = 0;
  /// No second round was as fast: most likely other work had a part of the
  /// cores, and steps are shorter without it.
  bool isDisturbed = false;
};

/// The tokens of the prompt: fewer where a model's context is short.
inline constexpr uint32_t kTimingContext = 512;

/// Times the models in turn, a few rounds of each.
Result<std::vector<StepTiming>> timeSteps(llvm::ArrayRef<const Model *> models,
                                          unsigned threads);

/// Whether a step reads all of a packed weight: not of an embedding in rows.
bool isReadWhole(const adze_weight_info &weight);

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_STEPTIMING_H
