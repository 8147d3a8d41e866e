/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * See the header. */
#include "plan_access.h"

#include "session.h"

adze_status plan_for(const adze_model *m, const adze_session_options *o,
                     uint32_t threads, uint64_t available, uint64_t *bytes,
                     uint32_t *fit_context, uint32_t *fit_pages) {
  adze_plan p;
  adze_status status = adze_plan_make(m, o, threads, &p);
  if (status)
    return status;
  *bytes = adze_plan_bytes(&p);
  adze_plan_fit(m, o, threads, available, fit_context, fit_pages);
  return adze_plan_check(m, o, &p, available);
}

uint64_t memory_available(const char *root) {
  return adze_memory_available(root);
}
