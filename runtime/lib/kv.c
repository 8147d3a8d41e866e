/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "kv.h"

adze_status adze_kv_init(adze_kv *kv, const adze_memory_source *memory,
                         const adze_desc *desc, uint32_t pages) {
  memset(kv, 0, sizeof *kv);
  kv->pages = pages;
  kv->free_pages = adze_alloc(memory, (size_t)pages * sizeof(uint32_t));
  kv->owners = adze_alloc(memory, (size_t)pages * sizeof(uint32_t));
  kv->dirty = adze_alloc(memory, pages);
  if (!kv->free_pages || !kv->owners || !kv->dirty) {
    adze_kv_destroy(kv, memory);
    return adze_out_of_memory("the list of KV pages", (uint64_t)pages * 9);
  }
  uint64_t states = adze_desc_count(desc, ADZE_TABLE_STATES);
  for (uint64_t i = 0; i < states; ++i) {
    uint64_t page_bytes = adze_desc_state(desc, i)->page_bytes, bytes;
    bool zeroed = true;
    if (!adze_mul_overflows(page_bytes, pages, &bytes) && bytes < (uint64_t)1
                                                                      << 46)
      kv->base[i] = adze_alloc_large(memory, bytes, &zeroed);
    if (!kv->base[i]) {
      adze_kv_destroy(kv, memory);
      return adze_out_of_memory("the KV cache", page_bytes * pages);
    }
    kv->page_bytes[i] = page_bytes;
    kv->n_states = (uint32_t)i + 1;
    if (!zeroed)
      memset(kv->dirty, 1, pages);
  }
  for (uint32_t i = 0; i < pages; ++i) /* page 0 is taken first */
    kv->free_pages[i] = pages - 1 - i;
  kv->n_free = pages;
  return ADZE_OK;
}

void adze_kv_destroy(adze_kv *kv, const adze_memory_source *memory) {
  for (uint32_t i = 0; i < kv->n_states; ++i)
    adze_free_large(memory, kv->base[i], kv->page_bytes[i] * kv->pages);
  adze_free(memory, kv->free_pages, (size_t)kv->pages * sizeof(uint32_t));
  adze_free(memory, kv->owners, (size_t)kv->pages * sizeof(uint32_t));
  adze_free(memory, kv->dirty, kv->pages);
  memset(kv, 0, sizeof *kv);
}

static uint8_t *page_data(const adze_kv *kv, uint32_t state, uint32_t page) {
  return kv->base[state] + (uint64_t)page * kv->page_bytes[state];
}

static uint32_t take_page(adze_kv *kv, bool zero) {
  uint32_t page = kv->free_pages[--kv->n_free];
  if (zero && kv->dirty[page])
    for (uint32_t i = 0; i < kv->n_states; ++i)
      memset(page_data(kv, i, page), 0, kv->page_bytes[i]);
  kv->dirty[page] = 1;
  kv->owners[page] = 1;
  return page;
}

static void drop_page(adze_kv *kv, uint32_t page) {
  if (--kv->owners[page] == 0)
    kv->free_pages[kv->n_free++] = page;
}

int32_t adze_kv_page_to_copy(const adze_kv *kv, const adze_sequence *s,
                             uint32_t length) {
  if (length <= s->length || s->length % ADZE_KV_PAGE_POSITIONS == 0)
    return -1;
  int32_t page = s->pages[s->length / ADZE_KV_PAGE_POSITIONS];
  return kv->owners[page] > 1 ? page : -1;
}

uint32_t adze_kv_pages_needed(const adze_sequence *s, uint32_t length) {
  uint32_t pages = adze_kv_pages_of(length);
  return pages > s->n_pages ? pages - s->n_pages : 0;
}

void adze_kv_reserve(adze_kv *kv, adze_sequence *s, uint32_t length) {
  if (adze_kv_page_to_copy(kv, s, length) >= 0) {
    int32_t *slot = &s->pages[s->length / ADZE_KV_PAGE_POSITIONS];
    uint32_t old = (uint32_t)*slot, copy = take_page(kv, false);
    for (uint32_t i = 0; i < kv->n_states; ++i)
      memcpy(page_data(kv, i, copy), page_data(kv, i, old), kv->page_bytes[i]);
    *slot = (int32_t)copy;
    drop_page(kv, old);
  }
  for (uint32_t pages = adze_kv_pages_of(length); s->n_pages < pages;)
    s->pages[s->n_pages++] = (int32_t)take_page(kv, true);
}

void adze_kv_truncate(adze_kv *kv, adze_sequence *s, uint32_t length) {
  uint32_t pages = adze_kv_pages_of(length);
  while (s->n_pages > pages)
    drop_page(kv, (uint32_t)s->pages[--s->n_pages]);
  if (s->length > length)
    s->length = length;
}

void adze_kv_share(adze_kv *kv, const adze_sequence *from, adze_sequence *to) {
  adze_kv_truncate(kv, to, 0);
  for (uint32_t i = 0; i < from->n_pages; ++i)
    ++kv->owners[to->pages[i] = from->pages[i]];
  memcpy(to->tokens, from->tokens, from->length * sizeof *to->tokens);
  to->n_pages = from->n_pages;
  to->length = from->length;
}
