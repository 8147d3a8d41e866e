// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Bytes that tasks take and give back, so that those that run at once stay
// below a limit.
#ifndef ADZE_LIB_COMPRESS_MEMORYBUDGET_H
#define ADZE_LIB_COMPRESS_MEMORYBUDGET_H

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace adze::detail {

/// Who needs more than there is waits, unless nobody has any.
class MemoryBudget {
public:
  void take(uint64_t bytes) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return !used || used + bytes <= kBytes; });
    used += bytes;
  }
  void give(uint64_t bytes) {
    std::lock_guard lock(mutex);
    used -= bytes;
    changed.notify_all();
  }

private:
  static constexpr uint64_t kBytes = uint64_t(2) << 30;

  std::mutex mutex;
  std::condition_variable changed;
  uint64_t used = 0;
};

} // namespace adze::detail

#endif // ADZE_LIB_COMPRESS_MEMORYBUDGET_H
