// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What `adze run` and `adze chat` share: how tokens are chosen.
#ifndef ADZE_TOOLS_ADZE_SAMPLING_H
#define ADZE_TOOLS_ADZE_SAMPLING_H

#include "adze/runtime.hpp"

namespace CLI {
class App;
} // namespace CLI

namespace adze::tools {

void addSampling(CLI::App &command, Sampling &sampling);

} // namespace adze::tools

#endif // ADZE_TOOLS_ADZE_SAMPLING_H
