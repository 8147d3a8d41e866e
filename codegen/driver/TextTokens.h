// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A text as token ids, by the text table that a model carries.
#ifndef ADZE_CODEGEN_DRIVER_TEXTTOKENS_H
#define ADZE_CODEGEN_DRIVER_TEXTTOKENS_H

#include "adze/Compiler.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace adze {

/// Token ids of a text, and the token that the tokenizer puts before one.
struct TextTokens {
  std::vector<int32_t> ids;
  int32_t bos = -1; ///< -1: none
};

/// `table` is the tokenizer's table of an artefact; empty is an error. `name`
/// is what errors call the text.
llvm::Expected<TextTokens>
tokenizeText(llvm::StringRef table, llvm::StringRef text, llvm::StringRef name);

/// The same by the table of a model.
Result<TextTokens> tokenizeText(const Model &model, const std::string &text,
                                const std::string &name);

/// The contents of a file.
Result<std::string> readTextFile(const std::string &path);

/// SHA-256 in hexadecimal.
std::string sha256Hex(llvm::StringRef bytes);

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_TEXTTOKENS_H
