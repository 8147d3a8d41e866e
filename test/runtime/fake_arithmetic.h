/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * What the pretend decoder computes; shared with the tests' reference. */
#ifndef ADZE_TEST_FAKE_ARITHMETIC_H
#define ADZE_TEST_FAKE_ARITHMETIC_H

#include <stdint.h>

#define FAKE_VOCABULARY 64
#define FAKE_HIDDEN 8
#define FAKE_CONTEXT 2048
#define FAKE_PAGE_BYTES 512

static inline uint64_t fake_mix(uint64_t a, uint64_t b) {
  uint64_t x = a * 0x9E3779B97F4A7C15u + b + 0x632BE59BD9B4E019u;
  x = (x ^ x >> 29) * 0xBF58476D1CE4E5B9u;
  return x ^ x >> 32;
}
/* 24 bits in [0, 8): exact in f32 */
static inline float fake_logit(uint64_t hash, uint64_t column) {
  return (float)(fake_mix(hash, column) >> 40) / (1 << 21);
}

#endif
