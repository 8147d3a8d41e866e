// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiled models on disk, one artefact per key.
//
// The key is made before any IR is: of the model's files (path, size, time,
// inode and the first 64 KB of each), the options, the plug-ins' bytes, the
// host's CPU where the target is `host`, and the compiler's build. Safe with
// concurrent processes: an artefact appears by rename, and a reader that has it
// open keeps it when it is removed. Bounded: the least recently used go first.
#ifndef ADZE_CODEGEN_DRIVER_MODELCACHE_H
#define ADZE_CODEGEN_DRIVER_MODELCACHE_H

#include "adze/Compiler.h"
#include "llvm/Support/Error.h"

namespace adze {

class ModelCache {
public:
  /// Where the artefact of `model` with `options` is, or would be.
  static llvm::Expected<ModelCache> find(const std::string &model,
                                         const CompileOptions &options);
  /// The directory that options, $ADZE_CACHE_DIR or XDG name.
  static std::string directory(const std::string &given);

  bool exists() const;
  const std::string &path() const { return file; }
  /// Marks it as just used.
  void touch() const;
  /// Removes the least recently used artefacts beyond the size limit
  /// ($ADZE_CACHE_BYTES, default 20 GiB); never this one.
  void trim() const;

private:
  std::string file;
};

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_MODELCACHE_H
