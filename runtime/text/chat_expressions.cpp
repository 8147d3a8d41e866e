// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Expressions of chat templates: names, attributes, items, slices, calls.

#include "chat_interpreter.h"

#include "unicode.h"

namespace adze::text {

bool Interpreter::lookUp(uint32_t name, Value &result) {
  for (Scope *at = scope; at; at = at->parent)
    for (Variable *v = at->variables; v; v = v->next)
      if (v->name == name) {
        result = v->value;
        return true;
      }
  Value key = Value::of(programs.string(name));
  if (const DictEntry *entry = findEntry(context, key)) {
    result = entry->value;
    return true;
  }
  static const char *const functions[] = {"raise_exception", "strftime_now",
                                          "namespace", "range", "dict"};
  for (uint32_t i = 0; i < kFunctionCount; ++i)
    if (equalText(key.bytes(), functions[i])) {
      result = Value();
      result.kind = Kind::Function;
      result.function = i;
      return true;
    }
  return makeUndefined(Undefined::Name, Value(), key, result);
}

bool Interpreter::evaluate(uint32_t index, Value &result) {
  const adze_chat_node &node = programs.nodes[index];
  const uint32_t *operands = node.operands;
  Nest nest(*this);
  if (!nest.ok() || !spend())
    return false;
  uint32_t outerLine = line;
  line = node.line;
  Value value;
  bool yes = false, done = false;
  switch (node.operation) {
  case ADZE_CHAT_STRING:
    result = Value::of(programs.string(operands[0]));
    done = true;
    break;
  case ADZE_CHAT_NAME:
    done = lookUp(operands[0], result);
    break;
  case ADZE_CHAT_ATTRIBUTE:
    done = evaluate(operands[0], value) &&
           attribute(value, programs.string(operands[1]), result);
    break;
  case ADZE_CHAT_ITEM: {
    Value key;
    if (programs.nodes[operands[1]].operation == ADZE_CHAT_SLICE)
      done = evaluate(operands[0], value) &&
             slice(value, programs.nodes[operands[1]], result);
    else
      done = evaluate(operands[0], value) && evaluate(operands[1], key) &&
             item(value, key, result);
    break;
  }
  case ADZE_CHAT_AND:
  case ADZE_CHAT_OR:
    done = evaluate(operands[0], result) && truth(result, yes);
    if (done && yes == (node.operation == ADZE_CHAT_AND))
      done = evaluate(operands[1], result);
    break;
  case ADZE_CHAT_NOT:
    done = evaluate(operands[0], value) && truth(value, yes);
    result = Value::of(!yes);
    break;
  case ADZE_CHAT_ADD: {
    Value right;
    done = evaluate(operands[0], value) && evaluate(operands[1], right);
    if (done) {
      line = node.line;
      done = add(value, right, result);
    }
    break;
  }
  default:
    done = evaluateOther(node, result);
  }
  if (done) // where it failed, the line stays for the message
    line = outerLine;
  return done;
}

bool Interpreter::evaluateOther(const adze_chat_node &node, Value &result) {
  const uint32_t *operands = node.operands;
  Value value;
  bool yes = false;
  switch (node.operation) {
  case ADZE_CHAT_CONSTANT:
    result = operands[0] == ADZE_CHAT_CONSTANT_NONE
                 ? Value()
                 : Value::of(operands[0] == ADZE_CHAT_CONSTANT_TRUE);
    return true;
  case ADZE_CHAT_INTEGER:
  case ADZE_CHAT_FLOAT: {
    uint64_t bits = uint64_t(operands[1]) << 32 | operands[0];
    result = Value::of(static_cast<int64_t>(bits));
    if (node.operation == ADZE_CHAT_FLOAT) {
      double real;
      memcpy(&real, &bits, sizeof real);
      result = Value::of(real);
    }
    return true;
  }
  case ADZE_CHAT_LIST:
  case ADZE_CHAT_TUPLE: {
    Array<Value> items;
    for (uint32_t child : programs.entries(operands[0])) {
      if (!evaluate(child, value))
        return false;
      if (!items.push(value))
        return failMemory();
    }
    return makeList(items,
                    node.operation == ADZE_CHAT_LIST ? Sequence::List
                                                     : Sequence::Tuple,
                    result);
  }
  case ADZE_CHAT_DICT: {
    auto *dict = arena.make<Dict>();
    if (!dict)
      return failMemory();
    *dict = Dict();
    Span<uint32_t> children = programs.entries(operands[0]);
    for (uint32_t i = 0; i < children.size; i += 2) {
      Value key;
      if (!evaluate(children[i], key) || !evaluate(children[i + 1], value))
        return false;
      if (key.is(Kind::Dict) || key.isSequence(Sequence::List))
        return fail("unhashable type: '%s'", typeName(key));
      if (!setEntry(arena, *dict, key, value))
        return failMemory();
    }
    result = Value();
    result.kind = Kind::Dict;
    result.dict = dict;
    return true;
  }
  case ADZE_CHAT_CALL: {
    Arguments arguments;
    return evaluate(operands[0], value) &&
           evaluateArguments(operands[1], operands[2], arguments) &&
           call(value, arguments, result);
  }
  case ADZE_CHAT_FILTER: {
    Arguments arguments;
    if (operands[0] != ADZE_CHAT_NONE) {
      if (!evaluate(operands[0], value))
        return false;
    } else if (blockText) {
      value = *blockText;
    } else {
      return fail("a filter without input");
    }
    return evaluateArguments(operands[2], operands[3], arguments) &&
           filter(operands[1], value, arguments, result);
  }
  case ADZE_CHAT_TEST: {
    Arguments arguments;
    if (!evaluate(operands[0], value) ||
        !evaluateArguments(operands[2], operands[3], arguments) ||
        !test(operands[1], value, arguments, yes))
      return false;
    result = Value::of(yes);
    return true;
  }
  case ADZE_CHAT_CONCATENATE: {
    Array<uint8_t> text;
    for (uint32_t child : programs.entries(operands[0]))
      if (!evaluate(child, value) || !appendText(text, value))
        return false;
    return makeString(text, result);
  }
  case ADZE_CHAT_COMPARE: {
    Span<uint32_t> rest = programs.entries(operands[1], 2);
    if (!evaluate(operands[0], value))
      return false;
    yes = true;
    for (uint32_t i = 0; i < rest.size && yes; i += 2) {
      Value right;
      if (!evaluate(rest[i + 1], right) || !compare(rest[i], value, right, yes))
        return false;
      value = right;
    }
    result = Value::of(yes);
    return true;
  }
  case ADZE_CHAT_CONDITIONAL:
    if (!evaluate(operands[0], value) || !truth(value, yes))
      return false;
    if (yes)
      return evaluate(operands[1], result);
    if (operands[2] != ADZE_CHAT_NONE)
      return evaluate(operands[2], result);
    return makeUndefined(
        Undefined::Hint, Value(),
        Value::of(bytesOf("the inline if-expression evaluated to false and no "
                          "else section was defined.")),
        result);
  case ADZE_CHAT_NEGATE:
  case ADZE_CHAT_PLUS:
  case ADZE_CHAT_SUBTRACT:
  case ADZE_CHAT_MULTIPLY:
  case ADZE_CHAT_DIVIDE:
  case ADZE_CHAT_FLOOR_DIVIDE:
  case ADZE_CHAT_MODULO:
  case ADZE_CHAT_POWER:
    return arithmetic(node, result);
  default:
    return fail("a statement in place of an expression");
  }
}

bool Interpreter::attribute(const Value &object, Bytes name, Value &result) {
  if (object.is(Kind::Undefined))
    return failUndefined(object);
  if (object.is(Kind::Namespace)) {
    if (const DictEntry *entry = findEntry(*object.dict, Value::of(name))) {
      result = entry->value;
      return true;
    }
    return makeUndefined(Undefined::Attribute, object, Value::of(name), result);
  }
  if (object.is(Kind::Loop)) {
    bool found;
    if (!loopAttribute(*object.loop, name, result, found) || found)
      return found;
  }
  bool changes;
  if (isMethodName(object, name, changes)) {
    if (changes)
      return makeUndefined(Undefined::Unsafe, object, Value::of(name), result);
    auto *method = arena.make<Method>();
    if (!method)
      return failMemory();
    *method = {object, name};
    result = Value();
    result.kind = Kind::Method;
    result.method = method;
    return true;
  }
  if (object.is(Kind::Dict))
    if (const DictEntry *entry = findEntry(*object.dict, Value::of(name))) {
      result = entry->value;
      return true;
    }
  if (object.is(Kind::Macro) && equalText(name, "name")) {
    result = Value::of(object.macro->name);
    return true;
  }
  return makeUndefined(Undefined::Attribute, object, Value::of(name), result);
}

bool Interpreter::item(const Value &object, const Value &key, Value &result) {
  if (object.is(Kind::Undefined))
    return failUndefined(object);
  if (object.is(Kind::Dict)) {
    bool hashable = !key.is(Kind::Dict) && !key.isSequence(Sequence::List);
    if (const DictEntry *entry =
            hashable ? findEntry(*object.dict, key) : nullptr) {
      result = entry->value;
      return true;
    }
  }
  bool indexed =
      object.is(Kind::String) ||
      (object.is(Kind::List) && (object.sequence == Sequence::List ||
                                 object.sequence == Sequence::Tuple ||
                                 object.sequence == Sequence::Range));
  if (indexed && key.isWhole()) {
    int64_t count, index = key.whole();
    if (!length(object, count))
      return false;
    if (index < 0)
      index += count;
    if (index >= 0 && index < count) {
      if (object.is(Kind::List)) {
        result = object.list->items[index];
        return true;
      }
      Bytes text = object.bytes();
      uint32_t begin = characterOffset(text, static_cast<uint32_t>(index)), end;
      decodeCharacter(text, begin, &end);
      result = Value::of(text.slice(begin, end - begin));
      result.markup = object.markup;
      return true;
    }
  }
  if (key.is(Kind::String)) { // then as an attribute
    bool changes;
    if (object.is(Kind::Namespace) || object.is(Kind::Loop) ||
        isMethodName(object, key.bytes(), changes))
      return attribute(object, key.bytes(), result);
  }
  return makeUndefined(Undefined::Attribute, object, key, result);
}

bool Interpreter::slice(const Value &object, const adze_chat_node &node,
                        Value &result) {
  int64_t bounds[3] = {0, 0, 1}, count;
  bool given[3] = {};
  for (int i = 0; i < 3; ++i) {
    Value value;
    if (node.operands[i] == ADZE_CHAT_NONE)
      continue;
    if (!evaluate(node.operands[i], value))
      return false;
    if (value.is(Kind::None))
      continue;
    if (!value.isWhole()) {
      if (object.is(Kind::Undefined))
        return failUndefined(object);
      // Python: a TypeError, and Jinja makes it an undefined value.
      return makeUndefined(Undefined::Attribute, object, value, result);
    }
    given[i] = true;
    bounds[i] = value.whole();
  }
  if (object.is(Kind::Undefined))
    return failUndefined(object);
  bool isText = object.is(Kind::String);
  if (!isText &&
      !(object.is(Kind::List) && (object.sequence == Sequence::List ||
                                  object.sequence == Sequence::Tuple ||
                                  object.sequence == Sequence::Range)))
    return makeUndefined(Undefined::Attribute, object,
                         Value::of(bytesOf("slice")), result);
  int64_t step = bounds[2];
  if (step == 0)
    return fail("slice step cannot be zero");
  if (!length(object, count))
    return false;
  auto clamp = [&](bool has, int64_t bound, int64_t otherwise) {
    if (!has)
      return otherwise;
    if (bound < 0)
      bound = bound < -count ? -1 : bound + count;
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? count : count - 1;
    return bound < low ? low : bound > high ? high : bound;
  };
  int64_t begin = clamp(given[0], bounds[0], step > 0 ? 0 : count - 1);
  int64_t end = clamp(given[1], bounds[1], step > 0 ? count : -1);
  if (isText && step == 1) {
    Bytes text = object.bytes();
    uint32_t first = 0, last = 0;
    if (begin < end) {
      first = characterOffset(text, static_cast<uint32_t>(begin));
      last = first + characterOffset(text.slice(first, text.size - first),
                                     static_cast<uint32_t>(end - begin));
    }
    result = Value::of(text.slice(first, last - first));
    result.markup = object.markup;
    return spend(text.size / 16);
  }
  Array<Value> items, picked;
  if (!iterate(object, items) || !spend(items.size() / 4))
    return false;
  // Steps beyond the length give one item at most.
  if (step > count)
    step = count + 1;
  if (step < -count)
    step = -count - 1;
  for (int64_t i = begin; step > 0 ? i < end : i > end; i += step)
    if (!picked.push(items[static_cast<size_t>(i)]))
      return failMemory();
  if (!isText)
    return makeList(picked,
                    object.sequence == Sequence::Range ? Sequence::List
                                                       : object.sequence,
                    result);
  Array<uint8_t> text;
  for (size_t i = 0; i < picked.size(); ++i)
    if (!append(text, picked[i].bytes()))
      return false;
  return makeString(text, result, object.markup);
}

bool Interpreter::evaluateArguments(uint32_t positional, uint32_t keywords,
                                    Arguments &arguments) {
  Span<uint32_t> values = programs.entries(positional);
  Span<uint32_t> pairs = programs.entries(keywords, 2);
  if (values.size > 0 && !(arguments.values = arena.make<Value>(values.size)))
    return failMemory();
  for (uint32_t node : values)
    if (!evaluate(node, arguments.values[arguments.count++]))
      return false;
  if (pairs.size > 0 &&
      !(arguments.named = arena.make<Arguments::Named>(pairs.size / 2)))
    return failMemory();
  for (uint32_t i = 0; i < pairs.size; i += 2) {
    Arguments::Named &named = arguments.named[arguments.namedCount++];
    named.name = programs.string(pairs[i]);
    if (!evaluate(pairs[i + 1], named.value))
      return false;
  }
  return true;
}

bool Interpreter::bind(const char *what, const Arguments &arguments,
                       Parameter *parameters, uint32_t count) {
  if (arguments.count > count)
    return fail("%s takes at most %u argument(s) but %u were given", what,
                count, arguments.count);
  for (uint32_t i = 0; i < arguments.count; ++i) {
    parameters[i].value = arguments.values[i];
    parameters[i].given = true;
  }
  for (uint32_t k = 0; k < arguments.namedCount; ++k) {
    const Arguments::Named &named = arguments.named[k];
    Parameter *found = nullptr;
    for (uint32_t i = 0; i < count && !found; ++i)
      if (equalText(named.name, parameters[i].name))
        found = &parameters[i];
    if (!found || found->given)
      return fail("%s got %s argument '%.*s'", what,
                  found ? "multiple values for" : "an unexpected keyword",
                  int(named.name.size < 60 ? named.name.size : 60),
                  reinterpret_cast<const char *>(named.name.data));
    found->value = named.value;
    found->given = true;
  }
  for (uint32_t i = 0; i < count; ++i)
    if (parameters[i].required && !parameters[i].given)
      return fail("%s misses the argument '%s'", what, parameters[i].name);
  return true;
}

bool Interpreter::call(const Value &callee, const Arguments &arguments,
                       Value &result, const Value *caller) {
  Nest nest(*this);
  if (!nest.ok())
    return false;
  if (caller && !callee.is(Kind::Macro) && !callee.is(Kind::Undefined))
    return fail("a call block calls a macro, not a %s", typeName(callee));
  switch (callee.kind) {
  case Kind::Undefined:
    return failUndefined(callee);
  case Kind::Macro:
    return callMacro(*callee.macro, arguments, caller, result);
  case Kind::Function:
    return callFunction(callee.function, arguments, result);
  case Kind::Method:
    return callMethod(*callee.method, arguments, result);
  default:
    return fail("'%s' object is not callable", typeName(callee));
  }
}

bool Interpreter::callFunction(uint32_t function, const Arguments &arguments,
                               Value &result) {
  switch (function) {
  case kRaiseException: {
    Parameter message[] = {{"message", Value(), true}};
    Value text;
    if (!bind("raise_exception", arguments, message, 1) ||
        !toText(message[0].value, text))
      return false;
    int size = int(text.size < 150 ? text.size : 150);
    return fail("%.*s", size, reinterpret_cast<const char *>(text.text));
  }
  case kStrftimeNow: {
    Parameter format[] = {{"format", Value(), true}};
    if (!bind("strftime_now", arguments, format, 1))
      return false;
    if (!format[0].value.is(Kind::String))
      return fail("strftime_now takes a str, not %s",
                  typeName(format[0].value));
    return strftime(format[0].value.bytes(), result);
  }
  case kRange: {
    Parameter bounds[] = {{"start", Value(), true}, {"stop"}, {"step"}};
    if (!bind("range", arguments, bounds, 3))
      return false;
    for (const Parameter &bound : bounds)
      if (bound.given && !bound.value.isWhole())
        return fail("'%s' object cannot be interpreted as an integer",
                    typeName(bound.value));
    int64_t first = bounds[1].given ? bounds[0].value.whole() : 0;
    int64_t end = (bounds[1].given ? bounds[1] : bounds[0]).value.whole();
    int64_t step = bounds[2].given ? bounds[2].value.whole() : 1;
    constexpr int64_t most = 100000; // Jinja's sandbox has the same bound
    if (step == 0)
      return fail("range() arg 3 must not be zero");
    Array<Value> items;
    for (int64_t at = first; step > 0 ? at < end : at > end;) {
      if (!items.push(Value::of(at)))
        return failMemory();
      if (items.size() > size_t(most))
        return fail("Range too big. The sandbox blocks ranges larger than "
                    "MAX_RANGE (100000).");
      if (__builtin_add_overflow(at, step, &at))
        break;
    }
    return spend(items.size()) && makeList(items, Sequence::Range, result);
  }
  default: { // namespace and dict
    auto *dict = arena.make<Dict>();
    if (!dict)
      return failMemory();
    *dict = Dict();
    const char *name = function == kNamespace ? "namespace" : "dict";
    if (arguments.count > 1)
      return fail("%s takes at most 1 argument", name);
    if (arguments.count == 1) {
      const Value &from = arguments.values[0];
      if (!from.is(Kind::Dict))
        return fail("%s of a %s is not supported", name, typeName(from));
      for (uint32_t i = 0; i < from.dict->count; ++i)
        if (!setEntry(arena, *dict, from.dict->entries[i].key,
                      from.dict->entries[i].value))
          return failMemory();
    }
    for (uint32_t k = 0; k < arguments.namedCount; ++k)
      if (!setEntry(arena, *dict, Value::of(arguments.named[k].name),
                    arguments.named[k].value))
        return failMemory();
    result = Value();
    result.kind = function == kNamespace ? Kind::Namespace : Kind::Dict;
    result.dict = dict;
    return true;
  }
  }
}

} // namespace adze::text
