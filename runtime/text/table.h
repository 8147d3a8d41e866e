// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A checked view of a text table in memory. After open() succeeded, every
// offset and id in it may be followed without another look.

#ifndef ADZE_RUNTIME_TEXT_TABLE_H
#define ADZE_RUNTIME_TEXT_TABLE_H

#include "adze/text.h"
#include "adze/text_table.h"
#include "array.h"

namespace adze::text {

/// Fills `error` (which may be null) and returns `status`.
#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
adze_text_status fail(adze_text_error *error, adze_text_status status,
                      uint64_t offset, const char *format, ...);

adze_text_status failOutOfMemory(adze_text_error *error);

class Table {
public:
  adze_text_status open(const void *memory, size_t size,
                        adze_text_error *error);

  const adze_tt_header &header() const { return *head; }
  bool has(uint32_t flag) const { return (head->flags & flag) != 0; }
  uint32_t vocabularySize() const { return head->vocabulary_size; }

  Bytes token(uint32_t id) const {
    return tokenBytes.slice(tokenOffsets[id],
                            tokenOffsets[id + 1] - tokenOffsets[id]);
  }
  Bytes string(adze_tt_string reference) const {
    return strings.slice(reference.offset, reference.length);
  }
  /// The token with this text, or -1; `hash` is adze_tt_hash_* of it.
  int32_t find(Bytes text, uint32_t hash) const;
  int32_t find(Bytes text) const;
  /// The merge of two tokens, or null.
  const adze_tt_merge *findMerge(uint32_t left, uint32_t right) const;

  Span<uint32_t> tokenOffsets;
  Bytes tokenBytes, tokenKinds;
  Span<float> tokenScores;
  Span<uint32_t> tokenRanks;
  Span<adze_tt_slot> tokenHash;
  Span<uint32_t> mergeOffsets;
  Span<adze_tt_merge> merges;
  Span<int32_t> byteTokens;
  Span<adze_tt_added> added, userSymbols;
  Span<adze_tt_step> steps, decoderSteps;
  Span<adze_tt_pattern> patterns;
  Span<adze_tt_instruction> instructions;
  Span<adze_tt_set> sets;
  Span<adze_tt_range> ranges;
  Bytes strings;
  Span<int32_t> prefixIds, suffixIds, stopIds;
  Bytes chatTemplate;
  Span<uint32_t> charsmapTrie;
  Bytes charsmapText, unknownText;
  Bytes chatPrograms; ///< checked by ChatPrograms

private:
  const adze_tt_header *head = nullptr;
};

/// The value of the text "<0xHH>", or -1.
int byteTokenValue(Bytes text);

} // namespace adze::text

#endif // ADZE_RUNTIME_TEXT_TABLE_H
