// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Filters of chat templates on one value: text, numbers, JSON, defaults.

#include "chat_interpreter.h"

#include "unicode.h"

#include <cmath>
#include <cstdio>

namespace adze::text {

static const char *const filterNames[] = {
#define ADZE_CHAT_X(name, text) text,
    ADZE_CHAT_FILTERS(ADZE_CHAT_X)
#undef ADZE_CHAT_X
};

bool Interpreter::filter(uint32_t id, const Value &input,
                         const Arguments &arguments, Value &result) {
  const char *name = filterNames[id];
  switch (id) {
  case ADZE_CHAT_FILTER_D:
  case ADZE_CHAT_FILTER_DEFAULT: {
    Parameter p[] = {{"default_value", Value::of(Bytes())},
                     {"boolean", Value::of(false)}};
    bool always = false, has = true;
    if (!bind(name, arguments, p, 2) || !truth(p[1].value, always))
      return false;
    if (always && !input.is(Kind::Undefined) && !truth(input, has))
      return false;
    result = input.is(Kind::Undefined) || !has ? p[0].value : input;
    return true;
  }
  case ADZE_CHAT_FILTER_ATTR: {
    Parameter p[] = {{"name", Value(), true}};
    if (!bind(name, arguments, p, 1))
      return false;
    if (!p[0].value.is(Kind::String))
      return fail("attr takes the name of an attribute");
    // Attributes only: never the items of a dict.
    bool changes;
    if (input.is(Kind::Dict) &&
        !isMethodName(input, p[0].value.bytes(), changes))
      return makeUndefined(Undefined::Attribute, input, p[0].value, result);
    return attribute(input, p[0].value.bytes(), result);
  }
  case ADZE_CHAT_FILTER_COUNT:
  case ADZE_CHAT_FILTER_LENGTH: {
    int64_t count;
    if (!bind(name, arguments, nullptr, 0) || !length(input, count))
      return false;
    result = Value::of(count);
    return true;
  }
  case ADZE_CHAT_FILTER_TOJSON:
    return toJson(input, arguments, result);
  case ADZE_CHAT_FILTER_ABS:
  case ADZE_CHAT_FILTER_FLOAT:
  case ADZE_CHAT_FILTER_INT:
  case ADZE_CHAT_FILTER_ROUND:
    return numberFilter(id, input, arguments, result);
  case ADZE_CHAT_FILTER_CAPITALIZE:
  case ADZE_CHAT_FILTER_E:
  case ADZE_CHAT_FILTER_ESCAPE:
  case ADZE_CHAT_FILTER_INDENT:
  case ADZE_CHAT_FILTER_LOWER:
  case ADZE_CHAT_FILTER_REPLACE:
  case ADZE_CHAT_FILTER_SAFE:
  case ADZE_CHAT_FILTER_STRING:
  case ADZE_CHAT_FILTER_TITLE:
  case ADZE_CHAT_FILTER_TRIM:
  case ADZE_CHAT_FILTER_UPPER:
  case ADZE_CHAT_FILTER_WORDCOUNT:
    return textFilter(id, input, arguments, result);
  default:
    return sequenceFilter(id, input, arguments, result);
  }
}

bool Interpreter::textFilter(uint32_t id, const Value &input,
                             const Arguments &arguments, Value &result) {
  const char *name = filterNames[id];
  if (id == ADZE_CHAT_FILTER_INDENT)
    return indent(input, arguments, result);
  Value text;
  if (!softText(input, text) || !spend(text.size / 8))
    return false;
  Array<uint8_t> made;
  switch (id) {
  case ADZE_CHAT_FILTER_TRIM: {
    Parameter p[] = {{"chars"}};
    if (!bind(name, arguments, p, 1))
      return false;
    if (p[0].given && !p[0].value.is(Kind::None) &&
        !p[0].value.is(Kind::String))
      return fail("strip arg must be None or str");
    Bytes set = p[0].value.is(Kind::String) ? p[0].value.bytes() : Bytes();
    result = Value::of(strip(text.bytes(), true, true,
                             p[0].value.is(Kind::String) ? &set : nullptr));
    result.markup = text.markup;
    return true;
  }
  case ADZE_CHAT_FILTER_REPLACE: {
    Parameter p[] = {{"old", Value(), true}, {"new", Value(), true}, {"count"}};
    Value parts[3];
    if (!bind(name, arguments, p, 3) || !toText(p[0].value, parts[0]) ||
        !toText(p[1].value, parts[1]))
      return false;
    text.markup = false;
    Method method = {text, bytesOf("replace")};
    Arguments both;
    both.values = parts;
    both.count = 2;
    if (p[2].given && !p[2].value.is(Kind::None))
      parts[both.count++] = p[2].value;
    return callMethod(method, both, result);
  }
  default:
    break;
  }
  if (!bind(name, arguments, nullptr, 0))
    return false;
  switch (id) {
  case ADZE_CHAT_FILTER_STRING:
    result = text;
    return true;
  case ADZE_CHAT_FILTER_SAFE:
    result = text;
    result.markup = true;
    return true;
  case ADZE_CHAT_FILTER_E:
  case ADZE_CHAT_FILTER_ESCAPE:
    if (text.markup) {
      result = text;
      return true;
    }
    return (appendEscaped(made, text.bytes()) || failMemory()) &&
           makeString(made, result, true);
  case ADZE_CHAT_FILTER_WORDCOUNT: {
    int64_t words = 0;
    bool inside = false;
    for (uint32_t at = 0; at < text.size;) {
      uint32_t c = decodeCharacter(text.bytes(), at, &at);
      uint32_t category = generalCategory(c);
      bool word = c == '_' ||
                  (category >= ADZE_TT_LU && category <= ADZE_TT_LO) ||
                  (category >= ADZE_TT_ND && category <= ADZE_TT_NO);
      words += word && !inside;
      inside = word;
    }
    result = Value::of(words);
    return true;
  }
  default: {
    Case how = id == ADZE_CHAT_FILTER_UPPER   ? Case::Upper
               : id == ADZE_CHAT_FILTER_LOWER ? Case::Lower
               : id == ADZE_CHAT_FILTER_TITLE ? Case::JinjaTitle
                                              : Case::Capitalize;
    return (appendCase(made, text.bytes(), how) || failMemory()) &&
           makeString(made, result, text.markup && how != Case::JinjaTitle);
  }
  }
}

bool Interpreter::indent(const Value &input, const Arguments &arguments,
                         Value &result) {
  Parameter p[] = {{"width", Value::of(int64_t(4))},
                   {"first", Value::of(false)},
                   {"blank", Value::of(false)}};
  bool first, blank;
  if (!bind("indent", arguments, p, 3) || !truth(p[1].value, first) ||
      !truth(p[2].value, blank))
    return false;
  Value width = p[0].value;
  if (width.isWhole() && !repeat(Value::of(bytesOf(" ")), width.whole(), width))
    return false;
  if (!width.is(Kind::String))
    return fail("indent takes a width or a str, not %s", typeName(width));
  if (!input.is(Kind::String)) {
    if (input.is(Kind::Undefined))
      return failUndefined(input);
    return failType("+=", input, Value::of(Bytes()));
  }
  Array<Bytes> lines;
  Array<uint8_t> text;
  if (!spend(input.size / 8) || !splitLines(input.bytes(), lines))
    return failMemory();
  // A line end at the very end makes one more, empty line, as in Python where
  // the text is given another line end first.
  Bytes bytes = input.bytes();
  uint32_t last = 0, next = 0;
  if (bytes.size > 0)
    last = decodeCharacter(bytes, previousCharacter(bytes, bytes.size), &next);
  bool ends = bytes.size == 0 || (last >= 10 && last <= 13 && last != '\r') ||
              (last >= 0x1C && last <= 0x1E) || last == 0x85 ||
              last == 0x2028 || last == 0x2029;
  if (ends && !lines.push(Bytes()))
    return failMemory();
  if (first && !append(text, width.bytes()))
    return false;
  for (size_t i = 0; i < lines.size(); ++i)
    if ((i > 0 && !append(text, bytesOf("\n"))) ||
        (i > 0 && (blank || lines[i].size > 0) &&
         !append(text, width.bytes())) ||
        !append(text, lines[i]))
      return false;
  return makeString(text, result, input.markup);
}

bool Interpreter::numberFilter(uint32_t id, const Value &input,
                               const Arguments &arguments, Value &result) {
  double real = 0;
  int64_t whole = 0;
  Bytes text;
  if (input.is(Kind::String))
    text = strip(input.bytes(), true, true, nullptr);
  auto refuse = [&] {
    if (input.is(Kind::Undefined))
      return failUndefined(input);
    return fail("%s takes a number, not %s", filterNames[id], typeName(input));
  };
  switch (id) {
  case ADZE_CHAT_FILTER_ABS:
    if (!bind("abs", arguments, nullptr, 0))
      return false;
    if (!input.isNumber())
      return refuse();
    if (!input.isWhole()) {
      result = Value::of(std::fabs(input.real));
      return true;
    }
    if (input.whole() < 0)
      return subtractEtc(ADZE_CHAT_SUBTRACT, Value::of(int64_t(0)), input,
                         result);
    result = Value::of(input.whole());
    return true;
  case ADZE_CHAT_FILTER_FLOAT: {
    Parameter p[] = {{"default", Value::of(0.0)}};
    if (!bind("float", arguments, p, 1))
      return false;
    if (input.is(Kind::Undefined))
      return failUndefined(input);
    if (input.isNumber())
      result = Value::of(input.number());
    else
      result = input.is(Kind::String) && parseFloat(text, &real)
                   ? Value::of(real)
                   : p[0].value;
    return true;
  }
  case ADZE_CHAT_FILTER_INT: {
    Parameter p[] = {{"default", Value::of(int64_t(0))},
                     {"base", Value::of(int64_t(10))}};
    if (!bind("int", arguments, p, 2))
      return false;
    if (input.is(Kind::Undefined))
      return failUndefined(input);
    if (!p[1].value.isWhole() || p[1].value.whole() < 2 ||
        p[1].value.whole() > 36)
      return fail("int: the base must be from 2 to 36");
    auto base = static_cast<uint32_t>(p[1].value.whole());
    Bytes digits = text;
    if (digits.size > 2 && digits[0] == '0' &&
        ((base == 16 && (digits[1] | 0x20) == 'x') ||
         (base == 8 && (digits[1] | 0x20) == 'o') ||
         (base == 2 && (digits[1] | 0x20) == 'b')))
      digits = digits.slice(2, digits.size - 2);
    if (input.isWhole()) {
      result = Value::of(input.whole());
      return true;
    }
    if (input.is(Kind::String) && parseInteger(digits, base, &whole)) {
      result = Value::of(whole);
      return true;
    }
    bool has = input.is(Kind::Float) ||
               (input.is(Kind::String) && parseFloat(text, &real));
    if (input.is(Kind::Float))
      real = input.real;
    result = has && std::fabs(real) < 9e18
                 ? Value::of(static_cast<int64_t>(real))
                 : p[0].value;
    return true;
  }
  default: { // round
    Parameter p[] = {{"precision", Value::of(int64_t(0))},
                     {"method", Value::of(bytesOf("common"))}};
    if (!bind("round", arguments, p, 2))
      return false;
    if (!input.isNumber() || !p[0].value.isWhole() ||
        p[0].value.whole() < -15 || p[0].value.whole() > 15 ||
        !p[1].value.is(Kind::String))
      return refuse();
    Bytes method = p[1].value.bytes();
    bool up = equalText(method, "ceil"), down = equalText(method, "floor");
    if (!up && !down && !equalText(method, "common"))
      return fail("method must be common, ceil or floor");
    double scale = std::pow(10.0, static_cast<double>(p[0].value.whole()));
    if (!up && !down && input.isWhole() && p[0].value.whole() >= 0) {
      result = Value::of(input.whole());
      return true;
    }
    double scaled = input.number() * scale;
    if (up || down) {
      result = Value::of((up ? std::ceil(scaled) : std::floor(scaled)) / scale);
      return true;
    }
    // To the nearest decimal number, halves to even, as printf rounds.
    if (p[0].value.whole() >= 0) {
      char buffer[400];
      snprintf(buffer, sizeof buffer, "%.*f", int(p[0].value.whole()),
               input.number());
      result = Value::of(strtod(buffer, nullptr));
    } else {
      result = Value::of(std::nearbyint(scaled) / scale);
    }
    return true;
  }
  }
}

bool Interpreter::toJson(const Value &input, const Arguments &arguments,
                         Value &result) {
  // The parameters and their order are those of transformers.
  Parameter p[] = {{"ensure_ascii", Value::of(false)},
                   {"indent"},
                   {"separators"},
                   {"sort_keys", Value::of(false)}};
  JsonStyle style;
  if (!bind("tojson", arguments, p, 4) || !truth(p[0].value, style.ascii) ||
      !truth(p[3].value, style.sortKeys))
    return false;
  Value indent = p[1].value;
  style.pretty = !indent.is(Kind::None);
  if (indent.isWhole() &&
      !repeat(Value::of(bytesOf(" ")), indent.whole(), indent))
    return false;
  if (style.pretty && !indent.is(Kind::String))
    return fail("tojson: indent is a number or a str, not %s",
                typeName(indent));
  if (style.pretty)
    style.indent = indent.bytes();
  style.itemSeparator = bytesOf(style.pretty ? "," : ", ");
  style.keySeparator = bytesOf(": ");
  if (!p[2].value.is(Kind::None)) {
    Array<Value> both;
    if (!iterate(p[2].value, both))
      return false;
    if (both.size() != 2 || !both[0].is(Kind::String) ||
        !both[1].is(Kind::String))
      return fail("tojson: separators are two str");
    style.itemSeparator = both[0].bytes();
    style.keySeparator = both[1].bytes();
  }
  Array<uint8_t> text;
  return appendJson(text, input, style) && makeString(text, result);
}

} // namespace adze::text
