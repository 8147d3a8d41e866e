// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Codes of #adze.int as what the values of a sweep may become: GPTQ.
#ifndef ADZE_TRANSFORMS_INTPROJECTION_H
#define ADZE_TRANSFORMS_INTPROJECTION_H

#include "adze/Dialect/Adze/IntRounding.h"
#include "adze/Transforms/SecondOrder.h"

namespace adze {

/// Where columns are swept as they stand, the scale of a group is chosen from
/// the values that its elements have when the sweep comes to it. In another
/// order they are chosen before, from the weight as it is: groups stay of
/// neighbours, and what reads the weight need not gather its input.
///
/// What is exactly zero in the weight keeps the zero code, whatever made it
/// zero and however many there are: what was pruned stays so, here or
/// elsewhere. (In a weight that nobody pruned so few values are zero that
/// nothing is lost.)
class IntProjection : public Projection {
public:
  /// For a weight [rows, order.size()]. `importance`, per column, weighs the
  /// squares in the choice of scales; it may be empty.
  IntProjection(IntFormatAttr format, int64_t rows,
                llvm::ArrayRef<int32_t> order,
                llvm::ArrayRef<float> importance = {});

  /// Before the sweep, with the weight as it is.
  void prepare(llvm::ArrayRef<float> w, ParallelFor parallel);

  int64_t group() const override;
  void enter(int64_t row, int64_t begin, llvm::ArrayRef<double> values,
             llvm::ArrayRef<double> diagonal) override;
  double project(int64_t row, int64_t position, double value) override;

  /// Before the value is projected: it becomes zero, whatever it is.
  void keepZero(int64_t row, int64_t column);

  /// After the sweep: codes of a row in the order of columns, and the scales of
  /// its groups.
  llvm::ArrayRef<uint8_t> codes(int64_t row) const;
  llvm::ArrayRef<CodeScale> scales(int64_t row) const;
  /// The row as the format stores it.
  void storeRow(int64_t row, llvm::MutableArrayRef<uint8_t> out) const;
  /// All rows as the format stores them. False if a scale is not finite: the
  /// values are too large for the format's.
  bool store(llvm::MutableArrayRef<uint8_t> out, ParallelFor parallel) const;

private:
  void choose(int64_t row, int64_t begin, llvm::ArrayRef<float> values);

  IntRounding rounding;
  int64_t columns, groupSize, groups;
  llvm::ArrayRef<int32_t> order;
  llvm::ArrayRef<float> importance;
  bool isInOrder;
  std::vector<uint8_t> allCodes; // before the sweep: 1 where it stays zero
  std::vector<CodeScale> allScales;
};

} // namespace adze

#endif // ADZE_TRANSFORMS_INTPROJECTION_H
