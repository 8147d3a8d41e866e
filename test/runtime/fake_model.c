/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The code of a pretend decoder, so that the runtime can be tested without the
 * compiler. Every position writes a hash of its token into the KV page; the
 * "logits" of a row are a hash of all positions up to it, read back through the
 * page table. So a wrong page, position, row, chunk or a missing barrier gives
 * other numbers than fake_reference.h. Checks on the way that a page is zero
 * when its first position is written, and poisons the result if not.
 *
 * Token 63 is slow (some 2 s of short phases, for cancelling); token 62 calls
 * the tap. */
#include "fake_arithmetic.h"

#include "adze/abi.h"

enum { SYM_T, SYM_R, SYM_S, SYM_S1, SYM_P };

typedef struct {
  const int32_t *tokens, *positions, *seqs, *row_begin, *pages, *rows;
  int64_t T, R, S, P;
  uint8_t *kv;
} inputs;

static uint64_t *slot(const inputs *in, int32_t seq, int32_t position) {
  int32_t page = in->pages[seq * in->P + position / 64];
  return (uint64_t *)(void *)(in->kv + (uint64_t)page * FAKE_PAGE_BYTES) +
         position % 64;
}

static int32_t slow_phases(uint32_t tid, adze_frame *f) {
  for (int i = 0; i < 20000; ++i) {
    for (volatile int spin = 0; spin < 20000; ++spin)
      ;
    f->rt->barrier(f, tid);
    if (f->stopped)
      return 1;
  }
  return 0;
}

/* Leaves the hash of row r's positions in arena[r], and behind the hashes one
 * scratch line per thread. Returns 1 when stopped. */
static int32_t run_hashes(uint32_t tid, adze_frame *f, inputs *in) {
  uint64_t *arena = (uint64_t *)(void *)f->arena;
  *in = (inputs){f->arg[0],     f->arg[1],     f->arg[2],     f->arg[3],
                 f->arg[4],     f->arg[5],     f->sym[SYM_T], f->sym[SYM_R],
                 f->sym[SYM_S], f->sym[SYM_P], f->state[0]};
  uint64_t *scratch = arena + in->R + 8 * tid;
  scratch[0] = 0;
  for (int64_t t = tid; t < in->T; t += f->nthreads) {
    int32_t seq = in->seqs[t], position = in->positions[t];
    if (t < in->row_begin[seq] || t >= in->row_begin[seq + 1])
      scratch[0] = 1;
    if (position % 64 == 0)
      for (int i = 0; i < 64; ++i)
        scratch[0] |= slot(in, seq, position)[i] != 0;
  }
  f->rt->barrier(f, tid);
  if (f->stopped)
    return 1;
  uint64_t poison = 0;
  for (uint32_t i = 0; i < f->nthreads; ++i)
    poison |= arena[in->R + 8 * i];
  for (int64_t t = tid; t < in->T; t += f->nthreads)
    *slot(in, in->seqs[t], in->positions[t]) =
        fake_mix(in->tokens[t] + 1, in->positions[t]);
  for (int64_t t = 0; t < in->T; ++t)
    if (in->tokens[t] == 63)
      if (slow_phases(tid, f))
        return 1;
  f->rt->barrier(f, tid);
  if (f->stopped)
    return 1;
  for (int64_t r = tid; r < in->R; r += f->nthreads) {
    int32_t row = in->rows[r];
    uint64_t hash = poison;
    for (int32_t p = 0; p <= in->positions[row]; ++p)
      hash = fake_mix(hash, *slot(in, in->seqs[row], p));
    arena[r] = hash;
  }
  f->rt->barrier(f, tid);
  return f->stopped != 0;
}

static int32_t step(uint32_t tid, adze_frame *f, float bias) {
  inputs in;
  if (run_hashes(tid, f, &in))
    return 1;
  const uint64_t *hashes = (const uint64_t *)(void *)f->arena;
  float *logits = f->arg[6];
  for (int64_t r = 0; r < in.R; ++r)
    for (int64_t v = tid; v < FAKE_VOCABULARY; v += f->nthreads)
      logits[r * FAKE_VOCABULARY + v] = fake_logit(hashes[r], v) + bias;
  if (in.tokens[0] == 62 && tid == 0 && f->rt->tap)
    f->rt->tap(f, "logits", logits, in.R, FAKE_VOCABULARY);
  return 0;
}

int32_t fake_step(uint32_t tid, adze_frame *f) { return step(tid, f, 0); }
int32_t fake_step_other(uint32_t tid, adze_frame *f) { return step(tid, f, 1); }

int32_t fake_hidden(uint32_t tid, adze_frame *f) {
  inputs in;
  if (run_hashes(tid, f, &in))
    return 1;
  const uint64_t *hashes = (const uint64_t *)(void *)f->arena;
  float *hidden = f->arg[6];
  for (int64_t r = tid; r < in.R; r += f->nthreads)
    for (int64_t h = 0; h < FAKE_HIDDEN; ++h)
      hidden[r * FAKE_HIDDEN + h] = fake_logit(hashes[r], 1000 + h);
  return 0;
}

/* scale(x f32[N][4], w f32[4]) -> y f32[N][4] = x * w + the bound weight */
int32_t fake_scale(uint32_t tid, adze_frame *f) {
  const float *x = f->arg[0], *w = f->arg[1];
  const float *bound = (const float *)(const void *)(f->weights + 64);
  float *y = f->arg[2];
  for (int64_t n = tid; n < f->sym[0]; n += f->nthreads)
    for (int k = 0; k < 4; ++k)
      y[4 * n + k] = x[4 * n + k] * w[k] + bound[k];
  return 0;
}
