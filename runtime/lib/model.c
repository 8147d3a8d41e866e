/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Opening and closing models. */
#define _GNU_SOURCE
#include "model.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

typedef unsigned long long ull;

void adze_model_log(const adze_model *m, int32_t level, const char *format,
                    ...) {
  if (!m->options.log)
    return;
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  m->options.log(level, text, m->options.user);
}

static const char *source_name(const adze_source *source, const char *other) {
  return source->kind == ADZE_SOURCE_PATH && source->path ? source->path
                                                          : other;
}

static adze_status make_model(const adze_open_options *given, const char *file,
                              adze_model **out) {
  adze_open_options options;
  adze_memory_source memory;
  adze_status status = ADZE_TAKE(options, given);
  if (!status && options.load > ADZE_LOAD_LOCK)
    status = adze_fail(ADZE_INVALID_ARGUMENT, "use an adze_load",
                       "open_options.load is %u", options.load);
  if (!status)
    status = adze_memory_source_init(&memory, options.allocator);
  if (status)
    return status;
  adze_model *m = adze_alloc(&memory, sizeof *m);
  const char *name = options.name ? options.name : file;
  size_t file_bytes = strlen(file) + 1, name_bytes = strlen(name) + 1;
  char *copy = m ? adze_alloc(&memory, file_bytes + name_bytes) : NULL;
  if (!copy) {
    adze_free(&memory, m, sizeof *m);
    return adze_out_of_memory("a model", sizeof *m + file_bytes + name_bytes);
  }
  memcpy(copy, file, file_bytes);
  memcpy(copy + file_bytes, name, name_bytes);
  m->file_name = copy;
  m->name = copy + file_bytes;
  m->names_bytes = file_bytes + name_bytes;
  m->memory = memory;
  m->options = options;
  m->options.allocator = NULL;
  m->options.pool = NULL;
  m->file.fd = m->weight_file.fd = -1;
  atomic_init(&m->references, 1);
  pthread_mutex_init(&m->lock, NULL);
  if (options.pool) {
    adze_pool_retain(options.pool);
    m->pool = options.pool;
  }
  *out = m;
  return ADZE_OK;
}

static adze_status check_id(const adze_model *m) {
  const uint8_t *want = m->options.expected_id, *have = m->desc.head->hash;
  if (!want || !memcmp(want, have, 32))
    return ADZE_OK;
  return adze_fail(ADZE_BAD_ARTEFACT, "open the artefact that was meant",
                   "%s: expected an id that begins with %02x%02x%02x%02x, "
                   "found %02x%02x%02x%02x",
                   m->name, want[0], want[1], want[2], want[3], have[0],
                   have[1], have[2], have[3]);
}

/* Weights from their own source. */
static adze_status attach_weights(adze_model *m, const adze_source *given) {
  adze_source source;
  adze_status status = ADZE_TAKE(source, given);
  if (status)
    return status;
  const char *name = source_name(&source, "(weights)");
  status = adze_bytes_open(&source, name, &m->weight_file);
  if (status)
    return status;
  uint64_t need = m->desc.head->weights_bytes;
  if (!need)
    need = adze_desc_weights_extent(&m->desc);
  if (m->weight_file.size < need)
    return adze_fail(ADZE_BAD_ARTEFACT,
                     "give the weights that were written with this model",
                     "%s: has %llu bytes of weights; %s needs %llu", name,
                     (ull)m->weight_file.size, m->name, (ull)need);
  m->weights = m->weight_file.data;
  m->weights_size = need;
  return ADZE_OK;
}

static adze_status load_weights(adze_model *m) {
  if (!m->weights_size || m->options.load == ADZE_LOAD_LAZY)
    return ADZE_OK;
  uintptr_t begin = (uintptr_t)m->weights & ~(uintptr_t)4095;
  size_t bytes = (uintptr_t)m->weights + m->weights_size - begin;
  madvise((void *)begin, bytes, MADV_WILLNEED);
  if (m->options.load == ADZE_LOAD_LOCK && mlock((void *)begin, bytes))
    return adze_fail(ADZE_OUT_OF_MEMORY,
                     "raise the limit of locked memory (ulimit -l) or use "
                     "ADZE_LOAD_PREFETCH",
                     "%s: cannot lock %llu bytes of weights in memory", m->name,
                     (ull)bytes);
  return ADZE_OK;
}

