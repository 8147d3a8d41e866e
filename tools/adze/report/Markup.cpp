// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "Markup.h"
#include <cstdio>

using namespace adze::tools;
using llvm::StringRef;

std::string adze::tools::escape(StringRef text) {
  std::string out;
  for (char c : text)
    switch (c) {
    case '&':
      out += "&amp;";
      break;
    case '<':
      out += "&lt;";
      break;
    case '>':
      out += "&gt;";
      break;
    case '"':
      out += "&quot;";
      break;
    case '\'':
      out += "&#39;";
      break;
    default:
      // Control characters are in no document.
      out += uint8_t(c) < 0x20 && c != '\n' && c != '\t' ? ' ' : c;
    }
  return out;
}

std::string adze::tools::element(const char *name, const Attributes &attributes,
                                 StringRef inner) {
  std::string out = std::string("<") + name;
  for (const auto &[key, value] : attributes)
    out += std::string(" ") + key + "=\"" + escape(value) + "\"";
  return out + ">" + inner.str() + "</" + name + ">";
}

std::string adze::tools::textElement(const char *name, StringRef text,
                                     const Attributes &attributes) {
  return element(name, attributes, escape(text));
}

std::string adze::tools::coordinate(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  StringRef digits(text);
  digits.consume_back(".0");
  return digits == "-0" ? "0" : digits.str();
}

MarkupTable::MarkupTable(std::string caption, std::vector<std::string> head,
                         const char *tableClass)
    : caption(std::move(caption)), head(std::move(head)),
      tableClass(tableClass) {}

std::string MarkupTable::row(const char *cell,
                             const std::vector<std::string> &cells,
                             const char *rowClass) const {
  std::string out;
  bool isHead = cell[1] == 'h';
  for (size_t i = 0; i < cells.size(); ++i) {
    Attributes attributes;
    if (isHead)
      attributes.emplace_back("scope", "col");
    if (StringRef(head[i]).starts_with("#"))
      attributes.emplace_back("class", "n");
    StringRef text = cells[i];
    if (isHead)
      text.consume_front("#");
    out += isHead ? textElement(cell, text, attributes)
                  : element(cell, attributes, text);
  }
  Attributes attributes;
  if (rowClass)
    attributes.emplace_back("class", rowClass);
  return element("tr", attributes, out) + "\n";
}

void MarkupTable::add(std::vector<std::string> cells, const char *rowClass) {
  body += row("td", cells, rowClass);
}

std::string MarkupTable::markup() const {
  Attributes attributes;
  if (tableClass)
    attributes.emplace_back("class", tableClass);
  return element("div",
                 {{"class", "scroll"},
                  {"role", "region"},
                  {"tabindex", "0"},
                  {"aria-label", caption}},
                 element("table", attributes,
                         textElement("caption", caption) +
                             element("thead", {}, row("th", head, nullptr)) +
                             element("tbody", {}, body))) +
         "\n";
}
