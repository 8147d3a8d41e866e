// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads /proc/self/status; see the header.

#include "Memory.h"
#include <cstdio>
#include <cstring>

static uint64_t statusBytes(const char *key) {
  std::FILE *file = std::fopen("/proc/self/status", "re");
  if (!file)
    return 0;
  char line[256];
  unsigned long long kilobytes = 0;
  size_t length = std::strlen(key);
  while (std::fgets(line, sizeof line, file))
    if (!std::strncmp(line, key, length) && line[length] == ':') {
      std::sscanf(line + length + 1, "%llu", &kilobytes);
      break;
    }
  std::fclose(file);
  return kilobytes * 1024;
}

uint64_t adze::anonymousBytes() { return statusBytes("RssAnon"); }
uint64_t adze::peakResidentBytes() { return statusBytes("VmHWM"); }
