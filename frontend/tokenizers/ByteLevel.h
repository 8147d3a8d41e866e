// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GPT-2's alphabet: vocabularies of byte-level models are written with one
// printable character for each byte (a space is "Ġ"). Text tables hold the
// bytes themselves.

#ifndef ADZE_FRONTEND_TOKENIZERS_BYTELEVEL_H
#define ADZE_FRONTEND_TOKENIZERS_BYTELEVEL_H

#include "llvm/ADT/StringRef.h"

#include <optional>
#include <string>

namespace adze {

/// GPT-2's split pattern, which many files only refer to.
extern const char *const kGpt2Pattern;

/// The bytes that `text` stands for; nothing if a character of it is not in
/// the alphabet.
std::optional<std::string> decodeByteLevel(llvm::StringRef text);

} // namespace adze

#endif // ADZE_FRONTEND_TOKENIZERS_BYTELEVEL_H
