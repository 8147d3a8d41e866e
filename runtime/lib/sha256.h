/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * SHA-256 (FIPS 180-4), streaming; uses the SHA instructions where the CPU has
 * them, so that hashing an artefact's code and tables stays in milliseconds. */
#ifndef ADZE_LIB_SHA256_H
#define ADZE_LIB_SHA256_H

#include <stddef.h>
#include <stdint.h>

typedef struct adze_sha256 {
  uint32_t state[8];
  uint64_t length; /* bytes so far */
  uint8_t block[64];
  int has_instructions; /* asked for once: CPUID is slow on virtual machines */
} adze_sha256;

void adze_sha256_init(adze_sha256 *);
void adze_sha256_update(adze_sha256 *, const void *data, size_t bytes);
void adze_sha256_final(adze_sha256 *, uint8_t digest[32]);
/* For tests: the portable block function, whatever the CPU has. */
void adze_sha256_blocks_portable(uint32_t state[8], const uint8_t *data,
                                 size_t blocks);

#endif
