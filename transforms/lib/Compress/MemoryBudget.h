// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Bytes that tasks take and give back, so that those that run at once stay
// below a limit.
#ifndef ADZE_LIB_COMPRESS_MEMORYBUDGET_H
#define ADZE_LIB_COMPRESS_MEMORYBUDGET_H

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <thread>

namespace adze::detail {

/// Who needs more than there is waits, unless nobody has any, or the thread has
/// some itself: a thread of the pool that waits for a task's parts may begin
/// with another task meanwhile, and would wait for itself.
class MemoryBudget {
public:
  void take(uint64_t bytes) {
    std::unique_lock lock(mutex);
    unsigned &own = tasks[std::this_thread::get_id()];
    changed.wait(lock, [&] { return own || !used || used + bytes <= kBytes; });
    ++own;
    used += bytes;
  }
  /// On the thread that took them.
  void give(uint64_t bytes) {
    std::lock_guard lock(mutex);
    --tasks[std::this_thread::get_id()];
    used -= bytes;
    changed.notify_all();
  }

private:
  static constexpr uint64_t kBytes = uint64_t(2) << 30;

  std::mutex mutex;
  std::condition_variable changed;
  uint64_t used = 0;
  std::map<std::thread::id, unsigned> tasks; // of each thread, begun
};

} // namespace adze::detail

#endif // ADZE_LIB_COMPRESS_MEMORYBUDGET_H
