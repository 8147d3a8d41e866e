// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The grammar of chat templates: Jinja2's, with its precedences. Recursive
// descent; a failure anywhere sets `problem` and unwinds through NONE.

#include "ChatTemplate.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

#include <algorithm>
#include <cstring>

using namespace llvm;

namespace adze {
namespace {

constexpr uint32_t kNone = ADZE_CHAT_NONE;
/// Levels of brackets and blocks; each takes a dozen calls here.
constexpr unsigned kMaxNesting = 100;

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

class Parser {
public:
  Parser(ArrayRef<ChatToken> tokens, ChatTreeBuilder &tree,
         std::string &problem)
      : tokens(tokens), tree(tree), problem(problem) {}

  uint32_t run() {
    uint32_t root = statements({});
    if (root != kNone && current().kind != ChatToken::EndOfFile)
      return fail("unexpected " + describe());
    return root;
  }

private:
  //===-- Tokens ----------------------------------------------------------===//

  const ChatToken &current() const { return tokens[at]; }
  const ChatToken &next(size_t ahead = 1) const {
    return tokens[std::min(at + ahead, tokens.size() - 1)];
  }
  void advance() { at += at + 1 < tokens.size(); }
  uint32_t line() const { return current().line; }
  bool isOperator(StringRef text) const {
    return current().kind == ChatToken::Operator && current().text == text;
  }
  bool isName(StringRef text) const {
    return current().kind == ChatToken::Name && current().text == text;
  }
  bool skipOperator(StringRef text) {
    bool found = isOperator(text);
    if (found)
      advance();
    return found;
  }
  bool skipName(StringRef text) {
    bool found = isName(text);
    if (found)
      advance();
    return found;
  }
  std::string describe() const {
    switch (current().kind) {
    case ChatToken::EndOfFile:
      return "end of the template";
    case ChatToken::Data:
      return "text";
    case ChatToken::String:
      return "a string";
    default:
      return "'" + current().text + "'";
    }
  }
  uint32_t fail(const Twine &what, uint32_t where = 0) {
    if (problem.empty())
      problem = (what + " at line " + Twine(where ? where : line())).str();
    return kNone;
  }
  bool expectOperator(StringRef text) {
    if (skipOperator(text))
      return true;
    fail("expected '" + text + "', found " + describe());
    return false;
  }
  bool expectEnd() {
    if (current().kind == ChatToken::End) {
      advance();
      return true;
    }
    fail("expected the end of the tag, found " + describe());
    return false;
  }
  /// Counts nesting for the time of one call.
  struct Nest {
    unsigned &depth;
    explicit Nest(unsigned &depth) : depth(depth) { ++depth; }
    ~Nest() { --depth; }
  };

  uint32_t make(uint32_t operation, uint32_t where,
                ArrayRef<uint32_t> operands) {
    uint32_t node = tree.node(operation, where, operands);
    if (node == kNone)
      return fail("a template nested too deeply", where);
    return node;
  }

  //===-- Expressions -----------------------------------------------------===//

  uint32_t expression(bool conditional = true) {
    Nest nest(depth);
    if (depth > kMaxNesting)
      return fail("expressions nested too deeply");
    return conditional ? conditionalExpression() : orExpression();
  }

