// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header. A chunk of rows goes through blocks of columns: within a
// block a row at a time, each column's error taken off the rest of the block;
// then one product for all columns behind it. That is where the time goes.

#include "adze/Transforms/SecondOrder.h"
#include "DenseKernels.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>
#include <cmath>
#include <numeric>

using namespace adze;
using llvm::ArrayRef;

static constexpr int64_t kBlock = 128; // columns
static constexpr int64_t kChunk = 128; // rows
static constexpr double kLeastDamping = 1e-8,
                        kMostDamping = 10; // parts of the mean

Projection::~Projection() = default;
void Projection::enter(int64_t, int64_t, ArrayRef<double>, ArrayRef<double>) {}

//===-- the factor --------------------------------------------------------===//

/// The order of columns. Equal ones stay in place, so that any sort gives it.
static std::vector<int32_t> orderOf(ArrayRef<float> gram, int64_t n,
                                    bool actOrder) {
  std::vector<int32_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  if (actOrder)
    llvm::sort(order, [&](int64_t a, int64_t b) {
      float x = gram[size_t(a * n + a)], y = gram[size_t(b * n + b)];
      return x != y ? x > y : a < b;
    });
  return order;
}

llvm::Expected<InverseFactor>
InverseFactor::make(ArrayRef<float> gram, int64_t n,
                    const InverseFactorOptions &options) {
  assert(int64_t(gram.size()) == n * n && "a square matrix");
  double mean = 0;
  for (int64_t i = 0; i < n; ++i) {
    float value = gram[size_t(i * n + i)];
    if (!(value >= 0))
      return llvm::createStringError("expected a sum of squares on the "
                                     "diagonal of the Gram matrix, found " +
                                     std::to_string(value) + " at " +
                                     llvm::Twine(i));
    mean += double(value) / double(n);
  }
  InverseFactor result;
  result.columnAt = orderOf(gram, n, options.actOrder);
  const auto &order = result.columnAt;
  const auto &kernels = detail::denseKernels();
  std::vector<double> &a = result.u;
  a.resize(size_t(n) * size_t(n));
  // Inputs that are all zero put no limit on W: every direction counts alike.
  if (mean == 0)
    mean = 1;
  for (double part = options.damping; part <= kMostDamping;
       part = std::max(part * 10, kLeastDamping)) {
    double lambda = part * mean;
    // Backwards: H = R R^T with an upper R is the usual factorisation L L^T of
    // the matrix with both orders reversed. U is then the inverse of L with
    // both orders reversed, which is the reversed buffer.
    for (int64_t i = 0; i < n; ++i) {
      int64_t row = order[size_t(n - 1 - i)];
      for (int64_t k = 0; k <= i; ++k)
        a[size_t(i * n + k)] = gram[size_t(row * n + order[size_t(n - 1 - k)])];
      a[size_t(i * n + i)] += lambda;
    }
    if (!kernels.cholesky(a.data(), n))
      continue;
    kernels.invertLower(a.data(), n);
    for (int64_t i = 0; i < n; ++i)
      std::fill(a.begin() + i * n + i + 1, a.begin() + (i + 1) * n, 0.0);
    if (!llvm::all_of(a, [](double value) { return std::isfinite(value); }))
      continue;
    std::reverse(a.begin(), a.end());
    result.lambda = lambda;
    result.part = part;
    return std::move(result);
  }
  return llvm::createStringError(
      "the Gram matrix is not positive definite, even with " +
      llvm::Twine(int64_t(kMostDamping)) + " times its mean diagonal added");
}

std::string InverseFactor::note(const InverseFactorOptions &options) const {
  if (part == options.damping)
    return "";
  std::string text;
  llvm::raw_string_ostream(text)
      << "the Gram matrix is not positive definite with a damping of "
      << llvm::format("%g, it got %g", options.damping, part);
  return text;
}

//===-- the sweep ---------------------------------------------------------===//

