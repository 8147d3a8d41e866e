/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Calls of entries over a caller's tensors. The shapes bind the entry's
 * symbols; what contradicts is named by argument, expected and found. */
#include <stdio.h>

#include "session.h"

typedef unsigned long long ull;

typedef struct {
  const adze_desc *desc;
  const adze_entry *entry;
  const char *name;
  int64_t value[ADZE_MAX_SYMBOLS];
  int32_t bound_by[ADZE_MAX_SYMBOLS]; /* argument, or -1 */
  adze_batch_args batch;
} binding;

/* The caller's tensor i is this argument: those of the batch are not his. */
static uint32_t arg_of(const binding *b, uint32_t i) {
  return i < b->batch.first ? i : i + b->batch.count;
}
static uint32_t n_tensors(const binding *b) {
  return b->entry->n_args - b->batch.count;
}

static const char *arg_name(const binding *b, uint32_t i) {
  return adze_desc_string(
      b->desc, adze_desc_arg(b->desc, (uint64_t)b->entry->args0 + i)->name);
}

static const char *symbol_name(const binding *b, uint32_t k) {
  return adze_desc_string(
      b->desc, *adze_desc_symbol(b->desc, (uint64_t)b->entry->symbols0 + k));
}

static adze_status start_binding(const adze_model *m, const char *name,
                                 binding *b) {
  memset(b, 0, sizeof *b);
  b->desc = &m->desc;
  int64_t at = name ? adze_desc_find_entry(b->desc, name) : -1;
  if (at < 0) {
    char names[512];
    size_t used = 0;
    names[0] = 0;
    for (uint64_t i = 0; i < adze_desc_count(b->desc, ADZE_TABLE_ENTRIES) &&
                         used < sizeof names;
         ++i)
      used += (size_t)snprintf(names + used, sizeof names - used, "%s%s",
                               i ? ", " : "", adze_model_entry_name(m, i));
    return adze_fail(ADZE_NOT_FOUND, "call one of these entries",
                     "%s: no entry is called '%s'; it has: %s", m->name,
                     name ? name : "(null)", names);
  }
  b->entry = adze_desc_entry(b->desc, (uint64_t)at);
  b->name = name;
  for (uint32_t i = 0; i < ADZE_MAX_SYMBOLS; ++i)
    b->bound_by[i] = -1;
  return adze_batch_find(m, b->entry, &b->batch);
}

static void print_shape(const binding *b, const adze_arg *arg, char *out,
                        size_t capacity) {
  size_t used =
      (size_t)snprintf(out, capacity, "%s[", adze_dtype_name(arg->dtype));
  for (uint32_t k = 0; k < arg->rank && used < capacity; ++k) {
    int64_t dim = *adze_desc_dim(b->desc, (uint64_t)arg->dims0 + k);
    const char *comma = k ? ", " : "";
    if (dim >= 0)
      used += (size_t)snprintf(out + used, capacity - used, "%s%lld", comma,
                               (long long)dim);
    else
      used += (size_t)snprintf(
          out + used, capacity - used, "%s%s", comma,
          adze_desc_string(
              b->desc,
              *adze_desc_symbol(b->desc, b->entry->symbols0 + (uint64_t)~dim)));
  }
  if (used < capacity)
    snprintf(out + used, capacity - used, "]");
}

static adze_status mismatch(const binding *b, uint32_t i,
                            const adze_tensor *t) {
  const adze_arg *arg = adze_desc_arg(b->desc, (uint64_t)b->entry->args0 + i);
  char expected[256], given[256];
  print_shape(b, arg, expected, sizeof expected);
  size_t used =
      (size_t)snprintf(given, sizeof given, "%s[", adze_dtype_name(t->dtype));
  for (uint32_t k = 0; k < t->rank && k < ADZE_MAX_RANK; ++k)
    used += (size_t)snprintf(given + used, sizeof given - used, "%s%lld",
                             k ? ", " : "", (long long)t->shape[k]);
  return adze_fail(ADZE_INVALID_ARGUMENT,
                   "pass a tensor of that type and shape",
                   "entry %s, argument %s: expected %s, given %s]", b->name,
                   arg_name(b, i), expected, given);
}

