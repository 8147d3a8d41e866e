/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The thread pool. Between steps workers wait for `go`; in a step they meet at
 * dissemination barriers: in round r thread i signals thread i + 2^r and waits
 * for i - 2^r, so log2(P) rounds and, for two threads, a single cache line
 * handed over each way.
 *
 * The stop word travels with the barrier. Thread 0 reads it as it arrives, each
 * signal carries what its sender has heard, and after the last round everybody
 * has heard thread 0. So all threads leave a barrier with the same answer, and
 * the emitted code ends on all of them at the same place or on none. Each
 * thread writes the answer to frame->stopped itself (only where it changes):
 * nobody leaves the next barrier before all have arrived there, that is, have
 * read this one's answer.
 *
 * A flag word: bit 0 somebody sleeps (futex.h), bit 1 stop, the rest the
 * barrier's number. Two words per round, used in turn, because a fast sender
 * may be one barrier ahead. */
#define _GNU_SOURCE
#include "pool.h"

#include <pthread.h>
#include <signal.h>

#include "futex.h"

#define LINE 128
#define STOP 2u
#define NUMBER_STEP 4u
#define NUMBER_MASK (~3u)
#define MAX_THREADS 1024u
#define DEFAULT_SPIN 2000u
#define PARK_SPINS 8u /* waiting for the next step: that many times longer */

typedef struct {
  _Alignas(LINE) atomic_uint word[2];
} flag_line;

typedef struct {
  _Alignas(LINE) uint32_t barrier; /* number of the last barrier; its own */
  uint32_t tid;
  adze_pool *pool;
  pthread_t thread;
  _Alignas(LINE) atomic_uint done; /* number of the last step it finished */
  int32_t result;
} worker;

struct adze_pool {
  atomic_uint references;
  adze_memory_source memory;
  uint32_t threads, rounds, spin, started;
  void *block; /* what holds flags and workers */
  size_t block_bytes;
  flag_line *flags; /* [threads][rounds] */
  worker *workers;  /* [threads] */
  void (*on_thread_start)(uint32_t, void *);
  void *user;
  /* the step that runs; written before `go` */
  adze_entry_fn entry; /* null: end */
  adze_frame *frame;
  _Alignas(LINE) atomic_uint go;
  _Alignas(LINE) atomic_uint next_ticket;
  atomic_uint serving;
};

void adze_pool_barrier(adze_frame *frame, uint32_t tid) {
  adze_pool *pool = frame->sync;
  worker *self = &pool->workers[tid];
  uint32_t number = self->barrier += NUMBER_STEP;
  uint32_t parity = number / NUMBER_STEP & 1;
  uint32_t heard =
      tid == 0 && frame->stop && __atomic_load_n(frame->stop, __ATOMIC_RELAXED)
          ? STOP
          : 0;
  for (uint32_t r = 0; r < pool->rounds; ++r) {
    uint32_t to = tid + (1u << r);
    if (to >= pool->threads)
      to -= pool->threads;
    adze_word_set(&pool->flags[to * pool->rounds + r].word[parity],
                  number | heard);
    heard |= adze_word_wait(&pool->flags[tid * pool->rounds + r].word[parity],
                            NUMBER_MASK, number, pool->spin) &
             STOP;
  }
  uint32_t answer = heard != 0;
  if (__atomic_load_n(&frame->stopped, __ATOMIC_RELAXED) != answer)
    __atomic_store_n(&frame->stopped, answer, __ATOMIC_RELAXED);
}

static void *work(void *argument) {
  worker *self = argument;
  adze_pool *pool = self->pool;
  if (pool->on_thread_start)
    pool->on_thread_start(self->tid, pool->user);
  for (uint32_t step = NUMBER_STEP;; step += NUMBER_STEP) {
    adze_word_wait(&pool->go, NUMBER_MASK, step, pool->spin * PARK_SPINS);
    if (!pool->entry)
      return NULL;
    self->result = pool->entry(self->tid, pool->frame);
    adze_word_set(&self->done, step);
  }
}

static void take_turn(adze_pool *pool) {
  uint32_t mine = atomic_fetch_add(&pool->next_ticket, 1), now;
  while ((now = atomic_load(&pool->serving)) != mine)
    adze_futex_wait(&pool->serving, now);
}
static void end_turn(adze_pool *pool) {
  uint32_t next = atomic_fetch_add(&pool->serving, 1) + 1;
  if (atomic_load(&pool->next_ticket) != next)
    adze_futex_wake_all(&pool->serving);
}

static uint32_t start_step(adze_pool *pool, adze_entry_fn entry,
                           adze_frame *frame) {
  pool->entry = entry;
  pool->frame = frame;
  uint32_t step =
      (atomic_load_explicit(&pool->go, memory_order_relaxed) & NUMBER_MASK) +
      NUMBER_STEP;
  adze_word_set(&pool->go, step);
  return step;
}

