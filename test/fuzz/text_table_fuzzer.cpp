// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// libFuzzer entry: any bytes as a text table, then encoding, decoding and a
// stream over it. Seeds are tables that buildTextTable writes.

#include "adze/text.h"

#include <cstdlib>
#include <cstring>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  // A table is read in place and has to be aligned; the fuzzer's input is not.
  void *table = std::malloc(size + 1);
  if (!table)
    return 0;
  std::memcpy(table, data, size);
  adze_text *text = nullptr;
  if (adze_text_open(table, size, &text, nullptr) == ADZE_TEXT_OK) {
    static const char input[] =
        "Hello  world<|end|> \n\n e\xCC\x81\xC3\xA9 123 'll \xE2\x96\x81"
        "\xF0\x9F\x9A\x80 <s></s>[X]";
    for (uint32_t flags = 0; flags < 4; ++flags) {
      int32_t *ids = nullptr;
      size_t count = 0;
      adze_text_encode(text, input, sizeof input - 1, flags, &ids, &count,
                       nullptr);
      char *utf8 = nullptr;
      size_t length = 0;
      adze_text_decode(text, ids, count, flags, &utf8, &length, nullptr);
      adze_text_free(utf8);

      const char *stops[] = {"world", "l"};
      adze_text_stream *stream = nullptr;
      adze_text_chunk chunk;
      if (adze_text_stream_create(text, flags, stops, 2, &stream, nullptr) ==
          ADZE_TEXT_OK) {
        for (size_t i = 0; i < count; ++i)
          adze_text_stream_push(stream, ids[i], &chunk, nullptr);
        adze_text_stream_finish(stream, &chunk, nullptr);
      }
      adze_text_stream_destroy(stream);
      adze_text_free(ids);
    }
    adze_text_close(text);
  }
  std::free(table);
  return 0;
}
