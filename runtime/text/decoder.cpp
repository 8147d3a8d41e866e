// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Decoding: the text of a token, the decoder's replacements in it, the space
// that some vocabularies put before a text, and last the check that only
// well-formed UTF-8 comes out.

#include "decoder.h"

#include "unicode.h"

namespace adze::text {

bool appendTokenBytes(const Table &table, uint32_t id, bool first,
                      Array<uint8_t> &bytes) {
  Bytes text = table.token(id);
  if (table.tokenKinds[id] == ADZE_TT_BYTE) {
    auto value = static_cast<uint8_t>(byteTokenValue(text));
    return bytes.append(&value, 1);
  }
  if (table.tokenKinds[id] == ADZE_TT_UNKNOWN && !table.unknownText.empty())
    return bytes.append(table.unknownText);
  bool drop = first && table.has(ADZE_TT_DROP_IN_FIRST_TOKEN);
  for (uint32_t at = 0; at < text.size;) {
    const adze_tt_step *applies = nullptr;
    for (const adze_tt_step &step : table.decoderSteps)
      if (!applies &&
          startsWith(text.slice(at, text.size - at), table.string(step.a)))
        applies = &step;
    bool appended = applies ? drop || bytes.append(table.string(applies->b))
                            : bytes.append(&text[at], 1);
    if (!appended)
      return false;
    at += applies ? applies->a.length : 1;
  }
  return true;
}

void Decoder::reset() {
  partialSize = 0;
  bool continues = (flags & ADZE_TEXT_CONTINUATION) != 0;
  spacesToStrip = continues ? 0 : table.header().decode_strip;
  first = !continues;
}

adze_text_status Decoder::push(int32_t id, uint64_t index, Array<uint8_t> &text,
                               adze_text_error *error) {
  if (id < 0 || static_cast<uint32_t>(id) >= table.vocabularySize())
    return fail(error, ADZE_TEXT_TOKEN_OUT_OF_RANGE, index,
                "token id %d at index %llu is outside the vocabulary of %u", id,
                static_cast<unsigned long long>(index), table.vocabularySize());
  uint8_t kind = table.tokenKinds[id];
  bool special = kind == ADZE_TT_CONTROL ||
                 (kind == ADZE_TT_UNKNOWN && table.unknownText.empty());
  if (special && !(flags & ADZE_TEXT_KEEP_SPECIAL))
    return ADZE_TEXT_OK;
  // The space of what stands for an unknown token is no artefact.
  if (kind == ADZE_TT_UNKNOWN)
    spacesToStrip = 0;
  scratch.clear();
  if (!appendTokenBytes(table, static_cast<uint32_t>(id), first, scratch))
    return failOutOfMemory(error);
  first = false;
  Bytes bytes = scratch.view();
  uint32_t begin = 0;
  for (; spacesToStrip > 0 && begin < bytes.size; ++begin, --spacesToStrip)
    if (bytes[begin] != ' ') {
      spacesToStrip = 0;
      break;
    }
  return appendChecked(bytes.slice(begin, bytes.size - begin), text)
             ? ADZE_TEXT_OK
             : failOutOfMemory(error);
}

/// Replaces the first `number` bytes of `partial`.
bool Decoder::dropPartial(uint32_t number, Array<uint8_t> &text) {
  uint32_t marks = table.has(ADZE_TT_REPLACEMENT_PER_BYTE) ? number : 1;
  for (; marks > 0; --marks)
    if (!appendCharacter(text, kReplacementCharacter))
      return false;
  partialSize -= number;
  memmove(partial, partial + number, partialSize);
  return true;
}

bool Decoder::appendChecked(Bytes bytes, Array<uint8_t> &text) {
  for (uint8_t byte : bytes) {
    partial[partialSize++] = byte;
    // A byte that does not go on with a character ends it, and may begin one.
    while (partialSize > 0) {
      uint32_t prefix;
      bool truncated;
      uint32_t length =
          characterLength({partial, partialSize}, &prefix, &truncated);
      if (truncated)
        break;
      if (length > 0) {
        if (!text.append(partial, length))
          return false;
        partialSize = 0;
      } else if (!dropPartial(prefix > 0 ? prefix : 1, text)) {
        return false;
      }
    }
  }
  return true;
}

bool Decoder::finish(Array<uint8_t> &text) {
  return partialSize == 0 || dropPartial(partialSize, text);
}

} // namespace adze::text
