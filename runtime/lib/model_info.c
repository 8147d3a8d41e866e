/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * What a model tells about itself, and the check of its weights. */
#include <stdio.h>

#include "meta.h"
#include "model.h"
#include "xxh64.h"

typedef unsigned long long ull;

static adze_status give_bytes(adze_buf *value, const char *data,
                              size_t length) {
  if (value->size < sizeof *value)
    return adze_fail(ADZE_INVALID_ARGUMENT,
                     "set adze_buf.size to sizeof(adze_buf)",
                     "adze_buf has the size field %u", value->size);
  size_t part = length < value->capacity ? length : value->capacity;
  if (part)
    memcpy(value->data, data, part);
  if (part < value->capacity)
    value->data[part] = 0;
  value->length = length;
  if (length <= value->capacity)
    return ADZE_OK;
  return adze_fail(ADZE_BUFFER_TOO_SMALL, "call again with a larger buffer",
                   "the value has %llu bytes, the buffer %llu", (ull)length,
                   (ull)value->capacity);
}

static adze_status no_key(const adze_model *m, const char *key) {
  return adze_fail(ADZE_NOT_FOUND, "read the key \"meta\" to see them all",
                   "%s: the metadata has no key '%s'", m->name, key);
}

static bool find_meta(const adze_model *m, const char *key,
                      adze_meta_value *value) {
  const adze_rows *meta = &m->desc.table[ADZE_TABLE_META];
  return meta->present &&
         adze_meta_find((const char *)meta->data, meta->bytes, key, value);
}

static adze_status give_meta(const adze_model *m, const char *key,
                             adze_buf *out) {
  adze_meta_value value;
  if (!find_meta(m, key, &value))
    return no_key(m, key);
  bool is_string;
  char text[4096];
  size_t length = adze_meta_string(value, text, sizeof text, &is_string);
  if (is_string && length <= sizeof text)
    return give_bytes(out, text, length);
  return give_bytes(out, value.text, value.length);
}

static adze_status give_variants(const adze_model *m, adze_buf *out) {
  char text[4096];
  size_t at = 0;
  for (uint64_t i = 0;
       i < adze_desc_count(&m->desc, ADZE_TABLE_VARIANTS) && at < sizeof text;
       ++i)
    at += (size_t)snprintf(
        text + at, sizeof text - at, "%s%s", i ? "," : "",
        adze_desc_string(&m->desc, adze_desc_variant(&m->desc, i)->name));
  return give_bytes(out, text, at < sizeof text ? at : sizeof text - 1);
}

adze_status adze_model_info(const adze_model *m, const char *key,
                            adze_buf *value) {
  if (!m || !key || !value)
    return adze_fail(ADZE_INVALID_ARGUMENT, NULL,
                     "adze_model_info: an argument is null");
  char text[80];
  static const struct {
    const char *key;
    int tag;
  } whole[] = {{"meta", ADZE_TABLE_META},
               {"proof", ADZE_TABLE_PROOF},
               {"schedule", ADZE_TABLE_SCHEDULE}};
  for (size_t i = 0; i < sizeof whole / sizeof *whole; ++i) {
    if (strcmp(key, whole[i].key))
      continue;
    const adze_rows *table = &m->desc.table[whole[i].tag];
    size_t length = table->bytes;
    while (length && !table->data[length - 1])
      --length;
    return table->present ? give_bytes(value, (const char *)table->data, length)
                          : no_key(m, key);
  }
  if (!strcmp(key, "id")) {
    for (int i = 0; i < 32; ++i)
      snprintf(text + 2 * i, 3, "%02x", m->desc.head->hash[i]);
    return give_bytes(value, text, 64);
  }
  if (!strcmp(key, "variant")) {
    if (m->described_only)
      return no_key(m, key);
    const char *name = adze_desc_string(
        &m->desc, adze_desc_variant(&m->desc, m->variant)->name);
    return give_bytes(value, name, strlen(name));
  }
  if (!strcmp(key, "variants"))
    return give_variants(m, value);
  if (!strcmp(key, "weights_bytes")) {
    int length = snprintf(text, sizeof text, "%llu", (ull)m->weights_size);
    return give_bytes(value, text, (size_t)length);
  }
  if (!strcmp(key, "file"))
    return give_bytes(value, m->file_name, strlen(m->file_name));
  return give_meta(m, key, value);
}

