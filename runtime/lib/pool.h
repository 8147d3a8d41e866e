/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Runs an SPMD entry on every thread of a pool, the caller being thread 0. */
#ifndef ADZE_LIB_POOL_H
#define ADZE_LIB_POOL_H

#include "support.h"

/* Fills in nthreads and sync of the frame, waits for its turn (first come,
 * first served) and runs. Returns the entry's value: 0 ran, 1 stopped. */
int32_t adze_pool_run(adze_pool *, adze_entry_fn, adze_frame *);
/* The entry of adze_rt. */
void adze_pool_barrier(adze_frame *, uint32_t tid);

/* CPUs that the cgroup below `root` ("" for the system) grants, or 0 for no
 * limit (cpus.c). */
uint32_t adze_cgroup_cpus(const char *root);
/* CPUs in this thread's affinity mask. */
uint32_t adze_affinity_cpus(void);

#endif
