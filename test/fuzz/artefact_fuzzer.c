/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * libFuzzer target for the artefact reader. The bytes are taken as a file; the
 * hash is made right first (where the frame allows it), so that the fuzzer gets
 * past it to the descriptor. What is accepted is then walked through. Code is
 * never loaded. Seed: an artefact. */
#include <stdlib.h>
#include <string.h>

#include "artefact.h"
#include "meta.h"

static uint64_t walk(const adze_desc *d) {
  uint64_t sum = adze_desc_weights_extent(d);
  for (uint64_t i = 0; i < adze_desc_count(d, ADZE_TABLE_ENTRIES); ++i) {
    const adze_entry *e = adze_desc_entry(d, i);
    sum += strlen(adze_desc_string(d, e->name));
    for (uint32_t k = 0; k < e->n_args; ++k) {
      const adze_arg *arg = adze_desc_arg(d, (uint64_t)e->args0 + k);
      sum += strlen(adze_desc_string(d, arg->name));
      for (uint32_t r = 0; r < arg->rank; ++r)
        sum += (uint64_t)*adze_desc_dim(d, (uint64_t)arg->dims0 + r);
    }
    int64_t symbols[ADZE_MAX_SYMBOLS] = {7, 7, 7, 7, 7, 7, 7, 7};
    uint64_t bytes;
    if (adze_affine_value(&adze_desc_code(d, i)->arena, symbols, e->n_symbols,
                          4, &bytes))
      sum += bytes;
  }
  for (uint64_t i = 0; i < adze_desc_count(d, ADZE_TABLE_WEIGHTS); ++i)
    sum += strlen(adze_desc_string(d, adze_desc_weight(d, i)->name));
  const adze_rows *meta = &d->table[ADZE_TABLE_META];
  adze_meta_value value;
  if (meta->present &&
      adze_meta_find((const char *)meta->data, meta->bytes, "eos", &value)) {
    int64_t ends[4];
    size_t count;
    if (adze_meta_integers(value, ends, 4, &count))
      sum += count;
  }
  return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static volatile uint64_t sink;
  /* Its own allocation of exactly that size, so that every byte beyond the end
   * is a finding. */
  uint8_t *file = aligned_alloc(64, (size + 63) & ~(size_t)63);
  if (!file || !size) {
    free(file);
    return 0;
  }
  uint8_t *begin = file + ((64 - size % 64) & 63 & ~7u);
  if (begin + size > file + ((size + 63) & ~(size_t)63))
    begin = file;
  memcpy(begin, data, size);
  adze_elf elf;
  adze_desc desc;
  if (!adze_elf_read(begin, size, "fuzz", &elf))
    adze_artefact_hash(begin, size, &elf,
                       begin + elf.desc_offset +
                           offsetof(adze_model_desc, hash));
  if (!adze_artefact_check(begin, size, "fuzz", 0, &elf, &desc))
    sink = walk(&desc);
  free(file);
  return 0;
}
