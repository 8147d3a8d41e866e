// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A guarded entry into LLVM's JSON parser.

#include "Json.h"

#include "TextTableBuilder.h"

using namespace llvm;

namespace adze {

/// Whether brackets outside of strings nest deeper than `limit`.
static bool nestsDeeperThan(StringRef text, unsigned limit) {
  unsigned depth = 0;
  bool inString = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (inString) {
      if (c == '\\')
        ++i;
      else
        inString = c != '"';
    } else if (c == '"') {
      inString = true;
    } else if (c == '{' || c == '[') {
      if (++depth > limit)
        return true;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return false;
}

Expected<json::Value> parseJson(StringRef text, StringRef name) {
  constexpr unsigned limit = 64;
  if (nestsDeeperThan(text, limit))
    return tokenizerError(name, "JSON nested deeper than " + Twine(limit) +
                                    " levels");
  Expected<json::Value> value = json::parse(text);
  if (!value)
    return tokenizerError(name, "not JSON: " + toString(value.takeError()));
  return value;
}

} // namespace adze
