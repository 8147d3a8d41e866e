// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From a text to the sequences that a calibration runs.
#ifndef ADZE_CODEGEN_DRIVER_CALIBRATIONTEXT_H
#define ADZE_CODEGEN_DRIVER_CALIBRATIONTEXT_H

#include "TextTokens.h"

namespace adze {

/// `sequences` windows of `length` tokens that do not overlap and are spread
/// over the text evenly; each begins with `bos` where there is one. An error
/// that says how many tokens there are and are needed where they are too few.
llvm::Expected<std::vector<std::vector<int32_t>>>
cutSequences(const TextTokens &tokens, uint32_t sequences, uint32_t length);

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_CALIBRATIONTEXT_H
