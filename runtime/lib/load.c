/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * From a checked file to loaded code. The dynamic loader is given the real
 * path, so that debuggers and profilers find it; where it answers with another
 * image (an older file of that name is still open), it is given the very file
 * that was checked, through /proc/self/fd. An artefact in memory is copied,
 * without its weights, into an anonymous file. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model.h"

static bool write_range(int fd, const uint8_t *data, uint64_t begin,
                        uint64_t end) {
  while (begin < end) {
    ssize_t wrote = pwrite(fd, data + begin, end - begin, (off_t)begin);
    if (wrote < 0 && errno == EINTR)
      continue;
    if (wrote <= 0)
      return false;
    begin += (uint64_t)wrote;
  }
  return true;
}

static adze_status copy_to_anonymous_file(adze_model *m, const adze_elf *elf) {
  const uint8_t *data = m->file.data;
  uint64_t size = m->file.size;
  uint64_t begin = elf->has_weights ? elf->weights_offset : size;
  uint64_t end = elf->has_weights ? begin + elf->weights_size : size;
  int fd = memfd_create("adze-artefact", MFD_CLOEXEC);
  if (fd < 0 || ftruncate(fd, (off_t)size) ||
      !write_range(fd, data, 0, begin) || !write_range(fd, data, end, size)) {
    int reason = errno;
    if (fd >= 0)
      close(fd);
    return adze_fail(ADZE_IO_ERROR, "open the artefact by its path",
                     "%s: cannot copy the code to an anonymous file (error %d)",
                     m->name, reason);
  }
  if (m->file.fd >= 0)
    close(m->file.fd);
  m->file.fd = fd;
  return ADZE_OK;
}

/* Whether the loaded image is the file that was checked. */
static bool is_checked_image(const adze_model *m, const adze_elf *elf,
                             const void *symbol) {
  Dl_info info;
  return symbol && (uintptr_t)symbol % 8 == 0 && dladdr(symbol, &info) &&
         (uintptr_t)symbol - (uintptr_t)info.dli_fbase == elf->desc_address &&
         !memcmp(symbol, m->desc.head, sizeof *m->desc.head);
}

/* True: done, or failed for good with *status. */
static bool try_load(adze_model *m, const adze_elf *elf, const char *path,
                     adze_status *status) {
  void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char *reason = dlerror();
    *status = adze_fail(ADZE_IO_ERROR,
                        "the directory may be mounted noexec, or the file "
                        "needs a symbol that no artefact should",
                        "%s: the dynamic loader refuses it: %s", m->name,
                        reason ? reason : "no reason given");
    return true;
  }
  const void *symbol = dlsym(handle, ADZE_DESC_SYMBOL);
  if (is_checked_image(m, elf, symbol)) {
    m->handle = handle;
    m->anchor = symbol;
    *status = ADZE_OK;
    return true;
  }
  dlclose(handle);
  return false;
}

adze_status adze_model_load_code(adze_model *m, const adze_source *source,
                                 const adze_elf *elf) {
  adze_status status;
  if (source->kind == ADZE_SOURCE_MEMORY || source->offset) {
    status = copy_to_anonymous_file(m, elf);
    if (status)
      return status;
  } else if (source->kind == ADZE_SOURCE_PATH) {
    char real[PATH_MAX];
    if (realpath(source->path, real) && try_load(m, elf, real, &status))
      return status;
  }
  char by_fd[64];
  snprintf(by_fd, sizeof by_fd, "/proc/self/fd/%d", m->file.fd);
  if (try_load(m, elf, by_fd, &status))
    return status;
  return adze_fail(ADZE_BAD_ARTEFACT,
                   "replace artefacts by renaming a new file over them, never "
                   "by writing into them",
                   "%s: what the dynamic loader has under this name is not the "
                   "file that was checked; was it overwritten while open?",
                   m->name);
}
