/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The descriptor of a model, checked once and then read through accessors.
 * After adze_desc_check every cross reference in it is in range. */
#ifndef ADZE_LIB_DESCRIPTOR_H
#define ADZE_LIB_DESCRIPTOR_H

#include "elf_reader.h"

/* A table of rows. Rows of a newer compiler may be longer than ours. */
typedef struct adze_rows {
  const uint8_t *data;
  uint64_t bytes, count;
  uint32_t stride;
  bool present;
} adze_rows;

#define ADZE_TABLE_KNOWN 14 /* tags below this */
#define ADZE_MAX_STATES 16u

typedef struct adze_desc {
  const adze_model_desc *head;
  adze_rows table[ADZE_TABLE_KNOWN];
} adze_desc;

/* Bounds of what is outside the descriptor. `elf` null: linked in, so code
 * references are the linker's and trusted. */
typedef struct adze_desc_limits {
  const adze_elf *elf;
  const char *name;
} adze_desc_limits;

/* Checks magic, version and size only (before the file's hash is). */
adze_status adze_desc_check_head(const adze_model_desc *head, uint64_t room,
                                 const char *name);
adze_status adze_desc_check(const adze_model_desc *head,
                            const adze_desc_limits *limits, adze_desc *desc);

#define ADZE_ROW(function, type, tag)                                          \
  static inline const type *function(const adze_desc *d, uint64_t i) {         \
    return (const type *)(const void *)(d->table[tag].data +                   \
                                        i * d->table[tag].stride);             \
  }
ADZE_ROW(adze_desc_variant, adze_variant, ADZE_TABLE_VARIANTS)
ADZE_ROW(adze_desc_entry, adze_entry, ADZE_TABLE_ENTRIES)
ADZE_ROW(adze_desc_arg, adze_arg, ADZE_TABLE_ARGS)
ADZE_ROW(adze_desc_dim, int64_t, ADZE_TABLE_DIMS)
ADZE_ROW(adze_desc_symbol, uint32_t, ADZE_TABLE_SYMBOLS)
ADZE_ROW(adze_desc_state, adze_state, ADZE_TABLE_STATES)
ADZE_ROW(adze_desc_code, adze_entry_code, ADZE_TABLE_CODE)
ADZE_ROW(adze_desc_weight, adze_weight_row, ADZE_TABLE_WEIGHTS)

static inline const char *adze_desc_string(const adze_desc *d, uint32_t at) {
  return (const char *)d->table[ADZE_TABLE_STRINGS].data + at;
}
static inline uint64_t adze_desc_count(const adze_desc *d, int tag) {
  return d->table[tag].count;
}

/* Index of the entry, or -1. */
int64_t adze_desc_find_entry(const adze_desc *, const char *name);
/* Largest offset + bytes over all weights. */
uint64_t adze_desc_weights_extent(const adze_desc *);
/* The value of an arena formula; false: negative, overflowing or absurd. */
bool adze_affine_value(const adze_affine *, const int64_t *symbols,
                       uint32_t n_symbols, uint32_t threads, uint64_t *bytes);

#endif
