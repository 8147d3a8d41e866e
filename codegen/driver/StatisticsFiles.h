// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Writes a folder of statistics, a data file per part of the model. What is
// written is whole or absent: data first, then the part's entries, each beside
// and renamed, so that a run that was killed keeps every part that it finished.
#ifndef ADZE_CODEGEN_DRIVER_STATISTICSFILES_H
#define ADZE_CODEGEN_DRIVER_STATISTICSFILES_H

#include "InputSums.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include <map>
#include <string>
#include <vector>

namespace adze {

class StatisticsFiles {
public:
  explicit StatisticsFiles(llvm::StringRef folder) : folder(folder) {}

  /// Data and entries of part `part`.
  llvm::Error write(uint32_t part, const std::map<std::string, InputSums> &sums,
                    bool wantGram);
  /// Merges the entries of `parts` parts into statistics.json. `readers` are
  /// the names of the weights that read an input. Gives the number of inputs.
  llvm::Expected<uint32_t>
  finish(uint32_t parts, llvm::json::Object header,
         const std::map<std::string, std::vector<std::string>> &readers);
  /// Bytes of the data files and of statistics.json.
  uint64_t bytes(uint32_t parts) const;

private:
  std::string dataFile(uint32_t part) const;
  std::string entryFile(uint32_t part) const;
  std::string in(const std::string &name) const;

  std::string folder;
};

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_STATISTICSFILES_H