adze_status adze_model_integers(const adze_model *m, const char *key,
                                int64_t *values, size_t capacity,
                                size_t *count) {
  if (!m || !key || !count || (capacity && !values))
    return adze_fail(ADZE_INVALID_ARGUMENT, NULL,
                     "adze_model_integers: an argument is null");
  adze_meta_value value;
  *count = 0;
  if (!find_meta(m, key, &value))
    return no_key(m, key);
  if (!adze_meta_integers(value, values, capacity, count))
    return adze_fail(ADZE_BAD_ARTEFACT, NULL,
                     "%s: metadata '%s' is not an integer or a list of them",
                     m->name, key);
  return ADZE_OK;
}

adze_status adze_model_integer(const adze_model *m, const char *key,
                               int64_t *value) {
  if (!m || !key || !value)
    return adze_fail(ADZE_INVALID_ARGUMENT, NULL,
                     "adze_model_integer: an argument is null");
  adze_meta_value text;
  if (!find_meta(m, key, &text))
    return no_key(m, key);
  if (!adze_meta_integer(text, value))
    return adze_fail(ADZE_BAD_ARTEFACT, NULL,
                     "%s: metadata '%s' is not an integer", m->name, key);
  return ADZE_OK;
}

adze_status adze_model_text_table(const adze_model *m, const void **data,
                                  size_t *bytes) {
  if (!m || !data || !bytes)
    return adze_fail(ADZE_INVALID_ARGUMENT, NULL,
                     "adze_model_text_table: an argument is null");
  const adze_rows *text = &m->desc.table[ADZE_TABLE_TEXT];
  *data = text->data;
  *bytes = text->bytes;
  if (text->bytes)
    return ADZE_OK;
  return adze_fail(
      ADZE_NOT_FOUND,
      "pass token ids, or compile again with the tokenizer's files "
      "in the model's directory",
      "%s: it was compiled without a tokenizer", m->name);
}

size_t adze_model_weight_count(const adze_model *m) {
  return m ? adze_desc_count(&m->desc, ADZE_TABLE_WEIGHTS) : 0;
}

adze_status adze_model_weight(const adze_model *m, size_t index,
                              adze_weight_info *out) {
  if (!m || !out || index >= adze_model_weight_count(m))
    return adze_fail(ADZE_INVALID_ARGUMENT, NULL,
                     "adze_model_weight: index %llu of %llu", (ull)index,
                     (ull)adze_model_weight_count(m));
  const adze_weight_row *w = adze_desc_weight(&m->desc, index);
  adze_weight_info info = {sizeof info,
                           w->layer,
                           adze_desc_string(&m->desc, w->name),
                           adze_desc_string(&m->desc, w->format),
                           adze_desc_string(&m->desc, w->source),
                           w->rows,
                           w->cols,
                           w->bytes,
                           m->weights ? m->weights + w->offset : NULL};
  adze_give_struct(out, &info, sizeof info);
  return ADZE_OK;
}

size_t adze_model_variant_count(const adze_model *m) {
  return m ? adze_desc_count(&m->desc, ADZE_TABLE_VARIANTS) : 0;
}

adze_status adze_model_variant(const adze_model *m, size_t index,
                               adze_variant_info *out) {
  if (!m || !out || index >= adze_model_variant_count(m))
    return adze_fail(ADZE_INVALID_ARGUMENT, NULL,
                     "adze_model_variant: index %llu of %llu", (ull)index,
                     (ull)adze_model_variant_count(m));
  const adze_variant *v = adze_desc_variant(&m->desc, index);
  adze_variant_info info = {sizeof info,
                            !m->described_only && m->variant == index,
                            {0, 0},
                            adze_desc_string(&m->desc, v->name),
                            adze_desc_string(&m->desc, v->triple)};
  adze_variant_missing(m, index, info.missing);
  adze_give_struct(out, &info, sizeof info);
  return ADZE_OK;
}

size_t adze_model_entry_count(const adze_model *m) {
  return m ? adze_desc_count(&m->desc, ADZE_TABLE_ENTRIES) : 0;
}

