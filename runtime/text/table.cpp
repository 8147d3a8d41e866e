// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Opening a text table: all checks that let the rest of the library trust it.
// Each check names the section and what contradicts it. One pass over the
// table, no allocation.

#include "table.h"

#include "unicode.h"

#include <cstdarg>
#include <cstdio>
#include <initializer_list>

namespace adze::text {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "text tables are little endian and read in place");

adze_text_status fail(adze_text_error *error, adze_text_status status,
                      uint64_t offset, const char *format, ...) {
  if (error) {
    error->status = status;
    error->offset = offset;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
  }
  return status;
}

adze_text_status failOutOfMemory(adze_text_error *error) {
  return fail(error, ADZE_TEXT_OUT_OF_MEMORY, 0, "out of memory");
}

int byteTokenValue(Bytes text) {
  if (text.size != 6 || memcmp(text.data, "<0x", 3) != 0 || text[5] != '>')
    return -1;
  int value = 0;
  for (uint32_t i = 3; i < 5; ++i) {
    uint8_t c = text[i];
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                       : -1;
    if (digit < 0)
      return -1;
    value = value * 16 + digit;
  }
  return value;
}

namespace {

/// The checks, one method per part of the table. Each returns false after it
/// wrote the reason.
class Checker {
public:
  Checker(Table &table, const uint8_t *memory, const adze_tt_header &header,
          adze_text_error *error)
      : table(table), memory(memory), header(header), error(error) {}

  bool run() {
    return bindSections() && checkTokens() && checkModel() && checkIds() &&
           checkAdded(table.added, header.raw_added) &&
           checkAdded(table.userSymbols, table.userSymbols.size) &&
           checkSteps() && checkPatterns() && checkTexts();
  }

private:
  bool bad(const char *what, uint64_t where = 0) {
    fail(error, ADZE_TEXT_CORRUPT_TABLE, where, "corrupt text table: %s (%llu)",
         what, static_cast<unsigned long long>(where));
    return false;
  }

  template <typename T> bool bind(uint32_t section, Span<T> &span) {
    return bind(header.sections[section], section, span);
  }
  template <typename T>
  bool bind(const adze_tt_section &entry, uint32_t section, Span<T> &span) {
    if (entry.offset % ADZE_TT_ALIGNMENT != 0 ||
        entry.offset < sizeof(adze_tt_header) || entry.offset > header.size ||
        entry.bytes > header.size - entry.offset)
      return bad("section lies outside the table or is not aligned", section);
    if (entry.bytes % sizeof(T) != 0)
      return bad("section does not hold whole entries", section);
    span = {reinterpret_cast<const T *>(memory + entry.offset),
            static_cast<uint32_t>(entry.bytes / sizeof(T))};
    return true;
  }

  bool bindSections() {
    return bind(ADZE_TT_TOKEN_OFFSETS, table.tokenOffsets) &&
           bind(ADZE_TT_TOKEN_BYTES, table.tokenBytes) &&
           bind(ADZE_TT_TOKEN_KINDS, table.tokenKinds) &&
           bind(ADZE_TT_TOKEN_SCORES, table.tokenScores) &&
           bind(ADZE_TT_TOKEN_RANKS, table.tokenRanks) &&
           bind(ADZE_TT_TOKEN_HASH, table.tokenHash) &&
           bind(ADZE_TT_MERGE_OFFSETS, table.mergeOffsets) &&
           bind(ADZE_TT_MERGES, table.merges) &&
           bind(ADZE_TT_BYTE_TOKENS, table.byteTokens) &&
           bind(ADZE_TT_ADDED, table.added) &&
           bind(ADZE_TT_USER_SYMBOLS, table.userSymbols) &&
           bind(ADZE_TT_STEPS, table.steps) &&
           bind(ADZE_TT_DECODER_STEPS, table.decoderSteps) &&
           bind(ADZE_TT_PATTERNS, table.patterns) &&
           bind(ADZE_TT_INSTRUCTIONS, table.instructions) &&
           bind(ADZE_TT_SETS, table.sets) &&
           bind(ADZE_TT_RANGES, table.ranges) &&
           bind(ADZE_TT_STRINGS, table.strings) &&
           bind(ADZE_TT_PREFIX_IDS, table.prefixIds) &&
           bind(ADZE_TT_SUFFIX_IDS, table.suffixIds) &&
           bind(ADZE_TT_STOP_IDS, table.stopIds) &&
           bind(ADZE_TT_CHAT_TEMPLATE, table.chatTemplate) &&
           bind(ADZE_TT_CHARSMAP_TRIE, table.charsmapTrie) &&
           bind(ADZE_TT_CHARSMAP_TEXT, table.charsmapText) &&
           bind(ADZE_TT_UNKNOWN_TEXT, table.unknownText) && bindExtension();
  }

