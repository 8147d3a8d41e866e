/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * generate: reuse of the prefix that the session holds, prefill, then one
 * token after the other. Allocates nothing. What the call replaces of sequence
 * 0 is kept as a snapshot (shared pages) until it has succeeded. */
#include "meta.h"
#include "session.h"

typedef unsigned long long ull;

typedef struct {
  adze_session *session;
  adze_sampling sampling;
  adze_on_token on_token;
  void *user;
  adze_result result;
  adze_sequence *sequence, *snapshot;
  bool has_snapshot;
  uint32_t kept; /* positions common to prompt and session */
  double start;
} generation;

static bool is_stop(const generation *g, int32_t token) {
  const adze_sampling *o = &g->sampling;
  for (size_t i = 0; i < o->n_stop_tokens; ++i)
    if (o->stop_tokens[i] == token)
      return true;
  if (o->flags & ADZE_SAMPLING_IGNORE_EOS)
    return false;
  int64_t ends[32];
  size_t count = 0;
  adze_meta_value value;
  const adze_rows *meta = &g->session->model->desc.table[ADZE_TABLE_META];
  if (!meta->present ||
      !adze_meta_find((const char *)meta->data, meta->bytes, "eos", &value) ||
      !adze_meta_integers(value, ends, 32, &count))
    return false;
  for (size_t i = 0; i < count && i < 32; ++i)
    if (ends[i] == token)
      return true;
  return false;
}

static adze_status run(generation *g, const int32_t *tokens, size_t count,
                       bool wants_logits) {
  adze_session *s = g->session;
  uint32_t last = (uint32_t)count - 1;
  adze_step_input in = {sizeof in, 0,     tokens,
                        count,     &last, wants_logits ? 1 : 0};
  adze_work work = {s->plan.step_entry, s->plan.vocabulary, s->logits,
                    g->has_snapshot ? g->snapshot : NULL, g->kept};
  return adze_run_inputs(s, &in, 1, &work);
}

/* Tells the caller of a token. Returns false when generation ends here. */
static bool emit(generation *g, int32_t token, adze_status *status) {
  adze_logprob top[ADZE_MAX_LOGPROBS];
  bool stop = is_stop(g, token);
  adze_token_event event = {.size = sizeof event,
                            .id = token,
                            .index = g->result.made_tokens,
                            .is_stop = stop};
  if (g->sampling.logprobs) {
    event.n_top = g->sampling.logprobs < g->session->plan.vocabulary
                      ? g->sampling.logprobs
                      : g->session->plan.vocabulary;
    event.top = top;
    event.logprob =
        adze_logprobs(g->session->logits, g->session->plan.vocabulary, token,
                      event.n_top, top);
  }
  adze_next next = g->on_token ? g->on_token(g->user, &event) : ADZE_CONTINUE;
  if (next == ADZE_CANCEL || atomic_load(&g->session->stop)) {
    *status = adze_fail(ADZE_CANCELLED, NULL, "the generation was cancelled");
    return false;
  }
  ++g->result.made_tokens;
  if (stop)
    g->result.finish = ADZE_FINISH_STOP_TOKEN;
  else if (next == ADZE_STOP)
    g->result.finish = ADZE_FINISH_STOPPED;
  else if (g->sampling.max_tokens &&
           g->result.made_tokens >= g->sampling.max_tokens)
    g->result.finish = ADZE_FINISH_LENGTH;
  else if (g->sequence->length >= g->session->plan.context)
    g->result.finish = ADZE_FINISH_CONTEXT_FULL;
  return !g->result.finish;
}

/* The history that penalties and filters see: what is evaluated. The token in
 * flight is always the last one evaluated when the next is sampled. */
static adze_status make_tokens(generation *g) {
  adze_session *s = g->session;
  for (;;) {
    int32_t token;
    adze_status status =
        adze_sample_token(s, s->logits, &g->sampling, g->sequence->tokens,
                          g->sequence->length, g->result.made_tokens, &token);
    if (status)
      return status;
    if (!g->result.made_tokens)
      g->result.first_token_seconds = adze_now() - g->start;
    if (!emit(g, token, &status))
      return status;
    double before = adze_now();
    status = run(g, &token, 1, true);
    if (status ==
        ADZE_CONTEXT_FULL) { /* KV pages shared with other sequences */
      g->result.finish = ADZE_FINISH_CONTEXT_FULL;
      return ADZE_OK;
    }
    if (status)
      return status;
    g->result.decode_seconds += adze_now() - before;
  }
}

