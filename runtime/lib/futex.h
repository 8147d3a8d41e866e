/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Waiting for a word to take a value: spin for a while, then sleep on a futex.
 * Bit 0 of a word means that somebody sleeps on it; whoever sets the word takes
 * that bit away with an exchange and wakes. One word, one exchange, no lost
 * wake-up: a sleeper's wait only starts if the word still is what it saw. */
#ifndef ADZE_LIB_FUTEX_H
#define ADZE_LIB_FUTEX_H

#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ADZE_SLEEPS 1u

static inline void adze_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory"); /* `yield` is a no-op on most cores */
#endif
}

static inline void adze_futex_wait(atomic_uint *word, uint32_t expected) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}
static inline void adze_futex_wake_all(atomic_uint *word) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* `value` has bit 0 clear. */
static inline void adze_word_set(atomic_uint *word, uint32_t value) {
  if (atomic_exchange_explicit(word, value, memory_order_acq_rel) & ADZE_SLEEPS)
    adze_futex_wake_all(word);
}

/* Waits until (word & mask) == wanted and returns the word. The mask leaves
 * bit 0 out. */
static inline uint32_t adze_word_wait(atomic_uint *word, uint32_t mask,
                                      uint32_t wanted, uint32_t spin) {
  for (;;) {
    uint32_t value;
    for (uint32_t i = 0; i <= spin; ++i) {
      value = atomic_load_explicit(word, memory_order_acquire);
      if ((value & mask) == wanted)
        return value;
      adze_pause();
    }
    if ((value & ADZE_SLEEPS) ||
        atomic_compare_exchange_strong_explicit(
            word, &value, value | ADZE_SLEEPS, memory_order_acquire,
            memory_order_acquire))
      adze_futex_wait(word, value | ADZE_SLEEPS);
  }
}

#endif
