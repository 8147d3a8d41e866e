// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Statements of chat templates, and the parser's entry.

#include "ChatParser.h"

#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace adze {
namespace chat {

uint32_t Parser::statements(ArrayRef<StringRef> ends) {
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

uint32_t Parser::bodyUntil(StringRef end) {
  if (!expectEnd())
    return kNone;
  uint32_t body = statements({end});
  if (body == kNone)
    return kNone;
  advance();
  return expectEnd() ? body : kNone;
}

uint32_t Parser::statement() {
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

uint32_t Parser::ifStatement(uint32_t where) {
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

uint32_t Parser::target(bool withNamespace, StringRef stopName) {
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

uint32_t Parser::targetItem(bool withNamespace, StringRef stopName) {
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

uint32_t Parser::forStatement(uint32_t where) {
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

uint32_t Parser::setStatement(uint32_t where) {
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
  return body == kNone ? kNone
                       : make(ADZE_CHAT_SET_BLOCK, where, {to, filters, body});
}

bool Parser::signature(uint32_t &parameters, uint32_t &defaults) {
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

uint32_t Parser::macro(uint32_t where) {
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
  return body == kNone
             ? kNone
             : make(ADZE_CHAT_MACRO, where, {name, parameters, defaults, body});
}

uint32_t Parser::callBlock(uint32_t where) {
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

uint32_t Parser::filterBlock(uint32_t where) {
  uint32_t filters = filter(kNone);
  while (filters != kNone && skipOperator("|"))
    filters = filter(filters);
  if (filters == kNone)
    return kNone;
  uint32_t body = bodyUntil("endfilter");
  return body == kNone ? kNone
                       : make(ADZE_CHAT_FILTER_BLOCK, where, {filters, body});
}

uint32_t Parser::withBlock(uint32_t where) {
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

} // namespace chat

uint32_t parseChatTemplate(StringRef source, ChatTreeBuilder &tree,
                           std::string &problem) {
  std::vector<ChatToken> tokens;
  problem.clear();
  if (!tokenizeChatTemplate(source, tokens, problem))
    return ADZE_CHAT_NONE;
  return chat::Parser(tokens, tree, problem).run();
}

} // namespace adze