const char *adze_model_entry_name(const adze_model *m, size_t index) {
  if (index >= adze_model_entry_count(m))
    return NULL;
  return adze_desc_string(&m->desc, adze_desc_entry(&m->desc, index)->name);
}

adze_status adze_model_entry_arg(const adze_model *m, const char *entry,
                                 size_t index, adze_arg_info *out) {
  int64_t at = m && entry ? adze_desc_find_entry(&m->desc, entry) : -1;
  if (at < 0 || !out)
    return adze_fail(ADZE_NOT_FOUND, NULL, "%s: no entry is called '%s'",
                     m ? m->name : "(null)", entry ? entry : "(null)");
  const adze_entry *e = adze_desc_entry(&m->desc, (uint64_t)at);
  if (index >= e->n_args)
    return adze_fail(ADZE_INVALID_ARGUMENT, NULL,
                     "%s: entry %s has %u arguments, no number %llu", m->name,
                     entry, e->n_args, (ull)index);
  const adze_arg *arg = adze_desc_arg(&m->desc, e->args0 + index);
  adze_batch_args batch;
  adze_status status = adze_batch_find(m, e, &batch);
  if (status)
    return status;
  adze_arg_info info = {.size = sizeof info,
                        .is_batch = batch.count && index >= batch.first &&
                                    index < batch.first + batch.count,
                        .dtype = arg->dtype,
                        .rank = arg->rank,
                        .is_result = index >= e->n_args - e->n_results,
                        .name = adze_desc_string(&m->desc, arg->name)};
  for (uint32_t k = 0; k < arg->rank; ++k) {
    int64_t dim = *adze_desc_dim(&m->desc, (uint64_t)arg->dims0 + k);
    info.shape[k] = dim < 0 ? -1 : dim;
    if (dim < 0)
      info.symbol[k] = adze_desc_string(
          &m->desc, *adze_desc_symbol(&m->desc, e->symbols0 + (uint64_t)~dim));
  }
  adze_give_struct(out, &info, sizeof info);
  return ADZE_OK;
}

adze_status adze_model_verify(const adze_model *m) {
  if (!m || (!m->weights && adze_model_weight_count(m)))
    return adze_fail(ADZE_INVALID_ARGUMENT, "open the model with its weights",
                     "adze_model_verify: the model has no weights");
  uint64_t total = 0, done = 0;
  uint64_t count = adze_model_weight_count(m);
  for (uint64_t i = 0; i < count; ++i)
    total += adze_desc_weight(&m->desc, i)->bytes;
  for (uint64_t i = 0; i < count; ++i) {
    const adze_weight_row *w = adze_desc_weight(&m->desc, i);
    uint64_t hash = adze_xxh64(m->weights + w->offset, w->bytes, 0), want;
    memcpy(&want, w->hash, sizeof want);
    if (hash != want)
      return adze_fail(ADZE_BAD_ARTEFACT,
                       "the file is damaged: write it again with `adze "
                       "compile`",
                       "%s: weight %s has the hash %016llx, expected %016llx",
                       m->name, adze_desc_string(&m->desc, w->name), (ull)hash,
                       (ull)want);
    done += w->bytes;
    if (m->options.progress &&
        m->options.progress("verify", done, total, m->options.user))
      return adze_fail(ADZE_CANCELLED, NULL, "%s: verify was stopped", m->name);
  }
  return ADZE_OK;
}

size_t adze_dtype_size(uint32_t dtype) {
  switch (dtype) {
  case ADZE_I8:
  case ADZE_U8:
  case ADZE_BOOL:
    return 1;
  case ADZE_F16:
  case ADZE_BF16:
  case ADZE_I16:
    return 2;
  case ADZE_F32:
  case ADZE_I32:
    return 4;
  case ADZE_F64:
  case ADZE_I64:
    return 8;
  }
  return 0;
}

const char *adze_dtype_name(uint32_t dtype) {
  static const char *const names[] = {"unknown", "f32", "f16", "bf16",
                                      "f64",     "i8",  "i16", "i32",
                                      "i64",     "u8",  "bool"};
  return names[dtype < sizeof names / sizeof *names ? dtype : 0];
}
