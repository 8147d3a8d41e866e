/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Whether there is memory for a session, asked before it is taken: its keys and
 * values come page by page, and the process would be ended in the middle of a
 * text instead of being told at the beginning. */
#define _GNU_SOURCE
#include <stdio.h>

#include "cgroup.h"
#include "session.h"

typedef unsigned long long ull;

/* Sums "NAME VALUE" lines of a file over two names; false: no such file. */
static bool sum_of(const char *path, const char *first, const char *second,
                   uint64_t *sum) {
  FILE *file = fopen(path, "re");
  if (!file)
    return false;
  char line[256], name[128];
  ull value;
  *sum = 0;
  while (fgets(line, sizeof line, file))
    if (sscanf(line, "%127s %llu", name, &value) == 2 &&
        (!strcmp(name, first) || !strcmp(name, second)))
      *sum += value;
  fclose(file);
  return true;
}

static bool number_in(const char *directory, const char *file,
                      uint64_t *number) {
  char path[1100], line[64];
  ull value;
  snprintf(path, sizeof path, "%s/%s", directory, file);
  if (!adze_read_line(path, line, sizeof line) ||
      sscanf(line, "%llu", &value) != 1) /* "max": no limit */
    return false;
  *number = value;
  return true;
}

/* What a group's limit leaves, its pages of files counted as free. */
static void take_least(const char *directory, void *user) {
  static const struct {
    const char *limit, *usage, *inactive, *active;
  } versions[] = {
      {"memory.max", "memory.current", "inactive_file", "active_file"},
      {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file",
       "total_active_file"}};
  uint64_t *least = user;
  for (size_t i = 0; i < 2; ++i) {
    uint64_t limit, used, files;
    char path[1100];
    if (!number_in(directory, versions[i].limit, &limit) ||
        !number_in(directory, versions[i].usage, &used))
      continue;
    snprintf(path, sizeof path, "%s/memory.stat", directory);
    if (!sum_of(path, versions[i].inactive, versions[i].active, &files))
      files = 0;
    used = used > files ? used - files : 0;
    uint64_t left = limit > used ? limit - used : 0;
    if (left < *least)
      *least = left;
  }
}

uint64_t adze_memory_available(const char *root) {
  char path[1024];
  uint64_t least = UINT64_MAX, kilobytes;
  snprintf(path, sizeof path, "%s/proc/meminfo", root);
  if (sum_of(path, "MemAvailable:", "", &kilobytes) && kilobytes)
    least = kilobytes * 1024;
  adze_cgroup_visit(root, "memory", take_least, &least);
  return least;
}

uint64_t adze_plan_bytes(const adze_plan *p) {
  uint64_t bytes;
  if (adze_add_overflows(p->kv_bytes, p->arena_bytes, &bytes) ||
      adze_add_overflows(bytes, p->other_bytes, &bytes))
    return UINT64_MAX;
  return bytes;
}

/* True: a session with these options fits; and its plan. */
static bool fits(const adze_model *m, const adze_session_options *o,
                 uint32_t threads, uint64_t available) {
  adze_plan p;
  return !adze_plan_make(m, o, threads, &p) && adze_plan_bytes(&p) <= available;
}

/* The largest value in [0, most] of an option for which a session fits; 0:
 * none. Sizes grow with both options. */
static uint32_t largest(const adze_model *m, adze_session_options *o,
                        uint32_t *option, uint32_t most, uint32_t threads,
                        uint64_t available) {
  uint32_t good = 0;
  for (uint64_t bad = (uint64_t)most + 1; bad - good > 1;) {
    *option = (uint32_t)(good + (bad - good) / 2);
    if (fits(m, o, threads, available))
      good = *option;
    else
      bad = *option;
  }
  return good;
}

void adze_plan_fit(const adze_model *m, const adze_session_options *given,
                   uint32_t threads, uint64_t available, uint32_t *context,
                   uint32_t *pages) {
  adze_session_options o = *given;
  *context = largest(m, &o, &o.context, ADZE_MAX_CONTEXT, threads, available);
  o = *given;
  *pages = largest(m, &o, &o.kv_pages, INT32_MAX, threads, available);
}

adze_status adze_plan_check(const adze_model *m, const adze_session_options *o,
                            const adze_plan *p, uint64_t available) {
  uint64_t bytes = adze_plan_bytes(p);
  if (bytes <= available)
    return ADZE_OK;
  uint32_t context, pages;
  char hint[256], would[96] = "no context", other[96] = "";
  adze_plan_fit(m, o, p->threads, available, &context, &pages);
  if (context && context < p->context)
    snprintf(would, sizeof would, "a context of %u positions", context);
  if (pages)
    snprintf(other, sizeof other, ", kv_pages = %u with the context asked for",
             pages);
  snprintf(hint, sizeof hint,
           "%s would fit%s; or ask for fewer sequences or a smaller "
           "prefill_chunk",
           would, other);
  return adze_fail(
      ADZE_OUT_OF_MEMORY, hint,
      "%s: %u sequences of %u positions need %llu bytes (%llu of them keys and "
      "values, %u pages of %llu); %llu are available",
      m->name, p->sequences, p->context, (ull)bytes, (ull)p->kv_bytes, p->pages,
      (ull)(p->pages ? p->kv_bytes / p->pages : 0), (ull)available);
}
