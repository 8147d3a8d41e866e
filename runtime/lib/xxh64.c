/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "xxh64.h"

#include <string.h>

static const uint64_t p1 = 0x9E3779B185EBCA87u, p2 = 0xC2B2AE3D27D4EB4Fu,
                      p3 = 0x165667B19E3779F9u, p4 = 0x85EBCA77C2B2AE63u,
                      p5 = 0x27D4EB2F165667C5u;

static uint64_t rotate_left(uint64_t x, int n) {
  return x << n | x >> (64 - n);
}
static uint64_t load64(const uint8_t *p) {
  uint64_t v;
  memcpy(&v, p, 8);
  return v;
}
static uint32_t load32(const uint8_t *p) {
  uint32_t v;
  memcpy(&v, p, 4);
  return v;
}
static uint64_t mix(uint64_t lane, uint64_t input) {
  return rotate_left(lane + input * p2, 31) * p1;
}

uint64_t adze_xxh64(const void *data, size_t bytes, uint64_t seed) {
  const uint8_t *p = data, *end = p + bytes;
  uint64_t h;
  if (bytes >= 32) {
    uint64_t lane[4] = {seed + p1 + p2, seed + p2, seed, seed - p1};
    for (; end - p >= 32; p += 32)
      for (int i = 0; i < 4; ++i)
        lane[i] = mix(lane[i], load64(p + 8 * i));
    h = rotate_left(lane[0], 1) + rotate_left(lane[1], 7) +
        rotate_left(lane[2], 12) + rotate_left(lane[3], 18);
    for (int i = 0; i < 4; ++i)
      h = (h ^ mix(0, lane[i])) * p1 + p4;
  } else {
    h = seed + p5;
  }
  h += bytes;
  for (; end - p >= 8; p += 8)
    h = rotate_left(h ^ mix(0, load64(p)), 27) * p1 + p4;
  if (end - p >= 4) {
    h = rotate_left(h ^ load32(p) * p1, 23) * p2 + p3;
    p += 4;
  }
  for (; p < end; ++p)
    h = rotate_left(h ^ *p * p5, 11) * p1;
  h = (h ^ h >> 33) * p2;
  h = (h ^ h >> 29) * p3;
  return h ^ h >> 32;
}
