/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * libadze_runtime: opens artefacts and runs them. C11; needs only libc; holds
 * no model arithmetic and no LLVM.
 *
 * Conventions
 *   structs   begin with `uint32_t size`, which the caller sets to sizeof: they
 *             only ever grow at their end. A null options pointer means
 * defaults, and so does a zero field. errors    every call returns an
 * adze_status; adze_last_error() has the words. Nothing here prints, aborts,
 * exits or throws. handles   are reference counted or owned; release(NULL) is
 * allowed. threads   models and pools may be used by all threads at once, a
 * session by one thread at a time; only adze_cancel may come from anywhere.
 *   strings   are UTF-8 and NUL-terminated.
 */
#ifndef ADZE_RUNTIME_H
#define ADZE_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#include "adze/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define ADZE_API __attribute__((visibility("default")))
#else
#define ADZE_API
#endif

#define ADZE_RUNTIME_VERSION "0.1.0"
#define ADZE_MAX_RANK 8

typedef struct adze_model adze_model;
typedef struct adze_pool adze_pool;
typedef struct adze_session adze_session;

/* ---- status and errors -------------------------------------------------- */

typedef enum adze_status {
  ADZE_OK = 0,
  ADZE_INVALID_ARGUMENT = 1, /* the call is wrong: ids, rows, shapes, options */
  ADZE_OUT_OF_MEMORY = 2,
  ADZE_IO_ERROR = 3,        /* the operating system said no */
  ADZE_BAD_ARTEFACT = 4,    /* truncated, altered or malformed file */
  ADZE_ABI_MISMATCH = 5,    /* made by a compiler this runtime does not know */
  ADZE_CPU_UNSUPPORTED = 6, /* no variant fits this machine */
  ADZE_CONTEXT_FULL = 7,    /* no room for more positions; nothing is shifted */
  ADZE_CANCELLED = 8,       /* adze_cancel, or a callback said so */
  ADZE_NOT_FOUND = 9,       /* no such entry, key, table or sequence */
  ADZE_UNSUPPORTED = 10,    /* known, but not by this build or this model */
  ADZE_BUFFER_TOO_SMALL = 11, /* adze_buf.length says how much is needed */
  ADZE_INTERNAL = 12
} adze_status;

typedef struct adze_error {
  uint32_t size;
  int32_t code;        /* adze_status */
  const char *message; /* what was expected and what was found */
  const char *hint;    /* what to do; may be empty, never null */
} adze_error;

/* Thread-local; valid until this thread's next call. Never null. */
ADZE_API const adze_error *adze_last_error(void);
ADZE_API const char *adze_status_name(adze_status);
ADZE_API const char *adze_version(void);

typedef enum adze_log_level {
  ADZE_LOG_DEBUG = 0,
  ADZE_LOG_INFO = 1,
  ADZE_LOG_WARNING = 2
} adze_log_level;
typedef void (*adze_log_fn)(int32_t level, const char *message, void *user);

/* Returns non-zero to stop (the call then gives ADZE_CANCELLED). */
typedef int32_t (*adze_progress_fn)(const char *stage, uint64_t done,
                                    uint64_t total, void *user);

/* Where memory comes from. `alloc` may return null; `alignment` is a power of
 * two; memory need not be zeroed. Must be callable from every thread. */
typedef struct adze_allocator {
  uint32_t size, reserved;
  void *(*alloc)(void *user, size_t bytes, size_t alignment);
  void (*free)(void *user, void *memory, size_t bytes);
  void *user;
} adze_allocator;

/* A caller's buffer for text or bytes. The call writes at most `capacity`
 * bytes to `data`, sets `length` to all there are, and returns
 * ADZE_BUFFER_TOO_SMALL where they did not fit. Text is followed by a NUL
 * where there is room for it; `length` does not count it. */
typedef struct adze_buf {
  uint32_t size, reserved;
  char *data;
  size_t capacity, length;
} adze_buf;

/* ---- models ------------------------------------------------------------- */

typedef enum adze_source_kind {
  ADZE_SOURCE_PATH = 0,
  ADZE_SOURCE_FD = 1,    /* read from `offset`; stays the caller's */
  ADZE_SOURCE_MEMORY = 2 /* `length` bytes, borrowed until the last release */
} adze_source_kind;

typedef struct adze_source {
  uint32_t size, kind;
  const char *path;
  int32_t fd;
  uint32_t reserved;
  uint64_t offset, length; /* length 0: to the end of the file */
  const void *memory;
} adze_source;

