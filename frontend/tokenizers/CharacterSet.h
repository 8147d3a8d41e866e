// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A set of characters while a pattern is compiled: ranges, general categories
// and white space, in the terms of adze_tt_set.

#ifndef ADZE_FRONTEND_TOKENIZERS_CHARACTERSET_H
#define ADZE_FRONTEND_TOKENIZERS_CHARACTERSET_H

#include "adze/text_table.h"

#include "llvm/ADT/StringRef.h"

#include <vector>

namespace adze {

struct PatternPrograms;

constexpr uint32_t kAllCategories = (1u << ADZE_TT_CATEGORY_COUNT) - 1;

/// Bits of a general category ("Lu") or a group of them ("L"), 0 if unknown.
uint32_t categoryMask(llvm::StringRef name);

class CharacterSet {
public:
  bool complement = false;

  void addRange(uint32_t low, uint32_t high) { ranges.push_back({low, high}); }
  void addCategories(uint32_t mask, bool negated) {
    categories |= negated ? kAllCategories & ~mask : mask;
  }
  void addSpace(bool negated) {
    flags |= negated ? ADZE_TT_SET_WITH_NON_SPACE : ADZE_TT_SET_WITH_SPACE;
  }
  /// Adds the other case of all letters; false if the set has letters beyond
  /// ASCII, whose case folding is not implemented.
  bool ignoreCase();
  /// Appends the set to `programs`, or finds an equal one there.
  uint32_t intern(PatternPrograms &programs);

private:
  uint32_t flags = 0, categories = 0;
  std::vector<adze_tt_range> ranges;
};

} // namespace adze

#endif // ADZE_FRONTEND_TOKENIZERS_CHARACTERSET_H
