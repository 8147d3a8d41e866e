// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Memory of this process, as the kernel counts it.
#ifndef ADZE_CODEGEN_DRIVER_MEMORY_H
#define ADZE_CODEGEN_DRIVER_MEMORY_H

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

namespace adze {

/// Resident anonymous bytes now (mapped files are not counted).
uint64_t anonymousBytes();
/// Most resident bytes so far, mapped files included.
uint64_t peakResidentBytes();

/// Most anonymous bytes of this process while an object of it lives. The kernel
/// keeps no such figure, so a thread looks every few milliseconds: memory that
/// was there for less may be missed.
class AnonymousPeak {
public:
  AnonymousPeak();
  ~AnonymousPeak();
  AnonymousPeak(const AnonymousPeak &) = delete;
  AnonymousPeak &operator=(const AnonymousPeak &) = delete;

  /// So far.
  uint64_t bytes();

private:
  void look();

  std::atomic<uint64_t> most = 0;
  std::mutex mutex;
  std::condition_variable changed;
  bool isOver = false;
  std::thread thread; // the last member: it uses the others
};

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_MEMORY_H
