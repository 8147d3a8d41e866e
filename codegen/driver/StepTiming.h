// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How long steps of models take on this machine, side by side. The speed of
// memory changes from minute to minute on shared machines, so models that are
// to be compared run in turn, and each time goes with what a plain read got
// around it.
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
  /// Bytes/s that a plain read of as many bytes had around the steps.
  double readRate = 0;
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