  bool bindExtension() {
    if (!(header.flags & ADZE_TT_EXTENDED))
      return true;
    adze_tt_extension extension = {};
    size_t head = offsetof(adze_tt_extension, sections);
    uint64_t rest = header.size - sizeof header;
    if (rest < head)
      return bad("truncated extension");
    memcpy(&extension, memory + sizeof header, head);
    if (extension.section_count > (rest - head) / sizeof(adze_tt_section))
      return bad("truncated extension", extension.section_count);
    if (extension.section_count <= ADZE_TT_CHAT_PROGRAMS)
      return true;
    memcpy(extension.sections, memory + sizeof header + head,
           sizeof extension.sections);
    return bind(extension.sections[ADZE_TT_CHAT_PROGRAMS],
                uint32_t(ADZE_TT_SECTION_COUNT) + ADZE_TT_CHAT_PROGRAMS,
                table.chatPrograms);
  }

  /// `offsets` must rise from 0 to `total` in vocabulary + 1 entries.
  bool checkOffsets(Span<uint32_t> offsets, uint32_t total, const char *what) {
    if (offsets.size != header.vocabulary_size + 1 || offsets[0] != 0 ||
        offsets[header.vocabulary_size] != total)
      return bad(what);
    bool rising = true;
    for (uint32_t i = 0; i < header.vocabulary_size; ++i)
      rising &= offsets[i] <= offsets[i + 1];
    return rising || bad(what);
  }

  bool checkTokens() {
    if (header.vocabulary_size > ADZE_TT_MAX_VOCABULARY)
      return bad("vocabulary too large", header.vocabulary_size);
    if (!checkOffsets(table.tokenOffsets, table.tokenBytes.size,
                      "token offsets do not fit the token bytes"))
      return false;
    if (table.tokenKinds.size != header.vocabulary_size)
      return bad("token kinds do not fit the vocabulary");
    for (uint32_t id = 0; id < header.vocabulary_size; ++id) {
      if (table.tokenKinds[id] > ADZE_TT_UNUSED)
        return bad("unknown kind of token", id);
      if (table.tokenKinds[id] == ADZE_TT_BYTE &&
          byteTokenValue(table.token(id)) < 0)
        return bad("byte token without the text of one", id);
    }
    uint32_t slots = table.tokenHash.size;
    if ((slots & (slots - 1)) != 0)
      return bad("hash size is not a power of two", slots);
    for (const adze_tt_slot &slot : table.tokenHash)
      if (slot.token > header.vocabulary_size)
        return bad("hash names a token beyond the vocabulary", slot.token);
    return true;
  }

  bool checkModel() {
    switch (header.model) {
    case ADZE_TT_BYTE_BPE:
    case ADZE_TT_CHAR_BPE:
      if (!checkOffsets(table.mergeOffsets, table.merges.size,
                        "merge offsets do not fit the merges"))
        return false;
      for (const adze_tt_merge &merge : table.merges)
        if (merge.right >= header.vocabulary_size ||
            merge.result >= header.vocabulary_size)
          return bad("merge of a token beyond the vocabulary");
      return true;
    case ADZE_TT_SPM_BPE:
      return table.tokenRanks.size == header.vocabulary_size ||
             bad("ranks do not fit the vocabulary");
    case ADZE_TT_UNIGRAM:
      return table.tokenScores.size == header.vocabulary_size ||
             bad("scores do not fit the vocabulary");
    default:
      return bad("unknown model", header.model);
    }
  }

  bool isId(int32_t id) {
    return id >= 0 && static_cast<uint32_t>(id) < header.vocabulary_size;
  }
  bool checkIds() {
    for (int32_t id : {header.bos, header.eos, header.unk, header.pad})
      if (id != -1 && !isId(id))
        return bad("special token beyond the vocabulary");
    if (table.byteTokens.size != 256)
      return bad("byte tokens are not 256", table.byteTokens.size);
    for (int32_t id : table.byteTokens)
      if (id != -1 && !isId(id))
        return bad("byte token beyond the vocabulary");
    for (Span<int32_t> ids : {table.prefixIds, table.suffixIds, table.stopIds})
      for (int32_t id : ids)
        if (!isId(id))
          return bad("prefix, suffix or stop token beyond the vocabulary");
    for (uint32_t i = 1; i < table.stopIds.size; ++i)
      if (table.stopIds[i - 1] >= table.stopIds[i])
        return bad("stop tokens do not rise");
    return true;
  }

