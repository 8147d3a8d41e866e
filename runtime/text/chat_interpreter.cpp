// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What all parts of the interpreter use: failure, limits, and the operations
// that every value has (truth, text, repr, length, iteration, comparison).

#include "chat_interpreter.h"

#include "unicode.h"

#include <cstdarg>
#include <cstdio>

namespace adze::text {

constexpr uint32_t kDeepestValue = 200;

bool Interpreter::fail(const char *format, ...) {
  if (failure != ADZE_TEXT_OK)
    return false;
  failure = ADZE_TEXT_TEMPLATE_ERROR;
  char what[200];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(what, sizeof what, format, arguments);
  va_end(arguments);
  // A message that was cut must not end inside of a character.
  size_t size = strlen(what);
  while (size > 0 && findInvalidUtf8({reinterpret_cast<uint8_t *>(what),
                                      static_cast<uint32_t>(size)}) != size)
    what[--size] = 0;
  text::fail(error, failure, line, "chat template, line %u: %s", line, what);
  return false;
}

bool Interpreter::failMemory() {
  return fail("it needs more than %zu MiB of memory", limits.memory >> 20);
}

bool Interpreter::failType(const char *operation, const Value &a,
                           const Value &b) {
  return fail("unsupported operand type(s) for %s: '%s' and '%s'", operation,
              typeName(a), typeName(b));
}

bool Interpreter::failUndefined(const Value &value) {
  const Undefined *info = value.undefined;
  Array<uint8_t> name;
  if (info->reason == Undefined::Hint)
    return fail("%.*s", int(info->name.size),
                reinterpret_cast<const char *>(info->name.text));
  if (info->reason == Undefined::Attribute && !info->name.is(Kind::String)) {
    if (!appendRepr(name, info->name))
      return false;
  } else if (!appendStringRepr(name, info->name.bytes())) {
    return failMemory();
  }
  int size = name.size() < 100 ? int(name.size()) : 100;
  auto *text = reinterpret_cast<const char *>(name.data());
  if (info->reason == Undefined::Name)
    return fail("%.*s is undefined", size, text);
  const char *type =
      info->object.is(Kind::None) ? "None" : typeName(info->object);
  const char *suffix = info->object.is(Kind::None) ? "" : " object";
  if (info->reason == Undefined::Unsafe)
    return fail("access to attribute %.*s of '%s' object is unsafe.", size,
                text, typeName(info->object));
  if (info->name.is(Kind::String))
    return fail("'%s%s' has no attribute %.*s", type, suffix, size, text);
  return fail("%s%s has no element %.*s", type, suffix, size, text);
}

bool Interpreter::spend(uint64_t cost) {
  steps += cost;
  if (steps > limits.steps)
    return fail("it takes more than %llu steps; is there a loop without end?",
                static_cast<unsigned long long>(limits.steps));
  return true;
}

bool Interpreter::Nest::ok() const {
  return of.depth <= of.limits.depth ||
         of.fail("calls are nested deeper than %u levels", of.limits.depth);
}

bool Interpreter::makeString(Bytes text, Value &result, bool markup) {
  if (!spend(text.size / 16))
    return false;
  const uint8_t *copy = arena.join({}, text);
  if (!copy)
    return failMemory();
  result = Value::of(Bytes{copy, text.size});
  result.markup = markup;
  return true;
}

bool Interpreter::makeList(const Value *items, size_t count, Sequence sequence,
                           Value &result) {
  if (!spend(count / 4))
    return false;
  auto *list = arena.make<List>();
  auto *copy = arena.make<Value>(count + 1);
  if (!list || !copy)
    return failMemory();
  if (count > 0)
    memcpy(static_cast<void *>(copy), items, count * sizeof(Value));
  *list = {copy, static_cast<uint32_t>(count), 0};
  result = Value();
  result.kind = Kind::List;
  result.sequence = sequence;
  result.list = list;
  return true;
}

bool Interpreter::makeUndefined(Undefined::Reason reason, const Value &object,
                                const Value &name, Value &result) {
  auto *info = arena.make<Undefined>();
  if (!info)
    return failMemory();
  *info = {reason, object, name};
  result = Value();
  result.kind = Kind::Undefined;
  result.undefined = info;
  return true;
}

bool Interpreter::truth(const Value &value, bool &result) {
  switch (value.kind) {
  case Kind::Undefined:
    result = false;
    return value.undefined->reason != Undefined::Unsafe || failUndefined(value);
  case Kind::None:
    result = false;
    return true;
  case Kind::Bool:
    result = value.boolean;
    return true;
  case Kind::Int:
    result = value.integer != 0;
    return true;
  case Kind::Float:
    result = value.real != 0;
    return true;
  case Kind::String:
    result = value.size != 0;
    return true;
  case Kind::List:
    result = value.sequence == Sequence::Generator || value.list->count != 0;
    return true;
  case Kind::Dict:
    result = value.dict->count != 0;
    return true;
  default:
    result = true;
    return true;
  }
}

bool Interpreter::append(Array<uint8_t> &to, Bytes text) {
  if (!spend(text.size / 16))
    return false;
  if (to.size() + text.size > limits.memory)
    return failMemory();
  return to.append(text) || failMemory();
}

bool Interpreter::appendText(Array<uint8_t> &to, const Value &value) {
  if (value.is(Kind::String))
    return append(to, value.bytes());
  if (value.is(Kind::Undefined))
    return value.undefined->reason != Undefined::Unsafe || failUndefined(value);
  return appendRepr(to, value);
}

bool Interpreter::appendRepr(Array<uint8_t> &to, const Value &value,
                             uint32_t level) {
  if (level > kDeepestValue)
    return fail("a value is nested deeper than %u levels", kDeepestValue);
  if (!spend())
    return false;
  auto literal = [&](const char *text) { return append(to, bytesOf(text)); };
  auto entries = [&](const Value *items, uint32_t count, const char *open,
                     const char *close) {
    if (!literal(open))
      return false;
    for (uint32_t i = 0; i < count; ++i)
      if ((i > 0 && !literal(", ")) || !appendRepr(to, items[i], level + 1))
        return false;
    return literal(close);
  };
  switch (value.kind) {
  case Kind::Undefined:
    return literal("Undefined");
  case Kind::None:
    return literal("None");
  case Kind::Bool:
    return literal(value.boolean ? "True" : "False");
  case Kind::Int:
    return appendInteger(to, value.integer) || failMemory();
  case Kind::Float:
    return appendFloat(to, value.real) || failMemory();
  case Kind::String:
    if (!spend(value.size / 16) || to.size() + value.size > limits.memory)
      return failMemory();
    if (value.markup)
      return literal("Markup(") &&
             (appendStringRepr(to, value.bytes()) || failMemory()) &&
             literal(")");
    return appendStringRepr(to, value.bytes()) || failMemory();
  case Kind::List: {
    const List &list = *value.list;
    switch (value.sequence) {
    case Sequence::List:
      return entries(list.items, list.count, "[", "]");
    case Sequence::Tuple:
      return entries(list.items, list.count, "(", list.count == 1 ? ",)" : ")");
    case Sequence::Keys:
      return entries(list.items, list.count, "dict_keys([", "])");
    case Sequence::Values:
      return entries(list.items, list.count, "dict_values([", "])");
    case Sequence::Items:
      return entries(list.items, list.count, "dict_items([", "])");
    default:
      return fail("a %s cannot be written as text; use |list", typeName(value));
    }
  }
  case Kind::Dict:
    if (!literal("{"))
      return false;
    for (uint32_t i = 0; i < value.dict->count; ++i)
      if ((i > 0 && !literal(", ")) ||
          !appendRepr(to, value.dict->entries[i].key, level + 1) ||
          !literal(": ") ||
          !appendRepr(to, value.dict->entries[i].value, level + 1))
        return false;
    return literal("}");
  default:
    return fail("a %s cannot be written as text", typeName(value));
  }
}

bool Interpreter::appendJson(Array<uint8_t> &to, const Value &value,
                             const JsonStyle &style, uint32_t level) {
  if (level > kDeepestValue)
    return fail("a value is nested deeper than %u levels", kDeepestValue);
  if (!spend())
    return false;
  auto newline = [&](uint32_t levels) {
    if (!style.pretty)
      return true;
    if (!append(to, bytesOf("\n")))
      return false;
    for (uint32_t i = 0; i < levels; ++i)
      if (!append(to, style.indent))
        return false;
    return true;
  };
  auto literal = [&](const char *text) { return append(to, bytesOf(text)); };
  switch (value.kind) {
  case Kind::None:
    return literal("null");
  case Kind::Bool:
    return literal(value.boolean ? "true" : "false");
  case Kind::Int:
    return appendInteger(to, value.integer) || failMemory();
  case Kind::Float:
    if (value.real != value.real)
      return literal("NaN");
    if (value.real - value.real != 0)
      return literal(value.real < 0 ? "-Infinity" : "Infinity");
    return appendFloat(to, value.real) || failMemory();
  case Kind::String:
    if (!spend(value.size / 16) || to.size() + value.size > limits.memory)
      return failMemory();
    return appendJsonString(to, value.bytes(), style.ascii) || failMemory();
  case Kind::List: {
    if (value.sequence != Sequence::List && value.sequence != Sequence::Tuple)
      break;
    const List &list = *value.list;
    if (!literal("["))
      return false;
    for (uint32_t i = 0; i < list.count; ++i)
      if ((i > 0 && !append(to, style.itemSeparator)) || !newline(level + 1) ||
          !appendJson(to, list.items[i], style, level + 1))
        return false;
    return (list.count == 0 || newline(level)) && literal("]");
  }
  case Kind::Dict: {
    Array<Value> keys, items;
    for (uint32_t i = 0; i < value.dict->count; ++i)
      if (!keys.push(value.dict->entries[i].key) ||
          !items.push(value.dict->entries[i].value))
        return failMemory();
    if (style.sortKeys && !sorted(keys, items, false))
      return false;
    if (!literal("{"))
      return false;
    for (size_t i = 0; i < items.size(); ++i) {
      Value name = keys[i];
      if (!name.is(Kind::String)) {
        Array<uint8_t> text;
        if ((!name.isNumber() && !name.is(Kind::None)))
          return fail("keys must be str, int, float, bool or None, not %s",
                      typeName(name));
        if (!appendJson(text, name, style, level + 1) ||
            !makeString(text, name))
          return false;
      }
      if ((i > 0 && !append(to, style.itemSeparator)) || !newline(level + 1) ||
          !appendJson(to, name, style, level + 1) ||
          !append(to, style.keySeparator) ||
          !appendJson(to, items[i], style, level + 1))
        return false;
    }
    return (items.empty() || newline(level)) && literal("}");
  }
  default:
    break;
  }
  return fail("Object of type %s is not JSON serializable", typeName(value));
}

bool Interpreter::toText(const Value &value, Value &result) {
  if (value.is(Kind::String)) {
    result = value;
    result.markup = false;
    return true;
  }
  Array<uint8_t> text;
  return appendText(text, value) && makeString(text, result);
}

/// As str, but text that is marked safe stays so.
bool Interpreter::softText(const Value &value, Value &result) {
  if (!value.is(Kind::String))
    return toText(value, result);
  result = value;
  return true;
}

bool Interpreter::iterate(const Value &value, Array<Value> &items) {
  switch (value.kind) {
  case Kind::Undefined:
    return value.undefined->reason != Undefined::Unsafe || failUndefined(value);
  case Kind::List: {
    List &list = *value.list;
    uint32_t first = value.sequence == Sequence::Generator ? list.next : 0;
    if (!spend((list.count - first) / 4))
      return false;
    list.next = list.count;
    return items.append(list.items + first, list.count - first) || failMemory();
  }
  case Kind::Dict:
    if (!spend(value.dict->count / 4))
      return false;
    for (uint32_t i = 0; i < value.dict->count; ++i)
      if (!items.push(value.dict->entries[i].key))
        return failMemory();
    return true;
  case Kind::String: {
    if (!spend(value.size / 4))
      return false;
    Bytes text = value.bytes();
    for (uint32_t at = 0, next; at < text.size; at = next) {
      decodeCharacter(text, at, &next);
      Value character = Value::of(text.slice(at, next - at));
      character.markup = value.markup;
      if (!items.push(character))
        return failMemory();
    }
    return true;
  }
  default:
    return fail("'%s' object is not iterable", typeName(value));
  }
}

bool Interpreter::length(const Value &value, int64_t &result) {
  result = 0;
  switch (value.kind) {
  case Kind::Undefined:
    return value.undefined->reason != Undefined::Unsafe || failUndefined(value);
  case Kind::String:
    result = characterCount(value.bytes());
    return spend(value.size / 16);
  case Kind::Dict:
    result = value.dict->count;
    return true;
  case Kind::List:
    if (value.sequence == Sequence::Generator)
      break;
    result = value.list->count;
    return true;
  default:
    break;
  }
  return fail("object of type '%s' has no len()", typeName(value));
}

bool Interpreter::contains(const Value &container, const Value &item,
                           bool &result) {
  result = false;
  if (container.is(Kind::String)) {
    if (item.is(Kind::Undefined))
      return failUndefined(item);
    if (!item.is(Kind::String))
      return fail("'in <string>' requires string as left operand, not %s",
                  typeName(item));
    result = findText(container.bytes(), item.bytes()) != container.size ||
             item.size == 0;
    return spend(container.size / 16);
  }
  if (container.is(Kind::Dict)) {
    if (item.is(Kind::List) || item.is(Kind::Dict))
      return fail("unhashable type: '%s'", typeName(item));
    result = findEntry(*container.dict, item) != nullptr;
    return true;
  }
  if (!container.is(Kind::List) && !container.is(Kind::Undefined))
    return fail("argument of type '%s' is not iterable", typeName(container));
  Array<Value> items;
  if (!iterate(container, items) || !spend(items.size()))
    return false;
  for (size_t i = 0; i < items.size() && !result; ++i)
    result = equalValues(items[i], item);
  return true;
}

bool Interpreter::less(const Value &a, const Value &b, bool &result,
                       uint32_t level) {
  if (level > kDeepestValue)
    return fail("a value is nested deeper than %u levels", kDeepestValue);
  if (a.isNumber() && b.isNumber()) {
    result = a.isWhole() && b.isWhole() ? a.whole() < b.whole()
                                        : a.number() < b.number();
    return true;
  }
  if (a.is(Kind::String) && b.is(Kind::String)) {
    uint32_t common = a.size < b.size ? a.size : b.size;
    int order = common == 0 ? 0 : memcmp(a.text, b.text, common);
    result = order < 0 || (order == 0 && a.size < b.size);
    return spend(common / 16);
  }
  if (a.is(Kind::List) && b.is(Kind::List) && a.sequence == b.sequence &&
      (a.sequence == Sequence::List || a.sequence == Sequence::Tuple)) {
    for (uint32_t i = 0; i < a.list->count && i < b.list->count; ++i)
      if (!equalValues(a.list->items[i], b.list->items[i]))
        return spend(i) &&
               less(a.list->items[i], b.list->items[i], result, level + 1);
    result = a.list->count < b.list->count;
    return true;
  }
  for (const Value *value : {&a, &b})
    if (value->is(Kind::Undefined))
      return failUndefined(*value);
  return fail("'<' not supported between instances of '%s' and '%s'",
              typeName(a), typeName(b));
}

bool Interpreter::compare(uint32_t how, const Value &a, const Value &b,
                          bool &result) {
  switch (how) {
  case ADZE_CHAT_EQ:
  case ADZE_CHAT_NE:
    if (a.is(Kind::String) && b.is(Kind::String) && !spend(a.size / 64))
      return false;
    result = equalValues(a, b) == (how == ADZE_CHAT_EQ);
    return true;
  case ADZE_CHAT_LT:
    return less(a, b, result);
  case ADZE_CHAT_GT:
    return less(b, a, result);
  case ADZE_CHAT_LE:
  case ADZE_CHAT_GE: {
    const Value &low = how == ADZE_CHAT_LE ? a : b;
    const Value &high = how == ADZE_CHAT_LE ? b : a;
    if (!less(low, high, result))
      return false;
    result = result || equalValues(low, high);
    return true;
  }
  default:
    if (!contains(b, a, result))
      return false;
    result = result == (how == ADZE_CHAT_IN);
    return true;
  }
}

bool Interpreter::render(uint32_t root) {
  for (uint32_t i = 0; i < programs.strings.size; ++i) {
    Bytes text = programs.string(i);
    if (equalText(text, "loop"))
      loopName = i;
    else if (equalText(text, "caller"))
      callerName = i;
    else if (equalText(text, "varargs"))
      varargsName = i;
    else if (equalText(text, "kwargs"))
      kwargsName = i;
  }
  return push(nullptr) && execute(root);
}

} // namespace adze::text
