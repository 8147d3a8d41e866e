// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A report for the terminal.
#ifndef ADZE_TOOLS_ADZE_REPORT_TABLE_H
#define ADZE_TOOLS_ADZE_REPORT_TABLE_H

#include "llvm/Support/JSON.h"

namespace adze::tools {

/// The facts (Facts.h) as lines and tables.
std::string reportTable(const llvm::json::Object &facts);

} // namespace adze::tools

#endif // ADZE_TOOLS_ADZE_REPORT_TABLE_H
