// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Search for added tokens. The time per place is bounded by the longest entry,
// and is one look-up where no entry begins with the byte found there.

#include "added_tokens.h"

#include "unicode.h"

namespace adze::text {

void AddedTokens::index(const Table &owner, Span<adze_tt_added> sorted) {
  table = &owner;
  entries = sorted;
  uint32_t entry = 0;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    firstWithByte[byte] = entry;
    while (entry < entries.size && owner.string(entries[entry].text)[0] == byte)
      ++entry;
  }
  firstWithByte[256] = entry;
}

const adze_tt_added *AddedTokens::longestAt(Bytes text, uint32_t at) const {
  uint32_t low = firstWithByte[text[at]], high = firstWithByte[text[at] + 1];
  const adze_tt_added *best = nullptr;
  // All of [low, high) begin with the `depth` bytes at `at`.
  for (uint32_t depth = 1; low < high; ++depth) {
    if (entries[low].text.length == depth)
      best = &entries[low++];
    if (at + depth == text.size)
      break;
    uint8_t byte = text[at + depth];
    auto firstNotBelow = [&](uint32_t bound) {
      uint32_t from = low, to = high;
      while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (table->string(entries[middle].text)[depth] < bound)
          from = middle + 1;
        else
          to = middle;
      }
      return from;
    };
    uint32_t begin = firstNotBelow(byte);
    high = firstNotBelow(byte + 1u);
    low = begin;
  }
  return best;
}

bool AddedTokens::split(Bytes text, uint32_t begin, uint32_t end,
                        bool parseSpecial, Array<Segment> &segments) const {
  uint32_t done = begin; // everything before is in a segment
  if (!entries.empty()) {
    Bytes searched = text.slice(0, end);
    for (uint32_t at = begin; at < end;) {
      const adze_tt_added *entry = longestAt(searched, at);
      if (!entry) {
        ++at;
        continue;
      }
      uint32_t first = at, last = at + entry->text.length;
      at = last;
      if ((entry->flags & ADZE_TT_ADDED_SPECIAL) && !parseSpecial)
        continue;
      if (entry->flags & ADZE_TT_ADDED_LSTRIP)
        while (first > done) {
          uint32_t before = previousCharacter(searched, first), next;
          if (!isWhiteSpace(decodeCharacter(searched, before, &next)))
            break;
          first = before;
        }
      if (entry->flags & ADZE_TT_ADDED_RSTRIP)
        for (uint32_t next = last; last < end; last = next)
          if (!isWhiteSpace(decodeCharacter(searched, last, &next)))
            break;
      if (first > done && !segments.push({done, first, -1}))
        return false;
      if (!segments.push({first, last, static_cast<int32_t>(entry->id)}))
        return false;
      done = last;
      if (at < last)
        at = last;
    }
  }
  return done >= end || segments.push({done, end, -1});
}

} // namespace adze::text