typedef enum adze_load {
  ADZE_LOAD_LAZY = 0,     /* pages of weights come in when they are touched */
  ADZE_LOAD_PREFETCH = 1, /* ask the system to read ahead */
  ADZE_LOAD_LOCK = 2      /* read now and keep in memory */
} adze_load;

/* Read the description only: no code is loaded, no variant is chosen, and an
 * artefact for another processor family is accepted. Sessions cannot be made.
 */
#define ADZE_OPEN_DESCRIBE 1u

typedef struct adze_open_options {
  uint32_t size, flags;
  uint32_t load; /* adze_load */
  uint32_t reserved;
  const uint8_t *expected_id; /* 32 bytes that the id must equal, or null */
  const char *variant;        /* force a variant by name; null: $ADZE_ISA, else
                                 the best that this CPU runs */
  adze_pool *pool;            /* for this model's sessions, retained */
  const adze_allocator *allocator;
  adze_log_fn log;
  adze_progress_fn progress;
  void *user; /* given to log and progress */
  /* Called once, when the last reference to the model is gone: frees what the
   * model borrows (linked code, weights in memory). Not called where opening
   * fails. */
  void (*on_release)(void *owner);
  void *owner;
  const char *name; /* what messages call the model; null: the path */
} adze_open_options;

/* Opens an artefact. Everything but the weights is checked (bounds, every
 * cross reference, SHA-256) before any code in it is loaded. `weights` is null
 * when they are inside. */
ADZE_API adze_status adze_model_open(const adze_source *artefact,
                                     const adze_source *weights,
                                     const adze_open_options *options,
                                     adze_model **model);
/* The same for a descriptor that is linked into the program (--emit=obj). */
ADZE_API adze_status adze_model_link(const adze_model_desc *desc,
                                     const adze_source *weights,
                                     const adze_open_options *options,
                                     adze_model **model);
ADZE_API void adze_model_retain(adze_model *);
ADZE_API void adze_model_release(adze_model *);

/* Keys: "meta" (the whole JSON), "proof", "schedule", "id", "variant",
 * "variants", "weights_bytes", "file", and every top-level key of the JSON such
 * as "architecture", "context", "vocab", "hidden", "layers". */
ADZE_API adze_status adze_model_info(const adze_model *, const char *key,
                                     adze_buf *value);
/* The top-level integer `key` of the metadata. */
ADZE_API adze_status adze_model_integer(const adze_model *, const char *key,
                                        int64_t *value);
/* The integers under the top-level `key`, a number or an array of them (such
 * as "eos"); *count is set to how many there are. */
ADZE_API adze_status adze_model_integers(const adze_model *, const char *key,
                                         int64_t *values, size_t capacity,
                                         size_t *count);
/* Tokenizer table for libadze_text; ADZE_NOT_FOUND where the model has none. */
ADZE_API adze_status adze_model_text_table(const adze_model *,
                                           const void **data, size_t *bytes);
/* Reads every weight and compares its hash. */
ADZE_API adze_status adze_model_verify(const adze_model *);

typedef struct adze_weight_info {
  uint32_t size, layer; /* layer index, or ~0u */
  const char *name, *format, *source;
  uint64_t rows, cols, bytes;
  const void *data; /* packed bytes; null for a description */
} adze_weight_info;
ADZE_API size_t adze_model_weight_count(const adze_model *);
ADZE_API adze_status adze_model_weight(const adze_model *, size_t index,
                                       adze_weight_info *);

typedef struct adze_variant_info {
  uint32_t size;
  uint32_t chosen;     /* 1: this is the one in use */
  uint64_t missing[2]; /* feature bits this machine lacks; 0: it could run */
  const char *name, *triple;
} adze_variant_info;
ADZE_API size_t adze_model_variant_count(const adze_model *);
ADZE_API adze_status adze_model_variant(const adze_model *, size_t index,
                                        adze_variant_info *);

typedef struct adze_arg_info {
  uint32_t size, dtype, rank, is_result;
  const char *name;
  int64_t shape[ADZE_MAX_RANK];      /* -1 where the dimension is a symbol */
  const char *symbol[ADZE_MAX_RANK]; /* its name, or null */
  /* 1: positions and KV pages, which the runtime fills in. Not among the
   * tensors of adze_entry_infer, adze_entry_call and adze_entry_append. */
  uint32_t is_batch, reserved;
} adze_arg_info;
ADZE_API size_t adze_model_entry_count(const adze_model *);
ADZE_API const char *adze_model_entry_name(const adze_model *, size_t index);
ADZE_API adze_status adze_model_entry_arg(const adze_model *, const char *entry,
                                          size_t index, adze_arg_info *);

