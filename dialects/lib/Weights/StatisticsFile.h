// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The keys of statistics.json beside its tensors. Private to lib/Weights.
#ifndef ADZE_LIB_WEIGHTS_STATISTICSFILE_H
#define ADZE_LIB_WEIGHTS_STATISTICSFILE_H

#include "adze/Weights/Statistics.h"
#include "adze/Weights/TableFile.h"

namespace adze::detail {

struct StatisticsHeader {
  StatisticsOrigin origin;
  bool complete = false;
  std::vector<std::pair<std::string, std::string>> inputOf; // weight, input
};

llvm::Expected<StatisticsHeader> readHeader(llvm::StringRef path);

} // namespace adze::detail

#endif // ADZE_LIB_WEIGHTS_STATISTICSFILE_H
