/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * What a session needs: checks that the decoder's entries are what the ABI
 * says and works out every size before anything is allocated. */
#include "meta.h"
#include "session.h"

typedef unsigned long long ull;

#define DEFAULT_CONTEXT 4096u
#define DEFAULT_CHUNK 512u
#define MAX_SEQUENCES 4096u
#define MAX_CHUNK 65536u

/* A dimension of an expected argument: a symbol, or WIDTH for the result's. */
enum { NONE = -2, WIDTH = -1 };
static const struct {
  const char *name;
  uint32_t dtype;
  int dims[2];
} signature[] = {{"tokens", ADZE_I32, {SYM_T, NONE}},
                 {"positions", ADZE_I32, {SYM_T, NONE}},
                 {"seqs", ADZE_I32, {SYM_T, NONE}},
                 {"row_begin", ADZE_I32, {SYM_S1, NONE}},
                 {"pages", ADZE_I32, {SYM_S, SYM_P}},
                 {"rows", ADZE_I32, {SYM_R, NONE}},
                 {NULL, ADZE_F32, {SYM_R, WIDTH}}};
#define N_ARGS (sizeof signature / sizeof *signature)

static bool dims_match(const adze_desc *d, const adze_arg *arg,
                       const int expected[2], uint32_t *width) {
  uint32_t rank = expected[1] == NONE ? 1 : 2;
  if (arg->rank != rank)
    return false;
  for (uint32_t k = 0; k < rank; ++k) {
    int64_t dim = *adze_desc_dim(d, (uint64_t)arg->dims0 + k);
    if (expected[k] == WIDTH) {
      if (dim <= 0 || dim > 1 << 26)
        return false;
      *width = (uint32_t)dim;
    } else if (dim != ~(int64_t)expected[k]) {
      return false;
    }
  }
  return true;
}

/* Finds a decoder entry and checks it; *entry is -1 where there is none. */
static adze_status find_decoder(const adze_model *m, const char *name,
                                const char *result, int64_t *entry,
                                uint32_t *width) {
  const adze_desc *d = &m->desc;
  static const char *const symbols[N_SYMBOLS] = {"T", "R", "S", "S1", "P"};
  static const char *const hint =
      "it was written by a defective compiler: compile the model again";
  *entry = adze_desc_find_entry(d, name);
  if (*entry < 0)
    return ADZE_OK;
  const adze_entry *e = adze_desc_entry(d, (uint64_t)*entry);
  if (e->n_args != N_ARGS || e->n_results != 1 || e->n_symbols != N_SYMBOLS ||
      e->n_states == 0)
    return adze_fail(ADZE_BAD_ARTEFACT, hint,
                     "%s: entry %s has %u arguments, %u results, %u symbols "
                     "and %u states; expected 7, 1, 5 and at least 1",
                     m->name, name, e->n_args, e->n_results, e->n_symbols,
                     e->n_states);
  for (uint32_t i = 0; i < N_SYMBOLS; ++i) {
    const char *found =
        adze_desc_string(d, *adze_desc_symbol(d, (uint64_t)e->symbols0 + i));
    if (strcmp(found, symbols[i]))
      return adze_fail(ADZE_BAD_ARTEFACT, hint,
                       "%s: symbol %u of entry %s is %s, expected %s", m->name,
                       i, name, found, symbols[i]);
  }
  for (uint32_t i = 0; i < N_ARGS; ++i) {
    const adze_arg *arg = adze_desc_arg(d, (uint64_t)e->args0 + i);
    const char *expected = signature[i].name ? signature[i].name : result;
    if (strcmp(adze_desc_string(d, arg->name), expected) ||
        arg->dtype != signature[i].dtype ||
        !dims_match(d, arg, signature[i].dims, width))
      return adze_fail(ADZE_BAD_ARTEFACT, hint,
                       "%s: argument %u of entry %s is %s of type %s and rank "
                       "%u; expected %s as adze/abi.h describes it",
                       m->name, i, name, adze_desc_string(d, arg->name),
                       adze_dtype_name(arg->dtype), arg->rank, expected);
  }
  return ADZE_OK;
}

static adze_status plan_context(const adze_model *m,
                                const adze_session_options *o, adze_plan *p) {
  int64_t most = 0;
  adze_meta_value value;
  const adze_rows *meta = &m->desc.table[ADZE_TABLE_META];
  if (meta->present &&
      adze_meta_find((const char *)meta->data, meta->bytes, "context", &value))
    adze_meta_integer(value, &most);
  if (most < 0 || most > ADZE_MAX_CONTEXT)
    most = ADZE_MAX_CONTEXT;
  p->context = o->context;
  if (!p->context)
    p->context =
        most && most < DEFAULT_CONTEXT ? (uint32_t)most : DEFAULT_CONTEXT;
  if (p->context > (most ? (uint32_t)most : ADZE_MAX_CONTEXT))
    return adze_fail(ADZE_INVALID_ARGUMENT, "ask for a smaller context",
                     "%s: a context of %u positions; the model has %llu",
                     m->name, p->context,
                     (ull)(most ? most : ADZE_MAX_CONTEXT));
  p->sequences = o->max_sequences ? o->max_sequences : 1;
  p->chunk = o->prefill_chunk ? o->prefill_chunk : DEFAULT_CHUNK;
  if (p->chunk < p->sequences)
    p->chunk = p->sequences; /* so that one step can decode them all */
  if (p->sequences > MAX_SEQUENCES || p->chunk > MAX_CHUNK)
    return adze_fail(ADZE_INVALID_ARGUMENT, "ask for less",
                     "%u sequences and %u tokens per step; at most %u and %u "
                     "are possible",
                     p->sequences, p->chunk, MAX_SEQUENCES, MAX_CHUNK);
  return ADZE_OK;
}