/* ---- threads ------------------------------------------------------------ */

typedef struct adze_pool_options {
  uint32_t size;
  uint32_t threads; /* the caller included; 0: adze_default_threads() */
  uint32_t spin;    /* pauses before a waiting thread sleeps; 0: default */
  uint32_t reserved;
  const adze_allocator *allocator;
  void (*on_thread_start)(uint32_t tid, void *user); /* on each new thread */
  void *user;
} adze_pool_options;

/* CPUs this process may use: affinity mask and cgroup quota. At least 1. */
ADZE_API uint32_t adze_default_threads(void);
/* The caller of a step is worker 0, so `threads - 1` threads are made. */
ADZE_API adze_status adze_pool_create(const adze_pool_options *, adze_pool **);
ADZE_API void adze_pool_retain(adze_pool *);
ADZE_API void adze_pool_release(adze_pool *);
ADZE_API uint32_t adze_pool_threads(const adze_pool *);

/* ---- sessions ----------------------------------------------------------- */

typedef void (*adze_tap_fn)(const char *name, const float *data, int64_t rows,
                            int64_t cols, void *user);

/* Where the thread that made the call has left a barrier of a step: all threads
 * have done their parts of the launches before. It must not block. */
typedef void (*adze_barrier_fn)(void *user);

typedef struct adze_session_options {
  uint32_t size;
  uint32_t context;       /* positions per sequence; 0: min(model, 4096) */
  uint32_t max_sequences; /* 0: 1 */
  uint32_t prefill_chunk; /* most tokens per step; 0: 512 */
  uint32_t threads;       /* with no pool: make one; 0: the model's pool */
  uint32_t kv_pages;      /* pages of 64 positions shared by all sequences;
                             0: enough for all of them at full context */
  adze_pool *pool;        /* retained */
  adze_tap_fn tap;        /* values that `adze.tap` sends out */
  void *user;
  adze_barrier_fn barrier; /* to measure the phases of a step with */
} adze_session_options;

/* Bytes, before anything is allocated. `kv` is the reserve; it is taken from
 * the system page by page as positions are used. `weights` are pages of the
 * artefact's file where it was opened from one. */
typedef struct adze_memory {
  uint32_t size, reserved;
  uint64_t weights, kv, kv_per_token, arena, other;
  uint64_t available;   /* of this machine and its control groups now, files
                           that can be read again not counted as used; 0:
                           unknown, or an allocator of the caller's decides */
  uint32_t fit_context; /* the longest context, other options as they are, at
                           which kv, arena and other fit; 0: none does, or
                           `available` is 0 */
  uint32_t fit_pages;   /* the same for kv_pages, at the context asked for */
} adze_memory;

ADZE_API adze_status adze_memory_plan(const adze_model *,
                                      const adze_session_options *,
                                      adze_memory *);
/* ADZE_OUT_OF_MEMORY where more is needed than there is (kv, arena and other
 * against `available` of the plan): the message has the bytes, the hint the
 * context and the pages that would fit. */
ADZE_API adze_status adze_session_create(adze_model *,
                                         const adze_session_options *,
                                         adze_session **);
ADZE_API void adze_session_release(adze_session *);
ADZE_API uint32_t adze_session_context(const adze_session *);
ADZE_API uint32_t adze_session_vocabulary(const adze_session *);
/* Positions that sequence 0 holds: tokens of adze_step, rows of
 * adze_entry_append. */
ADZE_API size_t adze_session_length(const adze_session *);
/* Keeps the first `length` positions of sequence 0. */
ADZE_API adze_status adze_session_rewind(adze_session *, size_t length);

/* The same for any sequence, 0 <= sequence < max_sequences. */
ADZE_API size_t adze_sequence_length(const adze_session *, uint32_t sequence);
ADZE_API adze_status adze_sequence_rewind(adze_session *, uint32_t sequence,
                                          size_t length);
/* `to` becomes a copy of `from`; full pages are shared until one writes. */
ADZE_API adze_status adze_sequence_fork(adze_session *, uint32_t from,
                                        uint32_t to);
/* KV pages, and those of them that no sequence holds. */
ADZE_API uint32_t adze_session_pages(const adze_session *);
ADZE_API uint32_t adze_session_free_pages(const adze_session *);

/* Appends `count` tokens to sequence 0. `rows` are indices into `tokens` whose
 * logits are wanted, ascending; *logits is then float [n_rows][vocabulary],
 * the session's, valid until its next call. On failure the session is as it
 * was before. */
