// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rounding of floats to 3, 4 and 8 bit codes with a scale, chosen so that the
// squared error is small. Plain loops without MLIR; the same result, bit for
// bit, on every machine. Private to lib/Formats.
#ifndef ADZE_LIB_FORMATS_QUANTIZE_H
#define ADZE_LIB_FORMATS_QUANTIZE_H

#include <cstdint>

namespace adze::detail {

enum class ScaleStorage : uint8_t { F32, F16, BF16 };

/// How the elements of a group become codes.
struct QuantSpec {
  int bits;             ///< 3, 4 or 8
  ScaleStorage storage; ///< what a scale is rounded to before codes are chosen
  bool zeros;           ///< a zero point of its own instead of the middle code
};

/// value = scale * (code - zero). The scale is what its storage holds exactly:
/// zero where all elements are (or are smaller than 2^-120), infinite where
/// they are too large for the storage. It may be negative.
struct GroupScale {
  float scale;
  int zero;
};

/// The scale (and zero point) for `count` finite elements: the one of least
/// squared error among 32 around the largest magnitude. With `importance` each
/// square counts as often as its element's importance says, 0 or more.
GroupScale chooseScale(const float *x, int64_t count, const QuantSpec &spec,
                       const float *importance = nullptr);

/// Codes of `count` elements, one to a byte.
void roundToCodes(const float *x, int64_t count, GroupScale group, int bits,
                  uint8_t *codes);

/// Codes one to a byte -> two to a byte, the even one low.
void packNibbles(const uint8_t *codes, int64_t count, uint8_t *out);

} // namespace adze::detail

#endif // ADZE_LIB_FORMATS_QUANTIZE_H
