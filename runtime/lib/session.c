/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Making and releasing sessions, their sequences, and cancelling. */
#include <stdio.h>

#include "session.h"

typedef unsigned long long ull;

static void tap(adze_frame *frame, const char *name, const float *data,
                int64_t rows, int64_t cols);

/* The frame as emitted code sees it, and behind it what the tap needs. */
typedef struct {
  adze_frame frame;
  adze_session *session;
} session_frame;

static void tap(adze_frame *frame, const char *name, const float *data,
                int64_t rows, int64_t cols) {
  adze_session *s = ((session_frame *)(void *)frame)->session;
  if (s->tap)
    s->tap(name, data, rows, cols, s->user);
}

/* What `rt.barrier` is where somebody watches the phases. */
static void watched_barrier(adze_frame *frame, uint32_t tid) {
  adze_pool_barrier(frame, tid);
  adze_session *s = ((session_frame *)(void *)frame)->session;
  if (!tid)
    s->barrier(s->user);
}

adze_status adze_run_entry(adze_session *s, uint64_t entry,
                           const int64_t *symbols, void *const *args,
                           bool stoppable) {
  const adze_model *m = s->model;
  const adze_entry *e = adze_desc_entry(&m->desc, entry);
  uint64_t bytes;
  if (!adze_affine_value(adze_model_arena(m, entry), symbols, e->n_symbols,
                         adze_pool_threads(s->pool), &bytes))
    return adze_fail(ADZE_INVALID_ARGUMENT, "use smaller tensors",
                     "%s: entry %s has no possible arena for these sizes",
                     m->name, adze_desc_string(&m->desc, e->name));
  if (bytes > s->arena_bytes) {
    bool zeroed;
    uint8_t *arena = adze_alloc_large(&s->memory, bytes, &zeroed);
    if (!arena)
      return adze_out_of_memory("the arena", bytes);
    adze_free_large(&s->memory, s->arena, s->arena_bytes);
    s->arena = arena;
    s->arena_bytes = bytes;
  }
  static const uint32_t never = 0;
  void *state[ADZE_MAX_STATES];
  for (uint32_t i = 0; i < e->n_states; ++i)
    state[i] = s->kv.base[e->states0 + i];
  session_frame f = {{.size = sizeof(adze_frame),
                      .sym = symbols,
                      .arg = args,
                      .state = state,
                      .weights = m->weights,
                      .arena = s->arena,
                      .rt = &s->rt,
                      .stop = stoppable
                                  ? (const volatile uint32_t *)(void *)&s->stop
                                  : &never},
                     s};
  if (adze_pool_run(s->pool, adze_model_code(m, entry), &f.frame))
    return adze_fail(ADZE_CANCELLED, NULL, "%s: the call was cancelled",
                     m->name);
  return ADZE_OK;
}

adze_status adze_session_enter(adze_session *s) {
  if (!s)
    return adze_fail(ADZE_INVALID_ARGUMENT, NULL, "the session is null");
  if (atomic_exchange_explicit(&s->busy, 1, memory_order_acquire))
    return adze_fail(ADZE_INVALID_ARGUMENT,
                     "give each thread a session of its own, and do not call "
                     "the session from its callbacks",
                     "the session is in the middle of another call");
  return ADZE_OK;
}

adze_status adze_session_leave(adze_session *s, adze_status status) {
  atomic_store(&s->stop, 0);
  atomic_store_explicit(&s->busy, 0, memory_order_release);
  return status;
}

void adze_cancel(adze_session *s) {
  if (s)
    atomic_store(&s->stop, 1);
}

/* The pool of a session: given, its own, or the model's (made when first
 * needed). Retained for the session. */
static adze_status find_pool(adze_model *m, const adze_session_options *o,
                             adze_pool **pool) {
  if (o->pool) {
    adze_pool_retain(*pool = o->pool);
    return ADZE_OK;
  }
  adze_pool_options options = {
      .size = sizeof options,
      .threads = o->threads,
      .allocator = m->memory.hook.alloc ? &m->memory.hook : NULL};
  if (o->threads)
    return adze_pool_create(&options, pool);
  pthread_mutex_lock(&m->lock);
  adze_status status = m->pool ? ADZE_OK : adze_pool_create(&options, &m->pool);
  if (!status)
    adze_pool_retain(*pool = m->pool);
  pthread_mutex_unlock(&m->lock);
  return status;
}

