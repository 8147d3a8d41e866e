/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Another barrier for a session, under the runtime's feet. */
#ifndef ADZE_TEST_NUMERICS_PLANTEDBARRIER_H
#define ADZE_TEST_NUMERICS_PLANTEDBARRIER_H

#include "adze/abi.h"
#include "adze/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef void (*planted_barrier)(adze_frame *, uint32_t tid);

/* Has the steps of `session` call `barrier` where they pass one. */
void plant_barrier(adze_session *session, planted_barrier barrier);
/* The runtime's. */
void real_barrier(adze_frame *, uint32_t tid);

#ifdef __cplusplus
}
#endif

#endif
