/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * From logits to a token: penalty, bias, filter, temperature, top-k, top-p,
 * min-p, and a draw from what is left. Works in the session's buffers. The
 * random number depends on the seed and on the token's number only. */
#include "real.h"
#include "session.h"

typedef unsigned long long ull;

adze_status adze_sampling_take(const adze_session *s,
                               const adze_sampling *given, adze_sampling *o) {
  adze_status status = adze_take_struct(o, sizeof *o, given)
                           ? ADZE_OK
                           : adze_fail(ADZE_INVALID_ARGUMENT, NULL,
                                       "adze_sampling has no valid size field");
  if (status)
    return status;
  uint32_t vocabulary = s->plan.vocabulary;
  if (!(o->temperature >= 0 && o->temperature < 1e4f))
    return adze_fail(ADZE_INVALID_ARGUMENT, "0 is greedy, 1 is the model's own",
                     "temperature %g; expected 0 or more", o->temperature);
  if (!(o->top_p >= 0 && o->top_p <= 1) || !(o->min_p >= 0 && o->min_p <= 1))
    return adze_fail(ADZE_INVALID_ARGUMENT, "0 turns it off",
                     "top_p %g, min_p %g; expected values between 0 and 1",
                     o->top_p, o->min_p);
  if (!(o->repetition_penalty >= 0 && o->repetition_penalty < 1e4f))
    return adze_fail(ADZE_INVALID_ARGUMENT, "0 or 1 turns it off",
                     "repetition_penalty %g; expected a positive value",
                     o->repetition_penalty);
  if (o->logprobs > ADZE_MAX_LOGPROBS)
    return adze_fail(ADZE_INVALID_ARGUMENT, NULL,
                     "logprobs %u; at most %u are possible", o->logprobs,
                     ADZE_MAX_LOGPROBS);
  if ((o->n_bias && !o->bias) || (o->n_stop_tokens && !o->stop_tokens))
    return adze_fail(ADZE_INVALID_ARGUMENT, NULL,
                     "sampling: bias or stop_tokens is null");
  for (size_t i = 0; i < o->n_bias; ++i)
    if (o->bias[i].token < 0 || (uint32_t)o->bias[i].token >= vocabulary)
      return adze_fail(ADZE_INVALID_ARGUMENT, NULL,
                       "bias %llu is for token %d; the vocabulary has %u",
                       (ull)i, o->bias[i].token, vocabulary);
  return ADZE_OK;
}

/* Each token of the window once: towards less likely, whatever its sign. */
static void penalize(adze_session *s, const adze_sampling *o,
                     const int32_t *history, size_t n) {
  float penalty = o->repetition_penalty;
  if (penalty == 0 || penalty == 1)
    return;
  if (++s->seen_mark == 0) {
    memset(s->seen, 0, s->plan.vocabulary * sizeof *s->seen);
    s->seen_mark = 1;
  }
  size_t begin = o->repetition_window && o->repetition_window < n
                     ? n - o->repetition_window
                     : 0;
  for (size_t i = begin; i < n; ++i) {
    uint32_t token = (uint32_t)history[i];
    if (token >= s->plan.vocabulary || s->seen[token] == s->seen_mark)
      continue;
    s->seen[token] = s->seen_mark;
    float *logit = &s->work[token];
    *logit = *logit < 0 ? *logit * penalty : *logit / penalty;
  }
}

/* Highest logit; among equal ones the lowest id. NaN is never chosen. */
static int32_t find_best(const float *logits, uint32_t n) {
  int32_t best = -1;
  float highest = -__builtin_inff();
  for (uint32_t i = 0; i < n; ++i)
    if (logits[i] > highest) {
      highest = logits[i];
      best = (int32_t)i;
    }
  return best;
}

static bool before(adze_candidate a, adze_candidate b) {
  return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
}

