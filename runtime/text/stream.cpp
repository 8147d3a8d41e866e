// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Streams: the decoder, then the stop strings, then what may be given out.

#include "stream.h"

#include "unicode.h"

#include <new>

namespace adze::text {

bool StopStrings::add(Bytes string) {
  auto offset = static_cast<uint32_t>(bytes.size());
  if (!bytes.append(string) || !fallbacks.resize(bytes.size()) ||
      !entries.push({offset, string.size, 0}))
    return false;
  uint32_t *fallback = fallbacks.data() + offset;
  for (uint32_t i = 1, matched = 0; i < string.size; ++i) {
    while (matched > 0 && string[i] != string[matched])
      matched = fallback[matched - 1];
    matched += string[i] == string[matched];
    fallback[i] = matched;
  }
  return true;
}

int32_t StopStrings::scan(Bytes text, size_t from, size_t *begin) {
  for (size_t at = from; at < text.size; ++at) {
    int32_t found = -1;
    for (size_t i = 0; i < entries.size(); ++i) {
      Entry &entry = entries[i];
      const uint8_t *string = bytes.data() + entry.offset;
      const uint32_t *fallback = fallbacks.data() + entry.offset;
      uint8_t byte = text[static_cast<uint32_t>(at)];
      while (entry.matched > 0 && byte != string[entry.matched])
        entry.matched = fallback[entry.matched - 1];
      entry.matched += byte == string[entry.matched];
      if (entry.matched < entry.length)
        continue;
      if (found < 0 || entry.length > entries[found].length)
        found = static_cast<int32_t>(i);
      entry.matched = fallback[entry.length - 1];
    }
    if (found >= 0) {
      *begin = at + 1 - entries[found].length;
      return found;
    }
  }
  size_t open = 0;
  for (size_t i = 0; i < entries.size(); ++i)
    open = entries[i].matched > open ? entries[i].matched : open;
  *begin = text.size - open;
  return -1;
}

void StopStrings::reset() {
  for (size_t i = 0; i < entries.size(); ++i)
    entries[i].matched = 0;
}

namespace {

/// Moves the first `number` held bytes to the output and describes them.
adze_text_status give(adze_text_stream &stream, size_t number,
                      adze_text_chunk *chunk, adze_text_error *error) {
  stream.output.clear();
  uint8_t zero = 0;
  if (!stream.output.append(stream.held.data(), number) ||
      !stream.output.push(zero))
    return failOutOfMemory(error);
  size_t rest = stream.held.size() - number;
  if (rest > 0)
    memmove(stream.held.data(), stream.held.data() + number, rest);
  stream.held.shrink(rest);
  chunk->utf8 = reinterpret_cast<const char *>(stream.output.data());
  chunk->length = number;
  chunk->stop_string = stream.stopped;
  return ADZE_TEXT_OK;
}

/// Looks for stop strings in what was held from byte `from` on.
adze_text_status release(adze_text_stream &stream, size_t from, bool last,
                         adze_text_chunk *chunk, adze_text_error *error) {
  size_t end;
  stream.stopped = stream.stopStrings.scan(stream.held.view(), from, &end);
  if (stream.stopped >= 0)
    stream.held.shrink(end);
  else if (last)
    end = stream.held.size();
  return give(stream, end, chunk, error);
}

} // namespace

} // namespace adze::text

using namespace adze::text;

adze_text_status adze_text_stream_create(const adze_text *text, uint32_t flags,
                                         const char *const *stop_strings,
                                         size_t stop_count,
                                         adze_text_stream **stream,
                                         adze_text_error *error) {
  if (!text || !stream || (stop_count > 0 && !stop_strings) ||
      (flags & ~uint32_t(ADZE_TEXT_KEEP_SPECIAL | ADZE_TEXT_CONTINUATION)))
    return fail(error, ADZE_TEXT_INVALID_ARGUMENT, 0,
                "adze_text_stream_create: null pointer or unknown flag");
  *stream = nullptr;
  void *memory = malloc(sizeof(adze_text_stream));
  if (!memory)
    return failOutOfMemory(error);
  auto *made = new (memory) adze_text_stream(text->tokenizer, flags);
  for (size_t i = 0; i < stop_count; ++i) {
    size_t length = stop_strings[i] ? strlen(stop_strings[i]) : 0;
    Bytes string = {reinterpret_cast<const uint8_t *>(stop_strings[i]),
                    static_cast<uint32_t>(length)};
    adze_text_status status = ADZE_TEXT_OK;
    if (length == 0 || length > kLongestText)
      status = fail(error, ADZE_TEXT_INVALID_ARGUMENT, i,
                    "stop string %zu is empty or too long", i);
    else if (findInvalidUtf8(string) != string.size)
      status = fail(error, ADZE_TEXT_INVALID_UTF8, findInvalidUtf8(string),
                    "stop string %zu is not UTF-8", i);
    else if (!made->stopStrings.add(string))
      status = failOutOfMemory(error);
    if (status != ADZE_TEXT_OK) {
      adze_text_stream_destroy(made);
      return status;
    }
  }
  *stream = made;
  return ADZE_TEXT_OK;
}

adze_text_status adze_text_stream_push(adze_text_stream *stream, int32_t id,
                                       adze_text_chunk *chunk,
                                       adze_text_error *error) {
  if (!stream || !chunk)
    return fail(error, ADZE_TEXT_INVALID_ARGUMENT, 0,
                "adze_text_stream_push: null pointer");
  if (stream->stopped >= 0)
    return give(*stream, 0, chunk, error);
  size_t from = stream->held.size();
  adze_text_status status =
      stream->decoder.push(id, stream->tokens, stream->held, error);
  if (status != ADZE_TEXT_OK)
    return status;
  ++stream->tokens;
  return release(*stream, from, false, chunk, error);
}

adze_text_status adze_text_stream_finish(adze_text_stream *stream,
                                         adze_text_chunk *chunk,
                                         adze_text_error *error) {
  if (!stream || !chunk)
    return fail(error, ADZE_TEXT_INVALID_ARGUMENT, 0,
                "adze_text_stream_finish: null pointer");
  if (stream->stopped >= 0)
    return give(*stream, 0, chunk, error);
  size_t from = stream->held.size();
  if (!stream->decoder.finish(stream->held))
    return failOutOfMemory(error);
  return release(*stream, from, true, chunk, error);
}

void adze_text_stream_reset(adze_text_stream *stream) {
  if (!stream)
    return;
  stream->decoder.reset();
  stream->stopStrings.reset();
  stream->held.clear();
  stream->tokens = 0;
  stream->stopped = -1;
}

void adze_text_stream_destroy(adze_text_stream *stream) {
  if (!stream)
    return;
  stream->~adze_text_stream();
  free(stream);
}
