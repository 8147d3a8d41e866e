/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * How much memory this process may still take: what the system has free, and
 * what is left to its cgroup and to every group above it (version 2). Large
 * blocks are taken from the system when they are touched, so that one that does
 * not fit would only be noticed in the middle of a run. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

/* The number in the first line of a file that begins with `key`. */
static bool read_number(const char *path, const char *key, uint64_t *number) {
  FILE *file = fopen(path, "re");
  if (!file)
    return false;
  char line[256];
  bool found = false;
  size_t length = strlen(key);
  unsigned long long value;
  while (!found && fgets(line, sizeof line, file))
    if (!strncmp(line, key, length) &&
        sscanf(line + length, "%llu", &value) == 1) {
      *number = value;
      found = true;
    }
  fclose(file);
  return found;
}

/* The least that `group` and those above it have left. */
static uint64_t left_to_group(const char *root, char *group) {
  uint64_t least = UINT64_MAX, limit, used;
  char path[1024];
  for (;;) {
    snprintf(path, sizeof path, "%s/sys/fs/cgroup%s/memory.max", root, group);
    if (read_number(path, "", &limit)) { /* not "max" */
      snprintf(path, sizeof path, "%s/sys/fs/cgroup%s/memory.current", root,
               group);
      if (!read_number(path, "", &used))
        used = 0;
      uint64_t left = limit > used ? limit - used : 0;
      least = left < least ? left : least;
    }
    char *slash = strrchr(group, '/');
    if (!slash)
      return least;
    *slash = 0;
  }
}

uint64_t adze_free_memory(const char *root) {
  char path[1024], line[512];
  uint64_t least = UINT64_MAX, kilobytes;
  snprintf(path, sizeof path, "%s/proc/meminfo", root);
  if (read_number(path, "MemAvailable:", &kilobytes))
    least = kilobytes * 1024;
  snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
  FILE *file = fopen(path, "re");
  while (file && fgets(line, sizeof line, file)) {
    if (strncmp(line, "0::", 3))
      continue;
    line[strcspn(line, "\n")] = 0;
    uint64_t left = left_to_group(root, line + 3);
    least = left < least ? left : least;
  }
  if (file)
    fclose(file);
  return least;
}
