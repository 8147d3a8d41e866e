// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Methods of Python's values that chat templates call. Those that Python has
// and that change a value are unsafe, as in Jinja's immutable sandbox; the rest
// of Python's methods are errors that name them.

#include "chat_interpreter.h"

#include "adze/text_table.h"
#include "unicode.h"

namespace adze::text {

static bool isOneOf(Bytes name, const char *words) {
  Bytes all = bytesOf(words);
  for (uint32_t at = 0; at < all.size;) {
    uint32_t end = findText(all, bytesOf(" "), at);
    if (equalBytes(all.slice(at, end - at), name))
      return true;
    at = end + 1;
  }
  return false;
}

bool isMethodName(const Value &object, Bytes name, bool &changes) {
  changes = name.size > 0 && name[0] == '_' && name.size > 1 &&
            name[1] == '_' &&
            isOneOf(name, "__class__ __init__ __doc__ __dict__ __module__ "
                          "__len__ __getitem__ __iter__ __str__ __repr__ "
                          "__add__ __contains__ __eq__ __reduce__");
  if (changes)
    return true;
  switch (object.kind) {
  case Kind::String:
    return isOneOf(
        name,
        "capitalize casefold center count encode endswith expandtabs find "
        "format format_map index isalnum isalpha isascii isdecimal isdigit "
        "isidentifier islower isnumeric isprintable isspace istitle isupper "
        "join ljust lower lstrip maketrans partition removeprefix "
        "removesuffix replace rfind rindex rjust rpartition rsplit rstrip "
        "split splitlines startswith strip swapcase title translate upper "
        "zfill");
  case Kind::Dict:
    changes = isOneOf(name, "clear pop popitem setdefault update");
    return changes || isOneOf(name, "copy fromkeys get items keys values");
  case Kind::List:
    if (object.sequence == Sequence::Generator)
      return false;
    changes = object.sequence == Sequence::List &&
              isOneOf(name, "append clear extend insert pop remove reverse "
                            "sort");
    return changes ||
           (object.sequence == Sequence::List && isOneOf(name, "copy")) ||
           (object.sequence <= Sequence::Range && isOneOf(name, "count index"));
  case Kind::Int:
  case Kind::Bool:
    return isOneOf(name, "as_integer_ratio bit_count bit_length conjugate "
                         "to_bytes from_bytes");
  case Kind::Float:
    return isOneOf(name, "as_integer_ratio conjugate fromhex hex is_integer");
  case Kind::Loop:
    return isOneOf(name, "cycle changed");
  default:
    return false;
  }
}

bool Interpreter::callMethod(const Method &method, const Arguments &arguments,
                             Value &result) {
  const Value &self = method.self;
  auto is = [&](const char *other) { return equalText(method.name, other); };
  auto unsupported = [&] {
    return fail("the method '%.*s' of %s is not supported",
                int(method.name.size < 60 ? method.name.size : 60),
                reinterpret_cast<const char *>(method.name.data),
                typeName(self));
  };
  if (self.is(Kind::String))
    return textMethod(method, arguments, result);
  if (self.is(Kind::Dict)) {
    if (is("get")) {
      Parameter p[] = {{"key", Value(), true}, {"default"}};
      if (!bind("get", arguments, p, 2))
        return false;
      if (p[0].value.is(Kind::Dict) || p[0].value.isSequence(Sequence::List))
        return fail("unhashable type: '%s'", typeName(p[0].value));
      const DictEntry *entry = findEntry(*self.dict, p[0].value);
      result = entry ? entry->value : p[1].value;
      return true;
    }
    bool keys = is("keys"), values = is("values");
    if (!keys && !values && !is("items") && !is("copy"))
      return unsupported();
    if (!bind("a method of dict", arguments, nullptr, 0))
      return false;
    if (is("copy")) {
      result = self;
      return true;
    }
    Array<Value> items;
    if (!spend(self.dict->count / 2))
      return false;
    for (uint32_t i = 0; i < self.dict->count; ++i) {
      const DictEntry &entry = self.dict->entries[i];
      Value pair[] = {entry.key, entry.value};
      Value made = keys ? entry.key : entry.value;
      if (!keys && !values && !makeList(pair, 2, Sequence::Tuple, made))
        return false;
      if (!items.push(made))
        return failMemory();
    }
    return makeList(items,
                    keys     ? Sequence::Keys
                    : values ? Sequence::Values
                             : Sequence::Items,
                    result);
  }
  if (self.is(Kind::List)) {
    if (is("copy")) {
      result = self;
      return bind("copy", arguments, nullptr, 0);
    }
    if (!is("count") && !is("index"))
      return unsupported();
    Parameter p[] = {{"value", Value(), true}};
    if (!bind("a method of list", arguments, p, 1) || !spend(self.list->count))
      return false;
    int64_t count = 0;
    for (uint32_t i = 0; i < self.list->count; ++i)
      if (equalValues(self.list->items[i], p[0].value)) {
        if (is("index")) {
          result = Value::of(int64_t(i));
          return true;
        }
        ++count;
      }
    if (is("index"))
      return fail("list.index(x): x not in list");
    result = Value::of(count);
    return true;
  }
  if (self.is(Kind::Loop)) {
    LoopState &loop = *self.loop;
    if (arguments.namedCount > 0)
      return fail("loop.%.*s takes no keyword arguments", int(method.name.size),
                  reinterpret_cast<const char *>(method.name.data));
    if (is("cycle")) {
      if (arguments.count == 0)
        return fail("no items for cycling given");
      result = arguments.values[loop.index % arguments.count];
      return true;
    }
    Value now;
    if (!makeList(arguments.values, arguments.count, Sequence::Tuple, now))
      return false;
    bool changed = !loop.hasChanged || !equalValues(loop.changed, now);
    loop.hasChanged = true;
    loop.changed = now;
    result = Value::of(changed);
    return true;
  }
  return unsupported();
}

bool Interpreter::textMethod(const Method &method, const Arguments &arguments,
                             Value &result) {
  Bytes text = method.self.bytes();
  bool markup = method.self.markup;
  auto is = [&](const char *other) { return equalText(method.name, other); };
  char name[16] = "";
  memcpy(name, method.name.data, method.name.size < 15 ? method.name.size : 15);
  auto needsText = [&](const Value &value) {
    if (value.is(Kind::Undefined))
      return failUndefined(value);
    return value.is(Kind::String) ||
           fail("%s takes a str, not %s", name, typeName(value));
  };
  auto view = [&](Bytes part) {
    result = Value::of(part);
    result.markup = markup;
    return true;
  };
  if (!spend(text.size / 8))
    return false;
  Array<uint8_t> made;
  Array<Value> parts;

  if (is("upper") || is("lower") || is("title") || is("capitalize") ||
      is("casefold")) {
    Case how = is("upper")        ? Case::Upper
               : is("title")      ? Case::Title
               : is("capitalize") ? Case::Capitalize
                                  : Case::Lower;
    return bind(name, arguments, nullptr, 0) &&
           (appendCase(made, text, how) || failMemory()) &&
           makeString(made, result, markup);
  }
  if (is("strip") || is("lstrip") || is("rstrip")) {
    Parameter p[] = {{"chars"}};
    if (!bind(name, arguments, p, 1))
      return false;
    bool all = p[0].value.is(Kind::None);
    if (!all && !needsText(p[0].value))
      return false;
    Bytes set = all ? Bytes() : p[0].value.bytes();
    if (!spend(uint64_t(text.size) * set.size / 64))
      return false;
    return view(
        strip(text, !is("rstrip"), !is("lstrip"), all ? nullptr : &set));
  }
  if (is("startswith") || is("endswith")) {
    Parameter p[] = {{"prefix", Value(), true}};
    if (!bind(name, arguments, p, 1))
      return false;
    if (p[0].value.isSequence(Sequence::Tuple)) {
      if (!iterate(p[0].value, parts))
        return false;
    } else if (!parts.push(p[0].value)) {
      return failMemory();
    }
    bool any = false;
    for (size_t i = 0; i < parts.size(); ++i) {
      if (!needsText(parts[i]))
        return false;
      Bytes part = parts[i].bytes();
      Bytes at = is("startswith") || part.size > text.size
                     ? text
                     : text.slice(text.size - part.size, part.size);
      any |= startsWith(at, part);
    }
    result = Value::of(any);
    return true;
  }
  if (is("removeprefix") || is("removesuffix")) {
    Parameter p[] = {{"part", Value(), true}};
    if (!bind(name, arguments, p, 1) || !needsText(p[0].value))
      return false;
    Bytes part = p[0].value.bytes();
    if (part.size > text.size)
      return view(text);
    uint32_t rest = text.size - part.size;
    if (is("removeprefix"))
      return view(startsWith(text, part) ? text.slice(part.size, rest) : text);
    return view(startsWith(text.slice(rest, part.size), part)
                    ? text.slice(0, rest)
                    : text);
  }
  if (is("replace")) {
    Parameter p[] = {{"old", Value(), true},
                     {"new", Value(), true},
                     {"count", Value::of(int64_t(-1))}};
    if (!bind(name, arguments, p, 3) || !needsText(p[0].value) ||
        !needsText(p[1].value))
      return false;
    if (!p[2].value.isWhole())
      return fail("'%s' object cannot be interpreted as an integer",
                  typeName(p[2].value));
    Bytes from = p[0].value.bytes(), to = p[1].value.bytes();
    int64_t most = p[2].value.whole();
    uint32_t at = 0;
    for (int64_t count = 0; most < 0 || count < most; ++count) {
      uint32_t found = findText(text, from, at);
      if (found == text.size && (from.size > 0 || at > text.size))
        break;
      if (!spend() || !append(made, text.slice(at, found - at)) ||
          !append(made, to))
        return false;
      at = found + from.size;
      if (from.size == 0) { // between all characters, and at both ends
        if (at == text.size) {
          ++at;
          break;
        }
        uint32_t next;
        decodeCharacter(text, at, &next);
        if (!append(made, text.slice(at, next - at)))
          return false;
        at = next;
      }
    }
    if (at < text.size && !append(made, text.slice(at, text.size - at)))
      return false;
    return makeString(made, result, markup);
  }
  if (is("split") || is("rsplit")) {
    Parameter p[] = {{"sep"}, {"maxsplit", Value::of(int64_t(-1))}};
    if (!bind(name, arguments, p, 2))
      return false;
    bool bySpace = p[0].value.is(Kind::None), fromRight = is("rsplit");
    if (!bySpace && !needsText(p[0].value))
      return false;
    if (!bySpace && p[0].value.size == 0)
      return fail("empty separator");
    if (!p[1].value.isWhole())
      return fail("'%s' object cannot be interpreted as an integer",
                  typeName(p[1].value));
    int64_t most = p[1].value.whole();
    // All pieces with the text between them, then the joining of those that
    // the limit leaves together.
    Array<Bytes> pieces;
    if (bySpace) {
      for (uint32_t at = 0; at < text.size;) {
        uint32_t next, begin;
        while (at < text.size &&
               isPythonSpace(decodeCharacter(text, at, &next)))
          at = next;
        begin = at;
        while (at < text.size &&
               !isPythonSpace(decodeCharacter(text, at, &next)))
          at = next;
        if (at > begin && !pieces.push(text.slice(begin, at - begin)))
          return failMemory();
      }
    } else {
      Bytes separator = p[0].value.bytes();
      for (uint32_t at = 0;;) {
        uint32_t found = findText(text, separator, at);
        if (!pieces.push(text.slice(at, found - at)))
          return failMemory();
        if (found == text.size)
          break;
        at = found + separator.size;
      }
    }
    size_t count = pieces.size();
    if (!spend(count))
      return false;
    size_t kept = most < 0 || static_cast<uint64_t>(most) + 1 >= count
                      ? count
                      : static_cast<size_t>(most) + 1;
    for (size_t i = 0; i < kept; ++i) {
      size_t first = fromRight && i > 0 ? i + (count - kept) : i;
      size_t last = fromRight       ? i + (count - kept)
                    : i + 1 == kept ? count - 1
                                    : i;
      Bytes piece = pieces[first];
      const uint8_t *end = pieces[last].data + pieces[last].size;
      if (bySpace && last > first && !fromRight) // the rest as it stands
        end = text.data + text.size;
      if (bySpace && last > first && fromRight)
        piece.data = text.data;
      piece.size = static_cast<uint32_t>(end - piece.data);
      Value value = Value::of(piece);
      value.markup = markup;
      if (!parts.push(value))
        return failMemory();
    }
    return makeList(parts, Sequence::List, result);
  }
  if (is("splitlines")) {
    Array<Bytes> lines;
    if (!bind(name, arguments, nullptr, 0))
      return false;
    if (!splitLines(text, lines))
      return failMemory();
    for (size_t i = 0; i < lines.size(); ++i) {
      Value value = Value::of(lines[i]);
      value.markup = markup;
      if (!parts.push(value))
        return failMemory();
    }
    return makeList(parts, Sequence::List, result);
  }
  if (is("join")) {
    Parameter p[] = {{"iterable", Value(), true}};
    if (!bind(name, arguments, p, 1) || !iterate(p[0].value, parts))
      return false;
    for (size_t i = 0; i < parts.size(); ++i) {
      if (!parts[i].is(Kind::String))
        return fail("sequence item %zu: expected str instance, %s found", i,
                    typeName(parts[i]));
      if ((i > 0 && !append(made, text)) || !append(made, parts[i].bytes()))
        return false;
    }
    return makeString(made, result, markup);
  }
  if (is("find") || is("index") || is("rfind") || is("rindex") || is("count")) {
    Parameter p[] = {{"sub", Value(), true}};
    if (!bind(name, arguments, p, 1) || !needsText(p[0].value))
      return false;
    Bytes part = p[0].value.bytes();
    bool right = is("rfind") || is("rindex");
    int64_t count = 0;
    uint32_t last = text.size;
    bool any = false;
    for (uint32_t at = 0; at <= text.size;) {
      uint32_t found = findText(text, part, at);
      if (found == text.size && part.size > 0)
        break;
      any = true;
      last = found;
      ++count;
      if (!spend())
        return false;
      if (!right && !is("count"))
        break;
      at = found + (is("count") && part.size > 0 ? part.size : 1);
      while (at < text.size && (text[at] & 0xC0) == 0x80)
        ++at;
    }
    if (is("count"))
      result = Value::of(count);
    else if (!any && (is("index") || is("rindex")))
      return fail("substring not found");
    else
      result = Value::of(any ? int64_t(characterCount(text.slice(0, last)))
                             : int64_t(-1));
    return true;
  }
  if (is("isdigit") || is("isalpha") || is("isalnum") || is("isspace") ||
      is("isupper") || is("islower") || is("isdecimal") || is("isnumeric") ||
      is("isascii")) {
    if (!bind(name, arguments, nullptr, 0))
      return false;
    bool all = text.size > 0 || is("isascii"), cased = false;
    for (uint32_t at = 0; at < text.size;) {
      uint32_t c = decodeCharacter(text, at, &at);
      uint32_t category = generalCategory(c);
      bool letter = category >= ADZE_TT_LU && category <= ADZE_TT_LO;
      bool digit = category == ADZE_TT_ND ||
                   (!is("isdecimal") && (c == 0xB2 || c == 0xB3 || c == 0xB9));
      if (is("isnumeric") || is("isalnum"))
        digit = category >= ADZE_TT_ND && category <= ADZE_TT_NO;
      bool upper = category == ADZE_TT_LU, lower = category == ADZE_TT_LL;
      cased |= upper || lower;
      all &= is("isalpha")   ? letter
             : is("isalnum") ? letter || digit
             : is("isspace") ? isPythonSpace(c)
             : is("isupper") ? !lower && category != ADZE_TT_LT
             : is("islower") ? !upper && category != ADZE_TT_LT
             : is("isascii") ? c < 0x80
                             : digit;
    }
    result = Value::of(all && (cased || !(is("isupper") || is("islower"))));
    return true;
  }
  if (is("ljust") || is("rjust") || is("center") || is("zfill")) {
    Parameter p[] = {{"width", Value(), true},
                     {"fillchar", Value::of(bytesOf(" "))}};
    if (!bind(name, arguments, p, is("zfill") ? 1 : 2) ||
        !needsText(p[1].value))
      return false;
    if (!p[0].value.isWhole())
      return fail("'%s' object cannot be interpreted as an integer",
                  typeName(p[0].value));
    int64_t missing = p[0].value.whole() - int64_t(characterCount(text));
    if (missing <= 0)
      return view(text);
    int64_t left = is("ljust") ? 0 : missing;
    if (is("center"))
      left = missing / 2 + (missing & p[0].value.whole() & 1);
    Value fill = p[1].value, before, after;
    if (is("zfill"))
      fill = Value::of(bytesOf("0"));
    if (!repeat(fill, left, before) || !repeat(fill, missing - left, after))
      return false;
    bool sign =
        is("zfill") && text.size > 0 && (text[0] == '-' || text[0] == '+');
    if ((sign && !append(made, text.slice(0, 1))) ||
        !append(made, before.bytes()) ||
        !append(made, text.slice(sign, text.size - sign)) ||
        !append(made, after.bytes()))
      return false;
    return makeString(made, result, markup);
  }
  return fail("the method '%.*s' of str is not supported",
              int(method.name.size < 60 ? method.name.size : 60),
              reinterpret_cast<const char *>(method.name.data));
}

} // namespace adze::text
