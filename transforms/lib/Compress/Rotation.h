// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// An orthogonal matrix Q that spreads what is in a few columns over all of them
// and multiplies fast: signs, then a Hadamard matrix on the power of two that
// divides the size, then a small random orthogonal one on the rest.
#ifndef ADZE_LIB_COMPRESS_ROTATION_H
#define ADZE_LIB_COMPRESS_ROTATION_H

#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <vector>

namespace adze::detail {

class Rotation {
public:
  /// Of `size` x `size`, above 0. Equal seeds give equal matrices on every
  /// machine.
  Rotation(int64_t size, uint64_t seed);

  /// row := row Q.
  void apply(llvm::MutableArrayRef<double> row) const;
  /// The odd part of the size, whose matrix is a dense one.
  int64_t rest() const { return odd; }

private:
  int64_t size, odd;
  std::vector<double> signs;  // with the scale of the Hadamard matrix
  std::vector<double> matrix; // [odd, odd], orthogonal
};

} // namespace adze::detail

#endif // ADZE_LIB_COMPRESS_ROTATION_H
