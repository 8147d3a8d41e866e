/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * A session: one thread's use of a model. Everything a step needs is allocated
 * for its maxima when the session is made. */
#ifndef ADZE_LIB_SESSION_H
#define ADZE_LIB_SESSION_H

#include "kv.h"
#include "model.h"
#include "pool.h"

/* Symbols of the entries `step` and `hidden`, in the ABI's order. */
enum { SYM_T, SYM_R, SYM_S, SYM_S1, SYM_P, N_SYMBOLS };

#define ADZE_MAX_CONTEXT (1u << 24)

/* What a session needs, worked out before anything is allocated. */
typedef struct adze_plan {
  uint32_t context, sequences, chunk, threads;
  uint32_t pages, pages_per_sequence;
  uint32_t vocabulary, hidden;      /* widths of the two entries' results */
  int64_t step_entry, hidden_entry; /* -1: the model has none */
  bool holds_sequences;             /* some entry reads positions */
  uint64_t arena_bytes, kv_bytes, kv_per_token, other_bytes;
} adze_plan;

typedef struct adze_candidate {
  float logit;
  int32_t token;
} adze_candidate;

/* Rows and tables of one step, as the entry's arguments. */
typedef struct adze_step_buffers {
  int32_t *tokens, *positions, *seqs; /* [chunk] */
  int32_t *row_begin;                 /* [sequences + 2] */
  int32_t *pages;                     /* [sequences + 1][pages] */
  int32_t *rows;                      /* [chunk] */
} adze_step_buffers;

struct adze_session {
  adze_memory_source memory;
  adze_model *model;
  adze_pool *pool;
  adze_rt rt;
  adze_tap_fn tap;
  adze_barrier_fn barrier;
  void *user;
  adze_plan plan;
  adze_kv kv;
  /* `sequences` of the caller's, then one for adze_embed and one that keeps
   * what adze_generate may have to put back */
  adze_sequence *sequence;
  adze_step_input *inputs; /* [sequences]: a caller's, as taken */
  adze_step_buffers step;
  uint8_t *arena;
  uint64_t arena_bytes;
  float *logits; /* [logits_rows][vocabulary] */
  uint64_t logits_rows;
  float *work; /* [vocabulary]: logits while they are sampled from */
  adze_candidate *candidates; /* [vocabulary] */
  uint32_t *seen, seen_mark;  /* [vocabulary]: repetition penalty */
  void *block;                /* what holds the small arrays */
  uint64_t block_bytes;
  atomic_uint stop;
  atomic_uint busy;
};

adze_status adze_plan_make(const adze_model *, const adze_session_options *,
                           uint32_t threads, adze_plan *);

/* Bytes that can be taken: MemAvailable of /proc/meminfo and what the memory
 * limits of the control groups leave, below `root` ("" for the system).
 * UINT64_MAX: unknown (memory.c). */
uint64_t adze_memory_available(const char *root);
/* Bytes that a session takes beside the weights. */
uint64_t adze_plan_bytes(const adze_plan *);
/* The longest context, and the most pages, that `available` bytes have room
 * for, other options as they are; 0: none. */
void adze_plan_fit(const adze_model *, const adze_session_options *,
                   uint32_t threads, uint64_t available, uint32_t *context,
                   uint32_t *pages);
/* ADZE_OUT_OF_MEMORY, with what would fit, where the plan needs more. */
adze_status adze_plan_check(const adze_model *, const adze_session_options *,
                            const adze_plan *, uint64_t available);

/* A call on the session begins and ends; a second one at the same time is an
 * error. The end forgets a cancellation. */
adze_status adze_session_enter(adze_session *);
adze_status adze_session_leave(adze_session *, adze_status);

/* Runs `entry` over all inputs in steps of at most `chunk` tokens, with its
 * result rows in order at `out` (`width` floats each). `spare` may lose what
 * lies beyond its first `spare_keep` positions where pages run out. On failure
 * every sequence is as before. Allocates nothing. */
typedef struct adze_work {
  int64_t entry;
  uint32_t width;
  float *out;
  adze_sequence *spare;
  uint32_t spare_keep;
} adze_work;
adze_status adze_run_inputs(adze_session *, const adze_step_input *,
                            size_t count, const adze_work *);

/* Runs one entry over frames (run.c): arena, threads, tap and stop word. */
adze_status adze_run_entry(adze_session *, uint64_t entry,
                           const int64_t *symbols, void *const *args,
                           bool stoppable);

/* Runs `entry` over `total` rows, cut into `rows` (null: all of them one
 * sequence from 0, forgotten afterwards). `args` and `symbols` lack only what
 * belongs to the batch and get it here. */
adze_status adze_batch_run(adze_session *, uint64_t entry,
                           const adze_batch_args *, const adze_entry_rows *rows,
                           size_t n_rows, int64_t total, int64_t *symbols,
                           void **args);

/* Sampling (sample.c). `draw` numbers the token. */
adze_status adze_sampling_take(const adze_session *, const adze_sampling *,
                               adze_sampling *);
adze_status adze_sample_token(adze_session *, const float *logits,
                              const adze_sampling *, const int32_t *history,
                              size_t n_history, uint64_t draw, int32_t *token);
/* Log-probabilities of the model's own distribution. */
float adze_logprobs(const float *logits, uint32_t vocabulary, int32_t token,
                    uint32_t n_top, adze_logprob *top);

#endif
