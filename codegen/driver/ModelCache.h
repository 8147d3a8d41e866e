// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiled models on disk, one artefact per key.
//
// The key is made before any IR is: of the model's files (path, size, time,
// inode and the first 64 KB of each; for a module also its weight table and
// what that names), the options, the plug-ins' bytes, the host's CPU where the
// target is `host`, and the compiler's build. Safe with concurrent processes:
// an artefact appears by rename, and a reader that has it open keeps it when it
// is removed. Bounded: the least recently used go first.
#ifndef ADZE_CODEGEN_DRIVER_MODELCACHE_H
#define ADZE_CODEGEN_DRIVER_MODELCACHE_H

#include "adze/Compiler.h"
#include "llvm/Support/Chrono.h"
#include "llvm/Support/Error.h"

namespace adze {

class ModelCache {
public:
  /// Where the artefact of `model` with `options` is, or would be.
  static llvm::Expected<ModelCache> find(const std::string &model,
                                         const CompileOptions &options);
  /// The directory that options, $ADZE_CACHE_DIR or XDG name.
  static std::string directory(const std::string &given);

  struct Entry {
    std::string path;
    uint64_t bytes;
    llvm::sys::TimePoint<> used;
  };
  /// The artefacts in a cache, least recently used first. A cache that is not
  /// there has none.
  static std::vector<Entry> list(const std::string &directory);
  /// Removes the least recently used artefacts until at most `limit` bytes are
  /// left, never `keep`, and what writers left that were ended. Returns what it
  /// removed.
  static llvm::Expected<std::vector<Entry>>
  collect(const std::string &directory, uint64_t limit,
          const std::string &keep = "");
  /// $ADZE_CACHE_BYTES, or 20 GiB.
  static uint64_t limitBytes();

  bool exists() const;
  const std::string &path() const { return file; }
  /// Marks it as just used.
  void touch() const;
  /// Removes the least recently used artefacts beyond the limit; never this
  /// one.
  void trim() const;

private:
  std::string file, root;
};

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_MODELCACHE_H
