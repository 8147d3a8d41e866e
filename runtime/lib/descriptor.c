/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Every count and offset below comes from a file and is compared with what is
 * there before it is used. Order: tables are found first, then each row is
 * checked against the tables it refers to. */
#include "descriptor.h"

#include "meta.h"

static const char *const recompile =
    "the file is damaged or was written by a defective compiler: write it "
    "again with `adze compile`";
#define BAD(...) adze_fail(ADZE_BAD_ARTEFACT, recompile, __VA_ARGS__)
typedef unsigned long long ull;

static const struct {
  const char *name;
  uint32_t row; /* 0: bytes without rows */
} known[ADZE_TABLE_KNOWN] = {
    [ADZE_TABLE_STRINGS] = {"STRINGS", 0},
    [ADZE_TABLE_VARIANTS] = {"VARIANTS", sizeof(adze_variant)},
    [ADZE_TABLE_ENTRIES] = {"ENTRIES", sizeof(adze_entry)},
    [ADZE_TABLE_ARGS] = {"ARGS", sizeof(adze_arg)},
    [ADZE_TABLE_DIMS] = {"DIMS", sizeof(int64_t)},
    [ADZE_TABLE_SYMBOLS] = {"SYMBOLS", sizeof(uint32_t)},
    [ADZE_TABLE_STATES] = {"STATES", sizeof(adze_state)},
    [ADZE_TABLE_CODE] = {"CODE", sizeof(adze_entry_code)},
    [ADZE_TABLE_WEIGHTS] = {"WEIGHTS", sizeof(adze_weight_row)},
    [ADZE_TABLE_TEXT] = {"TEXT", 0},
    [ADZE_TABLE_META] = {"META", 0},
    [ADZE_TABLE_PROOF] = {"PROOF", 0},
    [ADZE_TABLE_SCHEDULE] = {"SCHEDULE", 0}};

adze_status adze_desc_check_head(const adze_model_desc *head, uint64_t room,
                                 const char *name) {
  if (memcmp(head->magic, ADZE_ABI_MAGIC, sizeof head->magic))
    return BAD("%s: the descriptor does not begin with the magic \"%s\"", name,
               ADZE_ABI_MAGIC);
  if (head->abi_major != ADZE_ABI_MAJOR)
    return adze_fail(ADZE_ABI_MISMATCH,
                     head->abi_major > ADZE_ABI_MAJOR
                         ? "use a newer runtime, or compile the model again "
                           "with the compiler of this runtime's version"
                         : "compile the model again with the compiler of this "
                           "runtime's version",
                     "%s: field abi_major: the artefact has ABI %u.%u, this "
                     "runtime (" ADZE_RUNTIME_VERSION ") reads ABI %u.x",
                     name, head->abi_major, head->abi_minor, ADZE_ABI_MAJOR);
  if (head->size < sizeof *head || head->size > room)
    return BAD("%s: the descriptor says it has %llu bytes; there is room for "
               "%llu and it needs at least %u",
               name, (ull)head->size, (ull)room, (unsigned)sizeof *head);
  return ADZE_OK;
}

static adze_status take_table(const char *name, const adze_table *table,
                              const uint8_t *payload, adze_desc *desc) {
  uint32_t tag = table->tag;
  if (tag == 0 || tag >= ADZE_TABLE_KNOWN) {
    if (table->flags & ADZE_TABLE_MUST_UNDERSTAND)
      return adze_fail(ADZE_ABI_MISMATCH, "use a newer runtime",
                       "%s: table %u must be understood to run this model, and "
                       "this runtime (" ADZE_RUNTIME_VERSION ") does not know "
                       "it",
                       name, tag);
    return ADZE_OK;
  }
  adze_rows *rows = &desc->table[tag];
  if (rows->present)
    return BAD("%s: table %s is there twice", name, known[tag].name);
  rows->present = true;
  rows->data = payload;
  rows->bytes = table->bytes;
  if (known[tag].row) {
    uint32_t stride = table->flags >> ADZE_TABLE_ROW_SHIFT;
    rows->stride = stride ? stride : known[tag].row;
    uint32_t alignment = known[tag].row % 8 ? 4 : 8;
    if (rows->stride < known[tag].row || rows->stride % alignment ||
        rows->bytes % rows->stride)
      return BAD("%s: table %s has %llu bytes in rows of %u; expected whole "
                 "rows of at least %u",
                 name, known[tag].name, (ull)rows->bytes, rows->stride,
                 known[tag].row);
    rows->count = rows->bytes / rows->stride;
  }
  return ADZE_OK;
}