/* Compares one tensor with its argument and binds the symbols in its shape. */
static adze_status bind(binding *b, uint32_t i, const adze_tensor *t) {
  const adze_arg *arg = adze_desc_arg(b->desc, (uint64_t)b->entry->args0 + i);
  if (t->dtype != arg->dtype || t->rank != arg->rank)
    return mismatch(b, i, t);
  for (uint32_t k = 0; k < arg->rank; ++k) {
    int64_t dim = *adze_desc_dim(b->desc, (uint64_t)arg->dims0 + k);
    if (t->shape[k] < 0 || (dim >= 0 && t->shape[k] != dim))
      return mismatch(b, i, t);
    if (dim >= 0)
      continue;
    uint32_t symbol = (uint32_t)~dim;
    if (b->bound_by[symbol] < 0) {
      b->bound_by[symbol] = (int32_t)i;
      b->value[symbol] = t->shape[k];
    } else if (b->value[symbol] != t->shape[k]) {
      return adze_fail(
          ADZE_INVALID_ARGUMENT, "pass tensors whose shapes agree",
          "entry %s, argument %s: dimension %u is %lld, but %s is %lld in "
          "argument %s",
          b->name, arg_name(b, i), k, (long long)t->shape[k],
          adze_desc_string(b->desc,
                           *adze_desc_symbol(
                               b->desc, (uint64_t)b->entry->symbols0 + symbol)),
          (long long)b->value[symbol],
          arg_name(b, (uint32_t)b->bound_by[symbol]));
    }
  }
  return ADZE_OK;
}

/* Array elements of callers whose adze_tensor may be longer than ours. */
static const adze_tensor *tensor_at(const adze_tensor *first, size_t i) {
  return (const adze_tensor *)(const void *)((const char *)first +
                                             i * first->size);
}

static adze_status check_tensors(const adze_tensor *tensors, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const adze_tensor *t = tensor_at(tensors, i);
    if (t->size < sizeof *t || t->size % 8 || t->size > 4096 ||
        t->size != tensors->size)
      return adze_fail(ADZE_INVALID_ARGUMENT,
                       "set size to sizeof(adze_tensor) in each",
                       "tensor %llu has the size field %u", (ull)i, t->size);
    if (t->rank > ADZE_MAX_RANK)
      return adze_fail(ADZE_INVALID_ARGUMENT, NULL,
                       "tensor %llu has rank %u; at most %u are possible",
                       (ull)i, t->rank, ADZE_MAX_RANK);
  }
  return ADZE_OK;
}

static adze_status bad_count(const binding *b, const char *what, size_t given,
                             uint32_t expected) {
  return adze_fail(ADZE_INVALID_ARGUMENT, "pass them in the entry's order",
                   "entry %s has %u %s, given %llu", b->name, expected, what,
                   (ull)given);
}

adze_status adze_entry_infer(const adze_model *m, const char *entry,
                             const adze_tensor *inputs, size_t n_inputs,
                             adze_tensor *results, size_t n_results) {
  if (!m || (n_inputs && !inputs) || (n_results && !results))
    return adze_fail(ADZE_INVALID_ARGUMENT, NULL,
                     "adze_entry_infer: an argument is null");
  binding b;
  adze_status status = start_binding(m, entry, &b);
  if (status)
    return status;
  uint32_t expected = n_tensors(&b) - b.entry->n_results;
  if (n_inputs != expected)
    return bad_count(&b, "inputs", n_inputs, expected);
  if (n_results != b.entry->n_results)
    return bad_count(&b, "results", n_results, b.entry->n_results);
  status = check_tensors(inputs, n_inputs);
  if (!status)
    status = check_tensors(results, n_results);
  for (uint32_t i = 0; i < n_inputs && !status; ++i)
    status = bind(&b, arg_of(&b, i), tensor_at(inputs, i));
  for (uint32_t i = 0; i < n_results && !status; ++i) {
    adze_tensor *t = (adze_tensor *)(void *)tensor_at(results, i);
    uint32_t at = arg_of(&b, expected + i);
    const adze_arg *arg = adze_desc_arg(b.desc, (uint64_t)b.entry->args0 + at);
    for (uint32_t k = 0; k < arg->rank; ++k) {
      int64_t dim = *adze_desc_dim(b.desc, (uint64_t)arg->dims0 + k);
      if (dim < 0 && b.bound_by[~dim] < 0) {
        if (t->rank == arg->rank && t->dtype == arg->dtype)
          continue; /* the caller says; bind() below takes it */
        return adze_fail(ADZE_INVALID_ARGUMENT,
                         "fill in dtype, rank and shape of the result",
                         "entry %s: no input gives dimension %u of result %s",
                         b.name, k, arg_name(&b, at));
      }
      t->shape[k] = dim < 0 ? b.value[~dim] : dim;
    }
    t->dtype = arg->dtype;
    t->rank = arg->rank;
    status = bind(&b, at, t);
  }
  return status;
}

/* The addresses of the caller's tensors, by argument. */
static adze_status take_data(const binding *b, const adze_tensor *args,
                             void **data) {
  for (uint32_t i = 0; i < n_tensors(b); ++i) {
    const adze_tensor *t = tensor_at(args, i);
    uint32_t at = arg_of(b, i);
    uint64_t bytes = adze_dtype_size(t->dtype);
    for (uint32_t k = 0; k < t->rank; ++k)
      if (adze_mul_overflows(bytes, (uint64_t)t->shape[k], &bytes))
        return mismatch(b, at, t);
    if (bytes && (!t->data || (uintptr_t)t->data % adze_dtype_size(t->dtype)))
      return adze_fail(ADZE_INVALID_ARGUMENT, NULL,
                       "entry %s, argument %s: its data is at %p; expected "
                       "memory aligned to its type",
                       b->name, arg_name(b, at), t->data);
    data[at] = t->data;
  }
  return ADZE_OK;
}

