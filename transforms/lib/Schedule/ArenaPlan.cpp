// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// First-fit placement of spans; see the header.

#include "ArenaPlan.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <cassert>

using namespace adze;

ArenaSpan ArenaPlan::allocate(int64_t bytes) {
  // A whole number of cache lines per row keeps every buffer aligned whatever
  // the number of rows.
  int64_t size = llvm::alignTo(bytes, 64);
  int64_t at = base;
  auto *it = live.begin();
  for (; it != live.end() && it->begin - at < size; ++it)
    at = std::max(at, it->end);
  ArenaSpan span{at, at + size};
  live.insert(it, span);
  high = std::max(high, span.end);
  return span;
}

void ArenaPlan::release(ArenaSpan span) {
  auto *it =
      llvm::find_if(live, [&](ArenaSpan s) { return s.begin == span.begin; });
  assert(it != live.end() && "releases a span that is alive");
  live.erase(it);
}
