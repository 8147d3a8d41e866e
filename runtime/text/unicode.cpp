// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// UTF-8, character properties and normal forms. Decomposition and composition
// of single characters are utf8proc's; the reordering of marks in between is
// ours, because utf8proc's takes quadratic time on long runs of marks.

#include "unicode.h"

#include "adze/text_table.h"

#include <algorithm>
#include <utf8proc.h>

namespace adze::text {

static_assert(ADZE_TT_LU == int(UTF8PROC_CATEGORY_LU) &&
                  ADZE_TT_PC == int(UTF8PROC_CATEGORY_PC) &&
                  ADZE_TT_SM == int(UTF8PROC_CATEGORY_SM) &&
                  ADZE_TT_ZS == int(UTF8PROC_CATEGORY_ZS) &&
                  ADZE_TT_CO == int(UTF8PROC_CATEGORY_CO),
              "general categories in the order of utf8proc");

uint32_t characterLength(Bytes text, uint32_t *validPrefix, bool *truncated) {
  uint32_t ignoredPrefix;
  bool ignoredTruncated;
  uint32_t &prefix = validPrefix ? *validPrefix : ignoredPrefix;
  bool &cut = truncated ? *truncated : ignoredTruncated;
  prefix = 0;
  cut = false;
  if (text.empty())
    return 0;
  uint8_t lead = text[0];
  if (lead < 0x80)
    return 1;
  if (lead < 0xC2 || lead > 0xF4)
    return 0;
  uint32_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (prefix = 1; prefix < length; ++prefix) {
    if (prefix == text.size) {
      cut = true;
      return 0;
    }
    if (text[prefix] < low || text[prefix] > high)
      return 0;
    low = 0x80;
    high = 0xBF;
  }
  return length;
}

uint32_t findInvalidUtf8(Bytes text) {
  uint32_t at = 0;
  while (at < text.size) {
    uint64_t word;
    if (text.size - at >= sizeof word) { // eight ASCII bytes at once
      memcpy(&word, text.data + at, sizeof word);
      if ((word & 0x8080808080808080u) == 0) {
        at += sizeof word;
        continue;
      }
    }
    uint32_t length = characterLength(text.slice(at, text.size - at));
    if (length == 0)
      return at;
    at += length;
  }
  return at;
}

uint32_t decodeCharacter(Bytes text, uint32_t at, uint32_t *next) {
  uint8_t lead = text[at];
  if (lead < 0x80) {
    *next = at + 1;
    return lead;
  }
  uint32_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (lead < 0xC0 || length > text.size - at) {
    *next = at + 1;
    return kReplacementCharacter;
  }
  *next = at + length;
  uint32_t character = lead & (0x7F >> length);
  for (uint32_t i = 1; i < length; ++i)
    character = character << 6 | (text[at + i] & 0x3F);
  return character;
}

bool appendCharacter(Array<uint8_t> &text, uint32_t c) {
  uint8_t bytes[4];
  if (c < 0x80) {
    bytes[0] = static_cast<uint8_t>(c);
    return text.append(bytes, 1);
  }
  uint32_t length = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  static const uint8_t leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
  for (uint32_t i = length - 1; i > 0; --i, c >>= 6)
    bytes[i] = static_cast<uint8_t>(0x80 | (c & 0x3F));
  bytes[0] = static_cast<uint8_t>(leads[length] | c);
  return text.append(bytes, length);
}

uint32_t generalCategory(uint32_t character) {
  return static_cast<uint32_t>(
      utf8proc_category(static_cast<utf8proc_int32_t>(character)));
}

bool isWhiteSpace(uint32_t character) {
  if (character < 0x80)
    return character == ' ' || (character >= 9 && character <= 13);
  if (character == 0x85)
    return true;
  uint32_t category = generalCategory(character);
  return category >= ADZE_TT_ZS && category <= ADZE_TT_ZP;
}

namespace {

/// Below this, characters are in every normal form already (for NFC).
constexpr uint32_t kFirstNfcActive = 0x300;

bool isInert(Bytes text, uint32_t form) {
  uint32_t limit = form == ADZE_TT_NFC ? kFirstNfcActive : 0x80;
  for (uint32_t at = 0; at < text.size;)
    if (decodeCharacter(text, at, &at) >= limit)
      return false;
  return true;
}

bool decompose(Bytes text, bool compatible, Array<int32_t> &characters) {
  auto options =
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE |
                                     (compatible ? UTF8PROC_COMPAT : 0));
  for (uint32_t at = 0; at < text.size;) {
    auto character =
        static_cast<utf8proc_int32_t>(decodeCharacter(text, at, &at));
    // The longest decomposition of one character has 18 (U+FDFA in NFKD).
    utf8proc_int32_t parts[32];
    utf8proc_ssize_t number =
        utf8proc_decompose_char(character, parts, 32, options, nullptr);
    if (number < 0 || number > 32) {
      parts[0] = character;
      number = 1;
    }
    if (!characters.append(parts, static_cast<size_t>(number)))
      return false;
  }
  return true;
}

uint32_t combiningClass(int32_t character) {
  return character < 0x300
             ? 0
             : static_cast<uint32_t>(
                   utf8proc_get_property(character)->combining_class);
}

/// Sorts each run of marks by combining class, keeping the order of equals.
bool reorderMarks(Array<int32_t> &characters) {
  Array<uint64_t> keys; // class, then place, then character
  for (size_t i = 0; i < characters.size();) {
    if (combiningClass(characters[i]) == 0) {
      ++i;
      continue;
    }
    size_t first = i;
    keys.clear();
    for (; i < characters.size(); ++i) {
      uint64_t markClass = combiningClass(characters[i]);
      if (markClass == 0)
        break;
      if (!keys.push(markClass << 32 | (i - first)))
        return false;
    }
    if (keys.size() < 2)
      continue;
    std::sort(keys.data(), keys.data() + keys.size());
    for (size_t k = 0; k < keys.size(); ++k)
      keys[k] = static_cast<uint64_t>(
          characters[first + static_cast<uint32_t>(keys[k])]);
    for (size_t k = 0; k < keys.size(); ++k)
      characters[first + k] = static_cast<int32_t>(keys[k]);
  }
  return true;
}

} // namespace

bool appendNormalForm(Bytes text, uint32_t form, Array<uint8_t> &result) {
  if (isInert(text, form))
    return result.append(text);
  bool compatible = form == ADZE_TT_NFKC || form == ADZE_TT_NFKD;
  Array<int32_t> characters;
  if (!characters.reserve(text.size) ||
      !decompose(text, compatible, characters) || !reorderMarks(characters))
    return false;
  if (form == ADZE_TT_NFC || form == ADZE_TT_NFKC) {
    utf8proc_ssize_t number = utf8proc_normalize_utf32(
        characters.data(), static_cast<utf8proc_ssize_t>(characters.size()),
        static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    if (number < 0)
      return false;
    characters.shrink(static_cast<size_t>(number));
  }
  for (size_t i = 0; i < characters.size(); ++i)
    if (!appendCharacter(result, static_cast<uint32_t>(characters[i])))
      return false;
  return true;
}

} // namespace adze::text