static adze_status find_tables(const adze_model_desc *head, const char *name,
                               adze_desc *desc) {
  const uint8_t *base = (const uint8_t *)head;
  uint64_t at = sizeof *head;
  while (at < head->size) {
    adze_table table;
    if (head->size - at < sizeof table)
      return BAD("%s: %llu bytes after the last table; expected a table header "
                 "of %u",
                 name, (ull)(head->size - at), (unsigned)sizeof table);
    memcpy(&table, base + at, sizeof table);
    at += sizeof table;
    if (table.bytes > head->size - at)
      return BAD("%s: table %u at offset %llu has %llu bytes; %llu are left",
                 name, table.tag, (ull)(at - sizeof table), (ull)table.bytes,
                 (ull)(head->size - at));
    adze_status status = take_table(name, &table, base + at, desc);
    if (status)
      return status;
    at += table.bytes;
    uint64_t pad = (8 - at % 8) % 8;
    at += pad < head->size - at ? pad : head->size - at;
  }
  static const int needed[] = {ADZE_TABLE_STRINGS, ADZE_TABLE_VARIANTS,
                               ADZE_TABLE_ENTRIES, ADZE_TABLE_CODE};
  for (unsigned i = 0; i < sizeof needed / sizeof *needed; ++i)
    if (!desc->table[needed[i]].bytes)
      return BAD("%s: table %s is missing or empty", name,
                 known[needed[i]].name);
  const adze_rows *strings = &desc->table[ADZE_TABLE_STRINGS];
  if (strings->data[strings->bytes - 1])
    return BAD("%s: table STRINGS does not end with a NUL", name);
  return ADZE_OK;
}

static bool good_string(const adze_desc *d, uint32_t at) {
  return at < d->table[ADZE_TABLE_STRINGS].bytes;
}

static adze_status check_arg(const adze_desc *d, const char *name,
                             const adze_entry *entry, uint32_t index) {
  const char *entry_name = adze_desc_string(d, entry->name);
  const adze_arg *arg = adze_desc_arg(d, (uint64_t)entry->args0 + index);
  if (!good_string(d, arg->name))
    return BAD("%s: entry %s: the name of argument %u lies outside STRINGS",
               name, entry_name, index);
  const char *arg_name = adze_desc_string(d, arg->name);
  if (!adze_dtype_size(arg->dtype))
    return BAD("%s: entry %s: argument %s has the unknown dtype %u", name,
               entry_name, arg_name, arg->dtype);
  if (arg->space != ADZE_SPACE_HOST)
    return adze_fail(ADZE_UNSUPPORTED, "use a runtime with that device",
                     "%s: entry %s: argument %s lies in memory space %u; this "
                     "runtime has host memory only",
                     name, entry_name, arg_name, arg->space);
  if (arg->rank > ADZE_MAX_RANK ||
      !adze_in_range(arg->dims0, arg->rank,
                     adze_desc_count(d, ADZE_TABLE_DIMS)))
    return BAD("%s: entry %s: argument %s has rank %u at dimension %u; at most "
               "%u are possible and DIMS has %llu",
               name, entry_name, arg_name, arg->rank, arg->dims0, ADZE_MAX_RANK,
               (ull)adze_desc_count(d, ADZE_TABLE_DIMS));
  uint64_t constant = adze_dtype_size(arg->dtype);
  for (uint32_t k = 0; k < arg->rank; ++k) {
    int64_t dim = *adze_desc_dim(d, (uint64_t)arg->dims0 + k);
    if (dim < 0 ? (uint64_t)~dim >= entry->n_symbols
                : adze_mul_overflows(constant, dim ? (uint64_t)dim : 1,
                                     &constant) ||
                      constant > (uint64_t)1 << 47)
      return BAD("%s: entry %s: dimension %u of argument %s is %lld; the entry "
                 "has %u symbols",
                 name, entry_name, k, arg_name, (long long)dim,
                 entry->n_symbols);
  }
  return ADZE_OK;
}

