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

#include "cgroup.h"
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

/* CPUs granted by one group's directory; 0: no limit there. */
static double group_quota(const char *directory) {
  char path[1100], line[128];
  long long quota, period;
  snprintf(path, sizeof path, "%s/cpu.max", directory);
  if (adze_read_line(path, line, sizeof line))
    return sscanf(line, "%lld %lld", &quota, &period) == 2 && quota > 0 &&
                   period > 0
               ? (double)quota / (double)period
               : 0;
  snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", directory);
  if (!adze_read_line(path, line, sizeof line) ||
      sscanf(line, "%lld", &quota) != 1 || quota <= 0)
    return 0;
  snprintf(path, sizeof path, "%s/cpu.cfs_period_us", directory);
  if (!adze_read_line(path, line, sizeof line) ||
      sscanf(line, "%lld", &period) != 1 || period <= 0)
    return 0;
  return (double)quota / (double)period;
}

static void take_tightest(const char *directory, void *user) {
  double *tightest = user, quota = group_quota(directory);
  if (quota > 0 && (*tightest == 0 || quota < *tightest))
    *tightest = quota;
}

uint32_t adze_cgroup_cpus(const char *root) {
  double tightest = 0;
  adze_cgroup_visit(root, "cpu", take_tightest, &tightest);
  if (tightest == 0 || tightest >= 1e6)
    return 0;
  return tightest < 1 ? 1 : (uint32_t)tightest;
}

uint32_t adze_default_threads(void) {
  uint32_t cpus = adze_affinity_cpus(), quota = adze_cgroup_cpus("");
  return quota && quota < cpus ? quota : cpus;
}
