// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Conversions between float32 and the 16-bit floating types, round to nearest
// even. Private to lib/Formats.
#ifndef ADZE_LIB_FORMATS_FLOATBITS_H
#define ADZE_LIB_FORMATS_FLOATBITS_H

#include "llvm/ADT/bit.h"
#include <cstdint>

namespace adze::detail {

inline float bf16ToF32(uint16_t h) {
  return llvm::bit_cast<float>(uint32_t(h) << 16);
}

inline uint16_t f32ToBF16(float f) {
  uint32_t u = llvm::bit_cast<uint32_t>(f);
  if ((u & 0x7fffffff) > 0x7f800000) // NaN: keep the sign, make it quiet
    return uint16_t(u >> 16) | 0x40;
  return uint16_t((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}

inline float f16ToF32(uint16_t h) {
  uint32_t sign = uint32_t(h & 0x8000) << 16, rest = h & 0x7fff;
  if (rest >= 0x7c00) // infinity or NaN
    return llvm::bit_cast<float>(sign | 0x7f800000 | (rest & 0x3ff) << 13);
  if (rest >= 0x400)
    return llvm::bit_cast<float>(sign | ((rest << 13) + 0x38000000));
  float tiny = float(rest) * 0x1p-24f; // subnormal: exact
  return sign ? -tiny : tiny;
}

inline uint16_t f32ToF16(float f) {
  uint32_t u = llvm::bit_cast<uint32_t>(f);
  uint16_t sign = u >> 16 & 0x8000;
  u &= 0x7fffffff;
  if (u > 0x7f800000)
    return sign | 0x7e00;
  if (u >= 0x477ff000) // rounds to infinity
    return sign | 0x7c00;
  if (u < 0x38800000) { // subnormal: let the float unit round at bit 2^-24
    float shifted = llvm::bit_cast<float>(u) + 0.5f;
    return sign | uint16_t(llvm::bit_cast<uint32_t>(shifted) - 0x3f000000);
  }
  u += 0xfff + (u >> 13 & 1);
  return sign | uint16_t((u - 0x38000000) >> 13);
}

} // namespace adze::detail

#endif // ADZE_LIB_FORMATS_FLOATBITS_H
