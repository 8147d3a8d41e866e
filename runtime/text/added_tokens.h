// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Finding added tokens ("<|eot_id|>") in text: the longest entry at a place,
// leftmost first, over entries sorted by text. The table holds the sorted
// entries; the index by first byte is made when it is opened.

#ifndef ADZE_RUNTIME_TEXT_ADDED_TOKENS_H
#define ADZE_RUNTIME_TEXT_ADDED_TOKENS_H

#include "table.h"

namespace adze::text {

/// A part of a text: an added token, or text between added tokens (id -1).
struct Segment {
  uint32_t begin, end;
  int32_t id;
};

class AddedTokens {
public:
  void index(const Table &owner, Span<adze_tt_added> sorted);
  bool empty() const { return entries.empty(); }

  /// The longest entry that `text` has at `at`, or null.
  const adze_tt_added *longestAt(Bytes text, uint32_t at) const;

  /// Cuts [begin, end) of `text` into segments. Entries flagged special count
  /// only with `parseSpecial`.
  [[nodiscard]] bool split(Bytes text, uint32_t begin, uint32_t end,
                           bool parseSpecial, Array<Segment> &segments) const;

private:
  const Table *table = nullptr;
  Span<adze_tt_added> entries;
  uint32_t firstWithByte[257] = {};
};

} // namespace adze::text

#endif // ADZE_RUNTIME_TEXT_ADDED_TOKENS_H
