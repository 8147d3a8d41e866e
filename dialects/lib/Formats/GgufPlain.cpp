// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GGUF blocks of 32 elements with an f16 scale, and for the types _1 an f16
// minimum: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0.
//
//   Q4_0   scale, 16 bytes: element j low, element 16 + j high; code 8 is zero
//   Q4_1   scale, minimum, 16 bytes likewise; code 0 is the minimum
//   Q5_0   scale, 4 bytes: bit j is bit 4 of code j, 16 bytes; code 16 is zero
//   Q5_1   scale, minimum, 4 bytes, 16 bytes
//   Q8_0   scale, 32 signed bytes

#include "GgufBlocks.h"

using namespace adze;
using namespace adze::detail;

namespace {

/// Bytes from `codesAt`, the fifth bits from `highAt` (0: there are none).
template <int highAt, int codesAt>
void unpackNibbles(const uint8_t *block, GgufBlockParts &parts) {
  uint32_t high = 0;
  for (int i = 0; highAt && i < 4; ++i)
    high |= uint32_t(block[highAt + i]) << 8 * i;
  for (int j = 0; j < 16; ++j) {
    uint8_t byte = block[codesAt + j];
    parts.codes[j] = uint8_t((byte & 15) | (high >> j & 1) << 4);
    parts.codes[16 + j] = uint8_t(byte >> 4 | (high >> (16 + j) & 1) << 4);
  }
  parts.scale = loadU16(block);
  parts.minimum = loadU16(block + 2); // no minimum: not read
}

void unpackBytes(const uint8_t *block, GgufBlockParts &parts) {
  parts.scale = loadU16(block);
  for (int j = 0; j < 32; ++j)
    parts.codes[j] = block[2 + j] ^ 0x80; // signed -> 128 more
}

} // namespace

GgufUnpack adze::detail::unpackPlain(GgufBlock type) {
  switch (type) {
  case GgufBlock::Q4_0:
    return unpackNibbles<0, 2>;
  case GgufBlock::Q4_1:
    return unpackNibbles<0, 4>;
  case GgufBlock::Q5_0:
    return unpackNibbles<2, 6>;
  case GgufBlock::Q5_1:
    return unpackNibbles<4, 8>;
  case GgufBlock::Q8_0:
    return unpackBytes;
  default:
    return nullptr;
  }
}