  uint32_t conditionalExpression() {
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

  template <typename Next>
  uint32_t binary(Next operand, function_ref<uint32_t()> operation) {
    uint32_t left = operand();
    while (left != kNone) {
      uint32_t where = line(), found = operation();
      if (found == kNone)
        return left;
      uint32_t right = operand();
      if (right == kNone)
        return kNone;
      left = make(found, where, {left, right});
    }
    return kNone;
  }

  uint32_t orExpression() {
    return binary([&] { return andExpression(); },
                  [&]() -> uint32_t {
                    return skipName("or") ? uint32_t(ADZE_CHAT_OR) : kNone;
                  });
  }
  uint32_t andExpression() {
    return binary([&] { return notExpression(); },
                  [&]() -> uint32_t {
                    return skipName("and") ? uint32_t(ADZE_CHAT_AND) : kNone;
                  });
  }
  uint32_t notExpression() {
    uint32_t where = line();
    if (!skipName("not"))
      return comparison();
    Nest nest(depth);
    if (depth > kMaxNesting)
      return fail("expressions nested too deeply");
    uint32_t value = notExpression();
    return value == kNone ? kNone : make(ADZE_CHAT_NOT, where, {value});
  }

  uint32_t comparisonOperator() {
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
    if (isName("not") && next().kind == ChatToken::Name &&
        next().text == "in") {
      advance();
      advance();
      return ADZE_CHAT_NOT_IN;
    }
    return kNone;
  }

  uint32_t comparison() {
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
  arithmetic(std::initializer_list<std::pair<StringRef, uint32_t>> of) {
    for (auto [text, operation] : of)
      if (skipOperator(text))
        return operation;
    return kNone;
  }
  uint32_t sum() {
    return binary(
        [&] { return concatenation(); },
        [&] {
          return arithmetic({{"+", ADZE_CHAT_ADD}, {"-", ADZE_CHAT_SUBTRACT}});
        });
  }
  uint32_t concatenation() {
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
  uint32_t product() {
    return binary([&] { return power(); },
                  [&] {
                    return arithmetic({{"*", ADZE_CHAT_MULTIPLY},
                                       {"//", ADZE_CHAT_FLOOR_DIVIDE},
                                       {"/", ADZE_CHAT_DIVIDE},
                                       {"%", ADZE_CHAT_MODULO}});
                  });
  }
  uint32_t power() {
    return binary([&] { return unary(true); },
                  [&] {
                    return arithmetic({{"**", ADZE_CHAT_POWER}});
                  });
  }

  uint32_t unary(bool filters) {
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

  uint32_t number(const ChatToken &token) {
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
    return make(
        token.kind == ChatToken::Float ? ADZE_CHAT_FLOAT : ADZE_CHAT_INTEGER,
        token.line,
        {static_cast<uint32_t>(bits), static_cast<uint32_t>(bits >> 32)});
  }

  uint32_t primary() {
    ChatToken token = current();
    switch (token.kind) {
    case ChatToken::Name: {
      advance();
      uint32_t constant =
          StringSwitch<uint32_t>(token.text)
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

  uint32_t listLiteral(uint32_t where) {
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

  uint32_t dictLiteral(uint32_t where) {
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

  bool tupleEnds(StringRef stopName) {
    return current().kind == ChatToken::End || isOperator(")") ||
           (!stopName.empty() && isName(stopName));
  }

  /// Expressions with commas between; a single one is itself.
  uint32_t tuple(bool parentheses, bool conditional, StringRef stopName) {
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

  uint32_t postfix(uint32_t value) {
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

  uint32_t attribute(uint32_t value, uint32_t where) {
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

  uint32_t subscript(uint32_t value, uint32_t where) {
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

  uint32_t sliceOrIndex() {
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

  /// "(...)" to a list of arguments and one of keyword arguments.
  bool arguments(uint32_t &positional, uint32_t &keywords) {
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

  uint32_t call(uint32_t value, uint32_t where) {
    uint32_t positional, keywords;
    if (!arguments(positional, keywords))
      return kNone;
    return make(ADZE_CHAT_CALL, where, {value, positional, keywords});
  }

  uint32_t filterExpression(uint32_t value) {
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

  bool dottedName(std::string &name) {
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

  /// One filter after its '|'; `value` may be NONE.
  uint32_t filter(uint32_t value) {
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

  uint32_t test(uint32_t value) {
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

  //===-- Statements ------------------------------------------------------===//

  /// Statements up to a tag whose name is in `ends`; that tag's name is then
  /// current.
  uint32_t statements(ArrayRef<StringRef> ends) {
    Nest nest(depth);
    if (depth > kMaxNesting)
      return fail("blocks nested too deeply");
    uint32_t where = line();
    std::vector<uint32_t> body;
    for (;;) {
      const ChatToken &token = current();
      if (token.kind == ChatToken::EndOfFile) {
        if (!ends.empty())
          return fail("'" + ends.back() +
                          "' is missing for the block that "
                          "begins",
                      where);
        break;
      }
      uint32_t node;
      if (token.kind == ChatToken::Data) {
        node = make(ADZE_CHAT_TEXT, token.line, {tree.string(token.text)});
        advance();
      } else if (token.text == "{{") {
        uint32_t begin = line();
        advance();
        node = tuple(false, true, {});
        if (node == kNone || !expectEnd())
          return kNone;
        node = make(ADZE_CHAT_PRINT, begin, {node});
      } else {
        advance();
        if (current().kind == ChatToken::Name &&
            is_contained(ends, StringRef(current().text)))
          break;
        node = statement();
      }
      if (node == kNone)
        return kNone;
      body.push_back(node);
    }
    return make(ADZE_CHAT_BLOCK, where, {tree.list(body)});
  }

  /// A body up to `{% end %}`, which is taken.
  uint32_t bodyUntil(StringRef end) {
    if (!expectEnd())
      return kNone;
    uint32_t body = statements({end});
    if (body == kNone)
      return kNone;
    advance();
    return expectEnd() ? body : kNone;
  }

  uint32_t statement() {
    uint32_t where = line();
    if (current().kind != ChatToken::Name)
      return fail("expected the name of a statement, found " + describe());
    std::string name = current().text;
    advance();
    if (name == "if")
      return ifStatement(where);
    if (name == "for")
      return forStatement(where);
    if (name == "set")
      return setStatement(where);
    if (name == "macro")
      return macro(where);
    if (name == "call")
      return callBlock(where);
    if (name == "filter")
      return filterBlock(where);
    if (name == "with")
      return withBlock(where);
    if (name == "generation") {
      uint32_t body = bodyUntil("endgeneration");
      return body == kNone ? kNone : make(ADZE_CHAT_SCOPE, where, {body});
    }
    if (name == "break" || name == "continue") {
      if (loops == 0)
        return fail("'" + name + "' outside of a loop", where);
      return expectEnd()
                 ? make(name == "break" ? ADZE_CHAT_BREAK : ADZE_CHAT_CONTINUE,
                        where, {})
                 : kNone;
    }
    return fail("the statement '" + name + "' is not supported", where);
  }

  uint32_t ifStatement(uint32_t where) {
    Nest nest(depth);
    if (depth > kMaxNesting)
      return fail("blocks nested too deeply");
    uint32_t condition = tuple(false, false, {});
    if (condition == kNone || !expectEnd())
      return kNone;
    uint32_t body = statements({"elif", "else", "endif"}), otherwise = kNone;
    if (body == kNone)
      return kNone;
    uint32_t nextLine = line();
    if (skipName("elif")) {
      otherwise = ifStatement(nextLine);
      if (otherwise == kNone)
        return kNone;
    } else {
      if (skipName("else")) {
        if (!expectEnd() || (otherwise = statements({"endif"})) == kNone)
          return kNone;
      }
      advance(); // endif
      if (!expectEnd())
        return kNone;
    }
    return make(ADZE_CHAT_IF, where, {condition, body, otherwise});
  }

  /// A name, attribute of a namespace, or names with commas.
  uint32_t target(bool withNamespace, StringRef stopName) {
    uint32_t where = line();
    std::vector<uint32_t> items;
    bool isTuple = false;
    for (;;) {
      if (tupleEnds(stopName) || isOperator("="))
        break;
      items.push_back(targetItem(withNamespace, stopName));
      if (items.back() == kNone)
        return kNone;
      if (!skipOperator(","))
        break;
      isTuple = true;
    }
    if (items.empty())
      return fail("expected a name to assign to, found " + describe());
    return isTuple ? make(ADZE_CHAT_TUPLE, where, {tree.list(items)})
                   : items.front();
  }

  uint32_t targetItem(bool withNamespace, StringRef stopName) {
    uint32_t where = line();
    if (isOperator("(")) {
      Nest nest(depth);
      if (depth > kMaxNesting)
        return fail("expressions nested too deeply");
      advance();
      uint32_t inner = target(withNamespace, stopName);
      return inner != kNone && expectOperator(")") ? inner : kNone;
    }
    if (current().kind != ChatToken::Name ||
        is_contained({"true", "True", "false", "False", "none", "None"},
                     StringRef(current().text)))
      return fail("cannot assign to " + describe());
    std::string name = current().text;
    if (name == "loop" && stopName == "in")
      return fail("cannot assign to the loop variable 'loop'");
    advance();
    if (withNamespace && skipOperator(".")) {
      if (current().kind != ChatToken::Name)
        return fail("expected a name after '.', found " + describe());
      uint32_t attribute = tree.string(current().text);
      advance();
      return make(ADZE_CHAT_NAMESPACE_TARGET, where,
                  {tree.string(name), attribute});
    }
    return make(ADZE_CHAT_NAME, where, {tree.string(name)});
  }

  uint32_t forStatement(uint32_t where) {
    uint32_t names = target(false, "in");
    if (names == kNone)
      return kNone;
    if (!skipName("in"))
      return fail("expected 'in', found " + describe());
    uint32_t iterable = tuple(false, false, "recursive");
    if (iterable == kNone)
      return kNone;
    uint32_t condition = kNone, otherwise = kNone;
    if (skipName("if") && (condition = expression()) == kNone)
      return kNone;
    if (isName("recursive"))
      return fail("a 'recursive' loop is not supported");
    if (!expectEnd())
      return kNone;
    ++loops;
    uint32_t body = statements({"else", "endfor"});
    --loops;
    if (body == kNone)
      return kNone;
    if (skipName("else")) {
      if (!expectEnd() || (otherwise = statements({"endfor"})) == kNone)
        return kNone;
    }
    advance();
    if (!expectEnd())
      return kNone;
    return make(ADZE_CHAT_FOR, where,
                {names, iterable, condition, body, otherwise});
  }

  uint32_t setStatement(uint32_t where) {
    uint32_t to = target(true, {});
    if (to == kNone)
      return kNone;
    if (skipOperator("=")) {
      uint32_t value = tuple(false, true, {});
      if (value == kNone || !expectEnd())
        return kNone;
      return make(ADZE_CHAT_SET, where, {to, value});
    }
    uint32_t filters = kNone;
    while (skipOperator("|"))
      if ((filters = filter(filters)) == kNone)
        return kNone;
    uint32_t body = bodyUntil("endset");
    return body == kNone
               ? kNone
               : make(ADZE_CHAT_SET_BLOCK, where, {to, filters, body});
  }

  bool signature(uint32_t &parameters, uint32_t &defaults) {
    std::vector<uint32_t> names, values;
    if (!expectOperator("("))
      return false;
    while (!isOperator(")")) {
      if (!names.empty() && !expectOperator(","))
        return false;
      uint32_t name = targetItem(false, {});
      if (name == kNone)
        return false;
      uint32_t value = kNone;
      if (skipOperator("=")) {
        if ((value = expression()) == kNone)
          return false;
      } else if (!values.empty() && values.back() != kNone) {
        fail("a parameter without default after one with");
        return false;
      }
      if (tree.at(name).operation != ADZE_CHAT_NAME) {
        fail("expected the name of a parameter");
        return false;
      }
      names.push_back(name);
      values.push_back(value);
    }
    advance();
    parameters = tree.list(names);
    defaults = tree.list(values);
    return true;
  }

  uint32_t macro(uint32_t where) {
    if (current().kind != ChatToken::Name)
      return fail("expected the name of a macro, found " + describe());
    uint32_t name = tree.string(current().text), parameters, defaults;
    advance();
    if (!signature(parameters, defaults))
      return kNone;
    unsigned outer = loops;
    loops = 0;
    uint32_t body = bodyUntil("endmacro");
    loops = outer;
    return body == kNone ? kNone
                         : make(ADZE_CHAT_MACRO, where,
                                {name, parameters, defaults, body});
  }

  uint32_t callBlock(uint32_t where) {
    uint32_t parameters, defaults;
    if (isOperator("(")) {
      if (!signature(parameters, defaults))
        return kNone;
    } else {
      parameters = defaults = tree.list({});
    }
    uint32_t called = expression();
    if (called == kNone)
      return kNone;
    if (tree.at(called).operation != ADZE_CHAT_CALL)
      return fail("expected a call in the 'call' block", where);
    unsigned outer = loops;
    loops = 0;
    uint32_t body = bodyUntil("endcall");
    loops = outer;
    return body == kNone ? kNone
                         : make(ADZE_CHAT_CALL_BLOCK, where,
                                {called, parameters, defaults, body});
  }

  uint32_t filterBlock(uint32_t where) {
    uint32_t filters = filter(kNone);
    while (filters != kNone && skipOperator("|"))
      filters = filter(filters);
    if (filters == kNone)
      return kNone;
    uint32_t body = bodyUntil("endfilter");
    return body == kNone ? kNone
                         : make(ADZE_CHAT_FILTER_BLOCK, where, {filters, body});
  }

  uint32_t withBlock(uint32_t where) {
    std::vector<uint32_t> names, values;
    while (current().kind != ChatToken::End) {
      if (!names.empty() && !expectOperator(","))
        return kNone;
      names.push_back(targetItem(false, {}));
      if (names.back() == kNone || !expectOperator("="))
        return kNone;
      values.push_back(expression());
      if (values.back() == kNone)
        return kNone;
    }
    uint32_t body = bodyUntil("endwith");
    return body == kNone ? kNone
                         : make(ADZE_CHAT_WITH, where,
                                {tree.list(names), tree.list(values), body});
  }

  ArrayRef<ChatToken> tokens;
  ChatTreeBuilder &tree;
  std::string &problem;
  size_t at = 0;
  unsigned depth = 0, loops = 0;
};

} // namespace

uint32_t parseChatTemplate(StringRef source, ChatTreeBuilder &tree,
                           std::string &problem) {
  std::vector<ChatToken> tokens;
  problem.clear();
  if (!tokenizeChatTemplate(source, tokens, problem))
    return kNone;
  return Parser(tokens, tree, problem).run();
}

} // namespace adze