ADZE_API adze_status adze_eval(adze_session *, const int32_t *tokens,
                               size_t count, const uint32_t *rows,
                               size_t n_rows, const float **logits);

typedef struct adze_step_input {
  uint32_t size, sequence;
  const int32_t *tokens;
  size_t count;
  const uint32_t *rows; /* indices into `tokens`, ascending */
  size_t n_rows;
} adze_step_input;

/* Appends to several sequences at once, any mix of prefill and decode, each
 * sequence at most once. Logits rows come in the order of the inputs and of
 * their `rows`. More tokens than prefill_chunk are taken in several steps. On
 * failure every sequence is as it was before. */
ADZE_API adze_status adze_step(adze_session *, const adze_step_input *inputs,
                               size_t count, const float **logits);

/* Any thread, signal-safe. Answered within one phase of a step. Sticky: ends
 * the call that is running, or else the next one, which returns
 * ADZE_CANCELLED and leaves the session as it was. */
ADZE_API void adze_cancel(adze_session *);

typedef enum adze_pooling {
  ADZE_POOLING_NONE = 0,
  ADZE_POOLING_LAST = 1,
  ADZE_POOLING_MEAN = 2,
  ADZE_POOLING_CLS = 3 /* not yet: ADZE_UNSUPPORTED */
} adze_pooling;

/* Hidden states after the final norm of `tokens` alone (the session's
 * sequences are left as they are): float [count][hidden] or [hidden]. `out`
 * holds `capacity` floats. Needs the entry `hidden`. */
ADZE_API adze_status adze_embed(adze_session *, const int32_t *tokens,
                                size_t count, adze_pooling, int32_t normalize,
                                float *out, size_t capacity);

/* ---- generation --------------------------------------------------------- */

typedef struct adze_logit_bias {
  int32_t token;
  float bias; /* added to the logit */
} adze_logit_bias;

/* May change the logits of the next token; `ids` are the `count` tokens of the
 * sequence. */
typedef void (*adze_filter_fn)(void *user, const int32_t *ids, size_t count,
                               float *logits, size_t vocabulary);

/* Order: repetition penalty, bias, filter, temperature, top-k, top-p, min-p.
 * All zero is greedy; among equal logits the lowest id wins. The same seed
 * gives the same tokens on every machine whose logits are the same. */
typedef struct adze_sampling {
  uint32_t size;
  uint32_t max_tokens;        /* 0: until the context is full */
  float temperature;          /* 0: greedy */
  uint32_t top_k;             /* 0: off */
  float top_p;                /* 0 or 1: off */
  float min_p;                /* 0: off */
  float repetition_penalty;   /* 0 or 1: off */
  uint32_t repetition_window; /* last tokens it looks at; 0: all */
  uint64_t seed;
  const int32_t *stop_tokens; /* generation ends after one of these */
  size_t n_stop_tokens;
  const adze_logit_bias *bias;
  size_t n_bias;
  uint32_t logprobs; /* 0..ADZE_MAX_LOGPROBS alternatives in the event */
  uint32_t flags;    /* ADZE_SAMPLING_* */
  adze_filter_fn filter;
  void *filter_user;
} adze_sampling;

#define ADZE_MAX_LOGPROBS 20u
/* Do not stop at the model's own end tokens ("eos" of the metadata). */
#define ADZE_SAMPLING_IGNORE_EOS 1u
/* Allows max_tokens = 0 to mean: evaluate the prompt and make nothing. */
#define ADZE_SAMPLING_EVALUATE_ONLY 2u

typedef enum adze_prompt_kind { ADZE_PROMPT_IDS = 0 } adze_prompt_kind;

/* The whole text of sequence 0. The longest prefix that the session already
 * holds is not evaluated again; what it holds beyond that prefix is dropped. */
typedef struct adze_prompt {
  uint32_t size, kind;
  const int32_t *ids;
  size_t count;
} adze_prompt;

typedef struct adze_logprob {
  int32_t token;
  float logprob; /* natural, of the model's own distribution */
} adze_logprob;

typedef struct adze_token_event {
  uint32_t size;
  int32_t id;
  const char *text; /* reserved for the text layer: null, 0 */
  size_t text_length;
  float logprob; /* where logprobs were asked for */
  uint32_t n_top;
  const adze_logprob *top; /* most likely first */
  size_t index;            /* 0 for the first token made */
  uint32_t is_stop; /* 1: a stop token; generation ends after this event */
  uint32_t reserved;
} adze_token_event;

