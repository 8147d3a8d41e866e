// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A text as a JSON string.
#ifndef ADZE_TOOLS_COMMON_JSON_TEXT_H
#define ADZE_TOOLS_COMMON_JSON_TEXT_H

#include <cstdio>
#include <string>

namespace adze::tools {

inline std::string quotedJson(const std::string &text) {
  std::string result = "\"";
  for (char c : text) {
    char escape[8];
    if (c == '"' || c == '\\')
      (result += '\\') += c;
    else if (static_cast<unsigned char>(c) < 0x20) {
      std::snprintf(escape, sizeof escape, "\\u%04x", c);
      result += escape;
    } else
      result += c;
  }
  return result + "\"";
}

} // namespace adze::tools
#endif // ADZE_TOOLS_COMMON_JSON_TEXT_H
