/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * exp and log for sampling: no libm, and the same bits on every machine, so
 * that a seed means the same everywhere. Accurate to about 1e-15. */
#ifndef ADZE_LIB_REAL_H
#define ADZE_LIB_REAL_H

#include <stdint.h>
#include <string.h>

/* exp of x <= 0; 0 below about -708. */
static inline double adze_exp(double x) {
  if (!(x > -708.0))
    return 0.0;
  double k = (double)(int64_t)(x * 1.4426950408889634 - 0.5);
  double r =
      (x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
  double sum = 1.0; /* Taylor by Horner; |r| <= 0.35, error r^14 / 14! */
  for (int n = 13; n > 0; --n)
    sum = 1.0 + sum * r / n;
  uint64_t bits = (uint64_t)((int64_t)k + 1023) << 52;
  double power;
  memcpy(&power, &bits, sizeof power);
  return sum * power;
}

/* log of a positive normal x. */
static inline double adze_log(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  int64_t exponent = (int64_t)(bits >> 52) - 1023;
  bits = (bits & 0xFFFFFFFFFFFFFu) | (uint64_t)1023 << 52;
  double m;
  memcpy(&m, &bits, sizeof m);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++exponent;
  }
  double s = (m - 1.0) / (m + 1.0), square = s * s, sum = 0.0;
  for (int n = 21; n > 0; n -= 2)
    sum = sum * square + 1.0 / n;
  return (double)exponent * 0.69314718055994531 + 2.0 * s * sum;
}

#endif
