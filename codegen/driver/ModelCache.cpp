// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiled models on disk; see the header.

#include "ModelCache.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/BLAKE3.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/TargetParser/Host.h"
#include <cstdlib>
#include <dlfcn.h>

using namespace adze;
using llvm::StringRef;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

namespace {

class KeyHash {
public:
  /// Fields are length-prefixed, so that no two lists of fields are alike.
  void field(StringRef text) {
    uint64_t size = text.size();
    hash.update(StringRef(reinterpret_cast<const char *>(&size), sizeof size));
    hash.update(text);
  }
  void number(uint64_t value) {
    hash.update(
        StringRef(reinterpret_cast<const char *>(&value), sizeof value));
  }
  /// Identity and first bytes of a file.
  std::error_code file(StringRef name) {
    fs::file_status status;
    if (std::error_code code = fs::status(name, status))
      return code;
    field(name);
    number(status.getSize());
    number(uint64_t(
        status.getLastModificationTime().time_since_epoch().count()));
    number(status.getUniqueID().getDevice());
    number(status.getUniqueID().getFile());
    uint64_t head = std::min<uint64_t>(status.getSize(), 64 << 10);
    auto buffer = llvm::MemoryBuffer::getFileSlice(name, head, 0);
    if (!buffer)
      return buffer.getError();
    field((*buffer)->getBuffer());
    return {};
  }
  std::string hex() {
    auto digest = hash.final<16>();
    return llvm::toHex(llvm::ArrayRef<uint8_t>(digest), /*LowerCase=*/true);
  }

private:
  llvm::BLAKE3 hash;
};

llvm::Error fileError(const llvm::Twine &name, std::error_code code) {
  return llvm::createStringError(code, name + ": " + code.message());
}

/// The files of a model directory that any reader looks at, or the file itself.
llvm::Expected<std::vector<std::string>> filesOf(const std::string &model) {
  llvm::SmallString<256> real;
  if (std::error_code code = fs::real_path(model, real))
    return fileError(model, code);
  if (!fs::is_directory(real))
    return std::vector<std::string>{real.str().str()};
  std::vector<std::string> files;
  std::error_code code;
  for (fs::directory_iterator it(real, code), end; it != end && !code;
       it.increment(code))
    if (!fs::is_directory(it->path()))
      files.push_back(it->path());
  if (code)
    return fileError(model, code);
  llvm::sort(files);
  return files;
}

uint64_t limitBytes() {
  const char *text = std::getenv("ADZE_CACHE_BYTES");
  uint64_t bytes = 0;
  if (text && !StringRef(text).getAsInteger(10, bytes))
    return bytes;
  return uint64_t(20) << 30;
}

} // namespace

std::string ModelCache::directory(const std::string &given) {
  if (!given.empty())
    return given;
  if (const char *own = std::getenv("ADZE_CACHE_DIR"); own && *own)
    return own;
  llvm::SmallString<256> base;
  if (const char *xdg = std::getenv("XDG_CACHE_HOME"); xdg && *xdg)
    base = xdg;
  else if (!path::home_directory(base))
    path::system_temp_directory(/*ErasedOnReboot=*/false, base);
  else
    path::append(base, ".cache");
  path::append(base, "adze");
  return base.str().str();
}

llvm::Expected<ModelCache> ModelCache::find(const std::string &model,
                                            const CompileOptions &options) {
  KeyHash key;
  key.field("model-1"); // the layout of the key itself
  key.field(compilerVersion());
  // The compiler's own build: its library by identity.
  Dl_info self;
  if (dladdr(reinterpret_cast<void *>(&ModelCache::directory), &self))
    (void)key.file(self.dli_fname);
  auto files = filesOf(model);
  if (!files)
    return files.takeError();
  for (const std::string &file : *files)
    if (std::error_code code = key.file(file))
      return fileError(file, code);
  key.field(options.weights);
  key.field(options.kv);
  key.field(options.target);
  if (StringRef(options.target).contains("host")) {
    key.field(llvm::sys::getHostCPUName());
    auto features = llvm::sys::getHostCPUFeatures();
    std::vector<std::string> names;
    for (auto &feature : features)
      if (feature.second)
        names.push_back(feature.first().str());
    llvm::sort(names);
    key.field(llvm::join(names, ","));
  }
  key.field(llvm::join(options.disable, "\n"));
  key.field(llvm::join(options.insert, "\n"));
  for (const std::string &plugin : options.plugins) {
    auto bytes = llvm::MemoryBuffer::getFile(plugin);
    if (!bytes)
      return fileError(plugin, bytes.getError());
    key.field((*bytes)->getBuffer());
  }

  llvm::SmallString<256> where(directory(options.cacheDirectory));
  path::append(where, "models");
  if (std::error_code code = fs::create_directories(where))
    return fileError(where, code);
  path::append(where, key.hex() + ".adze.so");
  ModelCache cache;
  cache.file = where.str().str();
  return cache;
}

bool ModelCache::exists() const { return fs::exists(file); }

void ModelCache::touch() const {
  int fd;
  if (fs::openFileForWrite(file, fd, fs::CD_OpenExisting, fs::OF_Append))
    return;
  (void)fs::setLastAccessAndModificationTime(fd,
                                             std::chrono::system_clock::now());
  llvm::sys::Process::SafelyCloseFileDescriptor(fd);
}

void ModelCache::trim() const {
  struct Entry {
    std::string path;
    uint64_t bytes;
    llvm::sys::TimePoint<> used;
  };
  std::vector<Entry> entries;
  uint64_t total = 0;
  std::error_code code;
  for (fs::directory_iterator it(path::parent_path(file), code), end;
       it != end && !code; it.increment(code)) {
    fs::file_status status;
    if (fs::status(it->path(), status))
      continue;
    entries.push_back(
        {it->path(), status.getSize(), status.getLastModificationTime()});
    total += status.getSize();
  }
  llvm::sort(entries, [](const Entry &a, const Entry &b) {
    return a.used < b.used;
  });
  uint64_t limit = limitBytes();
  for (const Entry &entry : entries) {
    if (total <= limit)
      break;
    if (entry.path == file)
      continue;
    if (!fs::remove(entry.path))
      total -= entry.bytes;
  }
}
