// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Keys and values of past positions: plain arrays per state, layer, sequence.
#ifndef ADZE_LIB_INTERPRETER_KVCACHE_H
#define ADZE_LIB_INTERPRETER_KVCACHE_H

#include "mlir/IR/Operation.h"
#include <map>
#include <tuple>
#include <vector>

namespace adze::interpreter {

/// Position after position, each heads * headDim numbers.
struct KVCache {
  std::vector<double> sides[2]; ///< keys, values
};

class CacheStore {
public:
  KVCache &get(mlir::Operation *state, int64_t layer, int32_t sequence) {
    return caches[{state, layer, sequence}];
  }
  void release(int32_t sequence) {
    std::erase_if(caches, [&](const auto &entry) {
      return std::get<2>(entry.first) == sequence;
    });
  }
  void clear() { caches.clear(); }

private:
  std::map<std::tuple<mlir::Operation *, int64_t, int32_t>, KVCache> caches;
};

} // namespace adze::interpreter

#endif // ADZE_LIB_INTERPRETER_KVCACHE_H
