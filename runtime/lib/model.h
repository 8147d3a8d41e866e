/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * A model: a checked descriptor, its loaded code, the variant in use and its
 * weights. Immutable after it was opened, but for its count of owners and the
 * default pool, which the first session makes. */
#ifndef ADZE_LIB_MODEL_H
#define ADZE_LIB_MODEL_H

#include <pthread.h>
#include <stdatomic.h>

#include "artefact.h"

struct adze_model {
  atomic_uint references;
  adze_memory_source memory;
  adze_open_options options; /* as taken; pool and allocator are not used */
  char *file_name;           /* path */
  char *name;                /* for messages; one block with file_name */
  size_t names_bytes;
  adze_bytes file, weight_file;
  adze_desc desc;
  void *handle; /* of dlopen; null: linked, or described only */
  const uint8_t
      *anchor; /* adze_model_desc as loaded: code refs count from it */
  const uint8_t *weights;
  uint64_t weights_size;
  bool described_only, foreign; /* foreign: for another processor family */
  bool opened;                  /* opening went well: on_release is owed */
  uint32_t variant;
  pthread_mutex_t lock; /* guards pool */
  adze_pool *pool;
};

/* Loads the code of a checked artefact (load.c). */
adze_status adze_model_load_code(adze_model *, const adze_source *,
                                 const adze_elf *);
/* Picks the variant (variant.c). */
adze_status adze_model_choose_variant(adze_model *, const char *forced);
void adze_variant_missing(const adze_model *, uint64_t index,
                          uint64_t missing[2]);

/* The arguments of an entry that stand for its !adze.batch (entry_batch.c):
 * positions, seqs, row_begin and pages, from `first` on. */
typedef struct adze_batch_args {
  uint32_t first, count; /* count: 4, or 0 where the entry has none */
  uint32_t t, s, s1, p;  /* symbols of the entry */
} adze_batch_args;
adze_status adze_batch_find(const adze_model *, const adze_entry *,
                            adze_batch_args *);

void adze_model_log(const adze_model *, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static inline adze_entry_fn adze_model_code(const adze_model *m,
                                            uint64_t entry) {
  const adze_entry_code *c = adze_desc_code(
      &m->desc,
      m->variant * adze_desc_count(&m->desc, ADZE_TABLE_ENTRIES) + entry);
  return (adze_entry_fn)(uintptr_t)((uintptr_t)m->anchor + (uintptr_t)c->code);
}
static inline const adze_affine *adze_model_arena(const adze_model *m,
                                                  uint64_t entry) {
  return &adze_desc_code(&m->desc,
                         m->variant *
                                 adze_desc_count(&m->desc, ADZE_TABLE_ENTRIES) +
                             entry)
              ->arena;
}

#endif
