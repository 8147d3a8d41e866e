// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The parts of a report's page that are more than a table, and what they are
// made of. Empty where the facts have nothing for one.
#ifndef ADZE_TOOLS_ADZE_REPORT_SECTIONS_H
#define ADZE_TOOLS_ADZE_REPORT_SECTIONS_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/JSON.h"
#include <string>

namespace adze::tools {

std::string layersSection(const llvm::json::Object &facts);
std::string phasesSection(const llvm::json::Object &facts);
std::string errorsSection(const llvm::json::Object &facts);
std::string passesSection(const llvm::json::Object &facts);

/// A paragraph in which numbers stay with their units.
std::string paragraph(std::string text, const char *style = nullptr);
/// What is seen once its summary is clicked on.
std::string folded(llvm::StringRef summary, llvm::StringRef markup);
std::string code(llvm::StringRef text);
/// "1.5 KB".
std::string sizeOf(const llvm::json::Object &object, const char *key = "bytes");

} // namespace adze::tools

#endif // ADZE_TOOLS_ADZE_REPORT_SECTIONS_H
