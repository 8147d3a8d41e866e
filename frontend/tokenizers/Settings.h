// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Applies what configuration files say to a vocabulary that was read: special
// tokens by text or id, bos and eos around a text, stop tokens.

#ifndef ADZE_FRONTEND_TOKENIZERS_SETTINGS_H
#define ADZE_FRONTEND_TOKENIZERS_SETTINGS_H

#include "TextTableBuilder.h"

namespace adze {

/// `builder.bos` and so on, the prefix and the suffix must hold the defaults
/// of the vocabulary.
llvm::Error applySettings(TextTableBuilder &builder,
                          const TokenizerSettings &settings,
                          llvm::StringRef name);

/// Id of the token written as `text`, added tokens first; -1 if there is none.
int32_t findToken(const TextTableBuilder &builder, llvm::StringRef text);

/// Reads tokenizer_config.json, generation_config.json and config.json of a
/// model directory, as far as they exist.
llvm::Expected<TokenizerSettings> readSettings(llvm::StringRef directory);

/// The contents of a file; an error names it.
llvm::Expected<std::string> readTextFile(llvm::StringRef path);

} // namespace adze

#endif // ADZE_FRONTEND_TOKENIZERS_SETTINGS_H
