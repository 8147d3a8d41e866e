// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiles the split patterns of tokenizers into the programs that
// libadze_text runs (see adze/text_table.h).
//
// The syntax is Oniguruma's (Ruby), which Hugging Face tokenizers use, as far
// as tokenizers need it: alternation, groups, (?i:...), single-character
// lookahead, classes, \p{general category}, \s \d and their complements, ^ and
// $ at lines, and * + ? {m,n} with lazy and possessive forms on single
// characters; groups may be optional. All else is an error that names the
// construct and where it stands.

#ifndef ADZE_FRONTEND_TOKENIZERS_PATTERNCOMPILER_H
#define ADZE_FRONTEND_TOKENIZERS_PATTERNCOMPILER_H

#include "adze/text_table.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace adze {

/// `flag` of a bit set, or nothing.
constexpr uint32_t flagIf(bool condition, uint32_t flag) {
  return condition ? flag : 0;
}

struct PatternPrograms {
  std::vector<adze_tt_pattern> patterns;
  std::vector<adze_tt_instruction> instructions;
  std::vector<adze_tt_set> sets;
  std::vector<adze_tt_range> ranges;

  /// Compiles `pattern` (UTF-8) and returns its number.
  llvm::Expected<uint32_t> add(llvm::StringRef pattern);
};

/// The pattern that matches `text` and nothing else.
std::string quotePattern(llvm::StringRef text);

} // namespace adze

#endif // ADZE_FRONTEND_TOKENIZERS_PATTERNCOMPILER_H
