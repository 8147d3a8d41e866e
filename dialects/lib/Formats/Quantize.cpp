// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The search for scales. Its vectors run over candidates, not over elements: 16
// scales are tried on one element at a time, so a group of any length needs
// neither a tail nor a horizontal sum, and the order of every sum is the order
// of the elements. A first round covers the useful range of clipping, a second
// one refines the best of it in steps of 1/256.

#include "Quantize.h"
#include "FloatBits.h"
#include "HostClones.h"
#include <algorithm>
#include <cmath>

using namespace adze::detail;

namespace {

constexpr int kLanes = 16;
/// Below this a reciprocal is not safe; nothing that small is a weight.
constexpr float kSmallestScale = 0x1p-120f;
/// Adding and subtracting it rounds to the nearest integer, ties to even.
constexpr float kRounder = 0x1.8p23f;

using Lanes = float __attribute__((vector_size(4 * kLanes)));
using Bits = uint32_t __attribute__((vector_size(4 * kLanes)));

#define ADZE_INLINE __attribute__((always_inline)) inline

struct Range {
  float min, max; // with 0 inside
};

ADZE_INLINE Range findRange(const float *x, int64_t count) {
  Lanes low = {}, high = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    Lanes v;
    __builtin_memcpy(&v, x + i, sizeof v);
    low = v < low ? v : low;
    high = v > high ? v : high;
  }
  Range range = {0, 0};
  for (int l = 0; l < kLanes; ++l) {
    range.min = std::min(range.min, low[l]);
    range.max = std::max(range.max, high[l]);
  }
  for (; i < count; ++i) {
    range.min = std::min(range.min, x[i]);
    range.max = std::max(range.max, x[i]);
  }
  return range;
}

/// Rounds numbers that are not NaN to bf16.
ADZE_INLINE void roundToBF16(Lanes &values) {
  Bits u = (Bits)values;
  u = (u + 0x7fff + (u >> 16 & 1)) & 0xffff0000u;
  values = (Lanes)u;
}

/// Likewise to f16; see roundToF16.
ADZE_INLINE void roundToF16(Lanes &values) {
  Bits u = (Bits)values, sign = u & 0x80000000u, magnitude = u & 0x7fffffffu;
  Lanes small = ((Lanes)magnitude + 0.5f) - 0.5f;
  Bits normal = (magnitude + 0xfff + (magnitude >> 13 & 1)) & ~0x1fffu;
  normal = magnitude >= 0x477ff000u ? Bits{} + 0x7f800000u : normal;
  Bits rounded = magnitude < 0x38800000u ? (Bits)small : normal;
  values = (Lanes)(sign | rounded);
}

/// The number of the lane with the smallest value; values are not negative.
/// Those that differ by less than 2^-19 of themselves are equal: the first.
ADZE_INLINE int findSmallest(const Lanes &values) {
  Bits key = ((Bits)values & ~15u) |
             Bits{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  Bits other = __builtin_shufflevector(key, key, 8, 9, 10, 11, 12, 13, 14, 15,
                                       0, 1, 2, 3, 4, 5, 6, 7);
  key = key < other ? key : other;
  other = __builtin_shufflevector(key, key, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14,
                                  15, 8, 9, 10, 11);
  key = key < other ? key : other;
  other = __builtin_shufflevector(key, key, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8,
                                  9, 14, 15, 12, 13);
  key = key < other ? key : other;
  other = __builtin_shufflevector(key, key, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11,
                                  10, 13, 12, 15, 14);
  key = key < other ? key : other;
  return key[0] & 15;
}

/// 16 scales that are tried at once, and what they come to.
struct Candidates {
  Lanes scale, zero, error;
};

/// Rounds the scales to their storage and sums the squared errors, in squares
/// of `unit` (the order of the scales) so that nothing overflows. Scales that
/// are too small or infinite get an infinite error.
ADZE_INLINE void tryScales(const float *x, int64_t count, Range range,
                           const QuantSpec &spec, float unit, Candidates &c) {
  if (spec.storage == ScaleStorage::BF16)
    roundToBF16(c.scale);
  else if (spec.storage == ScaleStorage::F16)
    roundToF16(c.scale);
  Bits magnitude = (Bits)c.scale & 0x7fffffffu;
  Bits usable = (Bits)(magnitude >= 0x03800000u) & // kSmallestScale
                (Bits)(magnitude < 0x7f800000u);
  Lanes inverse = 1.0f / c.scale;
  inverse = (Lanes)((Bits)inverse & usable);
  float most = float((1 << spec.bits) - 1);
  c.zero = Lanes{} + float(1 << (spec.bits - 1));
  if (spec.zeros) { // the middle of the codes on the middle of the range
    Lanes zero = 0.5f * most - (0.5f * range.min + 0.5f * range.max) * inverse;
    zero = (zero + kRounder) - kRounder;
    zero = zero > 0.0f ? zero : Lanes{};
    c.zero = zero < most ? zero : Lanes{} + most;
  }
  Lanes low = -c.zero, high = most - c.zero;
  // Two chains, so that an addition need not wait for the one before.
  Lanes sums[2] = {};
  auto add = [&](float value, Lanes &sum) {
    Lanes v = value * inverse;
    Lanes q = (v + kRounder) - kRounder;
    q = q > low ? q : low;
    q = q < high ? q : high;
    v = v - q;
    sum = sum + v * v;
  };
  int64_t i = 0;
  for (; i + 2 <= count; i += 2) {
    add(x[i], sums[0]);
    add(x[i + 1], sums[1]);
  }
  if (i < count)
    add(x[i], sums[0]);
  Lanes ratio = c.scale * (1.0f / unit);
  Lanes error = (sums[0] + sums[1]) * (ratio * ratio);
  Bits infinite = Bits{} + 0x7f800000u;
  c.error = (Lanes)(((Bits)error & usable) | (infinite & ~usable));
}

} // namespace