static void sift_down(adze_candidate *heap, uint32_t n, uint32_t at) {
  adze_candidate moved = heap[at];
  for (uint32_t child; (child = 2 * at + 1) < n; at = child) {
    if (child + 1 < n && before(heap[child + 1], heap[child]))
      ++child;
    if (!before(heap[child], moved))
      break;
    heap[at] = heap[child];
  }
  heap[at] = moved;
}

/* Uniform in [0, 1) from (seed, draw): splitmix64's output function over a
 * Weyl sequence. */
static double uniform(uint64_t seed, uint64_t draw) {
  uint64_t x = 0;
  uint64_t state = seed;
  for (int i = 0; i < 2; ++i) {
    state += 0x9E3779B97F4A7C15u * (i ? draw + 1 : 1);
    x = state;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    state = x ^= x >> 31;
  }
  return (double)(x >> 11) * 0x1p-53;
}

/* exp((logit - highest) / temperature) of every token into work; its sum. */
static double weigh_all(adze_session *s, float highest, double temperature) {
  double sum = 0;
  for (uint32_t i = 0; i < s->plan.vocabulary; ++i) {
    float w = (float)adze_exp(((double)s->work[i] - highest) / temperature);
    s->work[i] = w;
    sum += w;
  }
  return sum;
}

/* Draw without top-k and top-p, in order of ids. */
static int32_t draw_from_all(adze_session *s, const adze_sampling *o,
                             double u) {
  double total = 0;
  int32_t last = -1;
  for (uint32_t i = 0; i < s->plan.vocabulary; ++i)
    if (s->work[i] > 0 && s->work[i] >= o->min_p)
      total += s->work[i];
  double limit = u * total, sum = 0;
  for (uint32_t i = 0; i < s->plan.vocabulary; ++i)
    if (s->work[i] > 0 && s->work[i] >= o->min_p) {
      last = (int32_t)i;
      if ((sum += s->work[i]) > limit)
        break;
    }
  return last;
}

static double weight(adze_candidate c, float highest, double temperature) {
  return adze_exp(((double)c.logit - highest) / temperature);
}

/* Draw among the most likely ones, taken from a heap one by one. Popped
 * candidates are kept behind the shrinking heap, most likely last. */
static int32_t draw_from_top(adze_session *s, const adze_sampling *o,
                             float highest, double u) {
  uint32_t n = s->plan.vocabulary, kept = 0;
  adze_candidate *heap = s->candidates;
  for (uint32_t i = 0; i < n; ++i) {
    heap[i].logit = s->work[i] == s->work[i] ? s->work[i] : -__builtin_inff();
    heap[i].token = (int32_t)i;
  }
  for (uint32_t i = n / 2; i-- > 0;)
    sift_down(heap, n, i);
  uint32_t most = o->top_k && o->top_k < n ? o->top_k : n;
  bool nucleus = o->top_p > 0 && o->top_p < 1;
  double all = 0, sum = 0;
  if (nucleus && most == n)
    all = weigh_all(s, highest, o->temperature);
  for (uint32_t left = n; kept < most; ++kept) {
    adze_candidate top = heap[0];
    double w = weight(top, highest, o->temperature);
    if (w <= 0 || (nucleus && most == n && kept && sum >= o->top_p * all))
      break;
    sum += w;
    heap[0] = heap[--left];
    heap[left] = top;
    sift_down(heap, left, 0);
  }
  const adze_candidate *end = heap + n; /* the k-th most likely is end[-1-k] */
  if (nucleus && most < n) {            /* top-p of what top-k left */
    double part = 0, limit = o->top_p * sum;
    uint32_t k = 0;
    while (k < kept && (k == 0 || part < limit))
      part += weight(*(end - ++k), highest, o->temperature);
    kept = k;
  }
  while (kept > 1 && weight(*(end - kept), highest, o->temperature) < o->min_p)
    --kept;
  double limit = 0, part = 0;
  for (uint32_t k = 1; k <= kept; ++k)
    limit += weight(*(end - k), highest, o->temperature);
  limit *= u;
  for (uint32_t k = 1; k <= kept; ++k)
    if ((part += weight(*(end - k), highest, o->temperature)) > limit)
      return (end - k)->token;
  return kept ? (end - kept)->token : -1;
}

