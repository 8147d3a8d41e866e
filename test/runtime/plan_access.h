/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * What the tests need of lib/session.h, whose atomics are C11 and no C++. */
#ifndef ADZE_TEST_PLAN_ACCESS_H
#define ADZE_TEST_PLAN_ACCESS_H

#include "adze/runtime.h"

/* A session with `threads` threads planned for a machine with `available`
 * bytes: its check, the bytes it takes and what would fit. */
adze_status plan_for(const adze_model *, const adze_session_options *,
                     uint32_t threads, uint64_t available, uint64_t *bytes,
                     uint32_t *fit_context, uint32_t *fit_pages);
uint64_t memory_available(const char *root);

#endif
