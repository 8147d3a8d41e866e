// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header. Files: `calibration.json` (identity and parts done, renamed
// into place), `hidden.0` and `hidden.1`, `lock`.

#include "CalibrationFolder.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace adze;
using llvm::StringRef;
using llvm::Twine;

llvm::json::Object CalibrationIdentity::header() const {
  return llvm::json::Object{{"version", 1},
                            {"model", model},
                            {"text", text},
                            {"sequences", int64_t(sequences)},
                            {"tokens", int64_t(tokens)},
                            {"gram", gram}};
}

static llvm::Error systemError(const Twine &what, int code = errno) {
  return llvm::createStringError(std::error_code(code, std::generic_category()),
                                 what + ": " +
                                     std::generic_category().message(code));
}

std::string CalibrationFolder::file(const char *name) const {
  llvm::SmallString<256> path(folder);
  llvm::sys::path::append(path, name);
  return path.str().str();
}

/// Compares what a file says with what is wanted.
static llvm::Error compare(const std::string &path,
                           const llvm::json::Object &found,
                           const CalibrationIdentity &wanted) {
  auto differs = [&](const char *what, const Twine &has, const Twine &wants) {
    return llvm::createStringError(
        path + ": belongs to a calibration with another " + what + ": it has " +
        has + ", expected " + wants +
        "; give another folder, or remove this one");
  };
  auto number = [&](const char *key) {
    return uint64_t(found.getInteger(key).value_or(0));
  };
  StringRef model = found.getString("model").value_or("");
  StringRef text = found.getString("text").value_or("");
  if (model != wanted.model)
    return differs("model", model, wanted.model);
  if (text != wanted.text)
    return differs("text", text, wanted.text);
  if (number("sequences") != wanted.sequences)
    return differs("number of sequences", Twine(number("sequences")),
                   Twine(wanted.sequences));
  if (number("tokens") != wanted.tokens)
    return differs("number of tokens", Twine(number("tokens")),
                   Twine(wanted.tokens));
  bool gram = found.getBoolean("gram").value_or(false);
  if (gram != wanted.gram)
    return differs("choice of Gram matrices", gram ? "them" : "none",
                   wanted.gram ? "them" : "none");
  return llvm::Error::success();
}

/// The object in a file, or nothing where there is no file.
static llvm::Expected<std::optional<llvm::json::Object>>
readState(const std::string &path, const CalibrationIdentity &identity) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer) {
    if (buffer.getError() != std::errc::no_such_file_or_directory)
      return llvm::createStringError(buffer.getError(),
                                     path + ": " + buffer.getError().message());
    return std::nullopt;
  }
  auto parsed = llvm::json::parse((*buffer)->getBuffer());
  llvm::json::Object *object = parsed ? parsed->getAsObject() : nullptr;
  if (!parsed)
    llvm::consumeError(parsed.takeError());
  if (!object)
    return llvm::createStringError(
        path + ": expected a JSON object; it is damaged: remove the folder");
  if (llvm::Error error = compare(path, *object, identity))
    return std::move(error);
  return std::move(*object);
}

llvm::Expected<std::unique_ptr<CalibrationFolder>>
CalibrationFolder::open(StringRef path, const CalibrationIdentity &identity) {
  std::unique_ptr<CalibrationFolder> result(new CalibrationFolder);
  result->folder = path.str();
  result->identity = identity;
  if (std::error_code code = llvm::sys::fs::create_directories(path))
    return llvm::createStringError(
        code, path + ": cannot make the folder: " + code.message());
  std::string lock = result->file("lock");
  result->lock = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (result->lock < 0)
    return systemError(lock);
  if (flock(result->lock, LOCK_EX | LOCK_NB))
    return errno == EWOULDBLOCK
               ? llvm::createStringError(
                     path + ": another process is calibrating into it")
               : systemError(lock);
  // The finished folder first: a run may have been killed between the two.
  for (const char *name : {"statistics.json", "calibration.json"}) {
    auto found = readState(result->file(name), identity);
    if (!found)
      return found.takeError();
    if (!*found)
      continue;
    result->finished = StringRef(name) == "statistics.json";
    auto done = (*found)->getInteger("done").value_or(0);
    result->parts = result->finished ? UINT32_MAX : uint32_t(done);
    break;
  }
  return result;
}

CalibrationFolder::~CalibrationFolder() {
  for (Mapping &mapping : mappings)
    unmap(mapping);
  if (lock >= 0)
    ::close(lock);
}

llvm::Error CalibrationFolder::setDone(uint32_t count) {
  parts = count;
  llvm::json::Object object = identity.header();
  object["done"] = int64_t(count);
  return llvm::writeToOutput(file("calibration.json"),
                             [&](llvm::raw_ostream &os) {
                               os << llvm::json::Value(std::move(object));
                               return llvm::Error::success();
                             });
}

void CalibrationFolder::unmap(Mapping &mapping) {
  if (mapping.data)
    munmap(mapping.data, mapping.bytes);
  mapping = {};
}

llvm::Expected<float *> CalibrationFolder::rowsOf(uint32_t part,
                                                  uint64_t bytes) {
  Mapping &mapping = mappings[part % 2];
  if (mapping.data && mapping.bytes == bytes)
    return mapping.data;
  unmap(mapping);
  std::string path = file(part % 2 ? "hidden.1" : "hidden.0");
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0)
    return systemError(path);
  // Room is taken now: a full disk is an error here, and no signal later.
  int code = ftruncate(fd, off_t(bytes)) ? errno
                                         : posix_fallocate(fd, 0, off_t(bytes));
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

void CalibrationFolder::finish() {
  for (Mapping &mapping : mappings)
    unmap(mapping);
  for (const char *name : {"hidden.0", "hidden.1", "calibration.json", "lock"})
    (void)llvm::sys::fs::remove(file(name));
}