static adze_status plan_kv(const adze_model *m, const adze_session_options *o,
                           adze_plan *p) {
  p->pages_per_sequence = adze_kv_pages_of(p->context);
  /* One page more per sequence: a shared page is copied before it is written.
   */
  uint64_t pages = o->kv_pages
                       ? o->kv_pages
                       : (uint64_t)p->sequences * (p->pages_per_sequence + 1);
  if (pages > INT32_MAX)
    return adze_fail(ADZE_INVALID_ARGUMENT, "set kv_pages",
                     "%llu KV pages; at most %d are possible", (ull)pages,
                     INT32_MAX);
  p->pages = (uint32_t)pages;
  for (uint64_t i = 0; i < adze_desc_count(&m->desc, ADZE_TABLE_STATES); ++i) {
    uint64_t page_bytes = adze_desc_state(&m->desc, i)->page_bytes, bytes;
    if (adze_mul_overflows(page_bytes, pages, &bytes) ||
        adze_add_overflows(p->kv_bytes, bytes, &p->kv_bytes))
      return adze_out_of_memory("the KV cache", UINT64_MAX);
    p->kv_per_token += page_bytes / ADZE_KV_PAGE_POSITIONS;
  }
  return ADZE_OK;
}

static adze_status plan_arena(const adze_model *m, int64_t entry,
                              adze_plan *p) {
  if (entry < 0)
    return ADZE_OK;
  int64_t symbols[N_SYMBOLS] = {p->chunk, p->chunk, p->sequences,
                                (int64_t)p->sequences + 1,
                                p->pages_per_sequence};
  uint64_t bytes;
  if (!adze_affine_value(adze_model_arena(m, (uint64_t)entry), symbols,
                         N_SYMBOLS, p->threads, &bytes))
    return adze_fail(ADZE_BAD_ARTEFACT, "compile the model again",
                     "%s: the arena of entry %lld has no possible size for %u "
                     "tokens, %u sequences and %u threads",
                     m->name, (long long)entry, p->chunk, p->sequences,
                     p->threads);
  if (bytes > p->arena_bytes)
    p->arena_bytes = bytes;
  return ADZE_OK;
}

/* Whether any entry reads positions, and that those that do are well formed. */
static adze_status find_batches(const adze_model *m, adze_plan *p) {
  adze_status status = ADZE_OK;
  uint64_t count = adze_desc_count(&m->desc, ADZE_TABLE_ENTRIES);
  for (uint64_t i = 0; i < count && !status; ++i) {
    adze_batch_args batch;
    status = adze_batch_find(m, adze_desc_entry(&m->desc, i), &batch);
    p->holds_sequences |= !status && batch.count;
  }
  return status;
}

adze_status adze_plan_make(const adze_model *m, const adze_session_options *o,
                           uint32_t threads, adze_plan *p) {
  memset(p, 0, sizeof *p);
  p->threads = threads;
  if (m->described_only)
    return adze_fail(ADZE_INVALID_ARGUMENT,
                     "open it without ADZE_OPEN_DESCRIBE",
                     "%s: was opened to be described, not to be run", m->name);
  adze_status status =
      find_decoder(m, "step", "logits", &p->step_entry, &p->vocabulary);
  if (!status)
    status = find_decoder(m, "hidden", "hidden", &p->hidden_entry, &p->hidden);
  if (!status && p->hidden_entry >= 0 && p->step_entry < 0)
    status = adze_fail(ADZE_UNSUPPORTED, "compile the model as a decoder",
                       "%s: has an entry 'hidden' but no 'step'", m->name);
  if (!status)
    status = find_batches(m, p);
  if (status || !p->holds_sequences)
    return status;
  status = plan_context(m, o, p);
  if (!status)
    status = plan_kv(m, o, p);
  if (!status)
    status = plan_arena(m, p->step_entry, p);
  if (!status)
    status = plan_arena(m, p->hidden_entry, p);
  /* token and page lists of every sequence (two are internal), rows of a step,
   * logits, sampling */
  uint64_t slots = (uint64_t)p->sequences + 2;
  p->other_bytes =
      slots * (sizeof(adze_sequence) +
               4 * ((uint64_t)p->context + 2 * p->pages_per_sequence)) +
      16 * (uint64_t)p->chunk + (uint64_t)p->pages * 9 +
      (uint64_t)p->vocabulary * (4 * (uint64_t)p->sequences + 16);
  return status;
}
