// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Zero, for part of the values of a sweep, is what they may become: SparseGPT
// (Frantar and Alistarh, 2023). What is kept may be rounded to codes in the
// same sweep.
#ifndef ADZE_TRANSFORMS_SPARSEPROJECTION_H
#define ADZE_TRANSFORMS_SPARSEPROJECTION_H

#include "adze/Transforms/IntProjection.h"
#include "adze/Transforms/PruneMask.h"

namespace adze {

/// Scores are w^2 / U[i,i]^2 when the sweep comes to a group of N:M, or to the
/// kSparseColumns columns of a row of which an amount goes. Blocks are chosen
/// before the sweep, by w^2 / H^-1[i,i], in equal numbers for all rows. Columns
/// are swept in order. What was exactly zero before stays so, and counts.
class SparseProjection : public Projection {
public:
  /// With `codes`, what is kept becomes one of them; false from
  /// canShare(zeros, codes) rules that out.
  SparseProjection(const ZerosPattern &zeros, int64_t rows, int64_t columns,
                   IntProjection *codes = nullptr);
  /// Whether groups of codes hold whole groups of N:M.
  static bool canShare(const ZerosPattern &zeros, const IntProjection &codes);

  /// Before the sweep, with the weight as it is.
  void prepare(const InverseFactor &factor, llvm::ArrayRef<float> w,
               ParallelFor parallel);

  int64_t group() const override;
  int64_t reach() const override;
  void enter(int64_t row, int64_t begin, llvm::ArrayRef<double> values,
             llvm::ArrayRef<double> diagonal) override;
  double project(int64_t row, int64_t position, double value) override;

  /// After the sweep: 1 for what became zero.
  llvm::ArrayRef<uint8_t> mask(int64_t row) const;

private:
  void choose(int64_t row, int64_t begin, llvm::ArrayRef<double> values,
              llvm::ArrayRef<double> diagonal,
              llvm::MutableArrayRef<uint8_t> mask) const;

  const ZerosPattern &zeros;
  int64_t columns, together; ///< columns whose mask is chosen at once
  IntProjection *codes;
  std::vector<uint8_t> allMasks;
};

/// As many columns of a row are compared as the paper's code updates at once.
inline constexpr int64_t kSparseColumns = 128;

} // namespace adze

#endif // ADZE_TRANSFORMS_SPARSEPROJECTION_H
