// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Layout of a text table: the header, then each section in the order of its
// number. Indexes that the runtime only reads are made here: the hash over
// token texts, merges sorted by pair, ranks from scores, sorted added tokens.

#include "TextTableBuilder.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/ConvertUTF.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <tuple>

using namespace llvm;

namespace adze {

Error tokenizerError(StringRef name, const Twine &message) {
  return createStringError(inconvertibleErrorCode(), name + ": " + message);
}

bool TextTableBuilder::growTo(uint32_t id) {
  constexpr size_t slack = 1 << 16; // ids reserved without an entry
  if (id >= ADZE_TT_MAX_VOCABULARY || id > 2 * tokens.size() + slack)
    return false;
  if (id >= tokens.size())
    tokens.resize(size_t(id) + 1);
  return true;
}

static void setAdds(std::vector<int32_t> &ids, int32_t id, bool front,
                    bool wanted, uint32_t flag, uint32_t &flags) {
  bool present = std::find(ids.begin(), ids.end(), id) != ids.end();
  wanted = wanted && id >= 0;
  if (wanted && !present)
    ids.insert(front ? ids.begin() : ids.end(), id);
  else if (!wanted && present)
    ids.erase(std::remove(ids.begin(), ids.end(), id), ids.end());
  flags = wanted ? flags | flag : flags & ~flag;
}

void TextTableBuilder::setAddBos(bool wanted) {
  setAdds(prefixIds, bos, true, wanted, ADZE_TT_ADDS_BOS, flags);
}
void TextTableBuilder::setAddEos(bool wanted) {
  setAdds(suffixIds, eos, false, wanted, ADZE_TT_ADDS_EOS, flags);
}

namespace {

template <typename T> StringRef asBytes(const std::vector<T> &values) {
  return {reinterpret_cast<const char *>(values.data()),
          values.size() * sizeof(T)};
}

uint32_t hashText(StringRef text) {
  uint32_t state = ADZE_TT_HASH_START;
  for (char c : text)
    state = adze_tt_hash_extend(state, static_cast<uint8_t>(c));
  return adze_tt_hash_finish(state);
}

class Writer {
public:
  Writer(const TextTableBuilder &source, StringRef name)
      : source(source), name(name) {
    static_assert(sizeof header % ADZE_TT_ALIGNMENT == 0 &&
                  sizeof extension % ADZE_TT_ALIGNMENT == 0);
    std::memset(&header, 0, sizeof header);
    for (adze_tt_section &entry : header.sections)
      entry.offset = sizeof header; // what no writer fills in is empty
    for (adze_tt_section &entry : extension.sections)
      entry.offset = sizeof header;
    extension.section_count = ADZE_TT_EXTENSION_COUNT;
    table.assign(sizeof header + sizeof extension, '\0');
  }

  Expected<std::string> run() {
    if (Error error = checkTexts())
      return error;
    fillHeader();
    if (Error error = writeVocabulary())
      return error;
    if (Error error = writeModel())
      return error;
    writeRules();
    if (table.size() > std::numeric_limits<uint32_t>::max())
      return tokenizerError(name, "the text table would exceed 4 GiB");
    header.size = table.size();
    std::memcpy(table.data(), &header, sizeof header);
    std::memcpy(table.data() + sizeof header, &extension, sizeof extension);
    return std::move(table);
  }

private:
  void section(uint32_t number, StringRef bytes) {
    section(header.sections[number], bytes);
  }
  void section(adze_tt_section &entry, StringRef bytes) {
    table.resize((table.size() + ADZE_TT_ALIGNMENT - 1) / ADZE_TT_ALIGNMENT *
                 ADZE_TT_ALIGNMENT);
    entry = {static_cast<uint32_t>(table.size()),
             static_cast<uint32_t>(bytes.size())};
    table.append(bytes.begin(), bytes.end());
  }

  /// Whatever is matched in or put into a text has to be text itself.
  Error checkTexts() {
    auto isUtf8 = [](StringRef text) {
      const auto *at = reinterpret_cast<const UTF8 *>(text.begin());
      return isLegalUTF8String(&at, reinterpret_cast<const UTF8 *>(text.end()));
    };
    for (const auto *list : {&source.addedTokens, &source.userSymbols})
      for (const TextAddedToken &token : *list)
        if (!isUtf8(token.text))
          return tokenizerError(name, "special token " + Twine(token.id) +
                                          " is not UTF-8");
    if (!isUtf8(source.unknownText))
      return tokenizerError(name, "the text for unknown tokens is not UTF-8");
    return Error::success();
  }

  void fillHeader() {
    header.magic = ADZE_TT_MAGIC;
    header.version = ADZE_TT_VERSION;
    header.model = source.model;
    header.flags = source.flags | ADZE_TT_EXTENDED;
    header.vocabulary_size = static_cast<uint32_t>(source.tokens.size());
    header.bos = source.bos;
    header.eos = source.eos;
    header.unk = source.unk;
    header.pad = source.pad;
    header.normalizer_steps = static_cast<uint32_t>(source.normalizer.size());
    header.decode_strip = source.decodeStrip;
  }

