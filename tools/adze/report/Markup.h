// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// HTML and SVG as text; the one place where text is escaped.
#ifndef ADZE_TOOLS_ADZE_REPORT_MARKUP_H
#define ADZE_TOOLS_ADZE_REPORT_MARKUP_H

#include "llvm/ADT/StringRef.h"
#include <string>
#include <utility>
#include <vector>

namespace adze::tools {

/// Text in an element or in an attribute.
std::string escape(llvm::StringRef text);

using Attributes = std::vector<std::pair<const char *, std::string>>;

/// `<name key="value">inner</name>`: values are escaped, `inner` is markup.
std::string element(const char *name, const Attributes &attributes,
                    llvm::StringRef inner = "");
/// `<name>text</name>` with text that is escaped.
std::string textElement(const char *name, llvm::StringRef text,
                        const Attributes &attributes = {});

/// A length or place in a drawing: at most one digit behind the point.
std::string coordinate(double value);

/// A table that scrolls in a region of its own. Cells are markup; columns whose
/// head begins with '#' hold numbers.
class MarkupTable {
public:
  MarkupTable(std::string caption, std::vector<std::string> head,
              const char *tableClass = nullptr);
  void add(std::vector<std::string> cells, const char *rowClass = nullptr);
  std::string markup() const;

private:
  std::string row(const char *cell, const std::vector<std::string> &cells,
                  const char *rowClass) const;
  std::string caption, body;
  std::vector<std::string> head;
  const char *tableClass;
};

} // namespace adze::tools

#endif // ADZE_TOOLS_ADZE_REPORT_MARKUP_H
