// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A report as one page of HTML: no script, nothing from elsewhere.
#ifndef ADZE_TOOLS_ADZE_REPORT_PAGE_H
#define ADZE_TOOLS_ADZE_REPORT_PAGE_H

#include "llvm/Support/JSON.h"
#include <string>

namespace adze::tools {

/// The facts (Facts.h) as a page. It is well-formed XML too.
std::string reportPage(const llvm::json::Object &facts);

/// Candidates (CompileModel.h) alone: a plot and a table.
std::string candidatesPage(const std::string &title,
                           llvm::json::Array candidates);

} // namespace adze::tools

#endif // ADZE_TOOLS_ADZE_REPORT_PAGE_H
