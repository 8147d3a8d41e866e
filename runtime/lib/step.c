/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The ragged step: tokens of any mix of sequences, cut into steps of at most
 * `chunk` tokens in the order of the inputs. All pages are taken before the
 * first step, lengths are set after the last, so a failure in between leaves
 * nothing but pages to give back. */
#include "session.h"

typedef unsigned long long ull;

static adze_status check_input(const adze_session *s,
                               const adze_step_input *in) {
  const adze_plan *p = &s->plan;
  const adze_sequence *q = &s->sequence[in->sequence];
  if ((in->count && !in->tokens) || (in->n_rows && !in->rows))
    return adze_fail(ADZE_INVALID_ARGUMENT, NULL,
                     "sequence %u: tokens or rows are null", in->sequence);
  if (in->count > p->context - q->length)
    return adze_fail(ADZE_CONTEXT_FULL,
                     "rewind the session, or make it with a larger context",
                     "sequence %u holds %u of %u positions; %llu more do not "
                     "fit",
                     in->sequence, q->length, p->context, (ull)in->count);
  for (size_t i = 0; i < in->count; ++i)
    if (in->tokens[i] < 0 || (uint32_t)in->tokens[i] >= p->vocabulary)
      return adze_fail(ADZE_INVALID_ARGUMENT,
                       "use ids of this model's vocabulary",
                       "sequence %u: token %llu is %d; the vocabulary has %u",
                       in->sequence, (ull)i, in->tokens[i], p->vocabulary);
  for (size_t i = 0; i < in->n_rows; ++i)
    if (in->rows[i] >= in->count || (i && in->rows[i] <= in->rows[i - 1]))
      return adze_fail(ADZE_INVALID_ARGUMENT,
                       "rows are indices into the tokens, ascending",
                       "sequence %u: row %llu is %u; there are %llu tokens",
                       in->sequence, (ull)i, in->rows[i], (ull)in->count);
  return ADZE_OK;
}

/* Page that input i must copy, or -1. */
static int32_t copied_page(const adze_session *s, const adze_step_input *in) {
  const adze_sequence *q = &s->sequence[in->sequence];
  return adze_kv_page_to_copy(&s->kv, q, q->length + (uint32_t)in->count);
}

/* Exactly the pages that reserving for each input takes: where all owners of a
 * page write to it, the last one keeps it. */
static uint64_t pages_needed(const adze_session *s, const adze_step_input *in,
                             size_t count) {
  uint64_t pages = 0;
  for (size_t i = 0; i < count; ++i) {
    const adze_sequence *q = &s->sequence[in[i].sequence];
    pages += adze_kv_pages_needed(q, q->length + (uint32_t)in[i].count);
    int32_t page = copied_page(s, &in[i]);
    uint32_t before = 0;
    for (size_t k = 0; page >= 0 && k < i; ++k)
      before += copied_page(s, &in[k]) == page;
    pages += page >= 0 && before + 1 < s->kv.owners[page];
  }
  return pages;
}

static adze_status take_pages(adze_session *s, const adze_step_input *in,
                              size_t count, const adze_work *work) {
  uint64_t pages = pages_needed(s, in, count);
  if (pages > s->kv.n_free && work->spare) {
    adze_kv_truncate(&s->kv, work->spare, work->spare_keep);
    pages = pages_needed(s, in, count);
  }
  if (pages > s->kv.n_free)
    return adze_fail(ADZE_CONTEXT_FULL,
                     "rewind a sequence, or make the session with more "
                     "kv_pages",
                     "the KV cache has %u of %u pages free; %llu are needed",
                     s->kv.n_free, s->kv.pages, (ull)pages);
  for (size_t i = 0; i < count; ++i) {
    adze_sequence *q = &s->sequence[in[i].sequence];
    adze_kv_reserve(&s->kv, q, q->length + (uint32_t)in[i].count);
  }
  return ADZE_OK;
}

/* Where the cutting into steps stands. */
typedef struct {
  size_t input, token, row;
  uint64_t rows_done;
} cursor;

/* Adds as much of the current input as fits; its sequence is number n_seqs of
 * the step. Returns the tokens added. */
static uint32_t add_segment(adze_session *s, const adze_step_input *in,
                            cursor *c, uint32_t t, uint32_t *r,
                            uint32_t n_seqs) {
  const adze_sequence *q = &s->sequence[in->sequence];
  size_t left = in->count - c->token, room = s->plan.chunk - t;
  uint32_t take = (uint32_t)(left < room ? left : room);
  for (uint32_t i = 0; i < take; ++i) {
    s->step.tokens[t + i] = in->tokens[c->token + i];
    s->step.positions[t + i] = (int32_t)(q->length + c->token + i);
    s->step.seqs[t + i] = (int32_t)n_seqs;
  }
  for (; c->row < in->n_rows && in->rows[c->row] < c->token + take; ++c->row)
    s->step.rows[(*r)++] = (int32_t)(t + in->rows[c->row] - c->token);
  c->token += take;
  return take;
}

