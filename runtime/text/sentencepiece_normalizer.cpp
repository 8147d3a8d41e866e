// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// SentencePiece's normaliser: the character map of the model (a double array
// in the layout of darts-clone, longest prefix wins), then white space:
// optionally one space before the text, runs reduced to one, and spaces
// written as U+2581. User-defined symbols pass unchanged.

#include "tokenizer.h"
#include "unicode.h"

namespace adze::text {

namespace {

constexpr uint8_t kSpaceSymbol[] = {0xE2, 0x96, 0x81}; // U+2581

/// Double-array units as darts-clone packs them.
bool hasLeaf(uint32_t unit) { return unit >> 8 & 1; }
uint32_t leafValue(uint32_t unit) { return unit & 0x7FFFFFFFu; }
uint32_t label(uint32_t unit) { return unit & 0x800000FFu; }
uint32_t childOffset(uint32_t unit) {
  return unit >> 10 << ((unit & 1u << 9) >> 6);
}

/// The longest key at the start of `text` that ends between characters: its
/// replacement, with its length in `*length`; else nothing, and length 0.
Bytes mapPrefix(const Table &table, Bytes text, uint32_t *length) {
  *length = 0;
  Span<uint32_t> trie = table.charsmapTrie;
  Bytes replacement;
  if (trie.empty())
    return replacement;
  uint32_t node = childOffset(trie[0]);
  for (uint32_t i = 0; i < text.size; ++i) {
    node ^= text[i];
    if (node >= trie.size || label(trie[node]) != text[i])
      break;
    uint32_t unit = trie[node];
    node ^= childOffset(unit);
    bool betweenCharacters = i + 1 == text.size || (text[i + 1] & 0xC0) != 0x80;
    if (!hasLeaf(unit) || node >= trie.size || !betweenCharacters)
      continue;
    uint32_t begin = leafValue(trie[node]);
    if (begin >= table.charsmapText.size ||
        (table.charsmapText[begin] & 0xC0) == 0x80)
      continue;
    const uint8_t *text0 = table.charsmapText.data + begin;
    replacement = {text0, static_cast<uint32_t>(
                              strlen(reinterpret_cast<const char *>(text0)))};
    *length = i + 1;
  }
  return replacement;
}

/// The normal form of the first thing in `text`, and how long that thing is.
Bytes normalizePrefix(const Tokenizer &tokenizer, Bytes text,
                      uint32_t *length) {
  if (!tokenizer.userSymbols.empty())
    if (const adze_tt_added *symbol =
            tokenizer.userSymbols.longestAt(text, 0)) {
      *length = symbol->text.length;
      return text.slice(0, *length);
    }
  Bytes replacement = mapPrefix(tokenizer.table, text, length);
  if (*length > 0)
    return replacement;
  decodeCharacter(text, 0, length);
  return text.slice(0, *length);
}

} // namespace

bool normalizeSentencePiece(const Tokenizer &tokenizer, uint32_t flags,
                            Bytes text, Array<uint8_t> &result) {
  bool removeExtra = (flags & ADZE_TT_SPM_REMOVE_EXTRA) != 0;
  bool escape = (flags & ADZE_TT_SPM_ESCAPE) != 0;
  static const uint8_t plainSpace = ' ';
  Bytes space =
      escape ? Bytes{kSpaceSymbol, sizeof kSpaceSymbol} : Bytes{&plainSpace, 1};
  auto rest = [&](uint32_t at) { return text.slice(at, text.size - at); };

  uint32_t at = 0, length;
  while (removeExtra && at < text.size) {
    Bytes normal = normalizePrefix(tokenizer, rest(at), &length);
    if (normal.size != 1 || normal[0] != ' ')
      break;
    at += length;
  }
  if (at == text.size)
    return true;
  if ((flags & ADZE_TT_SPM_DUMMY_PREFIX) && !result.append(space))
    return false;

  bool afterSpace = removeExtra;
  for (; at < text.size; at += length) {
    Bytes normal = normalizePrefix(tokenizer, rest(at), &length);
    uint32_t first = 0;
    while (afterSpace && first < normal.size && normal[first] == ' ')
      ++first;
    for (uint32_t i = first; i < normal.size; ++i) {
      bool done = normal[i] == ' ' ? result.append(space)
                                   : result.append(&normal[i], 1);
      if (!done)
        return false;
    }
    if (first < normal.size)
      afterSpace = removeExtra && normal[normal.size - 1] == ' ';
  }
  while (removeExtra && result.size() >= space.size &&
         memcmp(result.data() + result.size() - space.size, space.data,
                space.size) == 0)
    result.shrink(result.size() - space.size);
  return true;
}

} // namespace adze::text
