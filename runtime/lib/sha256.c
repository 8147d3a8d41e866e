/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "sha256.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
    0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
    0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate_right(uint32_t x, int n) {
  return x >> n | x << (32 - n);
}

void adze_sha256_blocks_portable(uint32_t state[8], const uint8_t *data,
                                 size_t blocks) {
  for (; blocks; --blocks, data += 64) {
    uint32_t w[64];
    for (int i = 0; i < 16; ++i)
      w[i] = (uint32_t)data[4 * i] << 24 | (uint32_t)data[4 * i + 1] << 16 |
             (uint32_t)data[4 * i + 2] << 8 | data[4 * i + 3];
    for (int i = 16; i < 64; ++i) {
      uint32_t a = w[i - 15], b = w[i - 2];
      w[i] = w[i - 16] + w[i - 7] +
             (rotate_right(a, 7) ^ rotate_right(a, 18) ^ a >> 3) +
             (rotate_right(b, 17) ^ rotate_right(b, 19) ^ b >> 10);
    }
    uint32_t v[8];
    memcpy(v, state, sizeof v);
    for (int i = 0; i < 64; ++i) {
      uint32_t e = v[4], a = v[0];
      uint32_t t1 =
          v[7] + round_constants[i] + w[i] +
          (rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25)) +
          ((e & v[5]) ^ (~e & v[6]));
      uint32_t t2 =
          (rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22)) +
          ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
      memmove(v + 1, v, 7 * sizeof *v);
      v[4] += t1;
      v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; ++i)
      state[i] += v[i];
  }
}

#if defined(__x86_64__)
/* The SHA instructions keep the state as the pairs ABEF and CDGH and do two
 * rounds each; four message words are extended at a time. */
__attribute__((target("sha,sse4.1"))) static void
blocks_sha_ni(uint32_t state[8], const uint8_t *data, size_t blocks) {
  const __m128i swap =
      _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
  __m128i dcba = _mm_loadu_si128((const __m128i *)state);
  __m128i hgfe = _mm_loadu_si128((const __m128i *)(state + 4));
  __m128i cdab = _mm_shuffle_epi32(dcba, 0xB1);
  __m128i efgh = _mm_shuffle_epi32(hgfe, 0x1B);
  __m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
  __m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xF0);
  for (; blocks; --blocks, data += 64) {
    __m128i abef0 = abef, cdgh0 = cdgh, w[4];
    for (int i = 0; i < 4; ++i)
      w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(data + 16 * i)),
                              swap);
    for (int i = 0; i < 16; ++i) {
      __m128i x = w[i & 3];
      if (i >= 4) {
        __m128i before = w[(i + 3) & 3];
        x = _mm_sha256msg1_epu32(x, w[(i + 1) & 3]);
        x = _mm_add_epi32(x, _mm_alignr_epi8(before, w[(i + 2) & 3], 4));
        x = _mm_sha256msg2_epu32(x, before);
        w[i & 3] = x;
      }
      __m128i k = _mm_add_epi32(
          x, _mm_loadu_si128((const __m128i *)(round_constants + 4 * i)));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, k);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(k, 0x0E));
    }
    abef = _mm_add_epi32(abef, abef0);
    cdgh = _mm_add_epi32(cdgh, cdgh0);
  }
  __m128i feba = _mm_shuffle_epi32(abef, 0x1B);
  __m128i dchg = _mm_shuffle_epi32(cdgh, 0xB1);
  _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xF0));
  _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

static int has_sha_ni(void) {
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & 1u << 29))
    return 0;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & 1u << 19) != 0;
}
#endif

static void hash_blocks(adze_sha256 *h, const uint8_t *data, size_t blocks) {
#if defined(__x86_64__)
  if (h->has_instructions) {
    blocks_sha_ni(h->state, data, blocks);
    return;
  }
#endif
  adze_sha256_blocks_portable(h->state, data, blocks);
}

void adze_sha256_init(adze_sha256 *h) {
  static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372,
                                    0xa54ff53a, 0x510e527f, 0x9b05688c,
                                    0x1f83d9ab, 0x5be0cd19};
  memcpy(h->state, start, sizeof start);
  h->length = 0;
#if defined(__x86_64__)
  h->has_instructions = has_sha_ni();
#else
  h->has_instructions = 0;
#endif
}

void adze_sha256_update(adze_sha256 *h, const void *data, size_t bytes) {
  const uint8_t *in = data;
  size_t held = h->length % 64;
  h->length += bytes;
  if (held) {
    size_t part = 64 - held < bytes ? 64 - held : bytes;
    memcpy(h->block + held, in, part);
    in += part;
    bytes -= part;
    if (held + part < 64)
      return;
    hash_blocks(h, h->block, 1);
  }
  hash_blocks(h, in, bytes / 64);
  if (bytes % 64)
    memcpy(h->block, in + bytes / 64 * 64, bytes % 64);
}

void adze_sha256_final(adze_sha256 *h, uint8_t digest[32]) {
  uint64_t bits = h->length * 8;
  uint8_t tail[72] = {0x80};
  size_t pad = (h->length % 64 < 56 ? 56 : 120) - h->length % 64;
  for (int i = 0; i < 8; ++i)
    tail[pad + (size_t)i] = (uint8_t)(bits >> (56 - 8 * i));
  adze_sha256_update(h, tail, pad + 8);
  for (int i = 0; i < 32; ++i)
    digest[i] = (uint8_t)(h->state[i / 4] >> (24 - 8 * (i % 4)));
}
