// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What weight tables, statistics and kernel rates have in common on disk: JSON
// that is read with bounds, and tensors by name.
#ifndef ADZE_WEIGHTS_TABLEFILE_H
#define ADZE_WEIGHTS_TABLEFILE_H

#include "adze/Weights/WeightTable.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/JSON.h"

namespace adze::detail {

inline constexpr int64_t kTableVersion = 1;

/// Maps a file; an error unless it is a regular one.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
mapRegularFile(const llvm::Twine &path);

/// Parses a file that should hold `what` ("a weight table"), bounded in bytes
/// and in depth.
llvm::Expected<llvm::json::Value> readTableJson(llvm::StringRef path,
                                                llvm::StringRef what);

/// The attribute "tensors" of a table, one line per entry.
void writeTensors(llvm::json::OStream &out, llvm::raw_ostream &os,
                  llvm::ArrayRef<WeightTableEntry> entries);

} // namespace adze::detail

#endif // ADZE_WEIGHTS_TABLEFILE_H
