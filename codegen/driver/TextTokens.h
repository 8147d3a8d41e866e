// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A text as token ids, by the text table that a model carries.
#ifndef ADZE_CODEGEN_DRIVER_TEXTTOKENS_H
#define ADZE_CODEGEN_DRIVER_TEXTTOKENS_H

#include "adze/Compiler.h"

namespace adze {

struct TextTokens {
  std::vector<int32_t> ids;
  int32_t bos = -1; ///< put before each sequence; -1: none
};

/// `name` is what errors call the text.
Result<TextTokens> encodeText(const Model &model, const std::string &name,
                              const std::string &text);

/// The contents of a file that holds something.
Result<std::string> readTextFile(const std::string &path);

/// SHA-256 in hexadecimal.
std::string sha256Hex(const std::string &bytes);

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_TEXTTOKENS_H
