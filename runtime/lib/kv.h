/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * KV memory: one pool of pages per session, and sequences as lists of pages.
 * Page p covers 64 positions in every state of the model. A page may belong to
 * several sequences (forks, the snapshot of a call that may be cancelled); it
 * is copied before one of them writes to it, and zeroed before it is used
 * again. Nothing here allocates after adze_kv_init. */
#ifndef ADZE_LIB_KV_H
#define ADZE_LIB_KV_H

#include "descriptor.h"

typedef struct adze_kv {
  uint32_t n_states;
  uint8_t *base[ADZE_MAX_STATES];
  uint64_t page_bytes[ADZE_MAX_STATES];
  uint32_t pages, n_free;
  uint32_t *free_pages; /* a stack */
  uint32_t *owners;     /* per page */
  uint8_t *dirty;       /* per page: does not read as zero */
} adze_kv;

typedef struct adze_sequence {
  uint32_t length; /* positions that are valid */
  uint32_t n_pages;
  int32_t *pages;  /* [pages of a full context] */
  int32_t *tokens; /* [context] */
} adze_sequence;

adze_status adze_kv_init(adze_kv *, const adze_memory_source *,
                         const adze_desc *, uint32_t pages);
void adze_kv_destroy(adze_kv *, const adze_memory_source *);

/* New pages to take before positions up to `length` can be written. */
uint32_t adze_kv_pages_needed(const adze_sequence *, uint32_t length);
/* The page that has to be copied for that because others hold it too, or -1.
 * Whoever is left as its only owner needs no copy. */
int32_t adze_kv_page_to_copy(const adze_kv *, const adze_sequence *,
                             uint32_t length);
/* Takes them; there must be as many free. `sequence->length` stays. */
void adze_kv_reserve(adze_kv *, adze_sequence *, uint32_t length);
/* Keeps the first `length` positions and the pages they need. */
void adze_kv_truncate(adze_kv *, adze_sequence *, uint32_t length);
/* `to` becomes a copy of `from`, sharing its pages. */
void adze_kv_share(adze_kv *, const adze_sequence *from, adze_sequence *to);

static inline uint32_t adze_kv_pages_of(uint32_t positions) {
  return positions / ADZE_KV_PAGE_POSITIONS +
         (positions % ADZE_KV_PAGE_POSITIONS != 0);
}

#endif
