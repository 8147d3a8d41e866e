// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Expressions of chat templates, from the loosest operator to the tightest.

#include "ChatParser.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

#include <cstring>

using namespace llvm;

namespace adze::chat {

template <typename T, size_t n>
uint32_t numberOf(StringRef name, const T (&names)[n]) {
  for (uint32_t i = 0; i < n; ++i)
    if (name == names[i])
      return i;
  return kNone;
}

constexpr StringLiteral filterNames[] = {
#define ADZE_CHAT_X(name, text) text,
    ADZE_CHAT_FILTERS(ADZE_CHAT_X)
#undef ADZE_CHAT_X
};
constexpr StringLiteral testNames[] = {
#define ADZE_CHAT_X(name, text) text,
    ADZE_CHAT_TESTS(ADZE_CHAT_X)
#undef ADZE_CHAT_X
};

uint32_t Parser::expression(bool conditional) {
  Nest nest(depth);
  if (depth > kMaxNesting)
    return fail("expressions nested too deeply");
  return conditional ? conditionalExpression() : orExpression();
}

uint32_t Parser::conditionalExpression() {
  uint32_t where = line();
  uint32_t value = orExpression();
  while (value != kNone && skipName("if")) {
    uint32_t condition = orExpression(), otherwise = kNone;
    if (condition == kNone)
      return kNone;
    if (skipName("else")) {
      otherwise = expression();
      if (otherwise == kNone)
        return kNone;
    }
    value = make(ADZE_CHAT_CONDITIONAL, where, {condition, value, otherwise});
  }
  return value;
}

uint32_t Parser::orExpression() {
  return binary([&] { return andExpression(); },
                [&]() -> uint32_t {
                  return skipName("or") ? uint32_t(ADZE_CHAT_OR) : kNone;
                });
}

uint32_t Parser::andExpression() {
  return binary([&] { return notExpression(); },
                [&]() -> uint32_t {
                  return skipName("and") ? uint32_t(ADZE_CHAT_AND) : kNone;
                });
}

uint32_t Parser::notExpression() {
  uint32_t where = line();
  if (!skipName("not"))
    return comparison();
  Nest nest(depth);
  if (depth > kMaxNesting)
    return fail("expressions nested too deeply");
  uint32_t value = notExpression();
  return value == kNone ? kNone : make(ADZE_CHAT_NOT, where, {value});
}

uint32_t Parser::comparisonOperator() {
  if (current().kind == ChatToken::Operator) {
    uint32_t found = StringSwitch<uint32_t>(current().text)
                         .Case("==", ADZE_CHAT_EQ)
                         .Case("!=", ADZE_CHAT_NE)
                         .Case("<", ADZE_CHAT_LT)
                         .Case("<=", ADZE_CHAT_LE)
                         .Case(">", ADZE_CHAT_GT)
                         .Case(">=", ADZE_CHAT_GE)
                         .Default(kNone);
    if (found != kNone)
      advance();
    return found;
  }
  if (skipName("in"))
    return ADZE_CHAT_IN;
  if (isName("not") && next().kind == ChatToken::Name && next().text == "in") {
    advance();
    advance();
    return ADZE_CHAT_NOT_IN;
  }
  return kNone;
}

uint32_t Parser::comparison() {
  uint32_t where = line(), first = sum();
  std::vector<uint32_t> rest;
  while (first != kNone) {
    uint32_t found = comparisonOperator();
    if (found == kNone)
      break;
    uint32_t operand = sum();
    if (operand == kNone)
      return kNone;
    rest.push_back(found);
    rest.push_back(operand);
  }
  if (first == kNone || rest.empty())
    return first;
  return make(ADZE_CHAT_COMPARE, where, {first, tree.list(rest, 2)});
}

uint32_t
Parser::arithmetic(std::initializer_list<std::pair<StringRef, uint32_t>> of) {
  for (auto [text, operation] : of)
    if (skipOperator(text))
      return operation;
  return kNone;
}

uint32_t Parser::sum() {
  return binary([&] { return concatenation(); },
                [&] {
                  return arithmetic(
                      {{"+", ADZE_CHAT_ADD}, {"-", ADZE_CHAT_SUBTRACT}});
                });
}

uint32_t Parser::concatenation() {
  uint32_t where = line(), first = product();
  if (first == kNone || !isOperator("~"))
    return first;
  std::vector<uint32_t> parts = {first};
  while (skipOperator("~")) {
    parts.push_back(product());
    if (parts.back() == kNone)
      return kNone;
  }
  return make(ADZE_CHAT_CONCATENATE, where, {tree.list(parts)});
}

uint32_t Parser::product() {
  return binary([&] { return power(); },
                [&] {
                  return arithmetic({{"*", ADZE_CHAT_MULTIPLY},
                                     {"//", ADZE_CHAT_FLOOR_DIVIDE},
                                     {"/", ADZE_CHAT_DIVIDE},
                                     {"%", ADZE_CHAT_MODULO}});
                });
}

uint32_t Parser::power() {
  return binary([&] { return unary(true); },
                [&] { return arithmetic({{"**", ADZE_CHAT_POWER}}); });
}

uint32_t Parser::unary(bool filters) {
  Nest nest(depth);
  if (depth > kMaxNesting)
    return fail("expressions nested too deeply");
  uint32_t where = line(), value;
  if (isOperator("-") || isOperator("+")) {
    uint32_t operation = isOperator("-") ? ADZE_CHAT_NEGATE : ADZE_CHAT_PLUS;
    advance();
    value = unary(false);
    if (value != kNone)
      value = make(operation, where, {value});
  } else {
    value = primary();
  }
  value = postfix(value);
  return filters ? filterExpression(value) : value;
}

uint32_t Parser::number(const ChatToken &token) {
  uint64_t bits = 0;
  if (token.kind == ChatToken::Float) {
    double value = 0;
    if (StringRef(token.text).getAsDouble(value))
      return fail("the number '" + token.text + "'", token.line);
    std::memcpy(&bits, &value, sizeof bits);
  } else {
    int64_t value = 0;
    StringRef text = token.text;
    unsigned radix = 10;
    if (text.size() > 1 && text[0] == '0' && !isDigit(text[1])) {
      radix = text[1] == 'x' || text[1] == 'X'   ? 16
              : text[1] == 'o' || text[1] == 'O' ? 8
                                                 : 2;
      text = text.drop_front(2);
    }
    if (text.getAsInteger(radix, value))
      return fail("the number '" + token.text + "'", token.line);
    bits = static_cast<uint64_t>(value);
  }
  return make(token.kind == ChatToken::Float ? ADZE_CHAT_FLOAT
                                             : ADZE_CHAT_INTEGER,
              token.line,
              {static_cast<uint32_t>(bits), static_cast<uint32_t>(bits >> 32)});
}

uint32_t Parser::primary() {
  ChatToken token = current();
  switch (token.kind) {
  case ChatToken::Name: {
    advance();
    uint32_t constant = StringSwitch<uint32_t>(token.text)
                            .Cases({"true", "True"}, ADZE_CHAT_CONSTANT_TRUE)
                            .Cases({"false", "False"}, ADZE_CHAT_CONSTANT_FALSE)
                            .Cases({"none", "None"}, ADZE_CHAT_CONSTANT_NONE)
                            .Default(kNone);
    if (constant != kNone)
      return make(ADZE_CHAT_CONSTANT, token.line, {constant});
    return make(ADZE_CHAT_NAME, token.line, {tree.string(token.text)});
  }
  case ChatToken::String: {
    std::string text;
    for (; current().kind == ChatToken::String; advance())
      text += current().text;
    return make(ADZE_CHAT_STRING, token.line, {tree.string(text)});
  }
  case ChatToken::Integer:
  case ChatToken::Float:
    advance();
    return number(token);
  default:
    break;
  }
  if (skipOperator("(")) {
    uint32_t value = tuple(true, true, {});
    return value != kNone && expectOperator(")") ? value : kNone;
  }
  if (skipOperator("["))
    return listLiteral(token.line);
  if (skipOperator("{"))
    return dictLiteral(token.line);
  return fail("expected an expression, found " + describe());
}

uint32_t Parser::listLiteral(uint32_t where) {
  std::vector<uint32_t> items;
  while (!isOperator("]")) {
    if (!items.empty() && !expectOperator(","))
      return kNone;
    if (isOperator("]"))
      break;
    items.push_back(expression());
    if (items.back() == kNone)
      return kNone;
  }
  advance();
  return make(ADZE_CHAT_LIST, where, {tree.list(items)});
}

uint32_t Parser::dictLiteral(uint32_t where) {
  std::vector<uint32_t> items;
  while (!isOperator("}")) {
    if (!items.empty() && !expectOperator(","))
      return kNone;
    if (isOperator("}"))
      break;
    for (bool value : {false, true}) {
      if (value && !expectOperator(":"))
        return kNone;
      items.push_back(expression());
      if (items.back() == kNone)
        return kNone;
    }
  }
  advance();
  return make(ADZE_CHAT_DICT, where, {tree.list(items)});
}

bool Parser::tupleEnds(StringRef stopName) {
  return current().kind == ChatToken::End || isOperator(")") ||
         (!stopName.empty() && isName(stopName));
}

uint32_t Parser::tuple(bool parentheses, bool conditional, StringRef stopName) {
  uint32_t where = line();
  std::vector<uint32_t> items;
  bool isTuple = false;
  for (;;) {
    if (tupleEnds(stopName))
      break;
    items.push_back(expression(conditional));
    if (items.back() == kNone)
      return kNone;
    if (!skipOperator(","))
      break;
    isTuple = true;
  }
  if (!isTuple && !items.empty())
    return items.front();
  if (!isTuple && !parentheses)
    return fail("expected an expression, found " + describe());
  return make(ADZE_CHAT_TUPLE, where, {tree.list(items)});
}

uint32_t Parser::postfix(uint32_t value) {
  while (value != kNone) {
    uint32_t where = line();
    if (skipOperator("."))
      value = attribute(value, where);
    else if (skipOperator("["))
      value = subscript(value, where);
    else if (isOperator("("))
      value = call(value, where);
    else
      break;
  }
  return value;
}

uint32_t Parser::attribute(uint32_t value, uint32_t where) {
  ChatToken token = current();
  if (token.kind == ChatToken::Name) {
    advance();
    return make(ADZE_CHAT_ATTRIBUTE, where, {value, tree.string(token.text)});
  }
  if (token.kind != ChatToken::Integer)
    return fail("expected a name after '.', found " + describe());
  advance();
  uint32_t index = number(token);
  return index == kNone ? kNone : make(ADZE_CHAT_ITEM, where, {value, index});
}

uint32_t Parser::subscript(uint32_t value, uint32_t where) {
  std::vector<uint32_t> indexes;
  while (!isOperator("]")) {
    if (!indexes.empty() && !expectOperator(","))
      return kNone;
    indexes.push_back(sliceOrIndex());
    if (indexes.back() == kNone)
      return kNone;
  }
  if (indexes.empty())
    return fail("expected an index, found ']'");
  advance();
  uint32_t index = indexes.front();
  if (indexes.size() > 1)
    index = make(ADZE_CHAT_TUPLE, where, {tree.list(indexes)});
  return index == kNone ? kNone : make(ADZE_CHAT_ITEM, where, {value, index});
}

uint32_t Parser::sliceOrIndex() {
  uint32_t where = line(), parts[3] = {kNone, kNone, kNone};
  if (!isOperator(":")) {
    parts[0] = expression();
    if (parts[0] == kNone || !isOperator(":"))
      return parts[0];
  }
  for (int part = 1; part < 3 && skipOperator(":"); ++part) {
    if (isOperator(":") || isOperator("]") || isOperator(","))
      continue;
    parts[part] = expression();
    if (parts[part] == kNone)
      return kNone;
  }
  return make(ADZE_CHAT_SLICE, where, parts);
}

bool Parser::arguments(uint32_t &positional, uint32_t &keywords) {
  std::vector<uint32_t> values, pairs;
  if (!expectOperator("("))
    return false;
  bool first = true;
  while (!isOperator(")")) {
    if (!first && !expectOperator(","))
      return false;
    first = false;
    if (isOperator(")"))
      break;
    if (isOperator("*") || isOperator("**")) {
      fail("a call with '" + current().text + "' arguments is not supported");
      return false;
    }
    uint32_t name = kNone;
    if (current().kind == ChatToken::Name &&
        next().kind == ChatToken::Operator && next().text == "=") {
      name = tree.string(current().text);
      advance();
      advance();
    } else if (!pairs.empty()) {
      fail("an argument after a keyword argument");
      return false;
    }
    uint32_t value = expression();
    if (value == kNone)
      return false;
    if (name != kNone)
      pairs.push_back(name);
    (name == kNone ? values : pairs).push_back(value);
  }
  advance();
  positional = tree.list(values);
  keywords = tree.list(pairs, 2);
  return true;
}

uint32_t Parser::call(uint32_t value, uint32_t where) {
  uint32_t positional, keywords;
  if (!arguments(positional, keywords))
    return kNone;
  return make(ADZE_CHAT_CALL, where, {value, positional, keywords});
}

uint32_t Parser::filterExpression(uint32_t value) {
  while (value != kNone) {
    if (skipOperator("|"))
      value = filter(value);
    else if (isName("is"))
      value = test(value);
    else if (isOperator("("))
      value = call(value, line());
    else
      break;
  }
  return value;
}

bool Parser::dottedName(std::string &name) {
  for (;;) {
    if (current().kind != ChatToken::Name) {
      fail("expected a name, found " + describe());
      return false;
    }
    name += current().text;
    advance();
    if (!skipOperator("."))
      return true;
    name += '.';
  }
}

uint32_t Parser::filter(uint32_t value) {
  uint32_t where = line();
  std::string name;
  if (!dottedName(name))
    return kNone;
  uint32_t id = numberOf(name, filterNames);
  if (id == kNone)
    return fail("the filter '" + name + "' is not supported", where);
  uint32_t positional, keywords;
  if (isOperator("(")) {
    if (!arguments(positional, keywords))
      return kNone;
  } else {
    positional = keywords = tree.list({});
  }
  return make(ADZE_CHAT_FILTER, where, {value, id, positional, keywords});
}

uint32_t Parser::test(uint32_t value) {
  uint32_t where = line();
  advance(); // is
  bool negated = skipName("not");
  std::string name;
  if (!dottedName(name))
    return kNone;
  uint32_t id = numberOf(name, testNames);
  if (id == kNone)
    return fail("the test '" + name + "' is not supported", where);
  uint32_t positional = kNone, keywords = kNone;
  ChatToken::Kind kind = current().kind;
  if (isOperator("(")) {
    if (!arguments(positional, keywords))
      return kNone;
  } else if ((kind == ChatToken::Name && !isName("else") && !isName("or") &&
              !isName("and")) ||
             kind == ChatToken::String || kind == ChatToken::Integer ||
             kind == ChatToken::Float || isOperator("[") || isOperator("{")) {
    if (isName("is"))
      return fail("tests cannot be chained with 'is'");
    uint32_t argument = postfix(primary());
    if (argument == kNone)
      return kNone;
    positional = tree.list({argument});
  }
  if (positional == kNone)
    positional = tree.list({});
  if (keywords == kNone)
    keywords = tree.list({});
  uint32_t node =
      make(ADZE_CHAT_TEST, where, {value, id, positional, keywords});
  return negated && node != kNone ? make(ADZE_CHAT_NOT, where, {node}) : node;
}

} // namespace adze::chat
