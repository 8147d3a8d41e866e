// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the machine can do at this moment, to compare a model with: reading
// memory, and dot products that never leave the registers.
#ifndef ADZE_CODEGEN_DRIVER_MEASURE_H
#define ADZE_CODEGEN_DRIVER_MEASURE_H

#include "adze/result.hpp"
#include <cstddef>
#include <cstdint>
#include <vector>

namespace adze {

/// The instructions that the peak is measured with: for integers vpdpbusd, or
/// where there is none the three that replace it.
enum class Dot {
  F32Avx2,
  F32Avx512,
  BF16Avx512,
  BF16Amx,
  I8Avx2,
  I8Avx512,
  I8Vnni,
  I8Amx
};

/// The fastest read and the fastest dot of this many threads.
class Measure {
public:
  /// Takes anonymous memory of `bytes` (at most a GiB: no cache holds as much),
  /// in huge pages where the system has them.
  static Result<Measure> create(unsigned threads, uint64_t bytes, Dot dot);
  Measure(Measure &&other) noexcept;
  Measure(const Measure &) = delete;
  ~Measure();

  /// Bytes per second of a plain read: `seconds` of reading over all of the
  /// memory, each thread its own part.
  double readRate(double seconds = 0.35);
  /// Operations (a multiplication or an addition) per second.
  double dotRate();

private:
  Measure() = default;
  unsigned threads = 1;
  Dot dot = Dot::F32Avx2;
  char *memory = nullptr;
  size_t part = 0; // bytes of each thread
};

/// The middle one, or the mean of the two in the middle; 0 of none.
double median(std::vector<double> values);

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_MEASURE_H
