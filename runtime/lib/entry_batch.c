/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The batch of a called entry: where its arguments are, and what is in them.
 * A caller gives rows; positions and KV pages are the session's business. */
#include "session.h"

typedef unsigned long long ull;

enum { POSITIONS, SEQS, ROW_BEGIN, PAGES, N_BATCH };

static uint32_t find_symbol(const adze_model *m, const adze_entry *e,
                            const char *name) {
  for (uint32_t i = 0; i < e->n_symbols; ++i)
    if (!strcmp(name, adze_desc_string(
                          &m->desc, *adze_desc_symbol(
                                        &m->desc, (uint64_t)e->symbols0 + i))))
      return i;
  return ADZE_MAX_SYMBOLS;
}

/* Whether the argument is i32 over these symbols (`second` unused for rank 1).
 */
static bool is_over(const adze_model *m, const adze_entry *e, uint32_t at,
                    uint32_t rank, uint32_t first, uint32_t second) {
  if (at >= e->n_args - e->n_results)
    return false;
  const adze_arg *arg = adze_desc_arg(&m->desc, (uint64_t)e->args0 + at);
  return arg->dtype == ADZE_I32 && arg->rank == rank &&
         *adze_desc_dim(&m->desc, arg->dims0) == ~(int64_t)first &&
         (rank == 1 || *adze_desc_dim(&m->desc, (uint64_t)arg->dims0 + 1) ==
                           ~(int64_t)second);
}

adze_status adze_batch_find(const adze_model *m, const adze_entry *e,
                            adze_batch_args *out) {
  memset(out, 0, sizeof *out);
  out->s1 = find_symbol(m, e, "S1");
  if (out->s1 == ADZE_MAX_SYMBOLS)
    return ADZE_OK; /* only the compiler's batch has this symbol */
  out->t = find_symbol(m, e, "T");
  out->s = find_symbol(m, e, "S");
  out->p = find_symbol(m, e, "P");
  for (uint32_t i = 0; i + N_BATCH <= e->n_args - e->n_results; ++i)
    if (is_over(m, e, i + POSITIONS, 1, out->t, 0) &&
        is_over(m, e, i + SEQS, 1, out->t, 0) &&
        is_over(m, e, i + ROW_BEGIN, 1, out->s1, 0) &&
        is_over(m, e, i + PAGES, 2, out->s, out->p)) {
      out->first = i;
      out->count = N_BATCH;
      return ADZE_OK;
    }
  return adze_fail(ADZE_BAD_ARTEFACT,
                   "it was written by a defective compiler: compile the model "
                   "again",
                   "%s: entry %s has the symbol S1, but no positions, seqs, "
                   "row_begin and pages as adze/abi.h describes them",
                   m->name, adze_desc_string(&m->desc, e->name));
}

/* The parts of a call: sequences of the session with their numbers of rows. */
typedef struct {
  const adze_entry_rows *rows; /* null: one part, on the internal sequence */
  size_t count;
  int64_t total;
} parts;

static adze_sequence *sequence_of(adze_session *s, const parts *p, size_t i) {
  return &s->sequence[p->rows ? p->rows[i].sequence : s->plan.sequences];
}
static uint32_t rows_of(const parts *p, size_t i) {
  return (uint32_t)(p->rows ? p->rows[i].count : (uint64_t)p->total);
}

static adze_status check_parts(const adze_session *s, const parts *p) {
  uint64_t total = 0;
  for (size_t i = 0; p->rows && i < p->count; ++i) {
    const adze_entry_rows *r = &p->rows[i];
    if (r->size != sizeof *r)
      return adze_fail(ADZE_INVALID_ARGUMENT,
                       "set size to sizeof(adze_entry_rows) in each",
                       "rows %llu have the size field %u", (ull)i, r->size);
    if (r->sequence >= s->plan.sequences)
      return adze_fail(ADZE_NOT_FOUND, "set session_options.max_sequences",
                       "sequence %u of a session that holds %u", r->sequence,
                       s->plan.sequences);
    for (size_t k = 0; k < i; ++k)
      if (p->rows[k].sequence == r->sequence)
        return adze_fail(ADZE_INVALID_ARGUMENT, "join the rows of a sequence",
                         "sequence %u is given twice", r->sequence);
    if (adze_add_overflows(total, r->count, &total))
      total = UINT64_MAX;
  }
  if (p->rows && total != (uint64_t)p->total)
    return adze_fail(ADZE_INVALID_ARGUMENT,
                     "say to which sequence each row belongs",
                     "the counts add up to %llu rows; the tensors have %lld",
                     (ull)total, (long long)p->total);
  for (size_t i = 0; i < p->count; ++i) {
    uint32_t sequence = p->rows ? p->rows[i].sequence : s->plan.sequences;
    uint32_t held = s->sequence[sequence].length;
    uint64_t more = p->rows ? p->rows[i].count : (uint64_t)p->total;
    if (more > s->plan.context - held)
      return adze_fail(ADZE_CONTEXT_FULL,
                       "rewind the sequence, or make the session with a larger "
                       "context",
                       "%llu rows after %u do not fit the session's context of "
                       "%u positions",
                       (ull)more, held, s->plan.context);
  }
  return ADZE_OK;
}