static adze_status run_one(adze_session *s, const adze_step_input *in,
                           size_t count, const adze_work *work, cursor *c) {
  uint32_t t = 0, r = 0, n_seqs = 0, n_pages = 1;
  size_t first = c->input, members = 0;
  while (c->input < count && t < s->plan.chunk) {
    const adze_step_input *input = &in[c->input];
    if (c->token < input->count) {
      s->step.row_begin[n_seqs] = (int32_t)t;
      t += add_segment(s, input, c, t, &r, n_seqs);
      ++n_seqs;
      uint32_t pages = adze_kv_pages_of(s->sequence[input->sequence].length +
                                        (uint32_t)c->token);
      n_pages = pages > n_pages ? pages : n_pages;
    }
    ++members;
    if (c->token < input->count)
      break;
    ++c->input;
    c->token = c->row = 0;
  }
  if (!t)
    return ADZE_OK;
  s->step.row_begin[n_seqs] = (int32_t)t;
  /* Page tables, one row per sequence of the step, as wide as the longest. */
  for (size_t i = 0, k = 0; i < members; ++i) {
    const adze_sequence *q = &s->sequence[in[first + i].sequence];
    if (!in[first + i].count)
      continue;
    for (uint32_t p = 0; p < n_pages; ++p)
      s->step.pages[k * n_pages + p] = p < q->n_pages ? q->pages[p] : 0;
    ++k;
  }
  int64_t symbols[N_SYMBOLS] = {t, r, n_seqs, (int64_t)n_seqs + 1, n_pages};
  void *args[] = {s->step.tokens,
                  s->step.positions,
                  s->step.seqs,
                  s->step.row_begin,
                  s->step.pages,
                  s->step.rows,
                  work->out + c->rows_done * work->width};
  c->rows_done += r;
  if (atomic_load(&s->stop))
    return adze_fail(ADZE_CANCELLED, NULL, "%s: the call was cancelled",
                     s->model->name);
  return adze_run_entry(s, (uint64_t)work->entry, symbols, args, true);
}

adze_status adze_run_inputs(adze_session *s, const adze_step_input *in,
                            size_t count, const adze_work *work) {
  adze_status status = ADZE_OK;
  for (size_t i = 0; i < count && !status; ++i)
    status = check_input(s, &in[i]);
  if (!status)
    status = take_pages(s, in, count, work);
  if (status)
    return status;
  cursor c = {0, 0, 0, 0};
  while (c.input < count && !status)
    status = run_one(s, in, count, work, &c);
  for (size_t i = 0; i < count; ++i) {
    adze_sequence *q = &s->sequence[in[i].sequence];
    if (status) {
      adze_kv_truncate(&s->kv, q, q->length);
      continue;
    }
    if (in[i].count)
      memcpy(q->tokens + q->length, in[i].tokens,
             in[i].count * sizeof *q->tokens);
    q->length += (uint32_t)in[i].count;
  }
  return status;
}

static adze_status no_decoder(const adze_session *s, const char *entry) {
  return adze_fail(ADZE_UNSUPPORTED,
                   "compile a model for this, or call its entries with "
                   "adze_entry_call",
                   "%s: has no entry '%s'", s->model->name, entry);
}

/* Room for the logits of a call, whatever it asks for. */
static adze_status make_logits(adze_session *s, uint64_t rows) {
  if (rows <= s->logits_rows)
    return ADZE_OK;
  uint64_t width = (uint64_t)s->plan.vocabulary * sizeof(float), bytes;
  float *logits = NULL;
  if (!adze_mul_overflows(rows, width, &bytes))
    logits = adze_alloc(&s->memory, bytes);
  if (!logits)
    return adze_out_of_memory("logits", rows * width);
  adze_free(&s->memory, s->logits, s->logits_rows * width);
  s->logits = logits;
  s->logits_rows = rows;
  return ADZE_OK;
}

/* Copies and checks a caller's inputs one by one, so that newer callers with a
 * longer struct still work, then runs them. */