  Error writeVocabulary() {
    if (source.tokens.empty())
      return tokenizerError(name, "the vocabulary is empty");
    std::vector<uint32_t> offsets;
    std::vector<uint8_t> kinds;
    std::string bytes;
    for (const TextToken &token : source.tokens) {
      offsets.push_back(static_cast<uint32_t>(bytes.size()));
      kinds.push_back(token.kind);
      bytes += token.text;
      if (bytes.size() > std::numeric_limits<uint32_t>::max())
        return tokenizerError(name, "the vocabulary exceeds 4 GiB of text");
    }
    offsets.push_back(static_cast<uint32_t>(bytes.size()));
    section(ADZE_TT_TOKEN_OFFSETS, asBytes(offsets));
    section(ADZE_TT_TOKEN_BYTES, bytes);
    section(ADZE_TT_TOKEN_KINDS, asBytes(kinds));
    writeHash();
    return Error::success();
  }

  /// At most half full. The first of two tokens with one text wins.
  void writeHash() {
    size_t matchable = 0;
    for (const TextToken &token : source.tokens)
      matchable += token.matchable;
    size_t slotCount = 2;
    while (slotCount < 2 * matchable)
      slotCount *= 2;
    std::vector<adze_tt_slot> slots(slotCount, adze_tt_slot{0, 0});
    for (size_t id = 0; id < source.tokens.size(); ++id) {
      const TextToken &token = source.tokens[id];
      if (!token.matchable || token.text.empty())
        continue;
      uint32_t hash = hashText(token.text), probe = 0;
      auto at = [&] { return (hash + probe) & (slotCount - 1); };
      bool duplicate = false;
      while (slots[at()].token != 0 && !duplicate) {
        duplicate = slots[at()].hash == hash &&
                    source.tokens[slots[at()].token - 1].text == token.text;
        probe += !duplicate;
      }
      if (!duplicate)
        slots[at()] = {hash, static_cast<uint32_t>(id + 1)};
      header.longest_probe = std::max(header.longest_probe, probe + 1);
      header.longest_token = std::max(header.longest_token,
                                      static_cast<uint32_t>(token.text.size()));
    }
    section(ADZE_TT_TOKEN_HASH, asBytes(slots));
  }

  Error writeModel() {
    std::vector<int32_t> byteTokens(256, -1);
    for (size_t id = 0; id < source.tokens.size(); ++id) {
      const TextToken &token = source.tokens[id];
      if (source.model == ADZE_TT_BYTE_BPE) {
        if (token.matchable && token.text.size() == 1)
          byteTokens[static_cast<uint8_t>(token.text[0])] =
              static_cast<int32_t>(id);
      } else if (token.kind == ADZE_TT_BYTE) {
        unsigned value = 0;
        StringRef digits = token.text;
        if (!digits.consume_front("<0x") || !digits.consume_back(">") ||
            digits.size() != 2 || digits.getAsInteger(16, value))
          return tokenizerError(name, "byte token " + Twine(id) +
                                          " has text '" + token.text +
                                          "', expected the form <0xHH>");
        byteTokens[value] = static_cast<int32_t>(id);
      }
    }
    section(ADZE_TT_BYTE_TOKENS, asBytes(byteTokens));
    switch (source.model) {
    case ADZE_TT_SPM_BPE:
      return writeRanks();
    case ADZE_TT_UNIGRAM:
      return writeScores();
    default:
      writeMerges();
      return Error::success();
    }
  }

  Error checkScores() {
    for (size_t id = 0; id < source.tokens.size(); ++id)
      if (!std::isfinite(source.tokens[id].score))
        return tokenizerError(name, "the score of token " + Twine(id) +
                                        " is not a finite number");
    return Error::success();
  }

  /// Equal scores share a rank, because the place decides between them.
  Error writeRanks() {
    if (Error error = checkScores())
      return error;
    std::vector<uint32_t> order(source.tokens.size()), ranks(order.size());
    std::iota(order.begin(), order.end(), 0);
    auto score = [&](uint32_t id) { return source.tokens[id].score; };
    std::sort(order.begin(), order.end(),
              [&](uint32_t a, uint32_t b) { return score(a) > score(b); });
    uint32_t rank = 0;
    for (size_t i = 0; i < order.size(); ++i) {
      rank += i > 0 && score(order[i]) != score(order[i - 1]);
      ranks[order[i]] = rank;
    }
    section(ADZE_TT_TOKEN_RANKS, asBytes(ranks));
    return Error::success();
  }

  Error writeScores() {
    if (Error error = checkScores())
      return error;
    std::vector<float> scores;
    float least = std::numeric_limits<float>::max();
    float greatest = std::numeric_limits<float>::lowest();
    for (const TextToken &token : source.tokens) {
      scores.push_back(token.score);
      if (token.kind == ADZE_TT_NORMAL) {
        least = std::min(least, token.score);
        greatest = std::max(greatest, token.score);
      }
    }
    constexpr float unknownPenalty = 10.0f; // SentencePiece's kUnkPenalty
    header.unknown_score = least - unknownPenalty;
    header.user_score = greatest;
    section(ADZE_TT_TOKEN_SCORES, asBytes(scores));
    return Error::success();
  }