static adze_status take_pages(adze_session *s, const parts *p) {
  uint64_t pages = 0;
  for (size_t i = 0; i < p->count; ++i) {
    adze_sequence *q = sequence_of(s, p, i);
    uint32_t length = q->length + rows_of(p, i);
    pages += adze_kv_pages_needed(q, length) +
             (adze_kv_page_to_copy(&s->kv, q, length) >= 0);
  }
  if (pages > s->kv.n_free)
    return adze_fail(ADZE_CONTEXT_FULL,
                     "rewind a sequence, or make the session with more "
                     "kv_pages",
                     "the KV cache has %u of %u pages free; %llu are needed",
                     s->kv.n_free, s->kv.pages, (ull)pages);
  for (size_t i = 0; i < p->count; ++i) {
    adze_sequence *q = sequence_of(s, p, i);
    adze_kv_reserve(&s->kv, q, q->length + rows_of(p, i));
  }
  return ADZE_OK;
}

/* Fills positions, seqs, row_begin and pages; parts without rows are left out
 * of the batch. Returns how many parts have rows. */
static int64_t fill(adze_session *s, const parts *p, int64_t widest,
                    int32_t *const array[N_BATCH]) {
  int32_t t = 0, k = 0;
  for (size_t i = 0; i < p->count; ++i) {
    const adze_sequence *q = sequence_of(s, p, i);
    uint32_t count = rows_of(p, i);
    if (!count)
      continue;
    array[ROW_BEGIN][k] = t;
    for (uint32_t r = 0; r < count; ++r, ++t) {
      array[POSITIONS][t] = (int32_t)(q->length + r);
      array[SEQS][t] = k;
    }
    for (int64_t page = 0; page < widest; ++page)
      array[PAGES][k * widest + page] = page < q->n_pages ? q->pages[page] : 0;
    ++k;
  }
  array[ROW_BEGIN][k] = t;
  return k;
}

static adze_status run(adze_session *s, uint64_t entry,
                       const adze_batch_args *batch, const parts *p,
                       int64_t *symbols, void **args) {
  int64_t widest = 1;
  for (size_t i = 0; i < p->count; ++i)
    if (sequence_of(s, p, i)->n_pages > widest)
      widest = sequence_of(s, p, i)->n_pages;
  uint64_t counts[N_BATCH] = {(uint64_t)p->total, (uint64_t)p->total,
                              p->count + 1, p->count * (uint64_t)widest};
  uint64_t bytes = 0;
  for (int i = 0; i < N_BATCH; ++i) /* each at most 2^24 + 1, or 2^12 * 2^18 */
    bytes += counts[i] * sizeof(int32_t);
  int32_t *block = adze_alloc(&s->memory, bytes);
  int32_t *array[N_BATCH];
  if (!block)
    return adze_out_of_memory("the positions of a call", bytes);
  int32_t *next = block;
  for (uint32_t i = 0; i < N_BATCH; next += counts[i++])
    args[batch->first + i] = array[i] = next;
  int64_t sequences = fill(s, p, widest, array);
  symbols[batch->s] = sequences;
  symbols[batch->s1] = sequences + 1;
  symbols[batch->p] = widest;
  adze_status status = adze_run_entry(s, entry, symbols, args, true);
  adze_free(&s->memory, block, bytes);
  return status;
}

adze_status adze_batch_run(adze_session *s, uint64_t entry,
                           const adze_batch_args *batch,
                           const adze_entry_rows *rows, size_t n_rows,
                           int64_t total, int64_t *symbols, void **args) {
  parts p = {rows, rows ? n_rows : 1, total};
  adze_status status = check_parts(s, &p);
  if (!status && total) {
    status = take_pages(s, &p);
    if (status)
      return status;
    status = run(s, entry, batch, &p, symbols, args);
  }
  for (size_t i = 0; total && i < p.count; ++i) {
    adze_sequence *q = sequence_of(s, &p, i);
    if (status || !rows) {
      adze_kv_truncate(&s->kv, q, rows ? q->length : 0);
      continue;
    }
    /* No token ids: adze_generate must not take these rows for its prompt. */
    for (uint32_t r = 0; r < rows_of(&p, i); ++r)
      q->tokens[q->length + r] = -1;
    q->length += rows_of(&p, i);
  }
  return status;
}
