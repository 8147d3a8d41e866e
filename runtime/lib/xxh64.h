/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * XXH64, the fast hash of each packed weight (not a defence against intent). */
#ifndef ADZE_LIB_XXH64_H
#define ADZE_LIB_XXH64_H

#include <stddef.h>
#include <stdint.h>

uint64_t adze_xxh64(const void *data, size_t bytes, uint64_t seed);

#endif
