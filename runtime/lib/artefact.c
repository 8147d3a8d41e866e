/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#define _GNU_SOURCE
#include "artefact.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sha256.h"

typedef unsigned long long ull;

static adze_status system_error(const char *name, const char *what) {
  char text[128];
  const char *reason = strerror_r(errno, text, sizeof text);
  return adze_fail(errno == ENOMEM ? ADZE_OUT_OF_MEMORY : ADZE_IO_ERROR,
                   "check that the file exists and may be read",
                   "%s: cannot %s: %s", name, what, reason);
}

static adze_status map_file(const adze_source *source, const char *name,
                            adze_bytes *bytes) {
  struct stat info;
  if (fstat(bytes->fd, &info))
    return system_error(name, "read its size");
  if (!S_ISREG(info.st_mode))
    return adze_fail(ADZE_IO_ERROR, "give the path of an artefact",
                     "%s: expected a file, found a %s", name,
                     S_ISDIR(info.st_mode) ? "directory" : "device or pipe");
  uint64_t size = (uint64_t)info.st_size;
  if (source->offset > size ||
      (source->length && source->length > size - source->offset))
    return adze_fail(ADZE_BAD_ARTEFACT, "the file may be truncated",
                     "%s: expected %llu bytes at offset %llu, found a file of "
                     "%llu",
                     name, (ull)source->length, (ull)source->offset, (ull)size);
  uint64_t length = source->length ? source->length : size - source->offset;
  if (!length)
    return adze_fail(ADZE_BAD_ARTEFACT, "the file may be truncated",
                     "%s: the file is empty", name);
  if (source->offset % 4096)
    return adze_fail(ADZE_INVALID_ARGUMENT, "align it when the file is written",
                     "%s: offset %llu is not a multiple of 4096", name,
                     (ull)source->offset);
  void *map = mmap(NULL, length, PROT_READ, MAP_PRIVATE, bytes->fd,
                   (off_t)source->offset);
  if (map == MAP_FAILED)
    return system_error(name, "map it");
  bytes->map = map;
  bytes->map_size = length;
  bytes->data = map;
  bytes->size = length;
  return ADZE_OK;
}

adze_status adze_bytes_open(const adze_source *source, const char *name,
                            adze_bytes *bytes) {
  memset(bytes, 0, sizeof *bytes);
  bytes->fd = -1;
  switch (source->kind) {
  case ADZE_SOURCE_PATH:
    if (!source->path)
      return adze_fail(ADZE_INVALID_ARGUMENT, NULL, "the path is null");
    /* O_NONBLOCK: a pipe must be an error, not a wait. */
    bytes->fd = open(source->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    break;
  case ADZE_SOURCE_FD:
    bytes->fd = fcntl(source->fd, F_DUPFD_CLOEXEC, 0);
    break;
  case ADZE_SOURCE_MEMORY:
    if (!source->memory || !source->length ||
        (uintptr_t)source->memory % ADZE_TENSOR_ALIGN)
      return adze_fail(ADZE_INVALID_ARGUMENT,
                       "give its address and length, aligned to 64 bytes",
                       "%s: memory of %llu bytes at %p", name,
                       (ull)source->length, source->memory);
    bytes->data = source->memory;
    bytes->size = source->length;
    return ADZE_OK;
  default:
    return adze_fail(ADZE_INVALID_ARGUMENT, "use an adze_source_kind",
                     "%s: source kind %u", name, source->kind);
  }
  if (bytes->fd < 0)
    return system_error(name, "open it");
  adze_status status = map_file(source, name, bytes);
  if (status)
    adze_bytes_close(bytes);
  return status;
}

void adze_bytes_close(adze_bytes *bytes) {
  if (bytes->map)
    munmap(bytes->map, bytes->map_size);
  if (bytes->fd >= 0)
    close(bytes->fd);
  memset(bytes, 0, sizeof *bytes);
  bytes->fd = -1;
}

void adze_artefact_hash(const uint8_t *file, uint64_t size, const adze_elf *elf,
                        uint8_t digest[32]) {
  adze_elf_range skip[2] = {
      {elf->desc_offset + offsetof(adze_model_desc, hash), 32},
      {elf->weights_offset, elf->weights_size}};
  if (skip[1].begin < skip[0].begin) {
    adze_elf_range first = skip[1];
    skip[1] = skip[0];
    skip[0] = first;
  }
  adze_sha256 h;
  adze_sha256_init(&h);
  uint64_t at = 0;
  for (int i = 0; i < 2; ++i)
    if (skip[i].size) {
      adze_sha256_update(&h, file + at, skip[i].begin - at);
      at = skip[i].begin + skip[i].size;
    }
  adze_sha256_update(&h, file + at, size - at);
  adze_sha256_final(&h, digest);
}

adze_status adze_artefact_check(const uint8_t *file, uint64_t size,
                                const char *name, uint16_t machine,
                                adze_elf *elf, adze_desc *desc) {
  adze_status status = adze_elf_read(file, size, name, elf);
  if (status)
    return status;
  if (machine && elf->machine != machine)
    return adze_fail(ADZE_CPU_UNSUPPORTED,
                     "compile the model with --target for this machine",
                     "%s: compiled for %s; this machine is %s", name,
                     adze_elf_machine_name(elf->machine),
                     adze_elf_machine_name(machine));
  const adze_model_desc *head =
      (const adze_model_desc *)(const void *)(file + elf->desc_offset);
  status = adze_desc_check_head(head, elf->desc_size, name);
  if (status)
    return status;
  uint8_t digest[32];
  adze_artefact_hash(file, size, elf, digest);
  if (memcmp(digest, head->hash, sizeof digest))
    return adze_fail(ADZE_BAD_ARTEFACT,
                     "the file is truncated or was altered: write it again "
                     "with `adze compile`",
                     "%s: the SHA-256 of code and tables begins with "
                     "%02x%02x%02x%02x; the descriptor says %02x%02x%02x%02x",
                     name, digest[0], digest[1], digest[2], digest[3],
                     head->hash[0], head->hash[1], head->hash[2],
                     head->hash[3]);
  if (head->weights_bytes &&
      (!elf->has_weights || elf->weights_size != head->weights_bytes))
    return adze_fail(ADZE_BAD_ARTEFACT,
                     "write the file again with `adze compile`",
                     "%s: section " ADZE_WEIGHTS_SECTION " has %llu bytes; the "
                     "descriptor says %llu",
                     name, (ull)elf->weights_size, (ull)head->weights_bytes);
  adze_desc_limits limits = {elf, name};
  return adze_desc_check(head, &limits, desc);
}
