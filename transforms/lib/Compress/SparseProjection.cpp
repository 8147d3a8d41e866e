// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "adze/Transforms/SparseProjection.h"
#include <cmath>

using namespace adze;
using llvm::ArrayRef;
using llvm::MutableArrayRef;

/// Where one of them divides the other, masks and scales are chosen at places
/// that go together; elsewhere masks keep to the groups of codes.
static int64_t columnsTogether(const ZerosPattern &zeros, int64_t columns,
                               const IntProjection *codes) {
  if (zeros.kind == ZerosKind::NofM)
    return zeros.of;
  if (!codes || zeros.kind == ZerosKind::Blocks)
    return kSparseColumns;
  int64_t group = codes->group();
  bool fits = group % kSparseColumns == 0 || kSparseColumns % group == 0 ||
              group >= columns;
  return fits ? kSparseColumns : group;
}

SparseProjection::SparseProjection(const ZerosPattern &zeros, int64_t rows,
                                   int64_t columns, IntProjection *codes)
    : zeros(zeros), columns(columns),
      together(columnsTogether(zeros, columns, codes)), codes(codes),
      allMasks(size_t(rows * columns)) {}

bool SparseProjection::canShare(const ZerosPattern &zeros,
                                const IntProjection &codes) {
  return zeros.kind != ZerosKind::NofM || codes.group() % zeros.of == 0;
}

void SparseProjection::prepare(const InverseFactor &factor, ArrayRef<float> w,
                               ParallelFor parallel) {
  if (codes)
    codes->prepare(w, parallel);
  if (zeros.kind == ZerosKind::Blocks) {
    // The diagonal of the inverse, which is U^T U.
    std::vector<double> scales(static_cast<size_t>(columns));
    for (int64_t i = 0; i < columns; ++i)
      for (int64_t k = i; k < columns; ++k) {
        double u = factor.upper()[size_t(i * columns + k)];
        scales[size_t(k)] += u * u;
      }
    for (double &scale : scales)
      scale = 1 / std::sqrt(scale);
    allMasks =
        chooseMask(zeros, w, columns, scales, ComparedWith::Row, parallel);
  }
  for (size_t i = 0; i < w.size(); ++i)
    allMasks[i] |= w[i] == 0;
}

int64_t SparseProjection::group() const {
  return codes ? std::min(together, codes->group()) : together;
}
int64_t SparseProjection::reach() const {
  return codes ? std::max(together, codes->group()) : together;
}

ArrayRef<uint8_t> SparseProjection::mask(int64_t row) const {
  return ArrayRef(allMasks).slice(size_t(row * columns), size_t(columns));
}

/// `mask` holds what must be zero anyway, which goes first.
void SparseProjection::choose(int64_t row, int64_t begin,
                              ArrayRef<double> values,
                              ArrayRef<double> diagonal,
                              MutableArrayRef<uint8_t> mask) const {
  std::vector<double> scores;
  for (auto [value, u, isZero] : llvm::zip_equal(values, diagonal, mask)) {
    double score = value / u;
    scores.push_back(isZero ? -1 : score * score);
  }
  if (zeros.kind == ZerosKind::NofM)
    return markGroups(scores, zeros, mask);
  // So that the amounts of all blocks add up to that of the row.
  int64_t end = begin + int64_t(values.size());
  markLowest(scores,
             amountOf(zeros.amount, end) - amountOf(zeros.amount, begin), mask);
}

void SparseProjection::enter(int64_t row, int64_t begin,
                             ArrayRef<double> values,
                             ArrayRef<double> diagonal) {
  auto own = MutableArrayRef(allMasks).slice(size_t(row * columns + begin));
  bool isFixed = zeros.kind == ZerosKind::Blocks;
  if (!isFixed && begin % together == 0) {
    size_t count = std::min(size_t(together), values.size());
    choose(row, begin, values.take_front(count), diagonal.take_front(count),
           own.take_front(count));
  }
  if (!codes || begin % codes->group() != 0)
    return;
  // The scale minds what will be kept of the group: where masks are chosen
  // later, what would be kept as it is now.
  size_t count = std::min(size_t(codes->group()), values.size());
  std::vector<uint8_t> expected(own.begin(), own.begin() + count);
  for (size_t at = size_t(together); at < count && !isFixed;
       at += size_t(together)) {
    size_t some = std::min(size_t(together), count - at);
    choose(row, begin + int64_t(at), values.slice(at, some),
           diagonal.slice(at, some), MutableArrayRef(expected).slice(at, some));
  }
  std::vector<double> kept(values.begin(), values.begin() + count);
  for (size_t i = 0; i < count; ++i)
    if (expected[i])
      kept[i] = 0;
  codes->enter(row, begin, kept, diagonal.take_front(count));
}

double SparseProjection::project(int64_t row, int64_t position, double value) {
  bool isZero = allMasks[size_t(row * columns + position)];
  if (!codes)
    return isZero ? 0 : value;
  if (isZero)
    codes->keepZero(row, position);
  return codes->project(row, position, value);
}
