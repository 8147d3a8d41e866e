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

/// `sequences` windows of `length` tokens that do not overlap and are spread
/// over the text evenly; each begins with the beginning token where the
/// tokenizer `table` adds one. An error that says how many tokens there are and
/// are needed where the text is too short.
llvm::Expected<std::vector<std::vector<int32_t>>>
calibrationSequences(llvm::StringRef table, llvm::StringRef text,
                     uint32_t sequences, uint32_t length);

/// SHA-256 in hexadecimal.
std::string sha256Hex(llvm::StringRef bytes);

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_CALIBRATIONTEXT_H