/* Carves the small arrays out of one block; with a null base only measures. */
static uint64_t lay_out(adze_session *s, uint8_t *base) {
  const adze_plan *p = &s->plan;
  uint64_t at = 0;
#define PLACE(pointer, count)                                                  \
  do {                                                                         \
    if (base)                                                                  \
      (pointer) = (void *)(base + at);                                         \
    at += ((uint64_t)(count) * sizeof *(pointer) + 63) & ~(uint64_t)63;        \
  } while (0)
  uint32_t slots = p->sequences + 2;
  PLACE(s->sequence, slots);
  for (uint32_t i = 0; i < slots; ++i) {
    adze_sequence measured, *q = base ? &s->sequence[i] : &measured;
    PLACE(q->pages, p->pages_per_sequence);
    PLACE(q->tokens, p->context);
  }
  PLACE(s->inputs, p->sequences);
  PLACE(s->step.tokens, p->chunk);
  PLACE(s->step.positions, p->chunk);
  PLACE(s->step.seqs, p->chunk);
  PLACE(s->step.rows, p->chunk);
  PLACE(s->step.row_begin, p->sequences + 2);
  PLACE(s->step.pages, ((uint64_t)p->sequences + 1) * p->pages_per_sequence);
  PLACE(s->work, p->vocabulary);
  PLACE(s->candidates, p->vocabulary);
  PLACE(s->seen, p->vocabulary);
#undef PLACE
  return at;
}

static adze_status allocate_sequences(adze_session *s) {
  adze_plan *p = &s->plan;
  s->block_bytes = lay_out(s, NULL);
  s->block = adze_alloc(&s->memory, s->block_bytes);
  if (!s->block)
    return adze_out_of_memory("a session", s->block_bytes);
  lay_out(s, s->block);
  adze_status status =
      adze_kv_init(&s->kv, &s->memory, &s->model->desc, p->pages);
  if (status)
    return status;
  bool zeroed;
  s->arena = adze_alloc_large(&s->memory, p->arena_bytes, &zeroed);
  if (!s->arena)
    return adze_out_of_memory("the arena", p->arena_bytes);
  s->arena_bytes = p->arena_bytes;
  s->logits_rows = p->sequences;
  s->logits = adze_alloc(&s->memory, s->logits_rows * p->vocabulary * 4);
  if (!s->logits)
    return adze_out_of_memory("logits", s->logits_rows * p->vocabulary * 4);
  return ADZE_OK;
}

/* An allocator of the caller's knows its own limits. */
static uint64_t available_to(const adze_model *m) {
  return m->memory.hook.alloc ? UINT64_MAX : adze_memory_available("");
}

adze_status adze_memory_plan(const adze_model *m,
                             const adze_session_options *given,
                             adze_memory *out) {
  if (!m || !out)
    return adze_fail(ADZE_INVALID_ARGUMENT, NULL,
                     "adze_memory_plan: an argument is null");
  adze_session_options o;
  adze_plan plan;
  adze_status status = ADZE_TAKE(o, given);
  if (status)
    return status;
  uint32_t threads = o.pool      ? adze_pool_threads(o.pool)
                     : o.threads ? o.threads
                     : m->pool   ? adze_pool_threads(m->pool)
                                 : adze_default_threads();
  status = adze_plan_make(m, &o, threads, &plan);
  if (status)
    return status;
  adze_memory memory = {.size = sizeof memory,
                        .weights = m->weights_size,
                        .kv = plan.kv_bytes,
                        .kv_per_token = plan.kv_per_token,
                        .arena = plan.arena_bytes,
                        .other = plan.other_bytes};
  uint64_t available = available_to(m);
  if (available != UINT64_MAX && plan.step_entry >= 0) {
    memory.available = available;
    adze_plan_fit(m, &o, threads, available, &memory.fit_context,
                  &memory.fit_pages);
  }
  adze_give_struct(out, &memory, sizeof memory);
  return ADZE_OK;
}

