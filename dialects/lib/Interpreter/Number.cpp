// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rounding of doubles to narrower floats, to nearest even.

#include "Number.h"
#include "mlir/IR/TypeUtilities.h"
#include <algorithm>
#include <cmath>
#include <limits>

using namespace mlir;
using namespace adze;
using namespace adze::interpreter;

/// Rounds to `bits` significant bits, with exponents from `minExponent` on.
static double roundTo(double value, int bits, int minExponent, double largest) {
  if (value == 0 || !std::isfinite(value))
    return value;
  int exponent = std::max(std::ilogb(value), minExponent) - (bits - 1);
  double result =
      std::scalbn(std::nearbyint(std::scalbn(value, -exponent)), exponent);
  if (std::fabs(result) > largest)
    return std::copysign(std::numeric_limits<double>::infinity(), value);
  return result;
}

double Rounding::operator()(double value) const {
  switch (kind) {
  case F32:
    return float(value);
  case F16:
    return roundTo(value, 11, -14, 65504.0);
  case BF16:
    return roundTo(value, 8, -126, 0x1.fep127);
  default:
    return value;
  }
}

void interpreter::roundToCodes(ArrayRef<double> x, MutableArrayRef<double> out,
                               Rounding round, std::optional<float> range) {
  // Codes are decided in float, as kernels do, so that a value half way between
  // two codes goes the same way in both.
  Rounding step{Rounding::F32};
  double largest = range.value_or(0);
  for (double v : x) {
    if (!range)
      largest = std::max(largest, std::fabs(step(v)));
    else if (!std::isfinite(step(v)))
      largest = std::numeric_limits<double>::quiet_NaN();
  }
  double inverse = step(127 / largest), scale = step(largest / 127);
  for (auto [to, from] : llvm::zip_equal(out, x)) {
    double code = std::nearbyint(step(step(from) * inverse));
    if (range)
      code = std::clamp(code, -127.0, 127.0);
    to = largest == 0 ? 0 : round(code * scale);
  }
}

int64_t Rounding::operator()(int64_t value) const {
  if (kind != Wrap || bits >= 64)
    return value;
  if (bits == 1) // booleans are 0 and 1
    return value & 1;
  unsigned shift = 64 - bits;
  return int64_t(uint64_t(value) << shift) >> shift;
}

Rounding adze::interpreter::roundingOf(Type type, Precision precision) {
  Type element = getElementTypeOrSelf(type);
  if (auto integer = dyn_cast<IntegerType>(element))
    return {Rounding::Wrap, uint8_t(std::min(integer.getWidth(), 64u))};
  if (element.isF16())
    return {Rounding::F16};
  if (element.isBF16())
    return {Rounding::BF16};
  if (element.isF32() && precision == Precision::F32)
    return {Rounding::F32};
  return {};
}

bool adze::interpreter::isFloatLike(Type type) {
  return isa<FloatType>(getElementTypeOrSelf(type));
}
