/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Which variant of an artefact runs here: the first whose needs this CPU
 * meets, of those that are not slow here if there are any, or the one that is
 * forced by name. */
#include <stdio.h>

#include "cpu.h"
#include "model.h"

void adze_variant_missing(const adze_model *m, uint64_t index,
                          uint64_t missing[2]) {
  const adze_variant *v = adze_desc_variant(&m->desc, index);
  if (m->foreign)
    memcpy(missing, v->need, sizeof v->need);
  else
    adze_cpu_missing(v->need, missing);
}

static void list_names(const adze_desc *d, char *out, size_t capacity) {
  size_t at = 0;
  out[0] = 0;
  for (uint64_t i = 0; i < adze_desc_count(d, ADZE_TABLE_VARIANTS); ++i) {
    int wrote = snprintf(out + at, capacity - at, "%s%s", i ? ", " : "",
                         adze_desc_string(d, adze_desc_variant(d, i)->name));
    at += wrote > 0 ? (size_t)wrote : 0;
    if (at >= capacity)
      return;
  }
}

static adze_status lacks(const adze_model *m, uint64_t index,
                         const char *hint) {
  uint64_t missing[2];
  char names[256];
  adze_variant_missing(m, index, missing);
  adze_cpu_feature_names(missing, names, sizeof names);
  return adze_fail(
      ADZE_CPU_UNSUPPORTED, hint, "%s: variant %s needs %s, which this CPU %s",
      m->name,
      adze_desc_string(&m->desc, adze_desc_variant(&m->desc, index)->name),
      names, "does not have (or the system does not enable)");
}

static adze_status take(adze_model *m, uint64_t index, const char *name) {
  m->variant = (uint32_t)index;
  adze_model_log(m, ADZE_LOG_INFO, "%s: variant %s", m->name, name);
  return ADZE_OK;
}

adze_status adze_model_choose_variant(adze_model *m, const char *forced) {
  uint64_t count = adze_desc_count(&m->desc, ADZE_TABLE_VARIANTS);
  uint64_t slow = count; /* one that runs, but slowly */
  for (uint64_t i = 0; i < count; ++i) {
    const adze_variant *v = adze_desc_variant(&m->desc, i);
    const char *name = adze_desc_string(&m->desc, v->name);
    if (forced && strcmp(forced, name) != 0)
      continue;
    uint64_t missing[2];
    adze_variant_missing(m, i, missing);
    bool runs = !(missing[0] | missing[1]);
    if (runs && (forced || m->foreign || !adze_cpu_is_slow(v->need)))
      return take(m, i, name);
    if (runs && slow == count)
      slow = i;
    if (forced)
      return lacks(m, i, "unset ADZE_ISA to take the best that runs");
  }
  if (slow < count)
    return take(
        m, slow,
        adze_desc_string(&m->desc, adze_desc_variant(&m->desc, slow)->name));
  char names[512];
  list_names(&m->desc, names, sizeof names);
  if (forced)
    return adze_fail(ADZE_NOT_FOUND, "set ADZE_ISA to one of them, or unset it",
                     "%s: no variant is called '%s'; it has: %s", m->name,
                     forced, names);
  /* None fits: what the least demanding one, the last, is short of. */
  return lacks(m, count - 1,
               "compile the model with --target=host on this machine");
}
