// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "InputSums.h"
#include "adze/Transforms/SecondOrder.h"
#include "llvm/Support/ThreadPool.h"
#include <atomic>
#include <cmath>

using namespace adze;

InputSums::InputSums(int64_t columns, bool wantGram)
    : cols(columns), sums(size_t(columns)),
      lower(wantGram ? size_t(columns) * size_t(columns) : 0) {}

void InputSums::add(const float *x, int64_t rows,
                    llvm::ThreadPoolInterface &pool) {
  bool isSmall = rows * cols * cols < 1 << 20;
  auto parallel = [&](int64_t tasks, llvm::function_ref<void(int64_t)> task) {
    std::atomic<int64_t> next{0};
    auto work = [&] {
      for (int64_t i; (i = next.fetch_add(1)) < tasks;)
        task(i);
    };
    if (isSmall)
      return work();
    for (unsigned t = 0; t < pool.getMaxConcurrency(); ++t)
      pool.async(work);
    pool.wait();
  };
  constexpr int64_t kColumns = 64; // of a task: some lines of each row
  parallel((cols + kColumns - 1) / kColumns, [&](int64_t task) {
    int64_t first = task * kColumns, end = std::min(first + kColumns, cols);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = first; i < end; ++i) {
        float value = x[r * cols + i], magnitude = std::fabs(value);
        Column &column = sums[size_t(i)];
        column.squares += double(value) * double(value);
        column.magnitudes += double(magnitude);
        column.largest = std::max(column.largest, magnitude);
      }
  });
  if (!lower.empty())
    addGram(llvm::ArrayRef(x, size_t(rows * cols)), cols, lower, parallel);
  seen += rows;
}

bool InputSums::isFinite() const {
  for (const Column &column : sums)
    if (!std::isfinite(column.squares) || !std::isfinite(column.magnitudes))
      return false;
  return true;
}

std::vector<float> InputSums::gram() const {
  std::vector<float> out(size_t(cols) * size_t(cols));
  for (int64_t i = 0; i < cols; ++i) {
    for (int64_t k = 0; k < i; ++k)
      out[size_t(i * cols + k)] = out[size_t(k * cols + i)] =
          lower[size_t(i * cols + k)];
    out[size_t(i * cols + i)] = float(sums[size_t(i)].squares);
  }
  return out;
}

std::vector<float> InputSums::sumSquares() const {
  std::vector<float> out;
  for (const Column &column : sums)
    out.push_back(float(column.squares));
  return out;
}
std::vector<float> InputSums::absMax() const {
  std::vector<float> out;
  for (const Column &column : sums)
    out.push_back(column.largest);
  return out;
}
std::vector<float> InputSums::absSum() const {
  std::vector<float> out;
  for (const Column &column : sums)
    out.push_back(float(column.magnitudes));
  return out;
}
