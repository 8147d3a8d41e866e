/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Reads the ELF64 frame of an artefact: just enough to find and bound the two
 * sections and the executable segments, and to be sure that what the dynamic
 * loader will be given is a shared object of this family. Trusts nothing. */
#ifndef ADZE_LIB_ELF_READER_H
#define ADZE_LIB_ELF_READER_H

#include "support.h"

typedef struct adze_elf_range {
  uint64_t begin, size;
} adze_elf_range;

#define ADZE_ELF_MAX_CODE 16

typedef struct adze_elf {
  uint16_t machine;
  uint64_t desc_offset, desc_address, desc_size; /* .adze.desc */
  uint64_t weights_offset, weights_size;         /* .adze.weights */
  bool has_weights;
  uint32_t n_code; /* executable segments, by virtual address */
  adze_elf_range code[ADZE_ELF_MAX_CODE];
} adze_elf;

/* `name` is for messages. */
adze_status adze_elf_read(const uint8_t *file, uint64_t size, const char *name,
                          adze_elf *elf);
/* ELF machine number of this processor family. */
uint16_t adze_elf_host_machine(void);
const char *adze_elf_machine_name(uint16_t machine);

#endif