  bool isString(adze_tt_string reference) {
    return reference.offset <= table.strings.size &&
           reference.length <= table.strings.size - reference.offset;
  }
  bool isText(adze_tt_string reference) {
    return isString(reference) &&
           findInvalidUtf8(table.string(reference)) == reference.length;
  }

  /// Entries rise strictly within [0, parts) and [parts, size), which the
  /// search for added tokens relies on.
  bool checkAdded(Span<adze_tt_added> entries, uint32_t parts) {
    if (parts > entries.size)
      return bad("more raw added tokens than added tokens");
    for (uint32_t i = 0; i < entries.size; ++i) {
      const adze_tt_added &entry = entries[i];
      if (entry.id >= header.vocabulary_size || entry.text.length == 0 ||
          !isText(entry.text))
        return bad("added token without text or beyond the vocabulary", i);
      if (i == 0 || i == parts)
        continue;
      Bytes before = table.string(entries[i - 1].text);
      Bytes here = table.string(entry.text);
      uint32_t common = before.size < here.size ? before.size : here.size;
      int order = memcmp(before.data, here.data, common);
      if (order > 0 || (order == 0 && before.size >= here.size))
        return bad("added tokens are not in order", i);
    }
    return true;
  }

  bool checkSteps() {
    if (header.normalizer_steps > table.steps.size)
      return bad("more normaliser steps than steps");
    for (uint32_t i = 0; i < table.steps.size; ++i)
      if (!checkStep(table.steps[i], i < header.normalizer_steps))
        return bad("malformed step", i);
    for (const adze_tt_step &step : table.decoderSteps)
      if (step.operation != ADZE_TT_REPLACE_TEXT || !checkStep(step, true))
        return bad("malformed decoder step");
    return true;
  }
  bool checkStep(const adze_tt_step &step, bool normalizes) {
    if (!isText(step.a) || !isText(step.b))
      return false;
    switch (step.operation) {
    case ADZE_TT_PREPEND:
      return normalizes;
    case ADZE_TT_REPLACE_TEXT:
      return step.a.length > 0;
    case ADZE_TT_REPLACE_PATTERN:
      return step.pattern < table.patterns.size;
    case ADZE_TT_NORMAL_FORM:
      return step.argument <= ADZE_TT_NFKD;
    case ADZE_TT_STRIP:
      return step.argument <= 3;
    case ADZE_TT_SPM_NORMALIZE:
      return normalizes && step.argument <= 7;
    case ADZE_TT_SPLIT:
      return !normalizes && step.pattern < table.patterns.size &&
             (step.argument & ~ADZE_TT_SPLIT_INVERT) <=
                 ADZE_TT_SPLIT_CONTIGUOUS;
    case ADZE_TT_ENSURE_PREFIX:
      return !normalizes && step.argument <= 1;
    default:
      return false;
    }
  }

  bool checkPatterns() {
    for (uint32_t i = 0; i < table.sets.size; ++i) {
      const adze_tt_set &set = table.sets[i];
      if (set.first_range > table.ranges.size ||
          set.range_count > table.ranges.size - set.first_range)
        return bad("set with ranges outside the table", i);
    }
    for (uint32_t i = 0; i < table.patterns.size; ++i) {
      const adze_tt_pattern &pattern = table.patterns[i];
      if (pattern.count == 0 || pattern.count > ADZE_TT_MAX_INSTRUCTIONS ||
          pattern.first > table.instructions.size ||
          pattern.count > table.instructions.size - pattern.first)
        return bad("pattern outside the table", i);
      for (uint32_t k = 0; k < pattern.count; ++k)
        if (!checkInstruction(table.instructions[pattern.first + k], k,
                              pattern.count))
          return bad("malformed pattern", i);
    }
    return true;
  }
  bool checkInstruction(const adze_tt_instruction &instruction, uint32_t index,
                        uint32_t count) {
    if (instruction.operation == ADZE_TT_MATCH)
      return true;
    auto isTarget = [&](uint32_t target) {
      return target > index && target < count;
    };
    if (!isTarget(instruction.next))
      return false;
    switch (instruction.operation) {
    case ADZE_TT_RUN:
      return instruction.set < table.sets.size &&
             instruction.minimum <= ADZE_TT_MAX_REPEAT &&
             instruction.minimum <= instruction.maximum &&
             (instruction.maximum <= ADZE_TT_MAX_REPEAT ||
              instruction.maximum == ADZE_TT_UNBOUNDED);
    case ADZE_TT_ALTERNATIVE:
      return isTarget(instruction.other);
    case ADZE_TT_LOOKAHEAD:
      return instruction.set < table.sets.size;
    case ADZE_TT_LINE_BEGIN:
    case ADZE_TT_LINE_END:
    case ADZE_TT_JUMP:
      return true;
    default:
      return false;
    }
  }

