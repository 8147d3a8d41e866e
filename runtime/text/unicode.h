// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// UTF-8 and the Unicode properties that tokenizers need. Tables are those of
// utf8proc.

#ifndef ADZE_RUNTIME_TEXT_UNICODE_H
#define ADZE_RUNTIME_TEXT_UNICODE_H

#include "array.h"

namespace adze::text {

constexpr uint32_t kReplacementCharacter = 0xFFFD;

/// Length of the well-formed character (Unicode, table 3-7) at the start of
/// `text`, or 0. For 0, `*validPrefix` is how many bytes could begin one, and
/// `*truncated` says whether they run into the end of the text.
uint32_t characterLength(Bytes text, uint32_t *validPrefix = nullptr,
                         bool *truncated = nullptr);

/// Offset of the first byte that is not part of a well-formed character, or
/// the size of the text.
uint32_t findInvalidUtf8(Bytes text);

/// The character at `text[at]` of well-formed text and where the next begins;
/// a stray byte counts as U+FFFD, and no byte beyond the end is read.
uint32_t decodeCharacter(Bytes text, uint32_t at, uint32_t *next);

/// Start of the character that ends at `at`, which is not 0.
inline uint32_t previousCharacter(Bytes text, uint32_t at) {
  do
    --at;
  while (at > 0 && (text[at] & 0xC0) == 0x80);
  return at;
}

[[nodiscard]] bool appendCharacter(Array<uint8_t> &text, uint32_t character);

/// ADZE_TT_LU and so on.
uint32_t generalCategory(uint32_t character);
/// The property White_Space.
bool isWhiteSpace(uint32_t character);

/// Appends the normal form (ADZE_TT_NFC and so on) of well-formed `text`, in
/// n log n time whatever the text is.
[[nodiscard]] bool appendNormalForm(Bytes text, uint32_t form,
                                    Array<uint8_t> &result);

} // namespace adze::text

#endif // ADZE_RUNTIME_TEXT_UNICODE_H