/* Weights are looked at when an artefact is made: what is left is a number that
 * became too large. */
static adze_status no_logit_is_finite(void) {
  return adze_fail(ADZE_INVALID_ARGUMENT,
                   "numbers became too large on the way (weights are checked "
                   "when they are compiled): compile with --kv f32, and with "
                   "--activations f32 where weights are integers",
                   "no token can be chosen: every logit is NaN or minus "
                   "infinity");
}
static adze_status all_are_masked(void) {
  return adze_fail(
      ADZE_INVALID_ARGUMENT, "let at least one token pass",
      "no token can be chosen: the logits filter and the bias leave "
      "NaN or minus infinity as every logit");
}

adze_status adze_sample_token(adze_session *s, const float *logits,
                              const adze_sampling *o, const int32_t *history,
                              size_t n_history, uint64_t draw, int32_t *token) {
  uint32_t n = s->plan.vocabulary;
  memcpy(s->work, logits, n * sizeof *logits);
  penalize(s, o, history, n_history);
  for (size_t i = 0; i < o->n_bias; ++i)
    s->work[o->bias[i].token] += o->bias[i].bias;
  if (o->filter)
    o->filter(o->filter_user, history, n_history, s->work, n);
  int32_t best = find_best(s->work, n);
  if (best < 0)
    return find_best(logits, n) < 0 ? no_logit_is_finite() : all_are_masked();
  *token = best;
  float highest = s->work[best];
  if (o->temperature == 0 || highest == __builtin_inff())
    return ADZE_OK;
  double u = uniform(o->seed, draw);
  if (o->top_k || (o->top_p > 0 && o->top_p < 1)) {
    *token = draw_from_top(s, o, highest, u);
  } else {
    weigh_all(s, highest, o->temperature);
    *token = draw_from_all(s, o, u);
  }
  if (*token < 0)
    *token = best;
  return ADZE_OK;
}

adze_status adze_sample(adze_session *s, const float *logits,
                        const adze_sampling *given, const int32_t *history,
                        size_t n_history, uint64_t draw, int32_t *token) {
  if (!logits || !token || (n_history && !history))
    return adze_fail(ADZE_INVALID_ARGUMENT, NULL,
                     "adze_sample: an argument is null");
  adze_status status = adze_session_enter(s);
  if (status)
    return status;
  adze_sampling o;
  status = adze_sampling_take(s, given, &o);
  if (!status && s->plan.step_entry < 0)
    status = adze_fail(ADZE_UNSUPPORTED, NULL, "%s: is not a decoder",
                       s->model->name);
  if (!status)
    status = adze_sample_token(s, logits, &o, history, n_history, draw, token);
  return adze_session_leave(s, status);
}

float adze_logprobs(const float *logits, uint32_t n, int32_t token,
                    uint32_t n_top, adze_logprob *top) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < n; ++i) {
    float logit = logits[i];
    if (!(logit == logit) || !n_top ||
        (kept == n_top && !(logit > top[kept - 1].logprob)))
      continue;
    uint32_t at = kept < n_top ? kept++ : kept - 1;
    for (; at && top[at - 1].logprob < logit; --at)
      top[at] = top[at - 1];
    top[at].token = (int32_t)i;
    top[at].logprob = logit;
  }
  int32_t best = find_best(logits, n);
  if (best < 0)
    return 0;
  double highest = logits[best], sum = 0;
  for (uint32_t i = 0; i < n; ++i)
    sum += adze_exp((double)logits[i] - highest);
  double base = highest + adze_log(sum);
  for (uint32_t k = 0; k < kept; ++k)
    top[k].logprob = (float)(top[k].logprob - base);
  return (float)(logits[token] - base);
}
