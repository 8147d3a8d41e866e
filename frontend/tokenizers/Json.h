// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// JSON for the tokenizer readers.

#ifndef ADZE_FRONTEND_TOKENIZERS_JSON_H
#define ADZE_FRONTEND_TOKENIZERS_JSON_H

#include "llvm/Support/JSON.h"

namespace adze {

/// Parses `text`. Nesting beyond what tokenizer files use is refused first,
/// because LLVM's parser recurses without a limit.
llvm::Expected<llvm::json::Value> parseTokenizerJson(llvm::StringRef text,
                                            llvm::StringRef name);

} // namespace adze

#endif // ADZE_FRONTEND_TOKENIZERS_JSON_H