/* What opening and linking share after the descriptor is known. */
static adze_status finish(adze_model *m, const adze_source *weights) {
  adze_status status = check_id(m);
  if (!status && weights)
    status = attach_weights(m, weights);
  if (!status && !weights && !m->weights && !m->described_only &&
      (m->desc.head->weights_bytes || adze_desc_weights_extent(&m->desc)))
    status = adze_fail(ADZE_INVALID_ARGUMENT,
                       "pass the file of weights as the second source",
                       "%s: its weights are in a file of their own", m->name);
  if (!status && !m->described_only)
    status = load_weights(m);
  return status;
}

static const char *forced_variant(const adze_model *m) {
  const char *name = m->options.variant;
  if (!name)
    name = getenv("ADZE_ISA");
  return name && *name ? name : NULL;
}

static adze_status open_file(adze_model *m, const adze_source *source,
                             const adze_source *weights) {
  adze_elf elf;
  adze_status status = adze_bytes_open(source, m->name, &m->file);
  m->described_only = m->options.flags & ADZE_OPEN_DESCRIBE;
  if (!status)
    status = adze_artefact_check(
        m->file.data, m->file.size, m->name,
        m->described_only ? 0 : adze_elf_host_machine(), &elf, &m->desc);
  if (status)
    return status;
  m->foreign = elf.machine != adze_elf_host_machine();
  if (elf.has_weights && m->desc.head->weights_bytes) {
    m->weights = m->file.data + elf.weights_offset;
    m->weights_size = elf.weights_size;
  }
  if (!m->described_only) {
    status = adze_model_choose_variant(m, forced_variant(m));
    if (!status)
      status = adze_model_load_code(m, source, &elf);
  }
  return status ? status : finish(m, weights);
}

adze_status adze_model_open(const adze_source *artefact,
                            const adze_source *weights,
                            const adze_open_options *options,
                            adze_model **model) {
  if (!artefact || !model)
    return adze_fail(ADZE_INVALID_ARGUMENT, NULL,
                     "adze_model_open: artefact or model is null");
  *model = NULL;
  adze_source source;
  adze_model *m;
  adze_status status = ADZE_TAKE(source, artefact);
  if (!status)
    status = make_model(options, source_name(&source, "(artefact)"), &m);
  if (status)
    return status;
  status = open_file(m, &source, weights);
  if (status) {
    adze_model_release(m);
    return status;
  }
  m->options.variant = NULL; /* the caller's, not kept */
  m->options.expected_id = NULL;
  m->options.name = NULL;
  m->opened = true;
  *model = m;
  return ADZE_OK;
}

adze_status adze_model_link(const adze_model_desc *desc,
                            const adze_source *weights,
                            const adze_open_options *options,
                            adze_model **model) {
  if (!desc || !model)
    return adze_fail(ADZE_INVALID_ARGUMENT, NULL,
                     "adze_model_link: desc or model is null");
  *model = NULL;
  adze_model *m;
  adze_status status = make_model(options, "(linked model)", &m);
  if (status)
    return status;
  adze_desc_limits limits = {NULL, m->name};
  status = adze_desc_check_head(desc, UINT64_MAX, m->name);
  if (!status)
    status = adze_desc_check(desc, &limits, &m->desc);
  m->anchor = (const uint8_t *)desc;
  if (!status) {
    status = adze_model_choose_variant(m, forced_variant(m));
  }
  if (!status)
    status = finish(m, weights);
  if (status) {
    adze_model_release(m);
    return status;
  }
  m->options.variant = NULL;
  m->options.expected_id = NULL;
  m->options.name = NULL;
  m->opened = true;
  *model = m;
  return ADZE_OK;
}

void adze_model_retain(adze_model *m) {
  if (m)
    atomic_fetch_add_explicit(&m->references, 1, memory_order_relaxed);
}

void adze_model_release(adze_model *m) {
  if (!m ||
      atomic_fetch_sub_explicit(&m->references, 1, memory_order_acq_rel) != 1)
    return;
  adze_pool_release(m->pool);
  if (m->handle)
    dlclose(m->handle);
  adze_bytes_close(&m->weight_file);
  adze_bytes_close(&m->file);
  pthread_mutex_destroy(&m->lock);
  adze_memory_source memory = m->memory;
  void (*on_release)(void *) = m->opened ? m->options.on_release : NULL;
  void *owner = m->options.owner;
  adze_free(&memory, m->file_name, m->names_bytes);
  adze_free(&memory, m, sizeof *m);
  if (on_release)
    on_release(owner);
}
