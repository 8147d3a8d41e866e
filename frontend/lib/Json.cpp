// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- Json.cpp - JSON from files nobody vouches for ----------------------===//
//
// A scan over the text bounds its nesting and finds repeated keys; only then
// does llvm::json (which recurses, and lets the last of two keys win) parse it.
// The scan knows strings and brackets only: what else is wrong with the text is
// left for the parser to say. Surrogate pairs are joined before it, because it
// joins them wrongly.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/Json.h"
#include "adze/Frontend/Checkpoint.h"
#include "adze/Frontend/Error.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/ConvertUTF.h"
#include "llvm/Support/raw_ostream.h"

#include <optional>

using namespace llvm;

namespace adze {

namespace {
class JsonScanner {
public:
  JsonScanner(StringRef text, StringRef file) : text(text), file(file) {}
  Error run();

private:
  struct Level {
    bool isObject;
    bool expectKey;
    StringSet<> keys;
  };

  size_t endOfString(size_t begin) const;
  Error addKey(StringRef literal, size_t position);
  std::string place(size_t position) const;

  StringRef text;
  StringRef file;
  std::vector<Level> levels;
};
} // namespace

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
static std::string joinSurrogates(StringRef text) {
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

/// Position of the closing quote, or npos.
size_t JsonScanner::endOfString(size_t begin) const {
  for (size_t i = begin; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      return i;
  }
  return StringRef::npos;
}

std::string JsonScanner::place(size_t position) const {
  StringRef before = text.take_front(position);
  size_t line = before.count('\n') + 1;
  size_t lineStart = before.rfind('\n');
  size_t column =
      position - (lineStart == StringRef::npos ? 0 : lineStart + 1) + 1;
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

Error JsonScanner::addKey(StringRef literal, size_t position) {
  std::string key = literal.drop_front().drop_back().str();
  if (literal.contains('\\')) {
    // "\u0061" and "a" are the same key.
    Expected<json::Value> value = json::parse(joinSurrogates(literal));
    if (!value) {
      consumeError(value.takeError());
      return Error::success();
    }
    if (std::optional<StringRef> decoded = value->getAsString())
      key = decoded->str();
  }
  if (!levels.back().keys.insert(key).second)
    return makeError(file, quoted(key),
                     "expected each key once, found it again at " +
                         place(position),
                     "remove one of the two");
  return Error::success();
}

Error JsonScanner::run() {
  for (size_t i = 0; i < text.size(); ++i) {
    switch (text[i]) {
    case '{':
    case '[':
      if (levels.size() == maxJsonDepth)
        return makeError(file, "",
                         "expected JSON nested at most " + Twine(maxJsonDepth) +
                             " deep, found more at " + place(i));
      levels.push_back({text[i] == '{', text[i] == '{', {}});
      break;
    case '}':
    case ']':
      if (!levels.empty())
        levels.pop_back();
      break;
    case ',':
      if (!levels.empty())
        levels.back().expectKey = levels.back().isObject;
      break;
    case ':':
      if (!levels.empty())
        levels.back().expectKey = false;
      break;
    case '"': {
      size_t end = endOfString(i + 1);
      if (end == StringRef::npos)
        return Error::success();
      if (!levels.empty() && levels.back().expectKey) {
        if (Error error = addKey(text.slice(i, end + 1), i))
          return error;
        levels.back().expectKey = false;
      }
      i = end;
      break;
    }
    default:
      break;
    }
  }
  return Error::success();
}

Expected<json::Value> parseJson(StringRef text, StringRef file) {
  if (Error error = JsonScanner(text, file).run())
    return error;
  // The parser gets a copy of its own that ends in NUL.
  std::string copy = joinSurrogates(text);
  Expected<json::Value> value = json::parse(copy);
  if (!value)
    return makeError(file, "",
                     "expected JSON, found " +
                         quoted(toString(value.takeError())));
  return value;
}

Expected<json::Object> parseJsonObject(StringRef text, StringRef file) {
  Expected<json::Value> value = parseJson(text, file);
  if (!value)
    return value.takeError();
  if (json::Object *object = value->getAsObject())
    return std::move(*object);
  return makeError(file, "",
                   "expected a JSON object, found " + formatJson(*value));
}

Expected<json::Object> readJsonObject(StringRef path, uint64_t maxBytes) {
  Expected<std::unique_ptr<MemoryBuffer>> buffer = mapFile(path);
  if (!buffer)
    return buffer.takeError();
  if ((*buffer)->getBufferSize() > maxBytes)
    return makeError(path, "",
                     "expected at most " + Twine(maxBytes) +
                         " bytes of JSON, found " +
                         Twine((*buffer)->getBufferSize()));
  return parseJsonObject((*buffer)->getBuffer(), path);
}

std::string formatJson(const json::Value &value, size_t maxBytes) {
  if (const json::Array *array = value.getAsArray())
    if (array->size() > 16)
      return "a list of " + std::to_string(array->size()) + " values";
  if (const json::Object *object = value.getAsObject())
    if (object->size() > 16)
      return "an object with " + std::to_string(object->size()) + " keys";
  std::string text;
  raw_string_ostream os(text);
  os << value;
  if (text.size() > maxBytes) {
    text.resize(maxBytes);
    text = json::fixUTF8(text) + "...";
  }
  return text;
}

std::vector<StringRef> sortedKeys(const json::Object &object) {
  std::vector<StringRef> keys;
  keys.reserve(object.size());
  for (const auto &entry : object)
    keys.push_back(entry.first);
  llvm::sort(keys);
  return keys;
}

} // namespace adze
