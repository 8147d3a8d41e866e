// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Static memory plan: where buffers lie in the arena of a step.
//
// A buffer of T (or R) rows takes a stretch of bytes per row; the plan places
// stretches, first fit, among those of the buffers alive at the same time. The
// offset of a buffer is then `begin * T`, so one plan serves every batch.
#ifndef ADZE_TRANSFORMS_SCHEDULE_ARENAPLAN_H
#define ADZE_TRANSFORMS_SCHEDULE_ARENAPLAN_H

#include "llvm/ADT/SmallVector.h"
#include <cstdint>

namespace adze {

/// Bytes [begin, end) of each row of the arena.
struct ArenaSpan {
  int64_t begin = 0, end = 0;
  bool operator==(ArenaSpan other) const {
    return begin == other.begin && end == other.end;
  }
  bool overlaps(ArenaSpan other) const {
    return begin < other.end && other.begin < end;
  }
};

class ArenaPlan {
public:
  /// Spans are placed from `base` on.
  explicit ArenaPlan(int64_t base = 0) : base(base), high(base) {}

  /// A free stretch for `bytes` per row, rounded up to whole cache lines.
  ArenaSpan allocate(int64_t bytes);
  /// The span may be used again.
  void release(ArenaSpan span);
  /// End of the highest span ever placed.
  int64_t highWater() const { return high; }

private:
  int64_t base, high;
  llvm::SmallVector<ArenaSpan> live; // sorted by begin
};

} // namespace adze

#endif // ADZE_TRANSFORMS_SCHEDULE_ARENAPLAN_H
