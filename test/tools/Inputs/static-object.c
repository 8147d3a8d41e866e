/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * A program with a model linked into it: five greedy tokens after token 1. */
#include "model.o.h"

#include <stdio.h>

static int failed(void) {
  puts(adze_last_error()->message);
  return 1;
}

int main(void) {
  adze_source weights = {sizeof weights};
  weights.path = "model.o.weights";
  adze_model *model;
  if (adze_model_link(&adze_linked_model, &weights, NULL, &model))
    return failed();
  adze_session *session;
  if (adze_session_create(model, NULL, &session))
    return failed();
  int32_t token = 1;
  for (int i = 0; i < 5; ++i) {
    const uint32_t row = 0;
    const float *logits;
    if (adze_eval(session, &token, 1, &row, 1, &logits))
      return failed();
    uint32_t best = 0;
    for (uint32_t j = 1; j < adze_session_vocabulary(session); ++j)
      if (logits[j] > logits[best])
        best = j;
    token = (int32_t)best;
    printf("%d ", token);
  }
  puts("");
  adze_session_release(session);
  adze_model_release(model);
  return 0;
}
