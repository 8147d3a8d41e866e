/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * How many CPUs this process may use: its affinity mask, and the quota of its
 * cgroup and of every group above it (version 2: cpu.max, version 1:
 * cpu.cfs_quota_us). A quota of 2.5 CPUs is two threads: a third would be
 * stopped in the middle of a barrier. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "pool.h"

uint32_t adze_affinity_cpus(void) {
  for (int cpus = 1024; cpus <= 1 << 17; cpus *= 2) {
    cpu_set_t *set = CPU_ALLOC((size_t)cpus);
    if (!set)
      break;
    size_t bytes = CPU_ALLOC_SIZE((size_t)cpus);
    int failed = sched_getaffinity(0, bytes, set);
    int reason = errno, count = failed ? 0 : CPU_COUNT_S(bytes, set);
    CPU_FREE(set);
    if (count > 0)
      return (uint32_t)count;
    if (reason != EINVAL)
      break;
  }
  return 1;
}

static bool read_line(const char *path, char *line, size_t capacity) {
  FILE *file = fopen(path, "re");
  if (!file)
    return false;
  bool read = fgets(line, (int)capacity, file) != NULL;
  fclose(file);
  return read;
}

/* CPUs granted by one group's directory; 0: no limit there. */
static double group_quota(const char *root, const char *mount,
                          const char *group) {
  char path[1024], line[128];
  long long quota, period;
  snprintf(path, sizeof path, "%s%s%s/cpu.max", root, mount, group);
  if (read_line(path, line, sizeof line))
    return sscanf(line, "%lld %lld", &quota, &period) == 2 && quota > 0 &&
                   period > 0
               ? (double)quota / (double)period
               : 0;
  snprintf(path, sizeof path, "%s%s%s/cpu.cfs_quota_us", root, mount, group);
  if (!read_line(path, line, sizeof line) ||
      sscanf(line, "%lld", &quota) != 1 || quota <= 0)
    return 0;
  snprintf(path, sizeof path, "%s%s%s/cpu.cfs_period_us", root, mount, group);
  if (!read_line(path, line, sizeof line) ||
      sscanf(line, "%lld", &period) != 1 || period <= 0)
    return 0;
  return (double)quota / (double)period;
}

/* The tightest quota from `group` up to the mount's root. */
static double tightest_quota(const char *root, const char *mount,
                             char *group) {
  double tightest = 0;
  for (;;) {
    double quota = group_quota(root, mount, group);
    if (quota > 0 && (tightest == 0 || quota < tightest))
      tightest = quota;
    char *slash = strrchr(group, '/');
    if (!slash)
      return tightest;
    *slash = 0;
  }
}

/* A line of /proc/self/cgroup: "0::/group" or "4:cpu,cpuacct:/group". */
static double line_quota(const char *root, char *line) {
  char *controllers = strchr(line, ':');
  char *group = controllers ? strchr(controllers + 1, ':') : NULL;
  if (!group)
    return 0;
  *group++ = 0;
  group[strcspn(group, "\n")] = 0;
  ++controllers;
  if (!*controllers)
    return tightest_quota(root, "/sys/fs/cgroup", group);
  bool has_cpu = false;
  for (char *save = NULL, *word = strtok_r(controllers, ",", &save); word;
       word = strtok_r(NULL, ",", &save))
    has_cpu |= !strcmp(word, "cpu");
  if (!has_cpu)
    return 0;
  char again[512];
  snprintf(again, sizeof again, "%s", group);
  double quota = tightest_quota(root, "/sys/fs/cgroup/cpu", group);
  return quota > 0 ? quota
                   : tightest_quota(root, "/sys/fs/cgroup/cpu,cpuacct", again);
}

uint32_t adze_cgroup_cpus(const char *root) {
  char path[1024], line[512];
  snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
  FILE *file = fopen(path, "re");
  if (!file)
    return 0;
  double tightest = 0;
  while (fgets(line, sizeof line, file)) {
    double quota = line_quota(root, line);
    if (quota > 0 && (tightest == 0 || quota < tightest))
      tightest = quota;
  }
  fclose(file);
  if (tightest == 0 || tightest >= 1e6)
    return 0;
  return tightest < 1 ? 1 : (uint32_t)tightest;
}

uint32_t adze_default_threads(void) {
  uint32_t cpus = adze_affinity_cpus(), quota = adze_cgroup_cpus("");
  return quota && quota < cpus ? quota : cpus;
}
