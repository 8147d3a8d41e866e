// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- WeightStore.h - Weights that passes computed -------------*- C++ -*-===//
//
// What no weight expression can recompute, such as the codes of a calibrated
// quantizer, goes to a folder: a safetensors file per tensor, named after the
// hash of what is in it, and weight tables that name them beside the tensors of
// the checkpoint. Nothing in a store is ever changed: several models, and
// several runs at once, may share one.
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_WEIGHTS_WEIGHTSTORE_H
#define ADZE_WEIGHTS_WEIGHTSTORE_H

#include "adze/Weights/WeightTable.h"

namespace adze {

/// "a.{}.q.weight" made by "pruned" -> "a.{}.q.pruned.weight": what a source
/// tensor is called that a pass makes of another.
std::string madeName(llvm::StringRef source, llvm::StringRef made);
/// The tensor of the checkpoint that a tensor of that name was made of;
/// other names stay as they are.
std::string nameInCheckpoint(llvm::StringRef name);

class WeightStore {
public:
  /// Makes the folder where there is none.
  static llvm::Expected<WeightStore> open(llvm::StringRef folder);

  /// Stores a tensor, unless it is there. `dtype` is a format's name, `bytes`
  /// the rows as the format stores them. Gives its entry in a table, without a
  /// name. Safe to call from several threads.
  llvm::Expected<WeightTableEntry> add(llvm::StringRef dtype,
                                       llvm::ArrayRef<int64_t> shape,
                                       llvm::ArrayRef<uint8_t> bytes) const;

  /// Writes a table of `added`, whose entries are add()'s with names, and of
  /// the entries of `base`, but for those that `added` has too. Gives its
  /// absolute path, which depends on what is in it.
  llvm::Expected<std::string>
  writeTable(const WeightTable &base,
             llvm::ArrayRef<WeightTableEntry> added) const;

private:
  explicit WeightStore(llvm::StringRef folder) : folder(folder) {}
  std::string pathOf(const llvm::Twine &name) const;

  std::string folder; // absolute
};

} // namespace adze

#endif // ADZE_WEIGHTS_WEIGHTSTORE_H
