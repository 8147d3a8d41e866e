/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "elf_reader.h"

#include <elf.h>

static const char *const recompile = "the file is damaged or not an artefact: "
                                     "write it again with `adze compile`";

#define BAD(...) adze_fail(ADZE_BAD_ARTEFACT, recompile, __VA_ARGS__)

uint16_t adze_elf_host_machine(void) {
#if defined(__x86_64__)
  return EM_X86_64;
#elif defined(__aarch64__)
  return EM_AARCH64;
#else
#error "the runtime knows x86-64 and aarch64"
#endif
}

const char *adze_elf_machine_name(uint16_t machine) {
  switch (machine) {
  case EM_X86_64:
    return "x86-64";
  case EM_AARCH64:
    return "aarch64";
  case EM_386:
    return "i386";
  case EM_ARM:
    return "arm";
  case EM_RISCV:
    return "riscv";
  }
  return "an unknown processor";
}

static adze_status read_header(const uint8_t *file, uint64_t size,
                               const char *name, Elf64_Ehdr *header) {
  if (size < sizeof *header)
    return BAD("%s: expected an ELF file, found %llu bytes", name,
               (unsigned long long)size);
  memcpy(header, file, sizeof *header);
  if (memcmp(header->e_ident, ELFMAG, SELFMAG))
    return BAD("%s: expected the ELF magic at offset 0, found %02x %02x %02x "
               "%02x",
               name, file[0], file[1], file[2], file[3]);
  if (header->e_ident[EI_CLASS] != ELFCLASS64 ||
      header->e_ident[EI_DATA] != ELFDATA2LSB ||
      header->e_ident[EI_VERSION] != EV_CURRENT ||
      header->e_version != EV_CURRENT)
    return BAD("%s: expected a 64-bit little-endian ELF file of version 1, "
               "found class %u, data %u, version %u",
               name, header->e_ident[EI_CLASS], header->e_ident[EI_DATA],
               header->e_ident[EI_VERSION]);
  if (header->e_type != ET_DYN)
    return BAD("%s: expected a shared object (ELF type 3), found type %u", name,
               header->e_type);
  if (header->e_ehsize != sizeof(Elf64_Ehdr) ||
      header->e_phentsize != sizeof(Elf64_Phdr) ||
      header->e_shentsize != sizeof(Elf64_Shdr))
    return BAD("%s: ELF header, program and section entries have %u, %u and "
               "%u bytes; expected 64, 56 and 64",
               name, header->e_ehsize, header->e_phentsize,
               header->e_shentsize);
  if (!header->e_phnum || header->e_phnum > 128 ||
      !adze_in_range(header->e_phoff,
                     (uint64_t)header->e_phnum * sizeof(Elf64_Phdr), size))
    return BAD("%s: %u program headers at offset %llu do not fit into %llu "
               "bytes",
               name, header->e_phnum, (unsigned long long)header->e_phoff,
               (unsigned long long)size);
  if (!header->e_shnum || header->e_shnum > 4096 ||
      header->e_shstrndx >= header->e_shnum ||
      !adze_in_range(header->e_shoff,
                     (uint64_t)header->e_shnum * sizeof(Elf64_Shdr), size))
    return BAD("%s: %u section headers at offset %llu do not fit into %llu "
               "bytes (or were stripped away)",
               name, header->e_shnum, (unsigned long long)header->e_shoff,
               (unsigned long long)size);
  return ADZE_OK;
}

static adze_status read_segments(const uint8_t *file, uint64_t size,
                                 const char *name, const Elf64_Ehdr *header,
                                 adze_elf *elf) {
  bool dynamic = false;
  uint64_t last_end = 0;
  for (uint32_t i = 0; i < header->e_phnum; ++i) {
    Elf64_Phdr p;
    memcpy(&p, file + header->e_phoff + (uint64_t)i * sizeof p, sizeof p);
    if (p.p_type == PT_DYNAMIC)
      dynamic = true;
    if (p.p_type == PT_INTERP)
      return BAD("%s: program header %u asks for an interpreter; an artefact "
                 "is a plain shared object",
                 name, i);
    if (p.p_type != PT_LOAD)
      continue;
    uint64_t end;
    if (!adze_in_range(p.p_offset, p.p_filesz, size) ||
        p.p_filesz > p.p_memsz || p.p_memsz > (uint64_t)1 << 32 ||
        adze_add_overflows(p.p_vaddr, p.p_memsz, &end) ||
        end > (uint64_t)1 << 40 || p.p_vaddr < last_end)
      return BAD("%s: segment %u (offset %llu, %llu bytes in the file, %llu in "
                 "memory) does not fit or overlaps",
                 name, i, (unsigned long long)p.p_offset,
                 (unsigned long long)p.p_filesz, (unsigned long long)p.p_memsz);
    last_end = end;
    if (!(p.p_flags & PF_X))
      continue;
    if (elf->n_code == ADZE_ELF_MAX_CODE)
      return BAD("%s: more than %u executable segments", name,
                 ADZE_ELF_MAX_CODE);
    elf->code[elf->n_code].begin = p.p_vaddr;
    elf->code[elf->n_code++].size = p.p_filesz;
  }
  if (!dynamic)
    return BAD("%s: no dynamic segment", name);
  return ADZE_OK;
}

