// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The parser of chat templates: Jinja2's grammar, with its precedences, by
// recursive descent. A failure anywhere sets `problem` and unwinds through
// NONE. Expressions are in ChatExpressions.cpp, statements in ChatParser.cpp.

#ifndef ADZE_FRONTEND_TOKENIZERS_CHATPARSER_H
#define ADZE_FRONTEND_TOKENIZERS_CHATPARSER_H

#include "ChatTemplate.h"

#include "llvm/ADT/STLFunctionalExtras.h"

#include <algorithm>

namespace adze::chat {

using llvm::ArrayRef;
using llvm::StringRef;
using llvm::Twine;

constexpr uint32_t kNone = ADZE_CHAT_NONE;
/// Levels of brackets and blocks; each takes a dozen calls here.
constexpr unsigned kMaxNesting = 100;

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

  //===-- Expressions (ChatExpressions.cpp)
  //---------------------------------===//

  template <typename Next>
  uint32_t binary(Next operand, llvm::function_ref<uint32_t()> operation) {
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
  uint32_t expression(bool conditional = true);
  uint32_t conditionalExpression();
  uint32_t orExpression();
  uint32_t andExpression();
  uint32_t notExpression();
  uint32_t comparisonOperator();
  uint32_t comparison();
  uint32_t arithmetic(std::initializer_list<std::pair<StringRef, uint32_t>> of);
  uint32_t sum();
  uint32_t concatenation();
  uint32_t product();
  uint32_t power();
  uint32_t unary(bool filters);
  uint32_t number(const ChatToken &token);
  uint32_t primary();
  uint32_t listLiteral(uint32_t where);
  uint32_t dictLiteral(uint32_t where);
  bool tupleEnds(StringRef stopName);
  /// Expressions with commas between; a single one is itself.
  uint32_t tuple(bool parentheses, bool conditional, StringRef stopName);
  uint32_t postfix(uint32_t value);
  uint32_t attribute(uint32_t value, uint32_t where);
  uint32_t subscript(uint32_t value, uint32_t where);
  uint32_t sliceOrIndex();
  /// "(...)" to a list of arguments and one of keyword arguments.
  bool arguments(uint32_t &positional, uint32_t &keywords);
  uint32_t call(uint32_t value, uint32_t where);
  uint32_t filterExpression(uint32_t value);
  bool dottedName(std::string &name);
  /// One filter after its '|'; `value` may be NONE.
  uint32_t filter(uint32_t value);
  uint32_t test(uint32_t value);

  //===-- Statements (ChatParser.cpp)
  //---------------------------------------===//

  /// Statements up to a tag whose name is in `ends`; that tag's name is then
  /// current.
  uint32_t statements(ArrayRef<StringRef> ends);
  /// A body up to `{% end %}`, which is taken.
  uint32_t bodyUntil(StringRef end);
  uint32_t statement();
  uint32_t ifStatement(uint32_t where);
  /// A name, attribute of a namespace, or names with commas.
  uint32_t target(bool withNamespace, StringRef stopName);
  uint32_t targetItem(bool withNamespace, StringRef stopName);
  uint32_t forStatement(uint32_t where);
  uint32_t setStatement(uint32_t where);
  bool signature(uint32_t &parameters, uint32_t &defaults);
  uint32_t macro(uint32_t where);
  uint32_t callBlock(uint32_t where);
  uint32_t filterBlock(uint32_t where);
  uint32_t withBlock(uint32_t where);

  ArrayRef<ChatToken> tokens;
  ChatTreeBuilder &tree;
  std::string &problem;
  size_t at = 0;
  unsigned depth = 0, loops = 0;
};

} // namespace adze::chat

#endif // ADZE_FRONTEND_TOKENIZERS_CHATPARSER_H
