// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- CheckpointSource.h - The bytes of a checkpoint's weights -*- C++ -*-===//
//
// What an imported module's weights are read from: the checkpoint itself, in
// this process, or a weight table that points into its files, for a module that
// is written to disk.
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_FRONTEND_CHECKPOINTSOURCE_H
#define ADZE_FRONTEND_CHECKPOINTSOURCE_H

#include "adze/Frontend/Checkpoint.h"
#include "adze/Weights/WeightSource.h"

#include <optional>

namespace adze {

/// Views into the mapping of a checkpoint; nothing is copied.
class CheckpointSource : public WeightSource {
public:
  /// Refers to `checkpoint`, which must outlive this.
  explicit CheckpointSource(const Checkpoint &checkpoint)
      : reference(&checkpoint) {}
  /// Takes the checkpoint over.
  explicit CheckpointSource(Checkpoint &&checkpoint)
      : owned(std::move(checkpoint)), reference(&*owned) {}
  CheckpointSource(const CheckpointSource &) = delete;
  CheckpointSource &operator=(const CheckpointSource &) = delete;

  const Checkpoint &checkpoint() const { return *reference; }
  llvm::Expected<TensorView> lookup(llvm::StringRef name) override;

private:
  std::optional<Checkpoint> owned;
  const Checkpoint *reference;
};

/// Writes the weight table of a checkpoint on disk: every tensor that a weight
/// can read, at its place in the checkpoint's files. The module that names the
/// table (`adze.table`, relative to the module's folder) is then complete.
llvm::Error writeCheckpointTable(const Checkpoint &checkpoint,
                                 llvm::StringRef path);

} // namespace adze

#endif // ADZE_FRONTEND_CHECKPOINTSOURCE_H