namespace {

template <typename T>
void update(T *w, int64_t ldw, const T *e, int64_t lde, const T *u, int64_t ldu,
            int64_t rows, int64_t depth, int64_t columns) {
  const auto &kernels = detail::denseKernels();
  if constexpr (std::is_same_v<T, double>)
    kernels.updateF64(w, ldw, e, lde, u, ldu, rows, depth, columns);
  else
    kernels.updateF32(w, ldw, e, lde, u, ldu, rows, depth, columns);
}

template <typename T> class Sweep {
public:
  Sweep(const InverseFactor &factor, llvm::MutableArrayRef<float> w,
        Projection &projection)
      : n(factor.columns()), rows(int64_t(w.size()) / n), order(factor.order()),
        w(w), projection(projection), group(projection.group()),
        reach(projection.reach()) {
    if constexpr (std::is_same_v<T, double>) {
      u = factor.upper().data();
    } else {
      converted.assign(factor.upper().begin(), factor.upper().end());
      u = converted.data();
    }
    for (int64_t i = 0; i < n; ++i)
      diagonal.push_back(factor.upper()[size_t(i * n + i)]);
  }

  double run(ParallelFor parallel) {
    int64_t chunks = (rows + kChunk - 1) / kChunk;
    std::vector<double> losses(static_cast<size_t>(chunks));
    parallel(chunks, [&](int64_t chunk) {
      int64_t first = chunk * kChunk;
      losses[size_t(chunk)] = runChunk(first, std::min(kChunk, rows - first));
    });
    return std::accumulate(losses.begin(), losses.end(), 0.0);
  }

private:
  /// A block holds whole reaches, or else whole groups of one.
  int64_t blockEnd(int64_t begin) const {
    int64_t end = begin + kBlock / reach * reach;
    if (reach > kBlock)
      end =
          std::min(begin + (group <= kBlock ? kBlock / group * group : kBlock),
                   (begin / reach + 1) * reach);
    return std::min(end, n);
  }

  double runChunk(int64_t first, int64_t count) {
    std::vector<T> values(size_t(count * n)), errors(size_t(count * kBlock));
    for (int64_t r = 0; r < count; ++r)
      for (int64_t i = 0; i < n; ++i)
        values[size_t(r * n + i)] =
            w[size_t((first + r) * n + order[size_t(i)])];
    double loss = 0;
    for (int64_t begin = 0; begin < n;) {
      int64_t end = blockEnd(begin);
      for (int64_t r = 0; r < count; ++r)
        loss += runRow(first + r, begin, end, values.data() + r * n,
                       errors.data() + r * kBlock);
      if (end < n)
        update<T>(values.data() + end, n, errors.data(), kBlock,
                  u + begin * n + end, n, count, end - begin, n - end);
      begin = end;
    }
    for (int64_t r = 0; r < count; ++r)
      for (int64_t i = 0; i < n; ++i)
        w[size_t((first + r) * n + order[size_t(i)])] =
            float(values[size_t(r * n + i)]);
    return loss;
  }

  double runRow(int64_t row, int64_t begin, int64_t end, T *values, T *errors) {
    double loss = 0;
    std::vector<double> entered;
    for (int64_t i = begin; i < end; ++i) {
      if (i % group == 0) {
        int64_t last = std::min(i + (i % reach == 0 ? reach : group), n);
        entered.assign(values + i, values + last);
        projection.enter(row, i, entered,
                         ArrayRef(diagonal).slice(size_t(i), size_t(last - i)));
      }
      const T *line = u + i * n;
      double projected = projection.project(row, i, double(values[i]));
      T error = T((double(values[i]) - projected) / diagonal[size_t(i)]);
      values[i] = T(projected);
      errors[i - begin] = error;
      loss += double(error) * double(error);
      for (int64_t k = i + 1; k < end; ++k)
        values[k] -= error * line[k];
    }
    return loss;
  }

  int64_t n, rows;
  ArrayRef<int32_t> order;
  llvm::MutableArrayRef<float> w;
  Projection &projection;
  int64_t group, reach;
  const T *u;
  std::vector<T> converted;
  std::vector<double> diagonal;
};

} // namespace

double adze::sweep(const InverseFactor &factor, llvm::MutableArrayRef<float> w,
                   Projection &projection, SweepPrecision precision,
                   ParallelFor parallel) {
  assert(int64_t(w.size()) % factor.columns() == 0 && "whole rows");
  if (precision == SweepPrecision::Double)
    return Sweep<double>(factor, w, projection).run(parallel);
  return Sweep<float>(factor, w, projection).run(parallel);
}

void adze::addGram(ArrayRef<float> x, int64_t n,
                   llvm::MutableArrayRef<float> gram, ParallelFor parallel) {
  assert(int64_t(gram.size()) == n * n && "a square matrix");
  constexpr int64_t kWidth = 256; // of a task: columns, from its first row down
  int64_t rows = int64_t(x.size()) / n;
  parallel((n + kWidth - 1) / kWidth, [&](int64_t task) {
    int64_t first = task * kWidth, width = std::min(kWidth, n - first);
    detail::denseKernels().addProducts(gram.data() + first * n + first, n,
                                       x.data() + first, x.data() + first, n,
                                       rows, n - first, width);
  });
}

double adze::energy(ArrayRef<float> x, ArrayRef<float> gram, int64_t n,
                    ParallelFor parallel) {
  int64_t rows = int64_t(x.size()) / n, chunks = (rows + kChunk - 1) / kChunk;
  std::vector<double> sums(static_cast<size_t>(chunks));
  parallel(chunks, [&](int64_t chunk) {
    int64_t first = chunk * kChunk;
    sums[size_t(chunk)] = detail::denseKernels().energy(
        x.data() + first * n, gram.data(), std::min(kChunk, rows - first), n);
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}
