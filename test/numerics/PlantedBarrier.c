/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * See the header. In C, as the runtime's own headers are. */

#include "PlantedBarrier.h"
#include "session.h"

void plant_barrier(adze_session *session, planted_barrier barrier) {
  session->rt.barrier = barrier;
}

void real_barrier(adze_frame *frame, uint32_t tid) {
  adze_pool_barrier(frame, tid);
}
