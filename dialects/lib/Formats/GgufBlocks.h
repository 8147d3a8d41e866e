// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The blocks of GGUF files: their sizes, what their codes mean, and one
// function that takes a block of any type apart. The types are in a file per
// family. Private to dialects/lib.
#ifndef ADZE_LIB_FORMATS_GGUFBLOCKS_H
#define ADZE_LIB_FORMATS_GGUFBLOCKS_H

#include "adze/Dialect/Adze/Adze.h"

namespace adze::detail {

/// What stands beside the scales of a block.
enum class GgufMinimum : uint8_t {
  None,
  Direct, ///< a minimum: + minimum
  Scaled, ///< an integer per group: - minimum * integer
};

/// value = scale * [sub scale *] (code - zero) [+ minimum]
struct GgufBlockInfo {
  int64_t elements, bytes; ///< of a block
  int64_t group;           ///< elements that share a scale
  /// Bits of a code, lowest first, as the planes of a panel hold them: widths
  /// of 1, 2, 4 or 8 bits, 0 for none.
  uint8_t planes[2];
  uint8_t zero, most; ///< code for zero, largest code
  bool hasSubScales;  ///< an integer per group that multiplies the scale
  GgufMinimum minimum;
  bool bf16Scale; ///< the scale is exact in bf16, and not in f16
  /// Where a block has its f16 scale and (else -1) its f16 minimum.
  int16_t scaleAt, minimumAt;

  int64_t codeBits() const { return planes[0] + planes[1]; }
};

/// A block taken apart. Codes are shifted so that none is negative; those of a
/// codebook are its values.
struct GgufBlockParts {
  alignas(64) uint8_t codes[256];
  uint16_t scale, minimum; ///< f16 (or bf16: bf16Scale)
  int8_t subScales[16];    ///< of each group
  uint8_t subMinima[16];
};

const GgufBlockInfo &infoOf(GgufBlock type);

/// Takes apart the block at `block`, in the way of its type.
using GgufUnpack = void (*)(const uint8_t *block, GgufBlockParts &parts);
GgufUnpack unpackOf(GgufBlock type);

/// One per family; null for a type of another.
GgufUnpack unpackPlain(GgufBlock type);    // Q4_0, Q4_1, Q5_0, Q5_1, Q8_0
GgufUnpack unpackSuper(GgufBlock type);    // Q2_K ... Q6_K
GgufUnpack unpackCodebook(GgufBlock type); // IQ4_NL, IQ4_XS, MXFP4

inline uint16_t loadU16(const uint8_t *at) {
  return uint16_t(at[0] | at[1] << 8); // GGUF is little endian
}

} // namespace adze::detail

#endif // ADZE_LIB_FORMATS_GGUFBLOCKS_H
