// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GGUF blocks of 256 elements in groups of 16 or 32, each with an integer that
// multiplies the block's f16 scale (and one that multiplies its minimum): Q2_K,
// Q3_K, Q4_K, Q5_K, Q6_K.
//
//   Q2_K   16 bytes: sub scale low, sub minimum high; 64 bytes of codes; scale;
//          minimum. Element e has bits 2 * (e % 128 / 32) of byte
//          32 * (e / 128) + e % 32.
//   Q3_K   32 bytes: bit e / 32 of byte e % 32 is bit 2 of code e; 64 bytes as
//   in
//          Q2_K; 12 bytes of 6-bit sub scales around 32; scale. Code 4 is zero.
//   Q4_K   scale; minimum; 12 bytes of 6-bit sub scales and minima; 128 bytes:
//          element e is in byte 32 * (e / 64) + e % 32, high if e % 64 >= 32.
//   Q5_K   scale; minimum; 12 bytes; 32 bytes: bit e / 32 of byte e % 32 is bit
//   4
//          of code e; 128 bytes as in Q4_K.
//   Q6_K   128 bytes: element e has a nibble of byte 64 * (e / 128) + e % 64,
//          high if e % 128 >= 64; 64 bytes: bits 2 * (e % 128 / 32) of byte
//          32 * (e / 128) + e % 32 are its bits 4 and 5; 16 signed sub scales;
//          scale. Code 32 is zero.

#include "GgufBlocks.h"

using namespace adze;
using namespace adze::detail;

namespace {

void unpackQ2K(const uint8_t *block, GgufBlockParts &parts) {
  const uint8_t *codes = block + 16;
  for (int g = 0; g < 16; ++g) {
    parts.subScales[g] = int8_t(block[g] & 15);
    parts.subMinima[g] = block[g] >> 4;
  }
  for (int part = 0; part < 8; ++part) // of 32 elements
    for (int l = 0; l < 32; ++l)
      parts.codes[32 * part + l] = codes[part / 4 * 32 + l] >> part % 4 * 2 & 3;
  parts.scale = loadU16(block + 80);
  parts.minimum = loadU16(block + 82);
}

void unpackQ3K(const uint8_t *block, GgufBlockParts &parts) {
  const uint8_t *codes = block + 32, *scales = block + 96;
  for (int g = 0; g < 16; ++g) {
    int low = g < 8 ? scales[g] & 15 : scales[g - 8] >> 4;
    int high = scales[8 + g % 4] >> g / 4 * 2 & 3;
    parts.subScales[g] = int8_t((low | high << 4) - 32);
  }
  for (int part = 0; part < 8; ++part)
    for (int l = 0; l < 32; ++l)
      parts.codes[32 * part + l] =
          uint8_t((codes[part / 4 * 32 + l] >> part % 4 * 2 & 3) |
                  (block[l] >> part & 1) << 2);
  parts.scale = loadU16(block + 108);
}

/// Eight 6-bit scales and minima in 12 bytes: those of the first four groups in
/// the low bits of bytes 0-3 and 4-7, whose upper two bits complete the nibbles
/// of the others in bytes 8-11.
void unpackSixBits(const uint8_t *packed, GgufBlockParts &parts) {
  for (int g = 0; g < 4; ++g) {
    parts.subScales[g] = int8_t(packed[g] & 63);
    parts.subMinima[g] = packed[4 + g] & 63;
    parts.subScales[4 + g] = int8_t((packed[8 + g] & 15) | packed[g] >> 6 << 4);
    parts.subMinima[4 + g] =
        uint8_t(packed[8 + g] >> 4 | packed[4 + g] >> 6 << 4);
  }
}

template <bool five>
void unpackQ45K(const uint8_t *block, GgufBlockParts &parts) {
  const uint8_t *high = block + 16, *codes = high + (five ? 32 : 0);
  parts.scale = loadU16(block);
  parts.minimum = loadU16(block + 2);
  unpackSixBits(block + 4, parts);
  for (int part = 0; part < 8; ++part)
    for (int l = 0; l < 32; ++l) {
      int code = codes[part / 2 * 32 + l] >> part % 2 * 4 & 15;
      if (five)
        code |= (high[l] >> part & 1) << 4;
      parts.codes[32 * part + l] = uint8_t(code);
    }
}

void unpackQ6K(const uint8_t *block, GgufBlockParts &parts) {
  const uint8_t *high = block + 128, *scales = block + 192;
  for (int g = 0; g < 16; ++g)
    parts.subScales[g] = int8_t(scales[g]);
  for (int part = 0; part < 8; ++part) {
    const uint8_t *low = block + part / 4 * 64 + part % 2 * 32;
    for (int l = 0; l < 32; ++l)
      parts.codes[32 * part + l] =
          uint8_t((low[l] >> part % 4 / 2 * 4 & 15) |
                  (high[part / 4 * 32 + l] >> part % 4 * 2 & 3) << 4);
  }
  parts.scale = loadU16(block + 208);
}

} // namespace

GgufUnpack adze::detail::unpackSuper(GgufBlock type) {
  switch (type) {
  case GgufBlock::Q2_K:
    return unpackQ2K;
  case GgufBlock::Q3_K:
    return unpackQ3K;
  case GgufBlock::Q4_K:
    return unpackQ45K<false>;
  case GgufBlock::Q5_K:
    return unpackQ45K<true>;
  case GgufBlock::Q6_K:
    return unpackQ6K;
  default:
    return nullptr;
  }
}
