// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From a text to the sequences that a calibration runs.
#ifndef ADZE_CODEGEN_DRIVER_CALIBRATIONTEXT_H
#define ADZE_CODEGEN_DRIVER_CALIBRATIONTEXT_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <string>
#include <vector>

namespace adze {

/// Token ids of a text, and the token that the tokenizer puts before one.
struct CalibrationTokens {
  std::vector<int32_t> ids;
  int32_t bos = -1; ///< -1: none
};

/// `table` is the tokenizer's table of an artefact; empty is an error.
llvm::Expected<CalibrationTokens> tokenizeText(llvm::StringRef table,
                                               llvm::StringRef text);

/// `sequences` windows of `length` tokens that do not overlap and are spread
/// over the text evenly; each begins with `bos` where there is one. An error
/// that says how many tokens there are and are needed where they are too few.
llvm::Expected<std::vector<std::vector<int32_t>>>
cutSequences(const CalibrationTokens &tokens, uint32_t sequences,
             uint32_t length);

/// SHA-256 in hexadecimal.
std::string sha256Hex(llvm::StringRef bytes);

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_CALIBRATIONTEXT_H