static adze_status take_desc(const char *name, const Elf64_Shdr *s,
                             adze_elf *elf) {
  if (elf->desc_size)
    return BAD("%s: two sections " ADZE_DESC_SECTION, name);
  if (!(s->sh_flags & SHF_ALLOC) || s->sh_type != SHT_PROGBITS ||
      s->sh_size < sizeof(adze_model_desc) || s->sh_offset % 8 ||
      s->sh_addr % 8)
    return BAD("%s: section " ADZE_DESC_SECTION " has type %u, flags %llx, "
               "offset %llu and %llu bytes; expected allocated data, aligned "
               "to 8, of at least %u bytes",
               name, s->sh_type, (unsigned long long)s->sh_flags,
               (unsigned long long)s->sh_offset, (unsigned long long)s->sh_size,
               (unsigned)sizeof(adze_model_desc));
  elf->desc_offset = s->sh_offset;
  elf->desc_address = s->sh_addr;
  elf->desc_size = s->sh_size;
  return ADZE_OK;
}

static adze_status take_weights(const char *name, const Elf64_Shdr *s,
                                adze_elf *elf) {
  if (elf->has_weights)
    return BAD("%s: two sections " ADZE_WEIGHTS_SECTION, name);
  if ((s->sh_flags & SHF_ALLOC) || s->sh_type != SHT_PROGBITS ||
      s->sh_offset % ADZE_WEIGHTS_ALIGN)
    return BAD("%s: section " ADZE_WEIGHTS_SECTION " has type %u, flags %llx "
               "and offset %llu; expected data that is not loaded, aligned to "
               "%u",
               name, s->sh_type, (unsigned long long)s->sh_flags,
               (unsigned long long)s->sh_offset, ADZE_WEIGHTS_ALIGN);
  elf->has_weights = true;
  elf->weights_offset = s->sh_offset;
  elf->weights_size = s->sh_size;
  return ADZE_OK;
}

static adze_status read_sections(const uint8_t *file, uint64_t size,
                                 const char *name, const Elf64_Ehdr *header,
                                 adze_elf *elf) {
  Elf64_Shdr names;
  memcpy(&names,
         file + header->e_shoff + (uint64_t)header->e_shstrndx * sizeof names,
         sizeof names);
  if (names.sh_type != SHT_STRTAB || !names.sh_size ||
      !adze_in_range(names.sh_offset, names.sh_size, size) ||
      file[names.sh_offset + names.sh_size - 1])
    return BAD("%s: the table of section names does not fit into the file or "
               "is not terminated",
               name);
  for (uint32_t i = 1; i < header->e_shnum; ++i) {
    Elf64_Shdr s;
    memcpy(&s, file + header->e_shoff + (uint64_t)i * sizeof s, sizeof s);
    if (s.sh_name >= names.sh_size)
      return BAD("%s: the name of section %u lies outside the name table", name,
                 i);
    if (s.sh_type != SHT_NOBITS && !adze_in_range(s.sh_offset, s.sh_size, size))
      return BAD("%s: section %u (offset %llu, %llu bytes) lies outside the "
                 "file of %llu bytes; it may be truncated",
                 name, i, (unsigned long long)s.sh_offset,
                 (unsigned long long)s.sh_size, (unsigned long long)size);
    const char *section = (const char *)file + names.sh_offset + s.sh_name;
    adze_status status = ADZE_OK;
    if (!strcmp(section, ADZE_DESC_SECTION))
      status = take_desc(name, &s, elf);
    else if (!strcmp(section, ADZE_WEIGHTS_SECTION))
      status = take_weights(name, &s, elf);
    if (status)
      return status;
  }
  if (!elf->desc_size)
    return BAD("%s: no section " ADZE_DESC_SECTION "; this shared object is "
               "not an Adze artefact",
               name);
  if (elf->has_weights &&
      elf->desc_offset < elf->weights_offset + elf->weights_size &&
      elf->weights_offset < elf->desc_offset + elf->desc_size)
    return BAD("%s: the sections " ADZE_DESC_SECTION
               " and " ADZE_WEIGHTS_SECTION " overlap",
               name);
  return ADZE_OK;
}

adze_status adze_elf_read(const uint8_t *file, uint64_t size, const char *name,
                          adze_elf *elf) {
  memset(elf, 0, sizeof *elf);
  Elf64_Ehdr header;
  adze_status status = read_header(file, size, name, &header);
  if (!status)
    status = read_segments(file, size, name, &header, elf);
  if (!status)
    status = read_sections(file, size, name, &header, elf);
  elf->machine = status ? 0 : header.e_machine;
  return status;
}
