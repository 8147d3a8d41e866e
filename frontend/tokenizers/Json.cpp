// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A guarded entry into LLVM's JSON parser.

#include "Json.h"

#include "TextTableBuilder.h"

#include "llvm/Support/ConvertUTF.h"

#include <optional>

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

/// The UTF-16 unit of an escape "\\uHHHH" at the start of `text`.
static std::optional<unsigned> escapedUnit(StringRef text) {
  unsigned unit;
  if (text.size() < 6 || !text.starts_with("\\u") ||
      text.substr(2, 4).getAsInteger(16, unit))
    return std::nullopt;
  return unit;
}

/// Replaces escaped surrogate pairs by the character itself. LLVM's parser
/// joins the halves with "|" instead of "+", which is wrong beyond U+1FFFF.
static std::string unescapeSurrogates(StringRef text) {
  std::string result;
  result.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      result.push_back(text[i]);
      continue;
    }
    auto high = escapedUnit(text.substr(i));
    auto low = high && *high >= 0xD800 && *high < 0xDC00
                   ? escapedUnit(text.substr(i + 6))
                   : std::nullopt;
    if (low && *low >= 0xDC00 && *low < 0xE000) {
      char bytes[UNI_MAX_UTF8_BYTES_PER_CODE_POINT], *end = bytes;
      ConvertCodePointToUTF8(
          0x10000 + ((*high - 0xD800) << 10) + (*low - 0xDC00), end);
      result.append(bytes, end);
      i += 11;
    } else {
      result.append(text.substr(i, 2)); // an escape, which may be a backslash
      ++i;
    }
  }
  return result;
}

Expected<json::Value> parseTokenizerJson(StringRef text, StringRef name) {
  constexpr unsigned limit = 64;
  if (nestsDeeperThan(text, limit))
    return tokenizerError(name, "JSON nested deeper than " + Twine(limit) +
                                    " levels");
  std::string unescaped;
  if (text.contains_insensitive("\\ud8") ||
      text.contains_insensitive("\\ud9") ||
      text.contains_insensitive("\\uda") || text.contains_insensitive("\\udb"))
    text = unescaped = unescapeSurrogates(text);
  Expected<json::Value> value = json::parse(text);
  if (!value)
    return tokenizerError(name, "not JSON: " + toString(value.takeError()));
  return value;
}

} // namespace adze