static adze_status check_entry(const adze_desc *d, const char *name,
                               uint64_t index) {
  const adze_entry *e = adze_desc_entry(d, index);
  if (!good_string(d, e->name))
    return BAD("%s: the name of entry %llu lies outside STRINGS", name,
               (ull)index);
  const char *entry_name = adze_desc_string(d, e->name);
  for (uint64_t i = 0; i < index; ++i)
    if (!strcmp(adze_desc_string(d, adze_desc_entry(d, i)->name), entry_name))
      return BAD("%s: two entries are called %s", name, entry_name);
  if (e->kind != ADZE_ENTRY_CPU_SPMD)
    return adze_fail(ADZE_UNSUPPORTED, "use a newer runtime",
                     "%s: entry %s has kind %u; this runtime runs kind %u "
                     "(cpu_spmd)",
                     name, entry_name, e->kind, ADZE_ENTRY_CPU_SPMD);
  if (!adze_in_range(e->args0, e->n_args,
                     adze_desc_count(d, ADZE_TABLE_ARGS)) ||
      e->n_args > 256 || e->n_results > e->n_args)
    return BAD("%s: entry %s: %u arguments at %u, %u of them results; ARGS has "
               "%llu",
               name, entry_name, e->n_args, e->args0, e->n_results,
               (ull)adze_desc_count(d, ADZE_TABLE_ARGS));
  if (!adze_in_range(e->states0, e->n_states,
                     adze_desc_count(d, ADZE_TABLE_STATES)) ||
      e->n_states > ADZE_MAX_STATES)
    return BAD("%s: entry %s: %u states at %u; STATES has %llu", name,
               entry_name, e->n_states, e->states0,
               (ull)adze_desc_count(d, ADZE_TABLE_STATES));
  if (!adze_in_range(e->symbols0, e->n_symbols,
                     adze_desc_count(d, ADZE_TABLE_SYMBOLS)) ||
      e->n_symbols > ADZE_MAX_SYMBOLS)
    return BAD("%s: entry %s: %u symbols at %u; SYMBOLS has %llu and %u are "
               "possible",
               name, entry_name, e->n_symbols, e->symbols0,
               (ull)adze_desc_count(d, ADZE_TABLE_SYMBOLS), ADZE_MAX_SYMBOLS);
  for (uint32_t i = 0; i < e->n_symbols; ++i)
    if (!good_string(d, *adze_desc_symbol(d, (uint64_t)e->symbols0 + i)))
      return BAD("%s: entry %s: the name of symbol %u lies outside STRINGS",
                 name, entry_name, i);
  for (uint32_t i = 0; i < e->n_args; ++i) {
    adze_status status = check_arg(d, name, e, i);
    if (status)
      return status;
  }
  return ADZE_OK;
}

static adze_status check_variants(const adze_desc *d, const char *name) {
  for (uint64_t i = 0; i < adze_desc_count(d, ADZE_TABLE_VARIANTS); ++i) {
    const adze_variant *v = adze_desc_variant(d, i);
    if (!good_string(d, v->name) || !good_string(d, v->triple))
      return BAD("%s: a string of variant %llu lies outside STRINGS", name,
                 (ull)i);
  }
  return ADZE_OK;
}

static adze_status check_states(const adze_desc *d, const char *name) {
  for (uint64_t i = 0; i < adze_desc_count(d, ADZE_TABLE_STATES); ++i) {
    const adze_state *s = adze_desc_state(d, i);
    if (!good_string(d, s->name))
      return BAD("%s: the name of state %llu lies outside STRINGS", name,
                 (ull)i);
    if (s->kind != ADZE_STATE_KV_PAGES)
      return adze_fail(ADZE_UNSUPPORTED, "use a newer runtime",
                       "%s: state %s has kind %u; this runtime knows kind %u "
                       "(KV pages)",
                       name, adze_desc_string(d, s->name), s->kind,
                       ADZE_STATE_KV_PAGES);
    if (!adze_dtype_size(s->dtype) || !s->page_bytes || s->page_bytes % 64 ||
        s->page_bytes > (uint64_t)1 << 32)
      return BAD("%s: state %s: dtype %u, %llu bytes per page; expected a "
                 "known dtype and a multiple of 64",
                 name, adze_desc_string(d, s->name), s->dtype,
                 (ull)s->page_bytes);
  }
  return ADZE_OK;
}

static adze_status check_code(const adze_desc *d,
                              const adze_desc_limits *limits) {
  const char *name = limits->name;
  uint64_t entries = adze_desc_count(d, ADZE_TABLE_ENTRIES);
  uint64_t count = adze_desc_count(d, ADZE_TABLE_CODE);
  if (count != adze_desc_count(d, ADZE_TABLE_VARIANTS) * entries)
    return BAD("%s: CODE has %llu rows; expected %llu variants times %llu "
               "entries",
               name, (ull)count, (ull)adze_desc_count(d, ADZE_TABLE_VARIANTS),
               (ull)entries);
  for (uint64_t i = 0; i < count; ++i) {
    const adze_entry_code *c = adze_desc_code(d, i);
    bool good = !limits->elf;
    if (limits->elf) {
      uint64_t address = limits->elf->desc_address + (uint64_t)c->code;
      for (uint32_t k = 0; k < limits->elf->n_code; ++k)
        good |=
            address >= limits->elf->code[k].begin &&
            address - limits->elf->code[k].begin < limits->elf->code[k].size;
    }
    if (!good)
      return BAD("%s: the code of entry %llu in variant %llu lies outside the "
                 "executable segments",
                 name, (ull)(i % entries), (ull)(i / entries));
  }
  return ADZE_OK;
}

