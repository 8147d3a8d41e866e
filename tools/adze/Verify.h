// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads all of an artefact and compares every hash.
#ifndef ADZE_TOOLS_ADZE_VERIFY_H
#define ADZE_TOOLS_ADZE_VERIFY_H

#include "Console.h"

namespace adze::tools {

struct Verified {
  std::string id; ///< hex
  uint64_t weights = 0, weightBytes = 0;
};

Result<Verified> verifyArtefact(const std::string &path, Progress &progress);

} // namespace adze::tools

#endif // ADZE_TOOLS_ADZE_VERIFY_H
