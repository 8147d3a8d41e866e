// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- GgufCursor.cpp - Bounded reading of GGUF primitives ----------------===//
//
// Strings, lists and values of a GGUF file, as JSON where they are metadata.
//
//===----------------------------------------------------------------------===//

#include "GgufCursor.h"

#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace adze {

static constexpr StringLiteral fetchAgain =
    "the file is truncated or altered: fetch it again";

/// Bytes of a number type, 0 for strings and lists.
static uint64_t sizeOf(GgufType type) {
  switch (type) {
  case GgufType::U8:
  case GgufType::I8:
  case GgufType::Bool:
    return 1;
  case GgufType::U16:
  case GgufType::I16:
    return 2;
  case GgufType::U32:
  case GgufType::I32:
  case GgufType::F32:
    return 4;
  case GgufType::U64:
  case GgufType::I64:
  case GgufType::F64:
    return 8;
  case GgufType::String:
  case GgufType::Array:
    return 0;
  }
  return 0;
}

/// Least bytes of one element of a list: a string has its length, a list its
/// type and count.
static uint64_t minBytes(GgufType type) {
  if (type == GgufType::String)
    return 8;
  return type == GgufType::Array ? 12 : sizeOf(type);
}

Error GgufCursor::need(uint64_t count, StringRef what) const {
  if (count <= left())
    return Error::success();
  return makeError(file, "",
                   "expected " + Twine(count) + " bytes of " + what +
                       " at byte " + Twine(pos) + ", found " + Twine(left()) +
                       " before the end of the file",
                   fetchAgain);
}

Error GgufCursor::tooMany(StringRef what, uint64_t found) const {
  return makeError(file, "",
                   "expected as many " + what + " as the " + Twine(left()) +
                       " bytes that follow can hold, found a count of " +
                       Twine(found),
                   fetchAgain);
}

Expected<uint64_t> GgufCursor::count(StringRef what, uint64_t bytesEach) {
  Expected<uint64_t> value = number<uint64_t>(("a count of " + what).str());
  if (value && bytesEach && *value > left() / bytesEach)
    return tooMany(what, *value);
  return value;
}

Expected<StringRef> GgufCursor::string(StringRef what) {
  Expected<uint64_t> length = number<uint64_t>(what);
  if (!length)
    return length.takeError();
  if (Error error = need(*length, what))
    return error;
  StringRef value = bytes.substr(pos, *length);
  pos += *length;
  return value;
}

Expected<GgufType> GgufCursor::type(StringRef key) {
  Expected<uint32_t> value = number<uint32_t>("a value's type");
  if (!value)
    return value.takeError();
  if (*value > static_cast<uint32_t>(GgufType::F64))
    return makeError(file, quoted(key),
                     "expected a value type from 0 to 12, found " +
                         Twine(*value));
  return static_cast<GgufType>(*value);
}

/// The head of a list whose elements must have one of `types`; its length.
Expected<uint64_t> GgufCursor::listOf(StringRef key,
                                      std::initializer_list<GgufType> types,
                                      StringRef expected, uint64_t bytesEach) {
  Expected<GgufType> outer = type(key);
  if (!outer)
    return outer.takeError();
  GgufType element = *outer;
  if (*outer == GgufType::Array) {
    Expected<GgufType> inner = type(key);
    if (!inner)
      return inner.takeError();
    element = *inner;
  }
  if (*outer != GgufType::Array || !is_contained(types, element))
    return makeError(file, quoted(key),
                     "expected a list of " + expected + ", found " +
                         (*outer == GgufType::Array ? "a list with" : "a") +
                         " value type " +
                         Twine(static_cast<uint32_t>(element)));
  return count(("values of " + quoted(key)), bytesEach);
}

Error GgufCursor::strings(StringRef key, std::vector<std::string> &to) {
  Expected<uint64_t> size = listOf(key, {GgufType::String}, "strings", 8);
  if (!size)
    return size.takeError();
  to.reserve(*size);
  for (uint64_t i = 0; i < *size; ++i) {
    Expected<StringRef> text = string("a string in a list");
    if (!text)
      return text.takeError();
    to.push_back(text->str());
  }
  return Error::success();
}

Expected<json::Value> GgufCursor::scalar(GgufType type, StringRef key) {
  if (type == GgufType::String) {
    Expected<StringRef> text = string("a metadata string");
    if (!text)
      return text.takeError();
    return json::Value(json::isUTF8(*text) ? text->str()
                                           : json::fixUTF8(*text));
  }
  auto read = [&](auto zero) -> Expected<json::Value> {
    using T = decltype(zero);
    Expected<T> value = number<T>("a metadata value");
    if (!value)
      return value.takeError();
    return json::Value(*value);
  };
  switch (type) {
  case GgufType::U8:
    return read(uint8_t());
  case GgufType::I8:
    return read(int8_t());
  case GgufType::U16:
    return read(uint16_t());
  case GgufType::I16:
    return read(int16_t());
  case GgufType::U32:
    return read(uint32_t());
  case GgufType::I32:
    return read(int32_t());
  case GgufType::U64:
    return read(uint64_t());
  case GgufType::I64:
    return read(int64_t());
  case GgufType::F32:
    return read(float());
  case GgufType::F64:
    return read(double());
  default:
    break;
  }
  Expected<uint8_t> flag = number<uint8_t>("a metadata value");
  if (!flag)
    return flag.takeError();
  if (*flag > 1)
    return makeError(file, quoted(key),
                     "expected 0 or 1 for a truth value, found " +
                         Twine(unsigned(*flag)));
  return json::Value(*flag == 1);
}

Expected<json::Value> GgufCursor::list(StringRef key, unsigned depth) {
  if (depth > maxNesting)
    return makeError(file, quoted(key),
                     "expected lists nested at most " + Twine(maxNesting) +
                         " deep, found more");
  Expected<GgufType> element = type(key);
  if (!element)
    return element.takeError();
  Expected<uint64_t> size =
      count("values of " + quoted(key), minBytes(*element));
  if (!size)
    return size.takeError();
  if (*size > valuesLeft) {
    if (uint64_t each = sizeOf(*element); each && depth == 1) {
      pos += *size * each;
      skipped.push_back(key.str());
      return json::Value(nullptr);
    }
    return makeError(file, quoted(key),
                     "expected at most " + Twine(maxValues) +
                         " metadata values in lists, found " + Twine(*size) +
                         " more than are left of them");
  }
  valuesLeft -= *size;
  json::Array values;
  values.reserve(*size);
  for (uint64_t i = 0; i < *size; ++i) {
    Expected<json::Value> item = *element == GgufType::Array
                                     ? list(key, depth + 1)
                                     : scalar(*element, key);
    if (!item)
      return item.takeError();
    values.push_back(std::move(*item));
  }
  return json::Value(std::move(values));
}

Expected<json::Value> GgufCursor::value(StringRef key) {
  Expected<GgufType> kind = type(key);
  if (!kind)
    return kind.takeError();
  return *kind == GgufType::Array ? list(key, 1) : scalar(*kind, key);
}

} // namespace adze