  /// By left id, then right id. The last of two merges of one pair wins.
  void writeMerges() {
    std::vector<uint32_t> order(source.merges.size());
    std::iota(order.begin(), order.end(), 0);
    auto pair = [&](uint32_t i) {
      return uint64_t(source.merges[i].left) << 32 | source.merges[i].right;
    };
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      return std::make_pair(pair(a), a) < std::make_pair(pair(b), b);
    });
    std::vector<adze_tt_merge> merges;
    std::vector<uint32_t> offsets(source.tokens.size() + 1, 0);
    for (size_t i = 0; i < order.size(); ++i) {
      if (i + 1 < order.size() && pair(order[i]) == pair(order[i + 1]))
        continue;
      const TextMerge &merge = source.merges[order[i]];
      merges.push_back({merge.right, order[i], merge.result});
      ++offsets[merge.left + 1];
    }
    std::partial_sum(offsets.begin(), offsets.end(), offsets.begin());
    section(ADZE_TT_MERGE_OFFSETS, asBytes(offsets));
    section(ADZE_TT_MERGES, asBytes(merges));
  }

  adze_tt_string intern(StringRef text) {
    auto [entry, isNew] = internedAt.try_emplace(text, strings.size());
    if (isNew)
      strings += text;
    return {entry->second, static_cast<uint32_t>(text.size())};
  }

  std::vector<adze_tt_added> sorted(std::vector<TextAddedToken> entries) {
    std::sort(entries.begin(), entries.end(),
              [](const TextAddedToken &a, const TextAddedToken &b) {
                return std::tie(a.text, a.id) < std::tie(b.text, b.id);
              });
    std::vector<adze_tt_added> result;
    const std::string *previous = nullptr;
    for (const TextAddedToken &entry : entries) {
      if (entry.text.empty() || (previous && *previous == entry.text))
        continue;
      result.push_back({intern(entry.text), entry.id, entry.flags});
      previous = &entry.text;
    }
    return result;
  }

  std::vector<adze_tt_step> steps(ArrayRef<TextStep> from) {
    std::vector<adze_tt_step> result;
    for (const TextStep &step : from)
      result.push_back({step.operation, step.argument, step.pattern, 0,
                        intern(step.a), intern(step.b)});
    return result;
  }

  void writeRules() {
    std::vector<TextAddedToken> raw, normalized;
    for (const TextAddedToken &token : source.addedTokens)
      (token.normalized ? normalized : raw).push_back(token);
    std::vector<adze_tt_added> added = sorted(std::move(raw));
    header.raw_added = static_cast<uint32_t>(added.size());
    std::vector<adze_tt_added> second = sorted(std::move(normalized));
    added.insert(added.end(), second.begin(), second.end());
    section(ADZE_TT_ADDED, asBytes(added));
    section(ADZE_TT_USER_SYMBOLS, asBytes(sorted(source.userSymbols)));

    std::vector<adze_tt_step> all = steps(source.normalizer);
    std::vector<adze_tt_step> splits = steps(source.preTokenizer);
    all.insert(all.end(), splits.begin(), splits.end());
    section(ADZE_TT_STEPS, asBytes(all));
    section(ADZE_TT_DECODER_STEPS, asBytes(steps(source.decoder)));
    section(ADZE_TT_PATTERNS, asBytes(source.patterns.patterns));
    section(ADZE_TT_INSTRUCTIONS, asBytes(source.patterns.instructions));
    section(ADZE_TT_SETS, asBytes(source.patterns.sets));
    section(ADZE_TT_RANGES, asBytes(source.patterns.ranges));
    section(ADZE_TT_STRINGS, strings);

    section(ADZE_TT_PREFIX_IDS, asBytes(source.prefixIds));
    section(ADZE_TT_SUFFIX_IDS, asBytes(source.suffixIds));
    std::vector<int32_t> stops = source.stopIds;
    std::sort(stops.begin(), stops.end());
    stops.erase(std::unique(stops.begin(), stops.end()), stops.end());
    section(ADZE_TT_STOP_IDS, asBytes(stops));
    writeChatTemplates();
    section(ADZE_TT_CHARSMAP_TRIE, asBytes(source.charsmapTrie));
    section(ADZE_TT_CHARSMAP_TEXT, source.charsmapText);
    section(ADZE_TT_UNKNOWN_TEXT, source.unknownText);
  }

  void writeChatTemplates() {
    StringRef text;
    for (const NamedTemplate &entry : source.chatTemplates)
      if (text.empty() || entry.name == "default")
        text = entry.source;
    section(ADZE_TT_CHAT_TEMPLATE, text);
    section(extension.sections[ADZE_TT_CHAT_PROGRAMS],
            compileChatTemplates(source.chatTemplates, source.warnings));
  }

  const TextTableBuilder &source;
  StringRef name;
  adze_tt_header header;
  adze_tt_extension extension = {};
  std::string table, strings;
  StringMap<uint32_t> internedAt;
};

} // namespace

Expected<std::string> TextTableBuilder::write(StringRef name) const {
  return Writer(*this, name).run();
}

} // namespace adze