static adze_status run_step(adze_session *s, const adze_step_input *given,
                            size_t count, const float **logits) {
  if (s->plan.step_entry < 0)
    return no_decoder(s, "step");
  if (count > s->plan.sequences)
    return adze_fail(ADZE_INVALID_ARGUMENT, "set session_options.max_sequences",
                     "%llu inputs; the session holds %u sequences", (ull)count,
                     s->plan.sequences);
  uint64_t rows = 0;
  uint32_t stride = count ? given->size : 0;
  adze_step_input one, *inputs = s->inputs;
  for (size_t i = 0; i < count; ++i) {
    adze_status status =
        ADZE_TAKE(one, (const char *)given + i * (size_t)stride);
    if (status)
      return status;
    if (one.size != stride ||
        one.size < offsetof(adze_step_input, n_rows) + sizeof one.n_rows)
      return adze_fail(ADZE_INVALID_ARGUMENT,
                       "set size to sizeof(adze_step_input) in each",
                       "input %llu has the size field %u", (ull)i, one.size);
    if (one.sequence >= s->plan.sequences)
      return adze_fail(ADZE_NOT_FOUND, "set session_options.max_sequences",
                       "sequence %u of a session that holds %u", one.sequence,
                       s->plan.sequences);
    for (size_t k = 0; k < i; ++k)
      if (inputs[k].sequence == one.sequence)
        return adze_fail(ADZE_INVALID_ARGUMENT,
                         "join the tokens of a sequence into one input",
                         "sequence %u is in two inputs", one.sequence);
    rows += one.n_rows;
    inputs[i] = one;
  }
  adze_status status = make_logits(s, rows);
  adze_work work = {s->plan.step_entry, s->plan.vocabulary, s->logits, NULL, 0};
  if (!status)
    status = adze_run_inputs(s, inputs, count, &work);
  if (!status && logits)
    *logits = s->logits;
  return status;
}

adze_status adze_step(adze_session *s, const adze_step_input *inputs,
                      size_t count, const float **logits) {
  if (logits)
    *logits = NULL;
  if (count && !inputs)
    return adze_fail(ADZE_INVALID_ARGUMENT, NULL, "the inputs are null");
  adze_status status = adze_session_enter(s);
  if (status)
    return status;
  return adze_session_leave(s, run_step(s, inputs, count, logits));
}

adze_status adze_eval(adze_session *s, const int32_t *tokens, size_t count,
                      const uint32_t *rows, size_t n_rows,
                      const float **logits) {
  adze_step_input input = {sizeof input, 0, tokens, count, rows, n_rows};
  return adze_step(s, &input, 1, logits);
}

adze_status adze_embed(adze_session *s, const int32_t *tokens, size_t count,
                       adze_pooling pooling, int32_t normalize, float *out,
                       size_t capacity) {
  adze_status status = adze_session_enter(s);
  if (status)
    return status;
  if (s->plan.hidden_entry < 0)
    return adze_session_leave(s, no_decoder(s, "hidden"));
  if ((pooling != ADZE_POOLING_NONE && pooling != ADZE_POOLING_LAST) ||
      normalize)
    return adze_session_leave(
        s, adze_fail(ADZE_UNSUPPORTED, "use NONE or LAST and pool the rows",
                     "pooling %d with normalize %d: this runtime gives hidden "
                     "states as they are",
                     (int)pooling, normalize));
  bool last = pooling == ADZE_POOLING_LAST;
  uint64_t need = (last ? 1 : (uint64_t)count) * s->plan.hidden;
  if (!count || !out || need > capacity)
    return adze_session_leave(
        s, adze_fail(ADZE_INVALID_ARGUMENT, NULL,
                     "%llu tokens need room for %llu floats, given %llu",
                     (ull)count, (ull)need, (ull)capacity));
  /* The internal sequence: evaluated, read, dropped. In pieces, because each
   * piece lists its rows in the buffer of rows. */
  adze_sequence *q = &s->sequence[s->plan.sequences];
  uint32_t rows[256];
  for (uint32_t i = 0; i < 256; ++i)
    rows[i] = i;
  for (size_t done = 0; done < count && !status;) {
    size_t piece = count - done < 256 ? count - done : 256;
    uint32_t final_row = (uint32_t)piece - 1;
    bool ends = done + piece == count;
    adze_step_input in = {
        sizeof in, s->plan.sequences,        tokens + done,
        piece,     last ? &final_row : rows, last ? (ends ? 1 : 0) : piece};
    adze_work work = {s->plan.hidden_entry, s->plan.hidden,
                      last ? out : out + done * s->plan.hidden, NULL, 0};
    status = adze_run_inputs(s, &in, 1, &work);
    done += piece;
  }
  adze_kv_truncate(&s->kv, q, 0);
  return adze_session_leave(s, status);
}
