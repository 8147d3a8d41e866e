/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Opens the artefact it is given with the C API and prints its entries. */
#include <adze/runtime.h>
#include <stdio.h>

int main(int argc, char **argv) {
  adze_source source = {0};
  source.size = sizeof source;
  source.kind = ADZE_SOURCE_PATH;
  source.path = argc > 1 ? argv[1] : "";
  adze_model *model = NULL;
  if (adze_model_open(&source, NULL, NULL, &model)) {
    fprintf(stderr, "%s\n", adze_last_error()->message);
    return 1;
  }
  size_t entries = adze_model_entry_count(model);
  printf("adze %s: %zu entries\n", adze_version(), entries);
  adze_model_release(model);
  return entries == 0;
}
