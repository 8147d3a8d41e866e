// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header. Files: `hidden.0`, `hidden.1`, and `lock`, which holds the
// choices.

#include "CalibrationFolder.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace adze;
using llvm::StringRef;
using llvm::Twine;

static llvm::Error systemError(const Twine &what, int code = errno) {
  std::error_code error(code, std::generic_category());
  return llvm::createStringError(error, what + ": " + error.message());
}

static const char *hiddenFile(uint32_t part) {
  return part % 2 ? "hidden.1" : "hidden.0";
}

std::string CalibrationFolder::file(StringRef name) const {
  llvm::SmallString<256> path(folder);
  llvm::sys::path::append(path, name);
  return path.str().str();
}

llvm::Expected<std::unique_ptr<CalibrationFolder>>
CalibrationFolder::open(StringRef path, const std::string &choices) {
  std::unique_ptr<CalibrationFolder> result(new CalibrationFolder);
  result->folder = path.str();
  if (std::error_code code = llvm::sys::fs::create_directories(path))
    return llvm::createStringError(
        code, path + ": cannot make the folder: " + code.message());
  if (!llvm::sys::fs::is_directory(path))
    return llvm::createStringError(path + ": exists and is no folder");
  std::string lock = result->file("lock");
  result->lock = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (result->lock < 0)
    return systemError(lock);
  if (flock(result->lock, LOCK_EX | LOCK_NB))
    return errno == EWOULDBLOCK
               ? llvm::createStringError(
                     path + ": another process is calibrating into it")
               : systemError(lock);
  char found[256];
  ssize_t length = pread(result->lock, found, sizeof found, 0);
  if (length < 0)
    return systemError(lock);
  if (length > 0 && StringRef(found, size_t(length)) != choices)
    return llvm::createStringError(path + ": an unfinished calibration " +
                                   StringRef(found, size_t(length)) +
                                   " is in it, expected one " + choices +
                                   "; give another folder, or remove this one");
  result->isMarked = length > 0;
  result->isNew = length == 0;
  return result;
}

llvm::Error CalibrationFolder::begin(const std::string &choices) {
  if (!isMarked && pwrite(lock, choices.data(), choices.size(), 0) !=
                       ssize_t(choices.size()))
    return systemError(file("lock"));
  isMarked = true;
  isNew = false;
  return llvm::Error::success();
}

CalibrationFolder::~CalibrationFolder() {
  for (Mapping &mapping : mappings)
    unmap(mapping);
  if (lock < 0)
    return;
  // Of a run that goes on, or of another process, it is not ours to remove.
  if (isNew)
    (void)llvm::sys::fs::remove(file("lock"));
  ::close(lock);
}

void CalibrationFolder::unmap(Mapping &mapping) {
  if (mapping.data)
    munmap(mapping.data, mapping.bytes);
  mapping = {};
}

llvm::Expected<float *> CalibrationFolder::map(uint32_t part, uint64_t bytes,
                                               bool isThere) {
  Mapping &mapping = mappings[part % 2];
  if (mapping.data && mapping.bytes == bytes)
    return mapping.data;
  unmap(mapping);
  std::string path = file(hiddenFile(part));
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0)
    return systemError(path);
  int code = 0;
  if (isThere) {
    struct stat status;
    code = fstat(fd, &status) ? errno : 0;
    if (!code && uint64_t(status.st_size) != bytes) {
      ::close(fd);
      return llvm::createStringError(
          path + ": has " + Twine(uint64_t(status.st_size)) +
          " bytes of hidden states, expected " + Twine(bytes) +
          "; the folder is damaged: remove it");
    }
  } else {
    // Room is taken now: a full disk is an error here, and no signal later.
    code = ftruncate(fd, off_t(bytes)) ? errno
                                       : posix_fallocate(fd, 0, off_t(bytes));
  }
  void *data = MAP_FAILED;
  if (!code) {
    data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    code = data == MAP_FAILED ? errno : 0;
  }
  ::close(fd);
  if (code)
    return systemError(path +
                           ": room for the hidden states of all sequences, " +
                           Twine(bytes) + " bytes",
                       code);
  mapping = {static_cast<float *>(data), bytes};
  return mapping.data;
}

llvm::Expected<float *> CalibrationFolder::rowsOf(uint32_t part,
                                                  uint64_t bytes) {
  return map(part, bytes, /*isThere=*/false);
}

llvm::Expected<const float *> CalibrationFolder::writtenBy(uint32_t part,
                                                           uint64_t bytes) {
  return map(part, bytes, /*isThere=*/true);
}

void CalibrationFolder::finish() {
  for (Mapping &mapping : mappings)
    unmap(mapping);
  for (const char *name : {"hidden.0", "hidden.1", "lock"})
    (void)llvm::sys::fs::remove(file(name));
}
