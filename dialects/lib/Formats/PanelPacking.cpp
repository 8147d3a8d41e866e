// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The transposition of 16 rows; see the header.

#include "PanelPacking.h"
#include "adze/Dialect/Adze/Adze.h"
#include <algorithm>
#include <cstring>

using namespace adze;

namespace {

/// Four 32-bit units: a register on every target.
using Quad = uint32_t __attribute__((vector_size(16)));

/// out[j][i] = in[i][j] for 4 x 4 units; rows lie `fromStride` and `toStride`
/// units apart.
inline void transpose4(const uint32_t *from, int64_t fromStride, uint32_t *to,
                       int64_t toStride) {
  Quad in[4], mixed[4], out[4];
  for (int i = 0; i < 4; ++i)
    std::memcpy(&in[i], from + i * fromStride, sizeof(Quad));
  mixed[0] = __builtin_shufflevector(in[0], in[1], 0, 4, 1, 5);
  mixed[1] = __builtin_shufflevector(in[2], in[3], 0, 4, 1, 5);
  mixed[2] = __builtin_shufflevector(in[0], in[1], 2, 6, 3, 7);
  mixed[3] = __builtin_shufflevector(in[2], in[3], 2, 6, 3, 7);
  out[0] = __builtin_shufflevector(mixed[0], mixed[1], 0, 1, 4, 5);
  out[1] = __builtin_shufflevector(mixed[0], mixed[1], 2, 3, 6, 7);
  out[2] = __builtin_shufflevector(mixed[2], mixed[3], 0, 1, 4, 5);
  out[3] = __builtin_shufflevector(mixed[2], mixed[3], 2, 3, 6, 7);
  for (int i = 0; i < 4; ++i)
    std::memcpy(to + i * toStride, &out[i], sizeof(Quad));
}

} // namespace

// A block of two lines of each row is gathered first, because rows often lie a
// multiple of 4096 bytes apart and would evict each other from the cache.
void adze::detail::packUnits(llvm::ArrayRef<const uint8_t *> rows,
                             int64_t units, uint32_t *panel, uint32_t fill) {
  constexpr int64_t kBlock = 32, kAhead = 4 * kBlock;
  alignas(64) uint32_t block[kPanelRows][kBlock];
  std::fill_n(&block[0][0], kPanelRows * kBlock, fill);
  for (int64_t u0 = 0; u0 < units; u0 += kBlock) {
    int64_t n = std::min(kBlock, units - u0);
    for (int64_t r = 0; r < kPanelRows; ++r) {
      if (!rows[r])
        continue;
      if (u0 + kAhead < units) {
        __builtin_prefetch(rows[r] + (u0 + kAhead) * 4);
        __builtin_prefetch(rows[r] + (u0 + kAhead) * 4 + 64);
      }
      if (n == kBlock)
        std::memcpy(block[r], rows[r] + u0 * 4, sizeof(block[r]));
      else
        std::memcpy(block[r], rows[r] + u0 * 4, n * 4);
    }
    uint32_t *out = panel + u0 * kPanelRows;
    int64_t u = 0;
    for (; u + 4 <= n; u += 4)
      for (int64_t r = 0; r < kPanelRows; r += 4)
        transpose4(&block[r][u], kBlock, out + u * kPanelRows + r, kPanelRows);
    for (; u < n; ++u)
      for (int64_t r = 0; r < kPanelRows; ++r)
        out[u * kPanelRows + r] = block[r][u];
  }
}
