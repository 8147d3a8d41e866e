// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- WeightTable.h - The weight table beside a module ---------*- C++ -*-===//
//
// The JSON file that the module attribute `adze.table` names: for each source
// tensor the file it lies in, offset, dtype, shape and bytes. With it, a module
// on disk is complete.
//
//   {"version": 1,
//    "tensors": {
//      "model.norm.weight": {"file": "model.safetensors", "offset": 4096,
//                            "dtype": "bf16", "shape": [64], "bytes": 128}}}
//
// Paths are relative to the table's folder (absolute ones stay absolute).
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_WEIGHTS_WEIGHTTABLE_H
#define ADZE_WEIGHTS_WEIGHTTABLE_H

#include "adze/Weights/WeightSource.h"
#include "llvm/Support/MemoryBuffer.h"

#include <memory>

namespace adze {

struct WeightTableEntry {
  std::string name;
  std::string file; ///< relative to the table's folder, or absolute
  uint64_t offset = 0;
  std::string dtype;
  llvm::SmallVector<int64_t, 4> shape;
  uint64_t bytes = 0;
};

/// An opened table: every entry checked, every file mapped read-only.
class WeightTable : public WeightSource {
public:
  /// Reads and checks the table and maps its files. The error lists everything
  /// that is wrong (the first 20 findings).
  static llvm::Expected<std::unique_ptr<WeightTable>>
  open(llvm::StringRef path);

  llvm::Expected<TensorView> lookup(llvm::StringRef name) override;

  bool contains(llvm::StringRef name) const { return byName.contains(name); }
  /// In the order of their names.
  llvm::ArrayRef<WeightTableEntry> entries() const { return table; }
  llvm::StringRef path() const { return tablePath; }

private:
  WeightTable() = default;

  std::string tablePath;
  std::vector<WeightTableEntry> table;
  std::vector<const llvm::MemoryBuffer *> bufferOf; // of each entry
  llvm::StringMap<uint32_t> byName;
  std::vector<std::unique_ptr<llvm::MemoryBuffer>> files;
};

/// Writes a table that open() reads: beside `path` first, then renamed, so that
/// no half-written file is left.
llvm::Error writeWeightTable(llvm::StringRef path,
                             llvm::ArrayRef<WeightTableEntry> entries);

/// `file` as a table in the folder of `tablePath` names it: relative if it lies
/// in or below that folder, absolute otherwise.
std::string weightTablePath(llvm::StringRef tablePath, llvm::StringRef file);

} // namespace adze

#endif // ADZE_WEIGHTS_WEIGHTTABLE_H
