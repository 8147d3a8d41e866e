/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The bytes of an artefact and what the reader found in them. Nothing here
 * loads code: adze_artefact_check is all that stands between a file and
 * dlopen, and what the fuzzer drives. */
#ifndef ADZE_LIB_ARTEFACT_H
#define ADZE_LIB_ARTEFACT_H

#include "descriptor.h"

/* Bytes of a source: mapped, or the caller's memory. */
typedef struct adze_bytes {
  const uint8_t *data;
  uint64_t size;
  void *map; /* null: the caller's memory */
  size_t map_size;
  int fd; /* ours; -1: none */
} adze_bytes;

adze_status adze_bytes_open(const adze_source *, const char *name,
                            adze_bytes *);
void adze_bytes_close(adze_bytes *);

/* Frame, hash, descriptor and every reference in it. `machine` 0 accepts any
 * processor family. */
adze_status adze_artefact_check(const uint8_t *file, uint64_t size,
                                const char *name, uint16_t machine,
                                adze_elf *elf, adze_desc *desc);

/* The SHA-256 that belongs into the descriptor of this (checked) file. */
void adze_artefact_hash(const uint8_t *file, uint64_t size, const adze_elf *elf,
                        uint8_t digest[32]);

#endif