adze_status adze_session_create(adze_model *m,
                                const adze_session_options *given,
                                adze_session **out) {
  if (!m || !out)
    return adze_fail(ADZE_INVALID_ARGUMENT, NULL,
                     "adze_session_create: an argument is null");
  *out = NULL;
  adze_session_options o;
  adze_status status = ADZE_TAKE(o, given);
  if (status)
    return status;
  adze_session *s = adze_alloc(&m->memory, sizeof *s);
  if (!s)
    return adze_out_of_memory("a session", sizeof *s);
  s->memory = m->memory;
  adze_model_retain(s->model = m);
  s->rt.size = sizeof s->rt;
  s->rt.barrier = o.barrier ? watched_barrier : adze_pool_barrier;
  s->rt.tap = tap;
  s->tap = o.tap;
  s->barrier = o.barrier;
  s->user = o.user;
  status = find_pool(m, &o, &s->pool);
  if (!status)
    status = adze_plan_make(m, &o, adze_pool_threads(s->pool), &s->plan);
  if (!status && s->plan.holds_sequences)
    status = adze_plan_check(m, &o, &s->plan, available_to(m));
  if (!status && s->plan.holds_sequences)
    status = allocate_sequences(s);
  if (status)
    adze_session_release(s);
  else
    *out = s;
  return status;
}

void adze_session_release(adze_session *s) {
  if (!s)
    return;
  adze_memory_source memory = s->memory;
  adze_kv_destroy(&s->kv, &memory);
  adze_free_large(&memory, s->arena, s->arena_bytes);
  adze_free(&memory, s->logits, s->logits_rows * s->plan.vocabulary * 4);
  adze_free(&memory, s->block, s->block_bytes);
  adze_pool_release(s->pool);
  adze_model *m = s->model;
  adze_free(&memory, s, sizeof *s);
  adze_model_release(m);
}

uint32_t adze_session_context(const adze_session *s) {
  return s ? s->plan.context : 0;
}
uint32_t adze_session_vocabulary(const adze_session *s) {
  return s ? s->plan.vocabulary : 0;
}
uint32_t adze_session_pages(const adze_session *s) {
  return s ? s->kv.pages : 0;
}
uint32_t adze_session_free_pages(const adze_session *s) {
  return s ? s->kv.n_free : 0;
}
size_t adze_sequence_length(const adze_session *s, uint32_t sequence) {
  return s && sequence < s->plan.sequences ? s->sequence[sequence].length : 0;
}
size_t adze_session_length(const adze_session *s) {
  return adze_sequence_length(s, 0);
}

static adze_status check_sequence(const adze_session *s, uint32_t sequence) {
  if (sequence < s->plan.sequences)
    return ADZE_OK;
  return adze_fail(ADZE_NOT_FOUND, "set session_options.max_sequences",
                   "sequence %u of a session that holds %u", sequence,
                   s->plan.sequences);
}

adze_status adze_sequence_rewind(adze_session *s, uint32_t sequence,
                                 size_t length) {
  adze_status status = adze_session_enter(s);
  if (status)
    return status;
  status = check_sequence(s, sequence);
  if (!status && length > s->sequence[sequence].length)
    status = adze_fail(ADZE_INVALID_ARGUMENT, NULL,
                       "rewind to %llu positions; sequence %u holds %u",
                       (ull)length, sequence, s->sequence[sequence].length);
  if (!status)
    adze_kv_truncate(&s->kv, &s->sequence[sequence], (uint32_t)length);
  return adze_session_leave(s, status);
}

adze_status adze_session_rewind(adze_session *s, size_t length) {
  return adze_sequence_rewind(s, 0, length);
}

adze_status adze_sequence_fork(adze_session *s, uint32_t from, uint32_t to) {
  adze_status status = adze_session_enter(s);
  if (status)
    return status;
  status = check_sequence(s, from);
  if (!status)
    status = check_sequence(s, to);
  if (!status && from != to)
    adze_kv_share(&s->kv, &s->sequence[from], &s->sequence[to]);
  return adze_session_leave(s, status);
}
