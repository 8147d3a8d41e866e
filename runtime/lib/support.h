/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * What every file of the runtime uses: errors, memory, and the rule for public
 * structs that only grow. */
#ifndef ADZE_LIB_SUPPORT_H
#define ADZE_LIB_SUPPORT_H

#include <stdbool.h>
#include <string.h>

#include "adze/runtime.h"

/* Sets this thread's error and returns `code`. `hint` may be null. */
adze_status adze_fail(adze_status code, const char *hint, const char *format,
                      ...) __attribute__((format(printf, 3, 4)));
adze_status adze_out_of_memory(const char *what, uint64_t bytes);

/* Copies a caller's struct into `dst` (zeroed first), whatever version of the
 * header it was built with. Null `src` gives all zero. False: bad size. */
bool adze_take_struct(void *dst, size_t dst_size, const void *src);
/* The way back: writes as much of `src` as the caller's struct has room for,
 * leaving its `size` as it was. */
void adze_give_struct(void *dst, const void *src, size_t src_size);
#define ADZE_TAKE(dst, src)                                                    \
  (adze_take_struct(&(dst), sizeof(dst), (src))                                \
       ? ADZE_OK                                                               \
       : adze_fail(ADZE_INVALID_ARGUMENT,                                      \
                   "set the first field to sizeof the struct",                 \
                   "the struct " #dst " has no valid size field"))

/* Memory. `null` allocators are the default (malloc, mmap for large blocks). */
typedef struct adze_memory_source {
  adze_allocator hook; /* hook.alloc == null: the default */
} adze_memory_source;

adze_status adze_memory_source_init(adze_memory_source *,
                                    const adze_allocator *);
void *adze_alloc(const adze_memory_source *, size_t bytes); /* zeroed */
void adze_free(const adze_memory_source *, void *, size_t bytes);
/* Large blocks, 4096-byte aligned and advised to use huge pages. *zeroed says
 * whether they read as zero (and are taken from the system when touched). */
void *adze_alloc_large(const adze_memory_source *, size_t bytes, bool *zeroed);
void adze_free_large(const adze_memory_source *, void *, size_t bytes);
/* Bytes that this process may still take, as /proc and /sys under `root` say;
 * UINT64_MAX where they say nothing. */
uint64_t adze_free_memory(const char *root);

static inline bool adze_mul_overflows(uint64_t a, uint64_t b, uint64_t *out) {
  return __builtin_mul_overflow(a, b, out);
}
static inline bool adze_add_overflows(uint64_t a, uint64_t b, uint64_t *out) {
  return __builtin_add_overflow(a, b, out);
}
/* [begin, begin + count) lies in [0, limit) */
static inline bool adze_in_range(uint64_t begin, uint64_t count,
                                 uint64_t limit) {
  return begin <= limit && count <= limit - begin;
}

double adze_now(void); /* seconds, monotonic */

#endif
