// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random numbers that are the same with every standard library, so that a seed
// means one graph everywhere.
#ifndef ADZE_TEST_RANDOM_RANDOM_H
#define ADZE_TEST_RANDOM_RANDOM_H

#include <cstdint>
#include <initializer_list>

namespace adze::test {

class Random {
public:
  explicit Random(uint64_t seed) : state(seed * 0x9e3779b97f4a7c15u + 1) {}

  uint64_t next() { // splitmix64
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  /// In [0, n).
  uint64_t below(uint64_t n) { return next() % n; }
  /// In [lo, hi].
  int64_t between(int64_t lo, int64_t hi) { return lo + below(hi - lo + 1); }
  bool chance(double p) { return double(next() >> 11) * 0x1p-53 < p; }
  template <typename T> T pick(std::initializer_list<T> from) {
    return from.begin()[below(from.size())];
  }
  /// About normal: mean 0, variance 1.
  double normal() {
    double sum = 0;
    for (int i = 0; i < 12; ++i)
      sum += double(next() >> 11) * 0x1p-53;
    return sum - 6;
  }

private:
  uint64_t state;
};

} // namespace adze::test

#endif // ADZE_TEST_RANDOM_RANDOM_H