static uint32_t common_prefix(const adze_sequence *q,
                              const adze_prompt *prompt) {
  uint32_t n = 0;
  while (n < q->length && n + 1 < prompt->count &&
         q->tokens[n] == prompt->ids[n])
    ++n;
  return n;
}

static adze_status check_prompt(const adze_session *s, const adze_prompt *p) {
  if (p->kind != ADZE_PROMPT_IDS || !p->count || !p->ids)
    return adze_fail(ADZE_INVALID_ARGUMENT, "give at least one token",
                     "the prompt has kind %u and %llu tokens", p->kind,
                     (ull)p->count);
  if (p->count > s->plan.context)
    return adze_fail(ADZE_CONTEXT_FULL,
                     "shorten the prompt, or make the session with a larger "
                     "context",
                     "the prompt has %llu tokens; the context has %u positions",
                     (ull)p->count, s->plan.context);
  for (size_t i = 0; i < p->count; ++i)
    if (p->ids[i] < 0 || (uint32_t)p->ids[i] >= s->plan.vocabulary)
      return adze_fail(ADZE_INVALID_ARGUMENT,
                       "use ids of this model's vocabulary",
                       "prompt token %llu is %d; the vocabulary has %u", (ull)i,
                       p->ids[i], s->plan.vocabulary);
  return ADZE_OK;
}

static adze_status generate(generation *g, const adze_prompt *prompt) {
  adze_session *s = g->session;
  uint32_t before = g->sequence->length;
  g->kept = common_prefix(g->sequence, prompt);
  g->has_snapshot = g->kept < before;
  if (g->has_snapshot) {
    adze_kv_share(&s->kv, g->sequence, g->snapshot);
    adze_kv_truncate(&s->kv, g->sequence, g->kept);
  }
  g->result.prompt_tokens = prompt->count;
  g->result.cached_tokens = g->kept;
  bool only_evaluate = g->sampling.flags & ADZE_SAMPLING_EVALUATE_ONLY;
  adze_status status =
      run(g, prompt->ids + g->kept, prompt->count - g->kept, !only_evaluate);
  g->result.prefill_seconds = adze_now() - g->start;
  if (!status && only_evaluate)
    g->result.finish = ADZE_FINISH_LENGTH;
  else if (!status)
    status = make_tokens(g);
  if (status) {
    if (g->has_snapshot)
      adze_kv_share(&s->kv, g->snapshot, g->sequence);
    else
      adze_kv_truncate(&s->kv, g->sequence, g->kept);
    if (status == ADZE_CANCELLED)
      g->result.finish = ADZE_FINISH_CANCELLED;
  }
  adze_kv_truncate(&s->kv, g->snapshot, 0);
  g->result.kv_used = g->sequence->length;
  g->result.kv_size = s->plan.context;
  return status;
}

adze_status adze_generate(adze_session *s, const adze_prompt *given,
                          const adze_sampling *sampling, adze_on_token on_token,
                          void *user, adze_result *result) {
  adze_status status = adze_session_enter(s);
  if (status)
    return status;
  adze_prompt prompt;
  generation g = {.session = s, .on_token = on_token, .user = user};
  g.result.size = sizeof g.result;
  g.start = adze_now();
  status = ADZE_TAKE(prompt, given);
  if (!status && s->plan.step_entry < 0)
    status = adze_fail(ADZE_UNSUPPORTED, "compile a decoder",
                       "%s: has no entry 'step'", s->model->name);
  if (!status)
    status = adze_sampling_take(s, sampling, &g.sampling);
  if (!status)
    status = check_prompt(s, &prompt);
  if (!status) {
    g.sequence = &s->sequence[0];
    g.snapshot = &s->sequence[s->plan.sequences + 1];
    status = generate(&g, &prompt);
  }
  if (result)
    adze_give_struct(result, &g.result, sizeof g.result);
  return adze_session_leave(s, status);
}
