// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "adze/Transforms/IntProjection.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace adze;
using llvm::ArrayRef;

IntProjection::IntProjection(IntFormatAttr format, int64_t rows,
                             ArrayRef<int32_t> order,
                             ArrayRef<float> importance)
    : rounding(format), columns(int64_t(order.size())),
      groupSize(rounding.groupSize(columns)),
      groups(int64_t(llvm::divideCeil(columns, groupSize))), order(order),
      importance(importance), isInOrder(llvm::is_sorted(order)),
      allCodes(size_t(rows * columns)), allScales(size_t(rows * groups)) {}

/// Importances that are all zero say nothing.
void IntProjection::choose(int64_t row, int64_t begin, ArrayRef<float> values) {
  ArrayRef<float> weights;
  if (!importance.empty()) {
    weights = importance.slice(size_t(begin), values.size());
    if (llvm::all_of(weights, [](float x) { return x == 0; }))
      weights = {};
  }
  allScales[size_t(row * groups + begin / groupSize)] =
      rounding.chooseScale(values, weights);
}

void IntProjection::prepare(ArrayRef<float> w, ParallelFor parallel) {
  for (size_t i = 0; i < w.size(); ++i)
    allCodes[i] = w[i] == 0;
  if (isInOrder)
    return;
  int64_t rows = int64_t(allCodes.size()) / columns;
  parallel(rows, [&](int64_t row) {
    for (int64_t begin = 0; begin < columns; begin += groupSize)
      choose(row, begin,
             w.slice(size_t(row * columns + begin),
                     size_t(std::min(groupSize, columns - begin))));
  });
}

int64_t IntProjection::group() const { return isInOrder ? groupSize : columns; }

void IntProjection::enter(int64_t row, int64_t begin, ArrayRef<double> values,
                          ArrayRef<double>) {
  if (!isInOrder)
    return;
  std::vector<float> now(values.begin(), values.end());
  choose(row, begin, now);
}

double IntProjection::project(int64_t row, int64_t position, double value) {
  int64_t column = order[size_t(position)];
  CodeScale at = allScales[size_t(row * groups + column / groupSize)];
  double scale = at.scale, code = at.zero;
  uint8_t &stored = allCodes[size_t(row * columns + column)];
  bool staysZero = stored;
  if (!staysZero && scale != 0 && std::isfinite(scale))
    code = std::clamp(std::nearbyint(value / scale) + at.zero, 0.0,
                      double(rounding.maxCode()));
  stored = uint8_t(code);
  return code == at.zero ? 0.0 : scale * (code - at.zero);
}

void IntProjection::keepZero(int64_t row, int64_t column) {
  allCodes[size_t(row * columns + column)] = 1;
}

ArrayRef<uint8_t> IntProjection::codes(int64_t row) const {
  return ArrayRef(allCodes).slice(size_t(row * columns), size_t(columns));
}
ArrayRef<CodeScale> IntProjection::scales(int64_t row) const {
  return ArrayRef(allScales).slice(size_t(row * groups), size_t(groups));
}
void IntProjection::storeRow(int64_t row,
                             llvm::MutableArrayRef<uint8_t> out) const {
  rounding.storeRow(codes(row), scales(row), out);
}

bool IntProjection::store(llvm::MutableArrayRef<uint8_t> out,
                          ParallelFor parallel) const {
  int64_t rows = int64_t(allCodes.size()) / columns;
  size_t bytes = out.size() / size_t(rows);
  parallel(rows, [&](int64_t row) {
    storeRow(row, out.slice(size_t(row) * bytes, bytes));
  });
  return llvm::all_of(allScales,
                      [](CodeScale at) { return std::isfinite(at.scale); });
}
