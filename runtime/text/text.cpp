// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The C functions of adze/text.h, but for streams (stream.cpp).

#include "decoder.h"
#include "tokenizer.h"

#include <new>

using namespace adze::text;

adze_text_status adze_text_open(const void *table, size_t size,
                                adze_text **text, adze_text_error *error) {
  if (!table || !text)
    return fail(error, ADZE_TEXT_INVALID_ARGUMENT, 0,
                "adze_text_open: null pointer");
  *text = nullptr;
  void *memory = malloc(sizeof(adze_text));
  if (!memory)
    return failOutOfMemory(error);
  auto *opened = new (memory) adze_text;
  adze_text_status status = opened->tokenizer.open(table, size, error);
  if (status != ADZE_TEXT_OK) {
    adze_text_close(opened);
    return status;
  }
  *text = opened;
  return ADZE_TEXT_OK;
}

void adze_text_close(adze_text *text) {
  if (!text)
    return;
  text->~adze_text();
  free(text);
}

void adze_text_free(void *memory) { free(memory); }

adze_text_status adze_text_get_info(const adze_text *text,
                                    adze_text_info *info) {
  if (!text || !info || info->struct_size < sizeof info->struct_size)
    return ADZE_TEXT_INVALID_ARGUMENT;
  const Table &table = text->tokenizer.table;
  const adze_tt_header &header = table.header();
  adze_text_info filled = {};
  filled.struct_size = info->struct_size;
  filled.vocabulary_size = static_cast<int32_t>(header.vocabulary_size);
  filled.bos = header.bos;
  filled.eos = header.eos;
  filled.unk = header.unk;
  filled.pad = header.pad;
  filled.adds_bos = table.has(ADZE_TT_ADDS_BOS);
  filled.adds_eos = table.has(ADZE_TT_ADDS_EOS);
  filled.stop_tokens = table.stopIds.data;
  filled.stop_token_count = table.stopIds.size;
  filled.chat_template =
      reinterpret_cast<const char *>(table.chatTemplate.data);
  filled.chat_template_length = table.chatTemplate.size;
  memcpy(info, &filled,
         info->struct_size < sizeof filled ? info->struct_size : sizeof filled);
  return ADZE_TEXT_OK;
}

int adze_text_is_stop_token(const adze_text *text, int32_t id) {
  if (text)
    for (int32_t stop : text->tokenizer.table.stopIds)
      if (stop == id)
        return 1;
  return 0;
}

int adze_text_is_special_token(const adze_text *text, int32_t id) {
  if (!text || id < 0 ||
      static_cast<uint32_t>(id) >= text->tokenizer.table.vocabularySize())
    return 0;
  return text->tokenizer.table.tokenKinds[id] == ADZE_TT_CONTROL;
}

adze_text_status adze_text_encode(const adze_text *text, const char *utf8,
                                  size_t length, uint32_t flags, int32_t **ids,
                                  size_t *count, adze_text_error *error) {
  if (!text || (!utf8 && length > 0) || !ids || !count ||
      (flags & ~uint32_t(ADZE_TEXT_ADD_SPECIAL | ADZE_TEXT_PARSE_SPECIAL)))
    return fail(error, ADZE_TEXT_INVALID_ARGUMENT, 0,
                "adze_text_encode: null pointer or unknown flag");
  *ids = nullptr;
  *count = 0;
  if (length >= kLongestText)
    return fail(error, ADZE_TEXT_LIMIT_EXCEEDED, 0,
                "a text of %zu bytes; at most %u are encoded at once", length,
                kLongestText - 1);
  Array<int32_t> made;
  Bytes bytes = {reinterpret_cast<const uint8_t *>(utf8),
                 static_cast<uint32_t>(length)};
  adze_text_status status = encode(text->tokenizer, bytes, flags, made, error);
  if (status != ADZE_TEXT_OK)
    return status;
  *count = made.size();
  *ids = made.empty() ? nullptr : made.release();
  return ADZE_TEXT_OK;
}

adze_text_status adze_text_decode(const adze_text *text, const int32_t *ids,
                                  size_t count, uint32_t flags, char **utf8,
                                  size_t *length, adze_text_error *error) {
  if (!text || (!ids && count > 0) || !utf8 || !length ||
      (flags & ~uint32_t(ADZE_TEXT_KEEP_SPECIAL | ADZE_TEXT_CONTINUATION)))
    return fail(error, ADZE_TEXT_INVALID_ARGUMENT, 0,
                "adze_text_decode: null pointer or unknown flag");
  *utf8 = nullptr;
  *length = 0;
  Decoder decoder(text->tokenizer, flags);
  Array<uint8_t> made;
  for (size_t i = 0; i < count; ++i) {
    adze_text_status status = decoder.push(ids[i], i, made, error);
    if (status != ADZE_TEXT_OK)
      return status;
  }
  size_t size = 0;
  if (!decoder.finish(made) || (size = made.size(), !made.push(0)))
    return failOutOfMemory(error);
  *length = size;
  *utf8 = reinterpret_cast<char *>(made.release());
  return ADZE_TEXT_OK;
}

adze_text_status adze_text_token_bytes(const adze_text *text, int32_t id,
                                       char *buffer, size_t capacity,
                                       size_t *length, adze_text_error *error) {
  if (!text || !length || (!buffer && capacity > 0))
    return fail(error, ADZE_TEXT_INVALID_ARGUMENT, 0,
                "adze_text_token_bytes: null pointer");
  *length = 0;
  const Table &table = text->tokenizer.table;
  if (id < 0 || static_cast<uint32_t>(id) >= table.vocabularySize())
    return fail(error, ADZE_TEXT_TOKEN_OUT_OF_RANGE, 0,
                "token id %d is outside the vocabulary of %u", id,
                table.vocabularySize());
  Array<uint8_t> bytes;
  if (!appendTokenBytes(table, static_cast<uint32_t>(id), false, bytes))
    return failOutOfMemory(error);
  *length = bytes.size();
  if (bytes.size() > capacity)
    return fail(error, ADZE_TEXT_BUFFER_TOO_SMALL, 0,
                "token %d has %zu bytes, the buffer %zu", id, bytes.size(),
                capacity);
  if (!bytes.empty())
    memcpy(buffer, bytes.data(), bytes.size());
  return ADZE_TEXT_OK;
}