typedef enum adze_next {
  ADZE_CONTINUE = 0,
  ADZE_STOP = 1,  /* end here and keep what was made */
  ADZE_CANCEL = 2 /* end here and put the session back */
} adze_next;

/* May call adze_cancel and read the session, nothing else of it. */
typedef adze_next (*adze_on_token)(void *user, const adze_token_event *);

typedef enum adze_finish {
  ADZE_FINISH_NONE = 0,
  ADZE_FINISH_STOP_TOKEN = 1,
  ADZE_FINISH_STOP_STRING = 2,
  ADZE_FINISH_LENGTH = 3,
  ADZE_FINISH_CONTEXT_FULL = 4,
  ADZE_FINISH_STOPPED = 5,
  ADZE_FINISH_CANCELLED = 6
} adze_finish;

typedef struct adze_result {
  uint32_t size;
  uint32_t finish; /* adze_finish */
  size_t prompt_tokens, cached_tokens, made_tokens;
  double first_token_seconds, prefill_seconds, decode_seconds;
  size_t kv_used, kv_size; /* positions */
} adze_result;

/* Evaluates the prompt and makes tokens. Afterwards sequence 0 holds the
 * prompt and every token made but the last, which has not been evaluated.
 * Allocates nothing. A cancelled call returns ADZE_CANCELLED and puts the
 * session back (where the prompt replaced more of it than the spare KV pages
 * can hold, to the prefix the two share). A context that fills up while
 * generating ends it with ADZE_OK and finish CONTEXT_FULL; a prompt that does
 * not fit is ADZE_CONTEXT_FULL. */
ADZE_API adze_status adze_generate(adze_session *, const adze_prompt *,
                                   const adze_sampling *, adze_on_token,
                                   void *user, adze_result *);

/* Samples from a row of logits as adze_generate does (`logits` is not
 * changed). `history` are the tokens so far; `draw` numbers the token. For
 * callers of adze_step that run their own loop. */
ADZE_API adze_status adze_sample(adze_session *, const float *logits,
                                 const adze_sampling *, const int32_t *history,
                                 size_t n_history, uint64_t draw,
                                 int32_t *token);

/* ---- any entry ---------------------------------------------------------- */

/* A dense row-major tensor in the caller's memory. */
typedef struct adze_tensor {
  uint32_t size, dtype, rank, reserved;
  int64_t shape[ADZE_MAX_RANK];
  void *data; /* results are written here; inputs are only read */
} adze_tensor;

/* From the inputs' shapes to the results' dtype, rank and shape (data is left
 * alone). Where a result has a symbol that no input binds, that is an error
 * unless `results` already carries that shape. */
ADZE_API adze_status adze_entry_infer(const adze_model *, const char *entry,
                                      const adze_tensor *inputs,
                                      size_t n_inputs, adze_tensor *results,
                                      size_t n_results);
/* Runs an entry over the caller's tensors: inputs first, then results, without
 * those marked is_batch. An entry that reads positions or keeps keys and values
 * (adze.attention) sees its T rows as one whole sequence from position 0, and
 * nothing of it is kept: causal attention over the rows given. They must fit
 * the session's context. `step` and `hidden` have calls of their own. */
ADZE_API adze_status adze_entry_call(adze_session *, const char *entry,
                                     const adze_tensor *args, size_t n_args);

/* `count` rows of a call that continue a sequence of the session. */
typedef struct adze_entry_rows {
  uint32_t size, sequence;
  uint64_t count;
} adze_entry_rows;

/* The same, but the rows continue sequences that the session keeps: in the
 * order of `rows`, each `count` of the T rows come at the positions from
 * adze_sequence_length(sequence) on, see what the sequence holds, and lengthen
 * it. Each sequence at most once; the counts add up to T. Rewind and fork as
 * for adze_step. A sequence is one for all entries of the model: where two of
 * them append in turn, their rows share its positions. On failure every
 * sequence is as it was before. ADZE_INVALID_ARGUMENT for an entry that reads
 * no positions. */
ADZE_API adze_status adze_entry_append(adze_session *, const char *entry,
                                       const adze_entry_rows *rows,
                                       size_t n_rows, const adze_tensor *args,
                                       size_t n_args);

ADZE_API size_t adze_dtype_size(uint32_t dtype); /* bytes; 0: unknown */
ADZE_API const char *adze_dtype_name(uint32_t dtype);

#ifdef __cplusplus
}
#endif
#endif /* ADZE_RUNTIME_H */
