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

constexpr int kCandidates = 16;
/// Below this a reciprocal is not safe; nothing that small is a weight.
constexpr float kSmallestScale = 0x1p-120f;
/// Adding and subtracting it rounds to the nearest integer, ties to even.
constexpr float kRounder = 0x1.8p23f;

#define ADZE_INLINE __attribute__((always_inline)) inline

/// Vectors of one register. Written for a width, since compilers split wider
/// ones badly; candidates do not meet, so that any width gives the same bits.
/// (Spelled out: GCC 12 takes no vector size from a template parameter.)
template <int width> struct Vector;
template <> struct Vector<4> {
  using Floats = float __attribute__((vector_size(16)));
  using Bits = uint32_t __attribute__((vector_size(16)));
};
template <> struct Vector<8> {
  using Floats = float __attribute__((vector_size(32)));
  using Bits = uint32_t __attribute__((vector_size(32)));
};
template <> struct Vector<16> {
  using Floats = float __attribute__((vector_size(64)));
  using Bits = uint32_t __attribute__((vector_size(64)));
};

struct Range {
  float min, max; // with 0 inside
};

template <int width>
ADZE_INLINE Range findRange(const float *x, int64_t count) {
  using V = Vector<width>;
  typename V::Floats low = {}, high = {}, v;
  int64_t i = 0;
  for (; i + width <= count; i += width) {
    __builtin_memcpy(&v, x + i, sizeof v);
    low = v < low ? v : low;
    high = v > high ? v : high;
  }
  float lows[width], highs[width];
  __builtin_memcpy(lows, &low, sizeof low);
  __builtin_memcpy(highs, &high, sizeof high);
  Range range = {0, 0};
  for (int l = 0; l < width; ++l) {
    range.min = std::min(range.min, lows[l]);
    range.max = std::max(range.max, highs[l]);
  }
  for (; i < count; ++i) {
    range.min = std::min(range.min, x[i]);
    range.max = std::max(range.max, x[i]);
  }
  return range;
}

/// Rounds numbers that are not NaN to bf16.
template <int width>
ADZE_INLINE void roundToBF16(typename Vector<width>::Floats &values) {
  auto u = (typename Vector<width>::Bits)values;
  u = (u + 0x7fff + (u >> 16 & 1)) & 0xffff0000u;
  values = (typename Vector<width>::Floats)u;
}

/// Likewise to f16: subnormal ones by an addition that rounds at bit 2^-24.
template <int width>
ADZE_INLINE void roundToF16(typename Vector<width>::Floats &values) {
  using Bits = typename Vector<width>::Bits;
  using Floats = typename Vector<width>::Floats;
  Bits u = (Bits)values, sign = u & 0x80000000u, magnitude = u & 0x7fffffffu;
  Floats small = ((Floats)magnitude + 0.5f) - 0.5f;
  Bits normal = (magnitude + 0xfff + (magnitude >> 13 & 1)) & ~0x1fffu;
  normal = magnitude >= 0x477ff000u ? Bits{} + 0x7f800000u : normal;
  Bits rounded = magnitude < 0x38800000u ? (Bits)small : normal;
  values = (Floats)(sign | rounded);
}

/// 16 scales that are tried at once, and what they come to.
struct Candidates {
  alignas(64) float scale[kCandidates];
  alignas(64) float zero[kCandidates];
  alignas(64) float error[kCandidates];