int32_t adze_pool_run(adze_pool *pool, adze_entry_fn entry, adze_frame *frame) {
  frame->nthreads = pool->threads;
  frame->sync = pool;
  frame->stopped = 0;
  take_turn(pool);
  int32_t result;
  if (pool->threads == 1) {
    result = entry(0, frame);
  } else {
    uint32_t step = start_step(pool, entry, frame);
    result = entry(0, frame);
    for (uint32_t i = 1; i < pool->threads; ++i) {
      adze_word_wait(&pool->workers[i].done, NUMBER_MASK, step, pool->spin);
      result |= pool->workers[i].result;
    }
  }
  end_turn(pool);
  return result;
}

static void destroy(adze_pool *pool) {
  if (pool->started) {
    start_step(pool, NULL, NULL);
    for (uint32_t i = 1; i <= pool->started; ++i)
      pthread_join(pool->workers[i].thread, NULL);
  }
  adze_memory_source memory = pool->memory;
  adze_free(&memory, pool->block, pool->block_bytes);
}

/* Signals stay with the program's own threads, but for those of faults: a
 * thread has its own, and blocked ones end the process past any handler. */
static int start_thread(worker *w) {
  sigset_t all, before;
  sigfillset(&all);
  const int faults[] = {SIGILL, SIGSEGV, SIGBUS, SIGFPE, SIGTRAP};
  for (unsigned i = 0; i < sizeof faults / sizeof *faults; ++i)
    sigdelset(&all, faults[i]);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failed = pthread_create(&w->thread, NULL, work, w);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return failed;
}

/* The pool, its flags and its workers, in one block. */
static adze_pool *make_block(const adze_memory_source *memory,
                             uint32_t threads) {
  uint32_t rounds = 0;
  while ((1u << rounds) < threads)
    ++rounds;
  size_t flags = sizeof(flag_line) * threads * rounds;
  size_t bytes =
      LINE + sizeof(adze_pool) + flags + sizeof(worker) * (size_t)threads;
  char *block = adze_alloc(memory, bytes);
  if (!block)
    return NULL;
  char *at = (char *)(((uintptr_t)block + LINE - 1) & ~(uintptr_t)(LINE - 1));
  adze_pool *pool = (adze_pool *)(void *)at;
  pool->flags = (flag_line *)(void *)(at + sizeof *pool);
  pool->workers = (worker *)(void *)(at + sizeof *pool + flags);
  pool->block = block;
  pool->block_bytes = bytes;
  pool->memory = *memory;
  pool->threads = threads;
  pool->rounds = rounds;
  atomic_init(&pool->references, 1);
  for (uint32_t i = 0; i < threads; ++i) {
    pool->workers[i].tid = i;
    pool->workers[i].pool = pool;
  }
  return pool;
}

adze_status adze_pool_create(const adze_pool_options *given, adze_pool **out) {
  if (!out)
    return adze_fail(ADZE_INVALID_ARGUMENT, NULL, "adze_pool_create: null");
  *out = NULL;
  adze_pool_options options;
  adze_memory_source memory;
  adze_status status = ADZE_TAKE(options, given);
  if (!status)
    status = adze_memory_source_init(&memory, options.allocator);
  if (status)
    return status;
  uint32_t allowed = adze_default_threads();
  uint32_t threads = options.threads ? options.threads : allowed;
  if (!options.threads && threads > MAX_THREADS)
    threads = MAX_THREADS;
  if (threads > MAX_THREADS)
    return adze_fail(ADZE_INVALID_ARGUMENT, NULL,
                     "a pool of %u threads; at most %u are possible", threads,
                     MAX_THREADS);
  adze_pool *pool = make_block(&memory, threads);
  if (!pool)
    return adze_out_of_memory("a thread pool", sizeof(worker) * threads);
  /* More threads than CPUs: who waits must give its CPU to who works. */
  pool->spin = options.spin        ? options.spin
               : threads > allowed ? 50
                                   : DEFAULT_SPIN;
  pool->on_thread_start = options.on_thread_start;
  pool->user = options.user;
  for (uint32_t i = 1; i < threads; ++i) {
    int failed = start_thread(&pool->workers[i]);
    if (failed) {
      destroy(pool);
      return adze_fail(
          ADZE_OUT_OF_MEMORY, "use fewer threads or raise the limit of threads",
          "cannot start thread %u of %u (error %d)", i + 1, threads, failed);
    }
    pool->started = i;
  }
  *out = pool;
  return ADZE_OK;
}

void adze_pool_retain(adze_pool *pool) {
  if (pool)
    atomic_fetch_add_explicit(&pool->references, 1, memory_order_relaxed);
}

void adze_pool_release(adze_pool *pool) {
  if (pool && atomic_fetch_sub_explicit(&pool->references, 1,
                                        memory_order_acq_rel) == 1)
    destroy(pool);
}

uint32_t adze_pool_threads(const adze_pool *pool) {
  return pool ? pool->threads : 0;
}