  bool checkTexts() {
    if (!table.charsmapText.empty() &&
        table.charsmapText[table.charsmapText.size - 1] != 0)
      return bad("character map without an end");
    if (findInvalidUtf8(table.charsmapText) != table.charsmapText.size ||
        findInvalidUtf8(table.unknownText) != table.unknownText.size)
      return bad("replacement text is not UTF-8");
    return true;
  }

  Table &table;
  const uint8_t *memory;
  const adze_tt_header &header;
  adze_text_error *error;
};

} // namespace

adze_text_status Table::open(const void *memory, size_t size,
                             adze_text_error *error) {
  if (reinterpret_cast<uintptr_t>(memory) % ADZE_TT_ALIGNMENT != 0)
    return fail(error, ADZE_TEXT_INVALID_ARGUMENT, 0,
                "a text table must be aligned to %u bytes", ADZE_TT_ALIGNMENT);
  if (size < sizeof(adze_tt_header))
    return fail(error, ADZE_TEXT_CORRUPT_TABLE, 0,
                "a text table has at least %zu bytes, this one %zu",
                sizeof(adze_tt_header), size);
  const auto *candidate = static_cast<const adze_tt_header *>(memory);
  if (candidate->magic != ADZE_TT_MAGIC)
    return fail(error, ADZE_TEXT_CORRUPT_TABLE, 0,
                "not a text table: magic %08x instead of %08x",
                candidate->magic, ADZE_TT_MAGIC);
  if (candidate->version != ADZE_TT_VERSION)
    return fail(error, ADZE_TEXT_UNSUPPORTED_VERSION, 0,
                "text table of version %u; this library reads version %u: "
                "compile the model again",
                candidate->version, ADZE_TT_VERSION);
  if (candidate->size > size || candidate->size < sizeof(adze_tt_header))
    return fail(error, ADZE_TEXT_CORRUPT_TABLE, 0,
                "truncated text table: %llu bytes announced, %zu present",
                static_cast<unsigned long long>(candidate->size), size);
  head = candidate;
  Checker checker(*this, static_cast<const uint8_t *>(memory), *candidate,
                  error);
  return checker.run() ? ADZE_TEXT_OK : ADZE_TEXT_CORRUPT_TABLE;
}

int32_t Table::find(Bytes text, uint32_t hash) const {
  if (tokenHash.empty())
    return -1;
  uint32_t mask = tokenHash.size - 1;
  for (uint32_t i = 0; i <= mask && i < head->longest_probe; ++i) {
    const adze_tt_slot &slot = tokenHash[(hash + i) & mask];
    if (slot.token == 0)
      return -1;
    if (slot.hash != hash)
      continue;
    Bytes candidate = token(slot.token - 1);
    if (candidate.size == text.size && startsWith(candidate, text))
      return static_cast<int32_t>(slot.token - 1);
  }
  return -1;
}

int32_t Table::find(Bytes text) const {
  if (text.size > head->longest_token)
    return -1;
  uint32_t state = ADZE_TT_HASH_START;
  for (uint8_t byte : text)
    state = adze_tt_hash_extend(state, byte);
  return find(text, adze_tt_hash_finish(state));
}

const adze_tt_merge *Table::findMerge(uint32_t left, uint32_t right) const {
  uint32_t low = mergeOffsets[left], high = mergeOffsets[left + 1];
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (merges[middle].right == right)
      return &merges[middle];
    if (merges[middle].right < right)
      low = middle + 1;
    else
      high = middle;
  }
  return nullptr;
}

} // namespace adze::text
