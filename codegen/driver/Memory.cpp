// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads /proc/self; see the header.

#include "Memory.h"
#include <chrono>
#include <cstdio>
#include <unistd.h>

using namespace adze;

uint64_t adze::anonymousBytes() {
  // Not /proc/self/status, which has it as RssAnon: writing all of that text
  // takes the kernel several times as long.
  std::FILE *file = std::fopen("/proc/self/statm", "re");
  if (!file)
    return 0;
  unsigned long long resident = 0, shared = 0;
  bool isRead = std::fscanf(file, "%*u %llu %llu", &resident, &shared) == 2;
  std::fclose(file);
  return isRead && resident > shared
             ? (resident - shared) * uint64_t(sysconf(_SC_PAGESIZE))
             : 0;
}

uint64_t adze::peakResidentBytes() {
  std::FILE *file = std::fopen("/proc/self/status", "re");
  if (!file)
    return 0;
  char line[256];
  unsigned long long kilobytes = 0;
  while (std::fgets(line, sizeof line, file))
    if (std::sscanf(line, "VmHWM: %llu", &kilobytes) == 1)
      break;
  std::fclose(file);
  return kilobytes * 1024;
}

AnonymousPeak::AnonymousPeak() {
  look();
  thread = std::thread([this] {
    constexpr auto kPause = std::chrono::milliseconds(5);
    std::unique_lock lock(mutex);
    while (!changed.wait_for(lock, kPause, [this] { return isOver; }))
      look();
  });
}

AnonymousPeak::~AnonymousPeak() {
  {
    std::lock_guard lock(mutex);
    isOver = true;
  }
  changed.notify_all();
  thread.join();
}

void AnonymousPeak::look() {
  uint64_t now = anonymousBytes(), before = most;
  while (now > before && !most.compare_exchange_weak(before, now)) {
  }
}

uint64_t AnonymousPeak::bytes() {
  look();
  return most;
}
