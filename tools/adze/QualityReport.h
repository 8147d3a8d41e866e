// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A Quality as lines for a person, which eval and verify print.
#ifndef ADZE_TOOLS_ADZE_QUALITYREPORT_H
#define ADZE_TOOLS_ADZE_QUALITYREPORT_H

#include "Proof.h" // qualityJson

namespace adze::tools {

void printQuality(const Quality &quality);

} // namespace adze::tools

#endif // ADZE_TOOLS_ADZE_QUALITYREPORT_H
