// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header. The Gram matrix is made of tiles of 8 rows by 48 columns that
// stay in registers over the rows of a call: one fma chain per element from
// zero, then one addition. Distribution packages of BLAS know no CPU newer than
// themselves and fall back to SSE there; this is compiled for the two vector
// widths that matter and chosen at run time.

#include "InputSums.h"
#include "llvm/Support/ThreadPool.h"
#include <atomic>
#include <cmath>
#include <cstring>

using namespace adze;

namespace {

constexpr int64_t kLanes = 16, kTileRows = 8, kTilePanels = 3,
                  kGroup = kTilePanels * kLanes;
typedef float Vector __attribute__((vector_size(64), aligned(4)));

/// c[i, :] += sum over r of a[r, i] * b[r, :] for 8 rows i of `c`. `a` and `b`
/// are panels; those of `b` lie `stride` floats apart.
template <int Panels>
inline __attribute__((always_inline)) void
addTile(const float *a, const float *b, int64_t stride, int64_t rows, float *c,
        int64_t ldc) {
  Vector sum[kTileRows][Panels] = {};
  for (int64_t r = 0; r < rows; ++r) {
    Vector x[Panels];
    for (int p = 0; p < Panels; ++p)
      std::memcpy(&x[p], b + p * stride + r * kLanes, sizeof(Vector));
    for (int i = 0; i < kTileRows; ++i)
      for (int p = 0; p < Panels; ++p)
        sum[i][p] += x[p] * a[r * kLanes + i];
  }
  for (int i = 0; i < kTileRows; ++i)
    for (int p = 0; p < Panels; ++p) {
      Vector old;
      std::memcpy(&old, c + i * ldc + p * kLanes, sizeof old);
      old += sum[i][p];
      std::memcpy(c + i * ldc + p * kLanes, &old, sizeof old);
    }
}

/// The tiles of one group of columns: rows from `first` down to `end`.
struct TileJob {
  const float *panels;
  int64_t rows, first, end;
  float *lower;
  int64_t ldc;

  template <int Panels> inline __attribute__((always_inline)) void run() const {
    int64_t stride = rows * kLanes;
    for (int64_t at = first; at < first + kGroup; at += Panels * kLanes)
      for (int64_t i = first; i < end; i += kTileRows)
        addTile<Panels>(panels + i / kLanes * stride + i % kLanes,
                        panels + at / kLanes * stride, stride, rows,
                        lower + i * ldc + at, ldc);
  }
};

#if defined(__x86_64__)
__attribute__((target("avx512f"))) void runWide(const TileJob &job) {
  job.run<kTilePanels>();
}
// 16 registers of 8 lanes hold 8 rows of half a panel; one panel is two loops'
// worth, and the compiler spills a little: still twice SSE.
__attribute__((target("avx2,fma"))) void runNarrow(const TileJob &job) {
  job.run<1>();
}
#endif

void runTiles(const TileJob &job) {
#if defined(__x86_64__)
  static const bool wide = __builtin_cpu_supports("avx512f");
  static const bool narrow =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (wide)
    return runWide(job);
  if (narrow)
    return runNarrow(job);
#endif
  job.run<1>();
}

template <typename Task>
void forEach(llvm::ThreadPoolInterface &pool, int64_t tasks, bool alone,
             Task task) {
  std::atomic<int64_t> next{0};
  auto work = [&] {
    for (int64_t i; (i = next.fetch_add(1)) < tasks;)
      task(i);
  };
  if (alone)
    return work();
  for (unsigned t = 0; t < pool.getMaxConcurrency(); ++t)
    pool.async(work);
  pool.wait();
}

} // namespace

InputSums::InputSums(int64_t columns, bool wantGram)
    : cols(columns), padded((columns + kGroup - 1) / kGroup * kGroup),
      sums(size_t(columns)),
      lower(wantGram ? size_t(padded) * size_t(padded) : 0) {}

void InputSums::pack(const float *x, int64_t rows, int64_t panel) {
  int64_t first = panel * kLanes, width = std::min(kLanes, cols - first);
  double squares[kLanes] = {}, magnitudes[kLanes] = {};
  float largest[kLanes] = {};
  for (int64_t i = 0; i < width; ++i) {
    squares[i] = sums[size_t(first + i)].squares;
    magnitudes[i] = sums[size_t(first + i)].magnitudes;
    largest[i] = sums[size_t(first + i)].largest;
  }
  float *out = lower.empty() ? nullptr : panels.data() + first * rows;
  for (int64_t r = 0; r < rows; ++r) {
    float line[kLanes] = {};
    if (width > 0)
      std::memcpy(line, x + r * cols + first, size_t(width) * sizeof(float));
    for (int64_t i = 0; i < kLanes; ++i) {
      squares[i] += double(line[i]) * double(line[i]);
      magnitudes[i] += std::fabs(double(line[i]));
      largest[i] = std::max(largest[i], std::fabs(line[i]));
    }
    if (out)
      std::memcpy(out + r * kLanes, line, sizeof line);
  }
  for (int64_t i = 0; i < width; ++i)
    sums[size_t(first + i)] = {squares[i], magnitudes[i], largest[i]};
}

void InputSums::addTiles(int64_t rows, int64_t group) {
  // Rows beyond the last panel in use are zeros: nothing to add.
  int64_t end = (cols + kTileRows - 1) / kTileRows * kTileRows;
  runTiles({panels.data(), rows, group * kGroup, end, lower.data(), padded});
}

void InputSums::add(const float *x, int64_t rows,
                    llvm::ThreadPoolInterface &pool) {
  if (!lower.empty())
    panels.resize(size_t(padded * rows));
  bool small = rows * cols * cols < 1 << 20;
  forEach(pool, padded / kLanes, small,
          [&](int64_t panel) { pack(x, rows, panel); });
  if (!lower.empty())
    forEach(pool, padded / kGroup, small,
            [&](int64_t group) { addTiles(rows, group); });
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
          lower[size_t(i * padded + k)];
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
