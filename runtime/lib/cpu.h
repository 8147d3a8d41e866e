/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Which features this CPU has and the system keeps across context switches, in
 * the bits of the artefact ABI. */
#ifndef ADZE_LIB_CPU_H
#define ADZE_LIB_CPU_H

#include "support.h"

/* Which of the bits in `need` are missing. Where it needs AMX tiles, the system
 * is asked for them: a process has them only then. */
void adze_cpu_missing(const uint64_t need[2], uint64_t missing[2]);
/* Whether code that needs such bits runs slower here than code that does
 * without. */
bool adze_cpu_is_slow(const uint64_t need[2]);
/* Names of the bits, such as "avx512_bf16, avx2 with fma and f16c". */
void adze_cpu_feature_names(const uint64_t bits[2], char *out, size_t capacity);

#endif
