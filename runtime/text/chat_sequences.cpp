// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Filters of chat templates on sequences, and tests.

#include "chat_interpreter.h"

#include "unicode.h"

namespace adze::text {

static const char *const filterNames[] = {
#define ADZE_CHAT_X(name, text) text,
    ADZE_CHAT_FILTERS(ADZE_CHAT_X)
#undef ADZE_CHAT_X
};
static const char *const testNames[] = {
#define ADZE_CHAT_X(name, text) text,
    ADZE_CHAT_TESTS(ADZE_CHAT_X)
#undef ADZE_CHAT_X
};

/// "a.b.0" by items, as `map(attribute=...)` reads it.
bool Interpreter::attributePath(const Value &object, const Value &path,
                                const Value *otherwise, Value &result) {
  result = object;
  if (!path.is(Kind::String))
    return item(object, path, result);
  Bytes text = path.bytes();
  for (uint32_t at = 0; at <= text.size;) {
    uint32_t end = findText(text, bytesOf("."), at);
    Bytes part = text.slice(at, end - at);
    int64_t index;
    bool digits = part.size > 0;
    for (uint8_t c : part)
      digits &= c >= '0' && c <= '9';
    Value key = digits && parseInteger(part, 10, &index) ? Value::of(index)
                                                         : Value::of(part);
    Value from = result;
    if (!item(from, key, result))
      return false;
    if (otherwise && !otherwise->is(Kind::None) && result.is(Kind::Undefined))
      result = *otherwise;
    at = end + 1;
  }
  return true;
}

bool Interpreter::foldCase(const Value &value, Value &result) {
  result = value;
  if (!value.is(Kind::String))
    return true;
  Array<uint8_t> text;
  return spend(value.size / 8) &&
         (appendCase(text, value.bytes(), Case::Lower) || failMemory()) &&
         makeString(text, result);
}

/// Stable merge sort of `items` by `keys`.
bool Interpreter::sorted(Array<Value> &keys, Array<Value> &items,
                         bool reverse) {
  size_t count = keys.size();
  Array<Value> otherKeys, otherItems;
  if (!otherKeys.resize(count) || !otherItems.resize(count))
    return failMemory();
  for (size_t width = 1; width < count; width *= 2) {
    for (size_t low = 0; low < count; low += 2 * width) {
      size_t middle = low + width < count ? low + width : count;
      size_t high = low + 2 * width < count ? low + 2 * width : count;
      size_t a = low, b = middle;
      for (size_t to = low; to < high; ++to) {
        bool second = a == middle;
        if (a < middle && b < high &&
            (!spend() || !(reverse ? less(keys[a], keys[b], second)
                                   : less(keys[b], keys[a], second))))
          return false;
        size_t from = second ? b++ : a++;
        otherKeys[to] = keys[from];
        otherItems[to] = items[from];
      }
    }
    keys.swap(otherKeys);
    items.swap(otherItems);
  }
  return true;
}

bool Interpreter::sortFilter(uint32_t id, const Value &input,
                             const Arguments &arguments, Value &result) {
  Array<Value> items, keys;
  bool reverse = false, exact = false;
  if (id == ADZE_CHAT_FILTER_DICTSORT) {
    Parameter p[] = {{"case_sensitive", Value::of(false)},
                     {"by", Value::of(bytesOf("key"))},
                     {"reverse", Value::of(false)}};
    if (!bind("dictsort", arguments, p, 3) || !truth(p[0].value, exact) ||
        !truth(p[2].value, reverse))
      return false;
    if (input.is(Kind::Undefined))
      return failUndefined(input);
    if (!input.is(Kind::Dict))
      return fail("dictsort takes a dict, not %s", typeName(input));
    bool byValue = equalValues(p[1].value, Value::of(bytesOf("value")));
    if (!byValue && !equalValues(p[1].value, Value::of(bytesOf("key"))))
      return fail("You can only sort by either \"key\" or \"value\"");
    for (uint32_t i = 0; i < input.dict->count; ++i) {
      const DictEntry &entry = input.dict->entries[i];
      Value pair[] = {entry.key, entry.value}, made, key = pair[byValue];
      if ((!exact && !foldCase(pair[byValue], key)) ||
          !makeList(pair, 2, Sequence::Tuple, made))
        return false;
      if (!keys.push(key) || !items.push(made))
        return failMemory();
    }
  } else {
    Parameter p[] = {{"reverse", Value::of(false)},
                     {"case_sensitive", Value::of(false)},
                     {"attribute"}};
    if (!bind("sort", arguments, p, 3) || !truth(p[0].value, reverse) ||
        !truth(p[1].value, exact) || !iterate(input, items))
      return false;
    if (p[2].value.is(Kind::String) &&
        findText(p[2].value.bytes(), bytesOf(",")) != p[2].value.size)
      return fail("sort by several attributes is not supported");
    for (size_t i = 0; i < items.size(); ++i) {
      Value key = items[i], folded;
      if (!p[2].value.is(Kind::None) &&
          !attributePath(items[i], p[2].value, nullptr, key))
        return false;
      folded = key;
      if (!exact && !foldCase(key, folded))
        return false;
      if (!keys.push(folded))
        return failMemory();
    }
  }
  return sorted(keys, items, reverse) &&
         makeList(items, Sequence::List, result);
}

/// The test called by name and with arguments, on `value`.
static uint32_t testNumber(Bytes name) {
  if (equalText(name, "=="))
    return ADZE_CHAT_TEST_EQ;
  if (equalText(name, "!="))
    return ADZE_CHAT_TEST_NE;
  if (equalText(name, ">"))
    return ADZE_CHAT_TEST_GT;
  if (equalText(name, ">="))
    return ADZE_CHAT_TEST_GE;
  if (equalText(name, "<"))
    return ADZE_CHAT_TEST_LT;
  if (equalText(name, "<="))
    return ADZE_CHAT_TEST_LE;
  for (uint32_t i = 0; i < ADZE_CHAT_TESTS_END; ++i)
    if (equalText(name, testNames[i]))
      return i;
  return ADZE_CHAT_TESTS_END;
}

bool Interpreter::select(uint32_t id, const Value &input,
                         const Arguments &arguments, Value &result) {
  bool byAttribute =
      id == ADZE_CHAT_FILTER_SELECTATTR || id == ADZE_CHAT_FILTER_REJECTATTR;
  bool keeps =
      id == ADZE_CHAT_FILTER_SELECT || id == ADZE_CHAT_FILTER_SELECTATTR;
  Array<Value> items, kept;
  bool any;
  if (!truth(input, any))
    return false;
  if (any && byAttribute && arguments.count == 0)
    return fail("Missing parameter for attribute name");
  if (any && !iterate(input, items))
    return false;
  uint32_t used = byAttribute;
  uint32_t which = ADZE_CHAT_TESTS_END;
  if (arguments.count > used) {
    const Value &name = arguments.values[used];
    if (name.is(Kind::String))
      which = testNumber(name.bytes());
    if (which == ADZE_CHAT_TESTS_END)
      return fail(
          "%s: the test '%.*s' is not supported", filterNames[id],
          name.is(Kind::String) ? int(name.size < 60 ? name.size : 60) : 1,
          name.is(Kind::String) ? reinterpret_cast<const char *>(name.text)
                                : "?");
  }
  Arguments rest = arguments;
  uint32_t taken = arguments.count < used + 1 ? arguments.count : used + 1;
  rest.values += taken;
  rest.count -= taken;
  for (size_t i = 0; i < items.size(); ++i) {
    Value value = items[i];
    bool passes;
    if (!spend() ||
        (byAttribute &&
         !attributePath(items[i], arguments.values[0], nullptr, value)) ||
        !(which == ADZE_CHAT_TESTS_END ? truth(value, passes)
                                       : test(which, value, rest, passes)))
      return false;
    if (passes == keeps && !kept.push(items[i]))
      return failMemory();
  }
  return makeList(kept, Sequence::Generator, result);
}

bool Interpreter::map(const Value &input, const Arguments &arguments,
                      Value &result) {
  Array<Value> items, made;
  bool any;
  if (!truth(input, any) || (any && !iterate(input, items)))
    return false;
  uint32_t which = ADZE_CHAT_FILTERS_END;
  Arguments rest = arguments;
  Parameter p[] = {{"attribute"}, {"default"}};
  if (arguments.count > 0) {
    const Value &name = arguments.values[0];
    for (uint32_t i = 0; i < ADZE_CHAT_FILTERS_END && name.is(Kind::String);
         ++i)
      if (equalText(name.bytes(), filterNames[i]))
        which = i;
    if (which == ADZE_CHAT_FILTERS_END)
      return fail(
          "map: the filter '%.*s' is not supported",
          name.is(Kind::String) ? int(name.size < 60 ? name.size : 60) : 1,
          name.is(Kind::String) ? reinterpret_cast<const char *>(name.text)
                                : "?");
    ++rest.values;
    --rest.count;
  } else if (!bind("map", arguments, p, 2)) {
    return false;
  } else if (any && !p[0].given) {
    return fail("map requires a filter argument");
  }
  for (size_t i = 0; i < items.size(); ++i) {
    Value value;
    Nest nest(*this);
    if (!nest.ok() || !spend() ||
        !(which == ADZE_CHAT_FILTERS_END
              ? attributePath(items[i], p[0].value, &p[1].value, value)
              : filter(which, items[i], rest, value)))
      return false;
    if (!made.push(value))
      return failMemory();
  }
  return makeList(made, Sequence::Generator, result);
}

bool Interpreter::sequenceFilter(uint32_t id, const Value &input,
                                 const Arguments &arguments, Value &result) {
  const char *name = filterNames[id];
  Array<Value> items, made;
  switch (id) {
  case ADZE_CHAT_FILTER_SELECT:
  case ADZE_CHAT_FILTER_SELECTATTR:
  case ADZE_CHAT_FILTER_REJECT:
  case ADZE_CHAT_FILTER_REJECTATTR:
    return select(id, input, arguments, result);
  case ADZE_CHAT_FILTER_MAP:
    return map(input, arguments, result);
  case ADZE_CHAT_FILTER_SORT:
  case ADZE_CHAT_FILTER_DICTSORT:
    return sortFilter(id, input, arguments, result);
  case ADZE_CHAT_FILTER_ITEMS: {
    if (!bind(name, arguments, nullptr, 0))
      return false;
    if (input.is(Kind::Undefined))
      return makeList(nullptr, 0, Sequence::Generator, result);
    if (!input.is(Kind::Dict))
      return fail("Can only get item pairs from a mapping.");
    Method method = {input, bytesOf("items")};
    if (!callMethod(method, arguments, result))
      return false;
    result.sequence = Sequence::Generator;
    return true;
  }
  case ADZE_CHAT_FILTER_LIST:
    return bind(name, arguments, nullptr, 0) && iterate(input, items) &&
           makeList(items, Sequence::List, result);
  case ADZE_CHAT_FILTER_FIRST:
  case ADZE_CHAT_FILTER_LAST: {
    bool first = id == ADZE_CHAT_FILTER_FIRST;
    if (!bind(name, arguments, nullptr, 0))
      return false;
    if (!first && input.isSequence(Sequence::Generator))
      return fail("'generator' object is not reversible");
    if (!iterate(input, items))
      return false;
    if (first && input.isSequence(Sequence::Generator) && !items.empty())
      input.list->next =
          input.list->count - static_cast<uint32_t>(items.size()) + 1;
    if (items.empty())
      return makeUndefined(
          Undefined::Hint, Value(),
          Value::of(bytesOf(first ? "No first item, sequence was empty."
                                  : "No last item, sequence was empty.")),
          result);
    result = first ? items[0] : items.back();
    return true;
  }
  case ADZE_CHAT_FILTER_REVERSE: {
    if (!bind(name, arguments, nullptr, 0) || !iterate(input, items))
      return false;
    for (size_t i = items.size(); i > 0; --i)
      if (!made.push(items[i - 1]))
        return failMemory();
    if (!input.is(Kind::String))
      return makeList(made, Sequence::Generator, result);
    Array<uint8_t> text;
    for (size_t i = 0; i < made.size(); ++i)
      if (!append(text, made[i].bytes()))
        return false;
    return makeString(text, result, input.markup);
  }
  case ADZE_CHAT_FILTER_JOIN: {
    Parameter p[] = {{"d", Value::of(Bytes())}, {"attribute"}};
    Value separator;
    if (!bind(name, arguments, p, 2) || !toText(p[0].value, separator) ||
        !iterate(input, items))
      return false;
    Array<uint8_t> text;
    for (size_t i = 0; i < items.size(); ++i) {
      Value value = items[i];
      if ((p[1].given && !p[1].value.is(Kind::None) &&
           !attributePath(items[i], p[1].value, nullptr, value)) ||
          (i > 0 && !append(text, separator.bytes())) ||
          !appendText(text, value))
        return false;
    }
    return makeString(text, result);
  }
  case ADZE_CHAT_FILTER_SUM: {
    Parameter p[] = {{"attribute"}, {"start", Value::of(int64_t(0))}};
    if (!bind(name, arguments, p, 2) || !iterate(input, items))
      return false;
    result = p[1].value;
    for (size_t i = 0; i < items.size(); ++i) {
      Value value = items[i], sum = result;
      if ((!p[0].value.is(Kind::None) &&
           !attributePath(items[i], p[0].value, nullptr, value)) ||
          !add(sum, value, result))
        return false;
    }
    return true;
  }
  case ADZE_CHAT_FILTER_MIN:
  case ADZE_CHAT_FILTER_MAX:
  case ADZE_CHAT_FILTER_UNIQUE: {
    Parameter p[] = {{"case_sensitive", Value::of(false)}, {"attribute"}};
    bool exact;
    if (!bind(name, arguments, p, 2) || !truth(p[0].value, exact) ||
        !iterate(input, items))
      return false;
    Array<Value> keys;
    size_t best = 0;
    for (size_t i = 0; i < items.size(); ++i) {
      Value key = items[i];
      if (!p[1].value.is(Kind::None) &&
          !attributePath(items[i], p[1].value, nullptr, key))
        return false;
      Value folded = key;
      if (!exact && !foldCase(key, folded))
        return false;
      bool known = false;
      if (id == ADZE_CHAT_FILTER_UNIQUE) {
        if (folded.is(Kind::Dict) || folded.isSequence(Sequence::List))
          return fail("unhashable type: '%s'", typeName(folded));
        for (size_t k = 0; k < keys.size() && !known; ++k)
          known = equalValues(keys[k], folded);
        if (!spend(keys.size()))
          return false;
        if (known)
          continue;
        if (!made.push(items[i]))
          return failMemory();
      } else if (i > 0) {
        const Value &other = keys[best];
        bool better;
        if (!(id == ADZE_CHAT_FILTER_MIN ? less(folded, other, better)
                                         : less(other, folded, better)))
          return false;
        if (better)
          best = i;
      }
      if (!keys.push(folded))
        return failMemory();
    }
    if (id == ADZE_CHAT_FILTER_UNIQUE)
      return makeList(made, Sequence::Generator, result);
    if (items.empty())
      return makeUndefined(
          Undefined::Hint, Value(),
          Value::of(bytesOf("No aggregated item, sequence was empty.")),
          result);
    result = items[best];
    return true;
  }
  case ADZE_CHAT_FILTER_BATCH: {
    Parameter p[] = {{"linecount", Value(), true}, {"fill_with"}};
    if (!bind(name, arguments, p, 2) || !iterate(input, items))
      return false;
    if (!p[0].value.isWhole() || p[0].value.whole() < 1)
      return fail("batch takes a number of at least 1");
    auto width = static_cast<uint64_t>(p[0].value.whole());
    for (size_t at = 0; at < items.size(); at += width) {
      Array<Value> row;
      for (size_t i = at; i < items.size() && i - at < width; ++i)
        if (!row.push(items[i]))
          return failMemory();
      while (!p[1].value.is(Kind::None) && row.size() < width)
        if (!spend() || !row.push(p[1].value))
          return failMemory();
      Value line;
      if (!makeList(row, Sequence::List, line))
        return false;
      if (!made.push(line))
        return failMemory();
      if (width > items.size())
        break;
    }
    return makeList(made, Sequence::Generator, result);
  }
  default:
    return fail("the filter '%s' is not supported", name);
  }
}

bool Interpreter::test(uint32_t id, const Value &value,
                       const Arguments &arguments, bool &result) {
  const char *name = testNames[id];
  Parameter other[] = {{"other", Value(), true}};
  auto compared = [&](uint32_t how) {
    return bind(name, arguments, other, 1) &&
           compare(how, value, other[0].value, result);
  };
  switch (id) {
  case ADZE_CHAT_TEST_EQ:
  case ADZE_CHAT_TEST_EQUALTO:
    return compared(ADZE_CHAT_EQ);
  case ADZE_CHAT_TEST_NE:
    return compared(ADZE_CHAT_NE);
  case ADZE_CHAT_TEST_LT:
  case ADZE_CHAT_TEST_LESSTHAN:
    return compared(ADZE_CHAT_LT);
  case ADZE_CHAT_TEST_LE:
    return compared(ADZE_CHAT_LE);
  case ADZE_CHAT_TEST_GT:
  case ADZE_CHAT_TEST_GREATERTHAN:
    return compared(ADZE_CHAT_GT);
  case ADZE_CHAT_TEST_GE:
    return compared(ADZE_CHAT_GE);
  case ADZE_CHAT_TEST_IN:
    return compared(ADZE_CHAT_IN);
  case ADZE_CHAT_TEST_SAMEAS:
    if (!bind(name, arguments, other, 1))
      return false;
    // Identity: the same object, or equal constants of one type.
    result =
        value.kind == other[0].value.kind &&
        (value.is(Kind::None) || (value.is(Kind::List) || value.is(Kind::Dict)
                                      ? value.dict == other[0].value.dict
                                      : equalValues(value, other[0].value)));
    return true;
  case ADZE_CHAT_TEST_DIVISIBLEBY: {
    Value rest;
    if (!bind(name, arguments, other, 1))
      return false;
    if (!value.isNumber() || !other[0].value.isNumber())
      return failType("%", value, other[0].value);
    if (!subtractEtc(ADZE_CHAT_MODULO, value, other[0].value, rest))
      return false;
    result = rest.number() == 0;
    return true;
  }
  default:
    break;
  }
  if (!bind(name, arguments, nullptr, 0))
    return false;
  switch (id) {
  case ADZE_CHAT_TEST_DEFINED:
  case ADZE_CHAT_TEST_UNDEFINED:
    result = value.is(Kind::Undefined) == (id == ADZE_CHAT_TEST_UNDEFINED);
    return true;
  case ADZE_CHAT_TEST_NONE:
    result = value.is(Kind::None);
    return true;
  case ADZE_CHAT_TEST_BOOLEAN:
    result = value.is(Kind::Bool);
    return true;
  case ADZE_CHAT_TEST_TRUE:
  case ADZE_CHAT_TEST_FALSE:
    result =
        value.is(Kind::Bool) && value.boolean == (id == ADZE_CHAT_TEST_TRUE);
    return true;
  case ADZE_CHAT_TEST_INTEGER:
    result = value.is(Kind::Int);
    return true;
  case ADZE_CHAT_TEST_FLOAT:
    result = value.is(Kind::Float);
    return true;
  case ADZE_CHAT_TEST_NUMBER:
    result = value.isNumber();
    return true;
  case ADZE_CHAT_TEST_STRING:
    result = value.is(Kind::String);
    return true;
  case ADZE_CHAT_TEST_MAPPING:
    result = value.is(Kind::Dict);
    return true;
  case ADZE_CHAT_TEST_ITERABLE:
    result = value.is(Kind::String) || value.is(Kind::List) ||
             value.is(Kind::Dict) || value.is(Kind::Undefined) ||
             value.is(Kind::Loop);
    return true;
  case ADZE_CHAT_TEST_SEQUENCE:
    result = value.is(Kind::String) || value.is(Kind::Dict) ||
             (value.is(Kind::List) && (value.sequence == Sequence::List ||
                                       value.sequence == Sequence::Tuple ||
                                       value.sequence == Sequence::Range));
    result = result || value.is(Kind::Undefined);
    return true;
  case ADZE_CHAT_TEST_CALLABLE:
    result = value.is(Kind::Macro) || value.is(Kind::Function) ||
             value.is(Kind::Method) || value.is(Kind::Undefined);
    return true;
  case ADZE_CHAT_TEST_ODD:
  case ADZE_CHAT_TEST_EVEN: {
    Value rest;
    if (value.is(Kind::Undefined))
      return failUndefined(value);
    if (!value.isNumber())
      return failType("%", value, Value::of(int64_t(2)));
    if (!subtractEtc(ADZE_CHAT_MODULO, value, Value::of(int64_t(2)), rest))
      return false;
    result = (rest.number() != 0) == (id == ADZE_CHAT_TEST_ODD) &&
             (id == ADZE_CHAT_TEST_EVEN || rest.number() == 1);
    return true;
  }
  default: { // lower, upper: as str.islower and str.isupper
    Value text, method;
    if (!softText(value, text) ||
        !attribute(text,
                   bytesOf(id == ADZE_CHAT_TEST_LOWER ? "islower" : "isupper"),
                   method))
      return false;
    Value answer;
    if (!callMethod(*method.method, Arguments(), answer))
      return false;
    result = answer.boolean;
    return true;
  }
  }
}

} // namespace adze::text
