// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A strict reader of JSON (RFC 8259) for messages and tools. Of two members of
// one name the last one counts, in the place of the first, as in Python.

#include "chat_value.h"

#include "unicode.h"

namespace adze::text {
namespace {

constexpr uint32_t kDeepestJson = 100;

class JsonReader {
public:
  JsonReader(Arena &arena, Bytes text) : arena(arena), text(text) {}

  bool document(Value &result) {
    space();
    if (!value(result, 0))
      return false;
    space();
    return at == text.size || fail("expected the end of the JSON text");
  }
  uint32_t at = 0;
  const char *problem = "";

private:
  bool fail(const char *what) {
    problem = what;
    return false;
  }
  void space() {
    while (at < text.size && (text[at] == ' ' || text[at] == '\n' ||
                              text[at] == '\r' || text[at] == '\t'))
      ++at;
  }
  bool skip(uint8_t c) {
    if (at == text.size || text[at] != c)
      return false;
    ++at;
    return true;
  }
  bool word(const char *expected) {
    Bytes bytes = bytesOf(expected);
    if (!startsWith(text.slice(at, text.size - at), bytes))
      return fail("expected a JSON value");
    at += bytes.size;
    return true;
  }

  bool value(Value &result, uint32_t depth) {
    if (depth > kDeepestJson)
      return fail("the JSON text is nested deeper than 100 levels");
    if (at == text.size)
      return fail("expected a JSON value, found the end");
    switch (text[at]) {
    case '{':
      return object(result, depth);
    case '[':
      return array(result, depth);
    case '"':
      return string(result);
    case 'n':
      result = Value();
      return word("null");
    case 't':
      result = Value::of(true);
      return word("true");
    case 'f':
      result = Value::of(false);
      return word("false");
    default:
      return number(result);
    }
  }

  bool object(Value &result, uint32_t depth) {
    ++at;
    result = Value();
    result.kind = Kind::Dict;
    result.dict = arena.make<Dict>();
    if (!result.dict)
      return fail("the JSON text needs too much memory");
    *result.dict = Dict();
    space();
    if (skip('}'))
      return true;
    for (;;) {
      Value key, member;
      space();
      if (at == text.size || text[at] != '"')
        return fail("expected the name of a member");
      if (!string(key))
        return false;
      space();
      if (!skip(':'))
        return fail("expected ':'");
      space();
      if (!value(member, depth + 1))
        return false;
      if (!setEntry(arena, *result.dict, key, member))
        return fail("the JSON text needs too much memory");
      space();
      if (skip('}'))
        return true;
      if (!skip(','))
        return fail("expected ',' or '}'");
    }
  }

  bool array(Value &result, uint32_t depth) {
    ++at;
    Array<Value> items;
    space();
    if (!skip(']'))
      for (;;) {
        Value item;
        space();
        if (!value(item, depth + 1))
          return false;
        if (!items.push(item))
          return fail("out of memory");
        space();
        if (skip(']'))
          break;
        if (!skip(','))
          return fail("expected ',' or ']'");
      }
    result = Value();
    result.kind = Kind::List;
    result.list = arena.make<List>();
    auto *copy = arena.make<Value>(items.size() + 1);
    if (!result.list || !copy)
      return fail("the JSON text needs too much memory");
    if (!items.empty())
      memcpy(static_cast<void *>(copy), items.data(),
             items.size() * sizeof(Value));
    *result.list = {copy, static_cast<uint32_t>(items.size()), 0};
    return true;
  }

  bool hex4(uint32_t &code) {
    code = 0;
    for (int i = 0; i < 4; ++i, ++at) {
      uint8_t c = at < text.size ? text[at] : 0, low = c | 0x20;
      if (c >= '0' && c <= '9')
        code = code * 16 + (c - '0');
      else if (low >= 'a' && low <= 'f')
        code = code * 16 + (low - 'a' + 10);
      else
        return fail("expected four hexadecimal digits");
    }
    return true;
  }

  bool escape(Array<uint8_t> &out) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    uint8_t c = at < text.size ? text[at++] : 0;
    for (int i = 0; from[i]; ++i)
      if (c == static_cast<uint8_t>(from[i]))
        return out.push(static_cast<uint8_t>(to[i])) || fail("out of memory");
    uint32_t code, low;
    if (c != 'u')
      return fail("an escape that JSON does not have");
    if (!hex4(code))
      return false;
    if (code >= 0xD800 && code < 0xDC00) {
      if (!skip('\\') || !skip('u') || !hex4(low) || low < 0xDC00 ||
          low > 0xDFFF)
        return fail("half of a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xDC00 && code < 0xE000) {
      return fail("half of a surrogate pair");
    }
    return appendCharacter(out, code) || fail("out of memory");
  }

  bool string(Value &result) {
    uint32_t begin = ++at;
    bool plain = true;
    Array<uint8_t> made;
    for (;;) {
      uint32_t from = at;
      while (at < text.size && text[at] != '"' && text[at] != '\\' &&
             text[at] >= 0x20)
        ++at;
      if (at == text.size || text[at] < 0x20)
        return fail("a string with a control character or without its end");
      if (text[at] == '"' && plain) {
        result = Value::of(text.slice(begin, at - begin)); // in place
        ++at;
        return true;
      }
      plain = false;
      if (!made.append(text.data + from, at - from))
        return fail("out of memory");
      if (text[at++] == '"')
        break;
      if (!escape(made))
        return false;
    }
    const uint8_t *copy = arena.join({}, made.view());
    if (!copy)
      return fail("the JSON text needs too much memory");
    result = Value::of(Bytes{copy, static_cast<uint32_t>(made.size())});
    return true;
  }

  bool digits() {
    uint32_t begin = at;
    while (at < text.size && text[at] >= '0' && text[at] <= '9')
      ++at;
    return at > begin;
  }
  bool number(Value &result) {
    uint32_t begin = at;
    bool real = false;
    skip('-');
    uint32_t first = at;
    if (!digits() || (text[first] == '0' && at > first + 1)) {
      at = begin;
      return fail("expected a JSON value");
    }
    if (skip('.')) {
      real = true;
      if (!digits())
        return fail("expected a digit after the decimal point");
    }
    if (at < text.size && (text[at] | 0x20) == 'e') {
      ++at;
      real = true;
      if (!skip('-'))
        skip('+');
      if (!digits())
        return fail("expected a digit in the exponent");
    }
    Bytes written = text.slice(begin, at - begin);
    double approximate = 0;
    int64_t exact = 0;
    if (real && parseFloat(written, &approximate))
      result = Value::of(approximate);
    else if (!real && parseInteger(written, 10, &exact))
      result = Value::of(exact);
    else
      return fail("a whole number of more than 64 bits");
    return true;
  }

  Arena &arena;
  Bytes text;
};

} // namespace

bool parseJson(Arena &arena, Bytes text, Value &value, uint32_t *at,
               const char **problem) {
  *at = findInvalidUtf8(text);
  *problem = "the JSON text is not UTF-8";
  if (*at != text.size)
    return false;
  JsonReader reader(arena, text);
  bool read = reader.document(value);
  *at = reader.at;
  *problem = reader.problem;
  return read;
}

} // namespace adze::text
