/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Which features this CPU has and the system keeps across context switches, in
 * the bits of the artefact ABI. */
#ifndef ADZE_LIB_CPU_H
#define ADZE_LIB_CPU_H

#include "support.h"

void adze_cpu_features(uint64_t have[2]);
/* Names of the bits, such as "avx512_bf16, avx2 with fma and f16c". */
void adze_cpu_feature_names(const uint64_t bits[2], char *out, size_t capacity);

#endif
