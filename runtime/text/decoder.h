// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From ids to text, token by token. Whole texts are decoded by the same code
// as streams, so that both give the same bytes.

#ifndef ADZE_RUNTIME_TEXT_DECODER_H
#define ADZE_RUNTIME_TEXT_DECODER_H

#include "tokenizer.h"

namespace adze::text {

/// Appends the bytes of one token after the decoder's replacements; `first`:
/// it is the first of a text.
[[nodiscard]] bool appendTokenBytes(const Table &table, uint32_t id, bool first,
                                    Array<uint8_t> &bytes);

class Decoder {
public:
  Decoder(const Tokenizer &tokenizer, uint32_t flags)
      : table(tokenizer.table), flags(flags) {
    reset();
  }

  /// Appends what token `id` completes: always whole UTF-8 characters.
  adze_text_status push(int32_t id, uint64_t index, Array<uint8_t> &text,
                        adze_text_error *error);
  /// Appends U+FFFD for an unfinished character.
  [[nodiscard]] bool finish(Array<uint8_t> &text);
  void reset();

private:
  [[nodiscard]] bool appendChecked(Bytes bytes, Array<uint8_t> &text);
  [[nodiscard]] bool dropPartial(uint32_t number, Array<uint8_t> &text);

  const Table &table;
  uint32_t flags;
  Array<uint8_t> scratch;
  uint8_t partial[4];
  uint32_t partialSize;
  uint32_t spacesToStrip;
  bool first;
};

} // namespace adze::text

#endif // ADZE_RUNTIME_TEXT_DECODER_H
