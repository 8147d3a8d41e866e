// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GGUF blocks whose 4-bit codes stand for the values of a codebook: IQ4_NL,
// IQ4_XS, MXFP4. Taken apart, a code is that value, shifted to be positive.
//
//   IQ4_NL   32 elements: f16 scale; 16 bytes: element j low, 16 + j high
//   IQ4_XS   256 elements: f16 scale; 16 bits: the upper two bits of 8 sub
//            scales around 32; 4 bytes: their nibbles; 8 times 16 bytes
//   MXFP4    32 elements: an exponent (scale 2^(e - 127)); 16 bytes of E2M1.
//            The codebook is E2M1 doubled, so the scale here is 2^(e - 128).

#include "GgufBlocks.h"

using namespace adze;
using namespace adze::detail;

namespace {

constexpr int kNonlinear[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                1,    13,   25,  38,  53,  69,  89,  113};
constexpr int kE2M1[16] = {0, 1,  2,  3,  4,  6,  8,  12,
                           0, -1, -2, -3, -4, -6, -8, -12};

struct Codebook {
  constexpr Codebook(const int (&values)[16], int zero) {
    for (int i = 0; i < 16; ++i)
      codes[i] = uint8_t(values[i] + zero);
  }
  uint8_t codes[16] = {};
};
constexpr Codebook kNonlinearCodes(kNonlinear, 128), kE2M1Codes(kE2M1, 12);

void lookUp(const uint8_t *packed, const Codebook &book, uint8_t *codes) {
  for (int j = 0; j < 16; ++j) {
    codes[j] = book.codes[packed[j] & 15];
    codes[16 + j] = book.codes[packed[j] >> 4];
  }
}

void unpackIQ4NL(const uint8_t *block, GgufBlockParts &parts) {
  parts.scale = loadU16(block);
  lookUp(block + 2, kNonlinearCodes, parts.codes);
}

void unpackIQ4XS(const uint8_t *block, GgufBlockParts &parts) {
  parts.scale = loadU16(block);
  int high = loadU16(block + 2);
  for (int g = 0; g < 8; ++g) {
    int low = block[4 + g / 2] >> g % 2 * 4 & 15;
    parts.subScales[g] = int8_t((low | (high >> 2 * g & 3) << 4) - 32);
    lookUp(block + 8 + 16 * g, kNonlinearCodes, parts.codes + 32 * g);
  }
}

void unpackMXFP4(const uint8_t *block, GgufBlockParts &parts) {
  // 2^(e - 128) as bf16; the first two are subnormal.
  int e = block[0];
  parts.scale = uint16_t(e >= 2 ? (e - 1) << 7 : 0x20 << e);
  lookUp(block + 1, kE2M1Codes, parts.codes);
}

} // namespace

GgufUnpack adze::detail::unpackCodebook(GgufBlock type) {
  switch (type) {
  case GgufBlock::IQ4_NL:
    return unpackIQ4NL;
  case GgufBlock::IQ4_XS:
    return unpackIQ4XS;
  case GgufBlock::MXFP4:
    return unpackMXFP4;
  default:
    return nullptr;
  }
}