ADZE_HOST_CLONES GroupScale adze::detail::chooseScale(const float *x,
                                                      int64_t count,
                                                      const QuantSpec &spec) {
  int middle = 1 << (spec.bits - 1), most = (1 << spec.bits) - 1;
  Range range = findRange(x, count);
  // The whole range at its finest is `extent / steps`. Without zero points the
  // larger side takes the side with one code more, whatever its sign.
  float extent = spec.zeros               ? range.max * 0.5f - range.min * 0.5f
                 : range.max > -range.min ? -range.max
                                          : -range.min;
  float steps = spec.zeros ? 0.5f * float(most) : float(middle);
  float finest = extent / steps;
  if (!(std::fabs(finest) >= kSmallestScale * 4))
    return {0, middle};
  Candidates c;
  c.scale =
      finest * Lanes{1.12f, 1.07f, 1.02f, 1.00f, 0.96f, 0.92f, 0.88f, 0.84f,
                     0.80f, 0.76f, 0.72f, 0.68f, 0.63f, 0.58f, 0.52f, 0.46f};
  tryScales(x, count, range, spec, finest, c);
  int best = findSmallest(c.error);
  if (std::isinf(c.error[best])) // too large for the storage, or too small
    return {std::isinf(c.scale[0]) ? c.scale[0] : 0.0f, middle};
  float center = c.scale[best];
  c.scale = center + (center / 256) * Lanes{0, -1, 1, -2, 2, -3, 3, -4,
                                            4, -5, 5, -6, 6, -7, 7, -8};
  tryScales(x, count, range, spec, finest, c);
  best = findSmallest(c.error); // the center is one of them
  return {c.scale[best], int(c.zero[best])};
}

ADZE_HOST_CLONES void adze::detail::roundToCodes(const float *x, int64_t count,
                                                 GroupScale group, int bits,
                                                 uint8_t *codes) {
  bool usable = std::fabs(group.scale) >= kSmallestScale;
  float inverse = usable ? 1.0f / group.scale : 0.0f;
  float zero = float(group.zero);
  float low = -zero, high = float((1 << bits) - 1) - zero;
  for (int64_t i = 0; i < count; ++i) {
    float q = (x[i] * inverse + kRounder) - kRounder;
    q = q > low ? q : low;
    q = q < high ? q : high;
    codes[i] = uint8_t(int32_t(q + zero));
  }
}

ADZE_HOST_CLONES void adze::detail::packNibbles(const uint8_t *codes,
                                                int64_t count, uint8_t *out) {
  for (int64_t i = 0; i < count / 2; ++i)
    out[i] = uint8_t(codes[2 * i] | codes[2 * i + 1] << 4);
  if (count % 2)
    out[count / 2] = codes[count - 1];
}
