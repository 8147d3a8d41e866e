// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiled models on disk; see the header.

#include "ModelCache.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/BLAKE3.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/TargetParser/Host.h"
#include <cstdlib>
#include <dlfcn.h>
#include <fcntl.h>
#include <set>
#include <sys/stat.h>

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
    number(
        uint64_t(status.getLastModificationTime().time_since_epoch().count()));
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

llvm::Expected<std::vector<std::string>> filesIn(StringRef folder) {
  std::vector<std::string> files;
  std::error_code code;
  for (fs::directory_iterator it(folder, code), end; it != end && !code;
       it.increment(code))
    if (!fs::is_directory(it->path()))
      files.push_back(it->path());
  if (code)
    return fileError(folder, code);
  llvm::sort(files);
  return files;
}

/// A module, its weight table and the files that the table names. Where they
/// cannot be told (bytecode), every file of its folder.
llvm::Expected<std::vector<std::string>> filesOfModule(StringRef module) {
  StringRef folder = path::parent_path(module);
  auto text = llvm::MemoryBuffer::getFile(module);
  if (!text)
    return fileError(module, text.getError());
  if ((*text)->getBuffer().starts_with("ML\xefR"))
    return filesIn(folder);
  std::vector<std::string> files{module.str()};
  StringRef rest = (*text)->getBuffer();
  size_t at = rest.find("adze.table");
  if (at == StringRef::npos)
    return files;
  StringRef name = rest.substr(at).split('"').second.split('"').first;
  llvm::SmallString<256> table(name);
  path::make_absolute(folder, table);
  files.push_back(table.str().str());
  auto bytes = llvm::MemoryBuffer::getFile(table);
  if (!bytes)
    return files; // compiling says what is wrong with it
  auto parsed = llvm::json::parse((*bytes)->getBuffer());
  if (!parsed) {
    llvm::consumeError(parsed.takeError());
    return files;
  }
  std::set<std::string> named;
  if (const auto *object = parsed->getAsObject())
    if (const auto *tensors = object->getObject("tensors"))
      for (const auto &entry : *tensors)
        if (const auto *tensor = entry.second.getAsObject())
          if (auto file = tensor->getString("file")) {
            llvm::SmallString<256> full(*file);
            path::make_absolute(path::parent_path(table), full);
            named.insert(full.str().str());
          }
  llvm::append_range(files, named);
  return files;
}

/// The files that the compiler reads of a model.
llvm::Expected<std::vector<std::string>> filesOf(const std::string &model) {
  llvm::SmallString<256> real;
  if (std::error_code code = fs::real_path(model, real))
    return fileError(model, code);
  if (fs::is_directory(real))
    return filesIn(real);
  StringRef extension = path::extension(real);
  if (extension == ".mlir" || extension == ".mlirbc")
    return filesOfModule(real);
  return std::vector<std::string>{real.str().str()};
}

llvm::SmallString<256> modelsIn(StringRef root) {
  llvm::SmallString<256> where(root);
  path::append(where, "models");
  return where;
}

std::vector<ModelCache::Entry> entriesIn(StringRef root, StringRef suffix) {
  std::vector<ModelCache::Entry> entries;
  std::error_code code;
  for (fs::directory_iterator it(modelsIn(root), code), end; it != end && !code;
       it.increment(code)) {
    fs::file_status status;
    if (StringRef(it->path()).contains(suffix) &&
        !fs::status(it->path(), status) && fs::is_regular_file(status))
      entries.push_back(
          {it->path(), status.getSize(), status.getLastModificationTime()});
  }
  llvm::sort(entries, [](const auto &a, const auto &b) {
    return std::tie(a.used, a.path) < std::tie(b.used, b.path);
  });
  return entries;
}

constexpr llvm::StringLiteral kSuffix = ".adze.so";

} // namespace

uint64_t ModelCache::limitBytes() {
  const char *text = std::getenv("ADZE_CACHE_BYTES");
  uint64_t bytes = 0;
  if (text && !StringRef(text).getAsInteger(10, bytes))
    return bytes;
  return uint64_t(20) << 30;
}

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
  if (!options.calibration.empty()) {
    llvm::SmallString<256> statistics(options.calibration);
    path::append(statistics, "statistics.json");
    if (std::error_code code = key.file(statistics))
      return fileError(statistics, code);
  }
  key.field(options.method);
  key.field(options.prune);
  key.field(options.pruneMethod);
  key.field(options.pruneAllocate);
  key.field(options.rotate ? "rotate" : "");
  key.field(std::to_string(options.pruneNeurons));
  key.field(std::to_string(options.pruneHeads));
  key.field(options.removeDead ? "remove-dead" : "");
  key.field(options.kv);
  key.field(options.activations);
  for (uint32_t rows : options.expectRows)
    key.field(std::to_string(rows));
  key.field("rates"); // as many rows as there are
  if (!options.kernelRates.empty())
    if (std::error_code code = key.file(options.kernelRates))
      return fileError(options.kernelRates, code);
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
  key.field(llvm::join(options.generic, "\n"));
  key.field(llvm::join(options.insert, "\n"));
  for (const std::string &plugin : options.plugins) {
    auto bytes = llvm::MemoryBuffer::getFile(plugin);
    if (!bytes)
      return fileError(plugin, bytes.getError());
    key.field((*bytes)->getBuffer());
  }

  ModelCache cache;
  cache.root = directory(options.cacheDirectory);
  llvm::SmallString<256> where = modelsIn(cache.root);
  if (std::error_code code = fs::create_directories(where))
    return llvm::createStringError(
        code, "the model cache: " + where.str() + ": " + code.message() +
                  "; name another folder by ADZE_CACHE_DIR, or keep nothing on "
                  "disk (--no-cache)");
  path::append(where, key.hex() + kSuffix);
  cache.file = where.str().str();
  return cache;
}

bool ModelCache::exists() const { return fs::exists(file); }

void ModelCache::touch() const {
  (void)::utimensat(AT_FDCWD, file.c_str(), nullptr, 0);
}

void ModelCache::trim() const {
  if (auto removed = collect(root, limitBytes(), file); !removed)
    llvm::consumeError(removed.takeError()); // the next one tries again
}

std::vector<ModelCache::Entry> ModelCache::list(const std::string &directory) {
  std::vector<Entry> entries = entriesIn(directory, kSuffix);
  llvm::erase_if(entries, [](const Entry &entry) {
    return !StringRef(entry.path).ends_with(kSuffix);
  });
  return entries;
}

llvm::Expected<std::vector<ModelCache::Entry>>
ModelCache::collect(const std::string &directory, uint64_t limit,
                    const std::string &keep) {
  std::vector<Entry> removed;
  auto remove = [&](const Entry &entry) -> llvm::Error {
    if (std::error_code code = fs::remove(entry.path))
      return fileError(entry.path, code);
    removed.push_back(entry);
    return llvm::Error::success();
  };
  // A writer that is at work touches its file all the time.
  auto old = std::chrono::system_clock::now() - std::chrono::hours(1);
  for (const Entry &entry : entriesIn(directory, ".tmp"))
    if (entry.used < old)
      if (llvm::Error error = remove(entry))
        return std::move(error);
  std::vector<Entry> entries = list(directory);
  uint64_t total = 0;
  for (const Entry &entry : entries)
    total += entry.bytes;
  for (const Entry &entry : entries) {
    if (total <= limit)
      break;
    if (entry.path == keep)
      continue;
    if (llvm::Error error = remove(entry))
      return std::move(error);
    total -= entry.bytes;
  }
  return removed;
}
