// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Dense linear algebra for the vector width of this machine. Eigen is behind
// it, compiled once per x86 level, and in no header.
#ifndef ADZE_LIB_ALGEBRA_DENSEKERNELS_H
#define ADZE_LIB_ALGEBRA_DENSEKERNELS_H

#include <cstdint>

namespace adze::detail {

/// Matrices are row-major.
struct DenseKernels {
  /// `a` [n, n], symmetric (the lower half is read) -> its Cholesky factor L in
  /// the lower half, a = L L^T. False if a pivot is not positive.
  bool (*cholesky)(double *a, int64_t n);
  /// The lower half of `a` [n, n], triangular -> its inverse; the upper half is
  /// neither read nor written.
  void (*invertLower)(double *a, int64_t n);
  /// w -= e u for w [rows, columns], e [rows, depth], u [depth, columns] with
  /// leading dimensions.
  void (*updateF64)(double *w, int64_t ldw, const double *e, int64_t lde,
                    const double *u, int64_t ldu, int64_t rows, int64_t depth,
                    int64_t columns);
  void (*updateF32)(float *w, int64_t ldw, const float *e, int64_t lde,
                    const float *u, int64_t ldu, int64_t rows, int64_t depth,
                    int64_t columns);
  /// c += a b for a^T [rows, m] and b [rows, n] with one leading dimension: the
  /// products of columns, c [m, n].
  void (*addProducts)(float *c, int64_t ldc, const float *a, const float *b,
                      int64_t ld, int64_t rows, int64_t m, int64_t n);
  /// tr(x h x^T) for x [rows, n], h [n, n].
  double (*energy)(const float *x, const float *h, int64_t rows, int64_t n);
};

/// Those of this machine.
const DenseKernels &denseKernels();

} // namespace adze::detail

#endif // ADZE_LIB_ALGEBRA_DENSEKERNELS_H
