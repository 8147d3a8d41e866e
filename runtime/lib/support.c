/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Errors (thread-local, the runtime's only variable outside its handles),
 * growing structs, and memory with a hook. */
#define _GNU_SOURCE
#include "support.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static _Thread_local struct {
  adze_error error;
  char message[1024], hint[512];
} last;

const adze_error *adze_last_error(void) {
  last.error.size = sizeof(adze_error);
  last.error.message = last.message;
  last.error.hint = last.hint;
  return &last.error;
}

adze_status adze_fail(adze_status code, const char *hint, const char *format,
                      ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(last.message, sizeof last.message, format, args);
  va_end(args);
  snprintf(last.hint, sizeof last.hint, "%s", hint ? hint : "");
  last.error.code = code;
  return code;
}

adze_status adze_out_of_memory(const char *what, uint64_t bytes) {
  return adze_fail(ADZE_OUT_OF_MEMORY,
                   "free memory, or ask for a smaller context, chunk or "
                   "number of sequences",
                   "out of memory: %s needs %llu bytes", what,
                   (unsigned long long)bytes);
}

const char *adze_status_name(adze_status status) {
  switch (status) {
  case ADZE_OK:
    return "ok";
  case ADZE_INVALID_ARGUMENT:
    return "invalid argument";
  case ADZE_OUT_OF_MEMORY:
    return "out of memory";
  case ADZE_IO_ERROR:
    return "input/output error";
  case ADZE_BAD_ARTEFACT:
    return "bad artefact";
  case ADZE_ABI_MISMATCH:
    return "ABI mismatch";
  case ADZE_CPU_UNSUPPORTED:
    return "CPU unsupported";
  case ADZE_CONTEXT_FULL:
    return "context full";
  case ADZE_CANCELLED:
    return "cancelled";
  case ADZE_NOT_FOUND:
    return "not found";
  case ADZE_UNSUPPORTED:
    return "unsupported";
  case ADZE_BUFFER_TOO_SMALL:
    return "buffer too small";
  case ADZE_INTERNAL:
    return "internal error";
  }
  return "unknown status";
}

const char *adze_version(void) { return ADZE_RUNTIME_VERSION; }

bool adze_take_struct(void *dst, size_t dst_size, const void *src) {
  memset(dst, 0, dst_size);
  if (!src)
    return true;
  uint32_t size;
  memcpy(&size, src, sizeof size);
  if (size < 8 || size > 4096)
    return false;
  memcpy(dst, src, size < dst_size ? size : dst_size);
  return true;
}

void adze_give_struct(void *dst, const void *src, size_t src_size) {
  uint32_t size;
  memcpy(&size, dst, sizeof size);
  if (size > src_size)
    size = (uint32_t)src_size;
  if (size > sizeof size)
    memcpy((char *)dst + sizeof size, (const char *)src + sizeof size,
           size - sizeof size);
}

adze_status adze_memory_source_init(adze_memory_source *source,
                                    const adze_allocator *allocator) {
  adze_allocator hook;
  adze_status status = ADZE_TAKE(hook, allocator);
  if (status)
    return status;
  if (!hook.alloc != !hook.free)
    return adze_fail(ADZE_INVALID_ARGUMENT, "give both or neither",
                     "an allocator has only one of `alloc` and `free`");
  source->hook = hook;
  return ADZE_OK;
}

void *adze_alloc(const adze_memory_source *source, size_t bytes) {
  if (!bytes)
    bytes = 1;
  void *memory;
  if (source->hook.alloc)
    memory = source->hook.alloc(source->hook.user, bytes, 64);
  else if (bytes > SIZE_MAX - 63)
    return NULL;
  else
    memory = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
  if (memory)
    memset(memory, 0, bytes);
  return memory;
}

void adze_free(const adze_memory_source *source, void *memory, size_t bytes) {
  if (!memory)
    return;
  if (source->hook.free)
    source->hook.free(source->hook.user, memory, bytes ? bytes : 1);
  else
    free(memory);
}

void *adze_alloc_large(const adze_memory_source *source, size_t bytes,
                       bool *zeroed) {
  if (!bytes)
    bytes = 1;
  if (source->hook.alloc) {
    *zeroed = false;
    return source->hook.alloc(source->hook.user, bytes, 4096);
  }
  *zeroed = true;
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    return NULL;
#ifdef MADV_HUGEPAGE
  madvise(memory, bytes, MADV_HUGEPAGE); /* advice: failure costs only speed */
#endif
  return memory;
}

void adze_free_large(const adze_memory_source *source, void *memory,
                     size_t bytes) {
  if (!memory)
    return;
  if (source->hook.free)
    source->hook.free(source->hook.user, memory, bytes ? bytes : 1);
  else
    munmap(memory, bytes ? bytes : 1);
}

double adze_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
