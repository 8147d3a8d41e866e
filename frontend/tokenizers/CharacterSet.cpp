// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sets of characters: names of categories, case, and the sorted ranges that
// the runtime searches.

#include "CharacterSet.h"

#include "PatternCompiler.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>

using namespace llvm;

namespace adze {

uint32_t categoryMask(StringRef name) {
  static constexpr const char *names[ADZE_TT_CATEGORY_COUNT] = {
      "Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd",
      "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm",
      "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co"};
  uint32_t mask = 0;
  for (auto [index, category] : enumerate(names))
    if (name == category || (name.size() == 1 && name[0] == category[0]))
      mask |= 1u << index;
  return mask;
}

bool CharacterSet::ignoreCase() {
  constexpr uint32_t cased =
      1u << ADZE_TT_LU | 1u << ADZE_TT_LL | 1u << ADZE_TT_LT;
  if ((categories & cased) != 0 && (categories & cased) != cased)
    return false;
  for (size_t i = 0, count = ranges.size(); i < count; ++i) {
    adze_tt_range range = ranges[i];
    if (range.high >= 0x80)
      return false;
    auto addCase = [&](uint32_t from, uint32_t to) {
      uint32_t low = std::max(range.low, from);
      uint32_t high = std::min(range.high, from + 25);
      if (low <= high)
        ranges.push_back({low - from + to, high - from + to});
    };
    addCase('a', 'A');
    addCase('A', 'a');
    auto covers = [&](uint32_t c) { return range.low <= c && c <= range.high; };
    // The two ASCII letters that characters beyond ASCII fold to.
    if (covers('s') || covers('S'))
      ranges.push_back({0x17F, 0x17F});
    if (covers('k') || covers('K'))
      ranges.push_back({0x212A, 0x212A});
  }
  return true;
}

uint32_t CharacterSet::intern(PatternPrograms &programs) {
  std::sort(ranges.begin(), ranges.end(),
            [](const adze_tt_range &a, const adze_tt_range &b) {
              return a.low < b.low;
            });
  std::vector<adze_tt_range> merged;
  for (const adze_tt_range &range : ranges) {
    if (!merged.empty() && range.low <= merged.back().high + 1)
      merged.back().high = std::max(merged.back().high, range.high);
    else
      merged.push_back(range);
  }
  uint32_t setFlags = flags | flagIf(complement, ADZE_TT_SET_COMPLEMENT);
  auto sameRanges = [&](const adze_tt_set &set) {
    return set.range_count == merged.size() &&
           std::equal(merged.begin(), merged.end(),
                      programs.ranges.begin() + set.first_range,
                      [](const adze_tt_range &a, const adze_tt_range &b) {
                        return a.low == b.low && a.high == b.high;
                      });
  };
  for (auto [index, set] : enumerate(programs.sets))
    if (set.flags == setFlags && set.categories == categories &&
        sameRanges(set))
      return index;
  programs.sets.push_back({setFlags, categories,
                           static_cast<uint32_t>(programs.ranges.size()),
                           static_cast<uint32_t>(merged.size())});
  programs.ranges.insert(programs.ranges.end(), merged.begin(), merged.end());
  return static_cast<uint32_t>(programs.sets.size() - 1);
}

} // namespace adze
