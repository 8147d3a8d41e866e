// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What was compiled, for a person and as JSON.
#ifndef ADZE_TOOLS_ADZE_COMPILEREPORT_H
#define ADZE_TOOLS_ADZE_COMPILEREPORT_H

#include "adze/Compiler.h"

namespace adze::tools {

/// Prints the warnings, the sizes of `output` and what it took; an exit status.
int printCompiled(const CompileStats &stats, const std::string &output,
                  bool json);

} // namespace adze::tools

#endif // ADZE_TOOLS_ADZE_COMPILEREPORT_H
