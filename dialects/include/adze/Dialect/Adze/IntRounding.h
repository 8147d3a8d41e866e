// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rounding to #adze.int for those that choose codes themselves, as calibrated
// quantizers do: scales of groups, and rows made of codes and scales.
#ifndef ADZE_DIALECT_ADZE_INTROUNDING_H
#define ADZE_DIALECT_ADZE_INTROUNDING_H

#include "adze/Dialect/Adze/Adze.h"

namespace adze {

/// value = scale * (code - zero).
struct CodeScale {
  float scale;
  int32_t zero;
};

class IntRounding {
public:
  explicit IntRounding(IntFormatAttr format) : format(format) {}

  /// Elements that share a scale, in a row of `columns`.
  int64_t groupSize(int64_t columns) const;
  int32_t maxCode() const { return int32_t(format.getMaxCode()); }

  /// The scale that plain rounding gives a group of finite values, or where
  /// `importance` is given the one of least squared error with each square
  /// times the importance (0 or more) of its element. A scale is as the format
  /// stores it: 0 where the values are, infinite where they are too large.
  CodeScale chooseScale(llvm::ArrayRef<float> values,
                        llvm::ArrayRef<float> importance = {}) const;

  /// A row from a code per element and a scale per group.
  void storeRow(llvm::ArrayRef<uint8_t> codes, llvm::ArrayRef<CodeScale> scales,
                llvm::MutableArrayRef<uint8_t> row) const;

private:
  IntFormatAttr format;
};

} // namespace adze

#endif // ADZE_DIALECT_ADZE_INTROUNDING_H
