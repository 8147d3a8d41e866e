// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "adze/Transforms/PruneMask.h"
#include <algorithm>
#include <cmath>

using namespace adze;
using llvm::ArrayRef;
using llvm::MutableArrayRef;

int64_t adze::amountOf(double amount, int64_t size) {
  return int64_t(std::nearbyint(amount * double(size)));
}

void adze::markLowest(ArrayRef<double> scores, int64_t count,
                      MutableArrayRef<uint8_t> mask) {
  if (count <= 0)
    return;
  std::vector<double> sorted(scores);
  auto last = sorted.begin() + count - 1;
  std::nth_element(sorted.begin(), last, sorted.end());
  double most = *last;
  int64_t equal =
      count - std::count_if(sorted.begin(), last,
                            [&](double score) { return score < most; });
  for (size_t i = 0; i < scores.size(); ++i)
    if (scores[i] < most || (scores[i] == most && equal-- > 0))
      mask[i] = 1;
}

void adze::markGroups(ArrayRef<double> scores, const ZerosPattern &zeros,
                      MutableArrayRef<uint8_t> mask) {
  for (size_t i = 0; i < scores.size(); i += size_t(zeros.of)) {
    size_t size = std::min(size_t(zeros.of), scores.size() - i);
    markLowest(scores.slice(i, size), int64_t(size) - zeros.keep,
               mask.slice(i, size));
  }
}

namespace {

/// A weight in units that become zero together: elements or blocks.
struct Units {
  Units(const ZerosPattern &zeros, int64_t size, int64_t columns)
      : columns(columns), rows(size / columns), height(zeros.blockRows),
        width(zeros.blockColumns), down((rows + height - 1) / height),
        across((columns + width - 1) / width) {}

  /// Calls `use` with the elements of a unit.
  template <typename F> void each(int64_t strip, int64_t unit, F use) const {
    int64_t rowEnd = std::min(rows, (strip + 1) * height),
            columnEnd = std::min(columns, (unit + 1) * width);
    for (int64_t row = strip * height; row < rowEnd; ++row)
      for (int64_t column = unit * width; column < columnEnd; ++column)
        use(size_t(row * columns + column), size_t(column));
  }

  int64_t columns, rows, height, width;
  int64_t down, across; ///< units
};

} // namespace

std::vector<double> adze::unitScores(const ZerosPattern &zeros,
                                     ArrayRef<float> w, int64_t columns,
                                     ArrayRef<double> scales,
                                     ParallelFor parallel) {
  Units units(zeros, int64_t(w.size()), columns);
  bool isElement = units.height * units.width == 1;
  std::vector<double> scores(size_t(units.down * units.across));
  parallel(units.down, [&](int64_t strip) {
    for (int64_t unit = 0; unit < units.across; ++unit) {
      double sum = 0, last = 0;
      int64_t count = 0;
      units.each(strip, unit, [&](size_t at, size_t column) {
        last = std::fabs(double(w[at]));
        if (!scales.empty())
          last *= scales[column];
        sum += last * last;
        ++count;
      });
      scores[size_t(strip * units.across + unit)] =
          isElement ? last : std::sqrt(sum / double(count));
    }
  });
  return scores;
}

std::vector<uint8_t> adze::chooseMask(const ZerosPattern &zeros,
                                      ArrayRef<float> w, int64_t columns,
                                      ArrayRef<double> scales,
                                      ComparedWith with, ParallelFor parallel) {
  Units units(zeros, int64_t(w.size()), columns);
  std::vector<double> scores = unitScores(zeros, w, columns, scales, parallel);
  std::vector<uint8_t> marked(scores.size()), mask(w.size());
  bool isGroups = zeros.kind == ZerosKind::NofM;
  if (!isGroups && with == ComparedWith::Tensor)
    markLowest(scores, amountOf(zeros.amount, int64_t(scores.size())), marked);
  parallel(units.down, [&](int64_t strip) {
    size_t first = size_t(strip * units.across), count = size_t(units.across);
    auto own = MutableArrayRef(marked).slice(first, count);
    auto ownScores = ArrayRef(scores).slice(first, count);
    if (isGroups)
      markGroups(ownScores, zeros, own);
    else if (with == ComparedWith::Row)
      markLowest(ownScores, amountOf(zeros.amount, units.across), own);
    for (int64_t unit = 0; unit < units.across; ++unit)
      units.each(strip, unit,
                 [&](size_t at, size_t) { mask[at] = own[size_t(unit)]; });
  });
  return mask;
}
