// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Encoding from end to end, in the order that text_table.h describes.

#include "model.h"
#include "unicode.h"

namespace adze::text {

adze_text_status Tokenizer::open(const void *memory, size_t size,
                                 adze_text_error *error) {
  adze_text_status status = table.open(memory, size, error);
  if (status != ADZE_TEXT_OK)
    return status;
  if (!table.chatPrograms.empty())
    if (const char *problem = chat.open(table.chatPrograms))
      return fail(error, ADZE_TEXT_CORRUPT_TABLE, 0, "corrupt text table: %s",
                  problem);
  if (!buildAsciiSets(table, asciiSets))
    return failOutOfMemory(error);
  uint32_t raw = table.header().raw_added;
  rawAdded.index(table, table.added.slice(0, raw));
  normalizedAdded.index(table, table.added.slice(raw, table.added.size - raw));
  userSymbols.index(table, table.userSymbols);
  return ADZE_TEXT_OK;
}

namespace {

class Encoder {
public:
  Encoder(const Tokenizer &tokenizer, bool parseSpecial, Array<int32_t> &ids,
          adze_text_error *error)
      : tokenizer(tokenizer), pieceEncoder(tokenizer),
        parseSpecial(parseSpecial), ids(ids), error(error) {}

  adze_text_status encodeText(Bytes text) {
    Array<Segment> segments;
    if (!tokenizer.rawAdded.split(text, 0, text.size, parseSpecial, segments))
      return failOutOfMemory(error);
    for (size_t i = 0; i < segments.size(); ++i) {
      const Segment &segment = segments[i];
      adze_text_status status =
          segment.id >= 0 ? emit(segment.id)
                          : encodeRaw(text.slice(segment.begin,
                                                 segment.end - segment.begin),
                                      segment.begin == 0);
      if (status != ADZE_TEXT_OK)
        return status;
    }
    return ADZE_TEXT_OK;
  }

private:
  adze_text_status emit(int32_t id) {
    return ids.push(id) ? ADZE_TEXT_OK : failOutOfMemory(error);
  }

  /// Text without raw added tokens, not normalised yet.
  adze_text_status encodeRaw(Bytes text, bool atStart) {
    normal.clear();
    if (!normal.append(text))
      return failOutOfMemory(error);
    adze_text_status status = normalize(tokenizer, normal, error);
    if (status != ADZE_TEXT_OK)
      return status;
    Array<Segment> segments;
    Bytes whole = normal.view();
    if (!tokenizer.normalizedAdded.split(whole, 0, whole.size, parseSpecial,
                                         segments))
      return failOutOfMemory(error);
    for (size_t i = 0; i < segments.size(); ++i) {
      const Segment &segment = segments[i];
      status = segment.id >= 0
                   ? emit(segment.id)
                   : encodeNormal(whole.slice(segment.begin,
                                              segment.end - segment.begin),
                                  atStart && segment.begin == 0);
      if (status != ADZE_TEXT_OK)
        return status;
    }
    return ADZE_TEXT_OK;
  }

  adze_text_status encodeNormal(Bytes text, bool atStart) {
    splitText.clear();
    if (!splitText.append(text))
      return failOutOfMemory(error);
    adze_text_status status =
        pretokenize(tokenizer, atStart, splitText, pieces, error);
    if (status != ADZE_TEXT_OK)
      return status;
    for (size_t i = 0; i < pieces.size(); ++i)
      if (!pieceEncoder.encode(
              splitText.view().slice(pieces[i].begin,
                                     pieces[i].end - pieces[i].begin),
              ids))
        return failOutOfMemory(error);
    return ADZE_TEXT_OK;
  }

  const Tokenizer &tokenizer;
  PieceEncoder pieceEncoder;
  bool parseSpecial;
  Array<int32_t> &ids;
  adze_text_error *error;
  Array<uint8_t> normal, splitText;
  Array<Range> pieces;
};

} // namespace

adze_text_status encode(const Tokenizer &tokenizer, Bytes text, uint32_t flags,
                        Array<int32_t> &ids, adze_text_error *error) {
  uint32_t valid = findInvalidUtf8(text);
  if (valid != text.size)
    return fail(error, ADZE_TEXT_INVALID_UTF8, valid,
                "the text is not UTF-8: byte 0x%02X at offset %u", text[valid],
                valid);
  bool addSpecial = (flags & ADZE_TEXT_ADD_SPECIAL) != 0;
  if (addSpecial && !ids.append(tokenizer.table.prefixIds))
    return failOutOfMemory(error);
  Encoder encoder(tokenizer, (flags & ADZE_TEXT_PARSE_SPECIAL) != 0, ids,
                  error);
  adze_text_status status = encoder.encodeText(text);
  if (status != ADZE_TEXT_OK)
    return status;
  if (addSpecial && !ids.append(tokenizer.table.suffixIds))
    return failOutOfMemory(error);
  return ADZE_TEXT_OK;
}

} // namespace adze::text
