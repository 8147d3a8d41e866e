// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "Rotation.h"
#include <cmath>

using namespace adze::detail;

namespace {

/// A generator whose numbers are the same everywhere (the library's
/// distributions are not).
class Random {
public:
  explicit Random(uint64_t seed) : state(seed) {}
  uint64_t bits() {
    state += 0x9e3779b97f4a7c15;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  /// About normal: a sum of twelve uniform numbers.
  double normal() {
    double sum = -6;
    for (int i = 0; i < 12; ++i)
      sum += double(bits() >> 11) * 0x1p-53;
    return sum;
  }

private:
  uint64_t state;
};

} // namespace

/// Random rows, made orthonormal one after the other; twice, for the digits.
static std::vector<double> orthogonal(int64_t n, Random &random) {
  std::vector<double> m(size_t(n * n));
  for (int64_t i = 0; i < n; ++i) {
    double *row = m.data() + i * n;
    double norm = 0;
    while (norm < 1e-3) {
      for (int64_t k = 0; k < n; ++k)
        row[k] = random.normal();
      for (int pass = 0; pass < 2; ++pass)
        for (int64_t j = 0; j < i; ++j) {
          const double *other = m.data() + j * n;
          double dot = 0;
          for (int64_t k = 0; k < n; ++k)
            dot += row[k] * other[k];
          for (int64_t k = 0; k < n; ++k)
            row[k] -= dot * other[k];
        }
      norm = 0;
      for (int64_t k = 0; k < n; ++k)
        norm += row[k] * row[k];
      norm = std::sqrt(norm);
    }
    for (int64_t k = 0; k < n; ++k)
      row[k] /= norm;
  }
  return m;
}

Rotation::Rotation(int64_t size, uint64_t seed) : size(size), odd(size) {
  int64_t power = 1;
  while (odd % 2 == 0) {
    odd /= 2;
    power *= 2;
  }
  Random random(seed);
  double scale = 1 / std::sqrt(double(power));
  for (int64_t i = 0; i < size; ++i)
    signs.push_back(random.bits() >> 63 ? scale : -scale);
  matrix = orthogonal(odd, random);
}

/// Element i stands for (i / odd, i % odd): butterflies over the former, the
/// small matrix over the latter.
void Rotation::apply(llvm::MutableArrayRef<double> row) const {
  auto n = size_t(size), r = size_t(odd);
  for (size_t i = 0; i < n; ++i)
    row[i] *= signs[i];
  for (size_t step = r; step < n; step *= 2)
    for (size_t block = 0; block < n; block += 2 * step)
      for (size_t i = block; i < block + step; ++i) {
        double a = row[i], b = row[i + step];
        row[i] = a + b;
        row[i + step] = a - b;
      }
  if (r == 1)
    return;
  std::vector<double> part(r);
  for (size_t block = 0; block < n; block += r) {
    for (size_t j = 0; j < r; ++j) {
      part[j] = 0;
      for (size_t i = 0; i < r; ++i)
        part[j] += row[block + i] * matrix[i * r + j];
    }
    for (size_t j = 0; j < r; ++j)
      row[block + j] = part[j];
  }
}