static adze_status check_bound(const binding *b) {
  for (uint32_t k = 0; k < b->entry->n_symbols; ++k)
    if (b->bound_by[k] < 0 &&
        !(b->batch.count &&
          (k == b->batch.s || k == b->batch.s1 || k == b->batch.p)))
      return adze_fail(ADZE_BAD_ARTEFACT, "compile the model again",
                       "entry %s: no argument gives the symbol %s", b->name,
                       symbol_name(b, k));
  return ADZE_OK;
}

/* Rows that a call asks for (adze.take_rows): they index the T rows. */
static adze_status check_rows(const binding *b, void *const *data) {
  int64_t t = -1;
  for (uint32_t k = 0; k < b->entry->n_symbols; ++k)
    if (!strcmp(symbol_name(b, k), "T"))
      t = b->value[k];
  for (uint32_t i = 0; i < b->entry->n_args - b->entry->n_results; ++i) {
    const adze_arg *arg = adze_desc_arg(b->desc, (uint64_t)b->entry->args0 + i);
    int64_t dim = arg->rank == 1 ? *adze_desc_dim(b->desc, arg->dims0) : 0;
    if (dim >= 0 || arg->dtype != ADZE_I32 ||
        strcmp(symbol_name(b, (uint32_t)~dim), "R"))
      continue;
    const int32_t *rows = data[i];
    for (int64_t r = 0; r < b->value[~dim]; ++r)
      if (rows[r] < 0 || rows[r] >= t)
        return adze_fail(
            ADZE_INVALID_ARGUMENT, "rows are indices into the rows",
            "entry %s, argument %s: row %lld is %d; there are "
            "%lld",
            b->name, arg_name(b, i), (long long)r, rows[r], (long long)t);
  }
  return ADZE_OK;
}

/* `keep`: the rows continue the session's sequences. */
static adze_status call(adze_session *s, const char *name, bool keep,
                        const adze_entry_rows *rows, size_t n_rows,
                        const adze_tensor *args, size_t n_args) {
  binding b;
  adze_status status = start_binding(s->model, name, &b);
  if (status)
    return status;
  int64_t at = adze_desc_find_entry(b.desc, name);
  if (at == s->plan.step_entry || at == s->plan.hidden_entry)
    return adze_fail(ADZE_INVALID_ARGUMENT, "use adze_step or adze_embed",
                     "entry %s takes tokens of sequences", name);
  if (keep && !b.batch.count)
    return adze_fail(ADZE_INVALID_ARGUMENT, "use adze_entry_call",
                     "entry %s reads no positions: its rows continue nothing",
                     name);
  if (n_args != n_tensors(&b))
    return bad_count(&b, "arguments (inputs, then results)", n_args,
                     n_tensors(&b));
  status = check_tensors(args, n_args);
  for (uint32_t i = 0; i < n_args && !status; ++i)
    status = bind(&b, arg_of(&b, i), tensor_at(args, i));
  void *data[256]; /* the reader admits no entry with more */
  if (!status)
    status = take_data(&b, args, data);
  if (!status)
    status = check_bound(&b);
  if (!status)
    status = check_rows(&b, data);
  if (status)
    return status;
  if (!b.batch.count)
    return adze_run_entry(s, (uint64_t)at, b.value, data, true);
  return adze_batch_run(s, (uint64_t)at, &b.batch, keep ? rows : NULL, n_rows,
                        b.value[b.batch.t], b.value, data);
}

adze_status adze_entry_call(adze_session *s, const char *entry,
                            const adze_tensor *args, size_t n_args) {
  if (n_args && !args)
    return adze_fail(ADZE_INVALID_ARGUMENT, NULL,
                     "adze_entry_call: the arguments are null");
  adze_status status = adze_session_enter(s);
  if (status)
    return status;
  return adze_session_leave(s, call(s, entry, false, NULL, 0, args, n_args));
}

adze_status adze_entry_append(adze_session *s, const char *entry,
                              const adze_entry_rows *rows, size_t n_rows,
                              const adze_tensor *args, size_t n_args) {
  if (!rows || !n_rows || (n_args && !args))
    return adze_fail(ADZE_INVALID_ARGUMENT, NULL,
                     "adze_entry_append: the rows or arguments are null or "
                     "none");
  adze_status status = adze_session_enter(s);
  if (status)
    return status;
  return adze_session_leave(s,
                            call(s, entry, true, rows, n_rows, args, n_args));
}
