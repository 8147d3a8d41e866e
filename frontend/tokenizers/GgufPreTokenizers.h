// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GGUF names a pre-tokenizer (tokenizer.ggml.pre) instead of describing it.
// This is the list of names that Adze knows, and what each stands for.

#ifndef ADZE_FRONTEND_TOKENIZERS_GGUFPRETOKENIZERS_H
#define ADZE_FRONTEND_TOKENIZERS_GGUFPRETOKENIZERS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <string>

namespace adze {

struct GgufPreTokenizer {
  llvm::ArrayRef<const char *> names;
  /// Applied one after the other, each within the pieces of the one before.
  llvm::ArrayRef<const char *> patterns;
  bool ignoreMerges = false;
  /// Texts are brought to this form first, as the original tokenizer does.
  bool nfc = false;
  /// What tokenizer.ggml.add_bos_token is where the file lacks it.
  bool addBos = false;
};

/// Null if the name is unknown.
const GgufPreTokenizer *findGgufPreTokenizer(llvm::StringRef name);

/// All known names, for error messages.
std::string listGgufPreTokenizers();

} // namespace adze

#endif // ADZE_FRONTEND_TOKENIZERS_GGUFPRETOKENIZERS_H