  /// The one with the least error. Errors are not negative; those that differ
  /// by less than 2^-19 of themselves are equal, and the first one wins.
  template <int width> ADZE_INLINE int best() const {
    using Bits = typename Vector<width>::Bits;
    static constexpr uint32_t kNumbers[kCandidates] = {
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    Bits least = ~Bits{};
    for (int i = 0; i < kCandidates; i += width) {
      Bits bits, number;
      __builtin_memcpy(&bits, error + i, sizeof bits);
      __builtin_memcpy(&number, kNumbers + i, sizeof number);
      bits = (bits & ~15u) | number;
      least = bits < least ? bits : least;
    }
    uint32_t lanes[width];
    __builtin_memcpy(lanes, &least, sizeof least);
    for (int half = width / 2; half; half /= 2)
      for (int l = 0; l < half; ++l)
        lanes[l] = std::min(lanes[l], lanes[l + half]);
    return lanes[0] & 15;
  }
};

/// Rounds `width` scales from the `first` on to their storage and sums the
/// squared errors, in squares of `unit` (the order of the scales) so that
/// nothing overflows. Scales that are too small or infinite get an infinite
/// error.
template <int width>
ADZE_INLINE void tryScales(const float *x, const float *importance,
                           int64_t count, Range range, const QuantSpec &spec,
                           float unit, Candidates &c, int first) {
  using V = Vector<width>;
  using Bits = typename V::Bits;
  using Floats = typename V::Floats;
  Floats scale;
  __builtin_memcpy(&scale, c.scale + first, sizeof scale);
  if (spec.storage == ScaleStorage::BF16)
    roundToBF16<width>(scale);
  else if (spec.storage == ScaleStorage::F16)
    roundToF16<width>(scale);
  Bits magnitude = (Bits)scale & 0x7fffffffu;
  Bits usable = (Bits)(magnitude >= 0x03800000u) & // kSmallestScale
                (Bits)(magnitude < 0x7f800000u);
  Floats inverse = 1.0f / scale;
  inverse = (Floats)((Bits)inverse & usable);
  float most = float((1 << spec.bits) - 1);
  Floats zero = Floats{} + float(1 << (spec.bits - 1));
  if (spec.zeros) { // the middle of the codes on the middle of the range
    zero = 0.5f * most - (0.5f * range.min + 0.5f * range.max) * inverse;
    zero = (zero + kRounder) - kRounder;
    zero = zero > 0.0f ? zero : Floats{};
    zero = zero < most ? zero : Floats{} + most;
  }
  Floats low = -zero, high = most - zero;
  // Four chains, so that an addition need not wait for the one before.
  Floats sums[4] = {};
  auto square = [&](float value) __attribute__((always_inline)) {
    Floats v = value * inverse;
    Floats q = (v + kRounder) - kRounder;
    q = q > low ? q : low;
    q = q < high ? q : high;
    v = v - q;
    return v * v;
  };
  if (importance) {
    for (int64_t i = 0; i < count; ++i)
      sums[i % 4] = sums[i % 4] + square(x[i]) * importance[i];
  } else {
    int64_t i = 0;
    for (; i + 4 <= count; i += 4)
      for (int j = 0; j < 4; ++j)
        sums[j] = sums[j] + square(x[i + j]);
    for (; i < count; ++i)
      sums[0] = sums[0] + square(x[i]);
  }
  Floats ratio = scale * (1.0f / unit);
  Floats error = ((sums[0] + sums[1]) + (sums[2] + sums[3])) * (ratio * ratio);
  Bits infinite = Bits{} + 0x7f800000u;
  error = (Floats)(((Bits)error & usable) | (infinite & ~usable));
  __builtin_memcpy(c.scale + first, &scale, sizeof scale);
  __builtin_memcpy(c.zero + first, &zero, sizeof zero);
  __builtin_memcpy(c.error + first, &error, sizeof error);
}

template <int width>
ADZE_INLINE GroupScale search(const float *x, int64_t count,
                              const QuantSpec &spec, const float *importance) {
  int middle = 1 << (spec.bits - 1), most = (1 << spec.bits) - 1;
  Range range = findRange<width>(x, count);
  // The whole range at its finest is `extent / steps`. Without zero points the
  // larger side takes the side with one code more, whatever its sign.
  float extent = spec.zeros               ? range.max * 0.5f - range.min * 0.5f
                 : range.max > -range.min ? -range.max
                                          : -range.min;
  float steps = spec.zeros ? 0.5f * float(most) : float(middle);
  float finest = extent / steps;
  if (!(std::fabs(finest) >= kSmallestScale * 4))
    return {0, middle};
  constexpr float kRatios[kCandidates] = {
      1.12f, 1.07f, 1.02f, 1.00f, 0.96f, 0.92f, 0.88f, 0.84f,
      0.80f, 0.76f, 0.72f, 0.68f, 0.63f, 0.58f, 0.52f, 0.46f};
  constexpr float kSteps[kCandidates] = {0, -1, 1, -2, 2, -3, 3, -4,
                                         4, -5, 5, -6, 6, -7, 7, -8};
  Candidates c;
  for (int i = 0; i < kCandidates; ++i)
    c.scale[i] = finest * kRatios[i];
  for (int i = 0; i < kCandidates; i += width)
    tryScales<width>(x, importance, count, range, spec, finest, c, i);
  int best = c.best<width>();
  if (std::isinf(c.error[best])) // too large for the storage, or too small
    return {std::isinf(c.scale[0]) ? c.scale[0] : 0.0f, middle};
  float center = c.scale[best];
  for (int i = 0; i < kCandidates; ++i)
    c.scale[i] = center + (center / 256) * kSteps[i];
  for (int i = 0; i < kCandidates; i += width)
    tryScales<width>(x, importance, count, range, spec, finest, c, i);
  best = c.best<width>(); // the center is one of them
  return {c.scale[best], int(c.zero[best])};
}

using Search = GroupScale (*)(const float *, int64_t, const QuantSpec &,
                              const float *);

GroupScale searchBase(const float *x, int64_t count, const QuantSpec &spec,
                      const float *importance) {
  return search<4>(x, count, spec, importance);
}

#ifdef ADZE_HAS_X86_LEVELS
ADZE_X86_V3 GroupScale searchV3(const float *x, int64_t count,
                                const QuantSpec &spec,
                                const float *importance) {
  return search<8>(x, count, spec, importance);
}
ADZE_X86_V4 GroupScale searchV4(const float *x, int64_t count,
                                const QuantSpec &spec,
                                const float *importance) {
  return search<16>(x, count, spec, importance);
}

Search chooseSearch() {
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
    return searchV4;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return searchV3;
  return searchBase;
}
#else
Search chooseSearch() { return searchBase; }
#endif

} // namespace

GroupScale adze::detail::chooseScale(const float *x, int64_t count,
                                     const QuantSpec &spec,
                                     const float *importance) {
  static const Search search = chooseSearch();
  return search(x, count, spec, importance);
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