static adze_status check_weights(const adze_desc *d, const char *name) {
  uint64_t limit = d->head->weights_bytes;
  for (uint64_t i = 0; i < adze_desc_count(d, ADZE_TABLE_WEIGHTS); ++i) {
    const adze_weight_row *w = adze_desc_weight(d, i);
    if (!good_string(d, w->name) || !good_string(d, w->format) ||
        !good_string(d, w->source))
      return BAD("%s: a string of weight %llu lies outside STRINGS", name,
                 (ull)i);
    if (w->offset % ADZE_TENSOR_ALIGN ||
        !adze_in_range(w->offset, w->bytes, limit ? limit : UINT64_MAX >> 1))
      return BAD(
          "%s: weight %s: %llu bytes at offset %llu; expected a multiple "
          "of %u within the %llu bytes of weights",
          name, adze_desc_string(d, w->name), (ull)w->bytes, (ull)w->offset,
          ADZE_TENSOR_ALIGN, (ull)limit);
  }
  return ADZE_OK;
}

adze_status adze_desc_check(const adze_model_desc *head,
                            const adze_desc_limits *limits, adze_desc *desc) {
  memset(desc, 0, sizeof *desc);
  desc->head = head;
  adze_status status = find_tables(head, limits->name, desc);
  if (status)
    return status;
  if (adze_desc_count(desc, ADZE_TABLE_ENTRIES) > 4096 ||
      adze_desc_count(desc, ADZE_TABLE_VARIANTS) > 256 ||
      adze_desc_count(desc, ADZE_TABLE_STATES) > ADZE_MAX_STATES)
    return BAD("%s: %llu entries, %llu variants and %llu states; at most 4096, "
               "256 and %u are possible",
               limits->name, (ull)adze_desc_count(desc, ADZE_TABLE_ENTRIES),
               (ull)adze_desc_count(desc, ADZE_TABLE_VARIANTS),
               (ull)adze_desc_count(desc, ADZE_TABLE_STATES), ADZE_MAX_STATES);
  status = check_variants(desc, limits->name);
  if (!status)
    status = check_states(desc, limits->name);
  for (uint64_t i = 0; !status && i < adze_desc_count(desc, ADZE_TABLE_ENTRIES);
       ++i)
    status = check_entry(desc, limits->name, i);
  if (!status)
    status = check_code(desc, limits);
  if (!status)
    status = check_weights(desc, limits->name);
  const adze_rows *meta = &desc->table[ADZE_TABLE_META];
  if (!status && meta->present &&
      !adze_meta_valid((const char *)meta->data, meta->bytes))
    status = BAD("%s: table META is not a JSON object", limits->name);
  return status;
}

int64_t adze_desc_find_entry(const adze_desc *d, const char *name) {
  for (uint64_t i = 0; i < adze_desc_count(d, ADZE_TABLE_ENTRIES); ++i)
    if (!strcmp(adze_desc_string(d, adze_desc_entry(d, i)->name), name))
      return (int64_t)i;
  return -1;
}

uint64_t adze_desc_weights_extent(const adze_desc *d) {
  uint64_t extent = 0;
  for (uint64_t i = 0; i < adze_desc_count(d, ADZE_TABLE_WEIGHTS); ++i) {
    const adze_weight_row *w = adze_desc_weight(d, i);
    if (w->offset + w->bytes > extent)
      extent = w->offset + w->bytes;
  }
  return extent;
}

bool adze_affine_value(const adze_affine *formula, const int64_t *symbols,
                       uint32_t n_symbols, uint32_t threads, uint64_t *bytes) {
  int64_t sum = formula->constant, term;
  if (__builtin_mul_overflow(formula->per_thread, (int64_t)threads, &term) ||
      __builtin_add_overflow(sum, term, &sum))
    return false;
  for (uint32_t i = 0; i < n_symbols && i < 8; ++i)
    if (__builtin_mul_overflow(formula->per_symbol[i], symbols[i], &term) ||
        __builtin_add_overflow(sum, term, &sum))
      return false;
  *bytes = (uint64_t)sum;
  return sum >= 0 && sum <= (int64_t)1 << 46;
}
