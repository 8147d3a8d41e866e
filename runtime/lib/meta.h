/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * A strict scanner for the metadata: one JSON object, of which only top-level
 * keys are looked up. Builds no tree and allocates nothing; depth is bounded.
 */
#ifndef ADZE_LIB_META_H
#define ADZE_LIB_META_H

#include "support.h"

typedef struct adze_meta_value {
  const char *text; /* the value as written, without space around it */
  size_t length;
} adze_meta_value;

bool adze_meta_valid(const char *json, size_t length);
/* False: no such key. `json` must be valid. */
bool adze_meta_find(const char *json, size_t length, const char *key,
                    adze_meta_value *value);
/* False: not an integer that fits. */
bool adze_meta_integer(adze_meta_value value, int64_t *integer);
/* An integer, or an array of integers. Returns false when it is neither. */
bool adze_meta_integers(adze_meta_value value, int64_t *integers,
                        size_t capacity, size_t *count);
/* Decodes a JSON string to UTF-8. Returns its length; writes at most
 * `capacity` bytes. False in *is_string: another kind of value. */
size_t adze_meta_string(adze_meta_value value, char *out, size_t capacity,
                        bool *is_string);

#endif
