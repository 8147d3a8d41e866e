// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Stop strings over a stream of text: Knuth-Morris-Pratt for each string, so
// that the time is linear in the text, and what is held back is exactly the
// longest end of the text that begins a stop string.

#ifndef ADZE_RUNTIME_TEXT_STREAM_H
#define ADZE_RUNTIME_TEXT_STREAM_H

#include "decoder.h"

namespace adze::text {

class StopStrings {
public:
  [[nodiscard]] bool add(Bytes string);

  /// Goes on over `text` from byte `from`. Returns the index of the string
  /// that is complete first, with its begin in `*begin`; else -1, with the
  /// begin of the text to hold back in `*begin`. A match that is still open
  /// must begin within `text`.
  int32_t scan(Bytes text, size_t from, size_t *begin);
  void reset();

private:
  struct Entry {
    uint32_t offset, length; ///< in `bytes` and `fallbacks`
    uint32_t matched;        ///< how much of it the text ends with
  };
  Array<Entry> entries;
  Array<uint8_t> bytes;
  /// For each place in a string: the length of the longest proper prefix of
  /// it that ends there.
  Array<uint32_t> fallbacks;
};

} // namespace adze::text

struct adze_text_stream {
  adze_text_stream(const adze::text::Tokenizer &tokenizer, uint32_t flags)
      : decoder(tokenizer, flags) {}

  adze::text::Decoder decoder;
  adze::text::StopStrings stopStrings;
  adze::text::Array<uint8_t> held, output;
  uint64_t tokens = 0;
  int32_t stopped = -1;
};

#endif // ADZE_RUNTIME_TEXT_STREAM_H
