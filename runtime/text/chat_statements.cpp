// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Statements of chat templates: scopes, loops, macros, blocks. Scopes are as in
// Jinja2: each turn of a loop, each macro and each block with a body has its
// own, and `if` has none.

#include "chat_interpreter.h"

namespace adze::text {

bool Interpreter::push(Scope *parent) {
  auto *made = arena.make<Scope>();
  if (!made)
    return failMemory();
  *made = {parent, nullptr};
  scope = made;
  return true;
}

bool Interpreter::set(uint32_t name, const Value &value) {
  for (Variable *v = scope->variables; v; v = v->next)
    if (v->name == name) {
      v->value = value;
      return true;
    }
  auto *made = arena.make<Variable>();
  if (!made)
    return failMemory();
  *made = {name, value, scope->variables};
  scope->variables = made;
  return true;
}

bool Interpreter::assign(uint32_t target, const Value &value) {
  const adze_chat_node &node = programs.nodes[target];
  Nest nest(*this);
  if (!nest.ok())
    return false;
  switch (node.operation) {
  case ADZE_CHAT_NAME:
    return set(node.operands[0], value);
  case ADZE_CHAT_NAMESPACE_TARGET: {
    Value space, key = Value::of(programs.string(node.operands[1]));
    if (!lookUp(node.operands[0], space))
      return false;
    if (!space.is(Kind::Namespace))
      return fail("cannot assign attribute on non-namespace object");
    return setEntry(arena, *space.dict, key, value) || failMemory();
  }
  case ADZE_CHAT_TUPLE: {
    Array<Value> items;
    if (!iterate(value, items))
      return false;
    Span<uint32_t> targets = programs.entries(node.operands[0]);
    if (items.size() > targets.size)
      return fail("too many values to unpack (expected %u)", targets.size);
    if (items.size() < targets.size)
      return fail("not enough values to unpack (expected %u, got %zu)",
                  targets.size, items.size());
    for (uint32_t i = 0; i < targets.size; ++i)
      if (!assign(targets[i], items[i]))
        return false;
    return true;
  }
  default:
    return fail("a target that cannot be assigned to");
  }
}

/// What `body` writes, as a string, in a scope of its own.
bool Interpreter::capture(uint32_t body, Value &text) {
  Scope *outer = scope;
  size_t begin = out.size();
  if (!push(outer) || !execute(body))
    return false;
  scope = outer;
  Bytes written = {out.data() + begin,
                   static_cast<uint32_t>(out.size() - begin)};
  bool made = makeString(written, text);
  out.shrink(begin);
  return made;
}

bool Interpreter::applyToBlock(uint32_t filter, const Value &text,
                               Value &result) {
  const Value *outer = blockText;
  blockText = &text;
  bool done = evaluate(filter, result);
  blockText = outer;
  return done;
}

bool Interpreter::execute(uint32_t index) {
  const adze_chat_node &node = programs.nodes[index];
  const uint32_t *operands = node.operands;
  Nest nest(*this);
  if (!nest.ok() || !spend())
    return false;
  line = node.line;
  Value value;
  bool yes = false;
  switch (node.operation) {
  case ADZE_CHAT_TEXT:
    return append(out, programs.string(operands[0]));
  case ADZE_CHAT_PRINT:
    return evaluate(operands[0], value) && appendText(out, value);
  case ADZE_CHAT_BLOCK:
    for (uint32_t child : programs.entries(operands[0])) {
      if (!execute(child))
        return false;
      if (flow != Flow::Next)
        break;
    }
    return true;
  case ADZE_CHAT_IF:
    if (!evaluate(operands[0], value) || !truth(value, yes))
      return false;
    if (yes)
      return execute(operands[1]);
    return operands[2] == ADZE_CHAT_NONE || execute(operands[2]);
  case ADZE_CHAT_FOR:
    return executeFor(node);
  case ADZE_CHAT_SET:
    return evaluate(operands[1], value) && assign(operands[0], value);
  case ADZE_CHAT_SET_BLOCK: {
    Value text;
    if (!capture(operands[2], text))
      return false;
    value = text;
    if (operands[1] != ADZE_CHAT_NONE &&
        !applyToBlock(operands[1], text, value))
      return false;
    return assign(operands[0], value);
  }
  case ADZE_CHAT_MACRO: {
    auto *macro = arena.make<Macro>();
    if (!macro)
      return failMemory();
    *macro = {index, scope, programs.string(operands[0])};
    value.kind = Kind::Macro;
    value.macro = macro;
    return set(operands[0], value);
  }
  case ADZE_CHAT_CALL_BLOCK: {
    const adze_chat_node &called = programs.nodes[operands[0]];
    if (called.operation != ADZE_CHAT_CALL)
      return fail("a call block without a call");
    auto *macro = arena.make<Macro>();
    if (!macro)
      return failMemory();
    *macro = {index, scope, bytesOf("caller")};
    Value caller, callee;
    caller.kind = Kind::Macro;
    caller.macro = macro;
    Arguments arguments;
    return evaluate(called.operands[0], callee) &&
           evaluateArguments(called.operands[1], called.operands[2],
                             arguments) &&
           call(callee, arguments, value, &caller) && appendText(out, value);
  }
  case ADZE_CHAT_FILTER_BLOCK: {
    Value text;
    return capture(operands[1], text) &&
           applyToBlock(operands[0], text, value) && appendText(out, value);
  }
  case ADZE_CHAT_WITH: {
    Span<uint32_t> names = programs.entries(operands[0]);
    Span<uint32_t> values = programs.entries(operands[1]);
    Array<Value> made;
    for (uint32_t expression : values)
      if (!evaluate(expression, value) || !made.push(value))
        return failMemory();
    Scope *outer = scope;
    if (!push(outer))
      return false;
    for (uint32_t i = 0; i < names.size; ++i)
      if (!assign(names[i], made[i]))
        return false;
    bool done = execute(operands[2]);
    scope = outer;
    return done;
  }
  case ADZE_CHAT_SCOPE: {
    Scope *outer = scope;
    if (!push(outer))
      return false;
    bool done = execute(operands[0]);
    scope = outer;
    return done;
  }
  case ADZE_CHAT_BREAK:
    flow = Flow::Break;
    return true;
  case ADZE_CHAT_CONTINUE:
    flow = Flow::Continue;
    return true;
  default:
    return fail("an expression in place of a statement");
  }
}

/// The next item that the loop's condition lets through.
bool Interpreter::loopNext(LoopState &loop, Value &item, bool &found) {
  List &list = *loop.items.list;
  bool generator = loop.items.isSequence(Sequence::Generator);
  uint32_t &cursor = generator ? list.next : loop.cursor;
  uint32_t condition = loop.passed ? ADZE_CHAT_NONE : loop.node->operands[2];
  for (found = false; !found && cursor < list.count;) {
    item = list.items[cursor++];
    found = condition == ADZE_CHAT_NONE;
    if (found)
      break;
    Scope *current = scope;
    Value value;
    if (!spend() || !push(loop.scope) ||
        !assign(loop.node->operands[0], item) || !evaluate(condition, value) ||
        !truth(value, found))
      return false;
    scope = current;
  }
  return true;
}

bool Interpreter::loopPeek(LoopState &loop, bool &found) {
  if (!loop.peeked) {
    if (!loopNext(loop, loop.after, loop.hasAfter))
      return false;
    loop.peeked = true;
  }
  found = loop.hasAfter;
  return true;
}

bool Interpreter::executeFor(const adze_chat_node &node) {
  Value iterable;
  if (!evaluate(node.operands[1], iterable))
    return false;
  auto *loop = arena.make<LoopState>();
  if (!loop)
    return failMemory();
  *loop = LoopState();
  loop->node = &node;
  loop->scope = scope;
  loop->items = iterable;
  if (!iterable.is(Kind::List)) {
    Array<Value> items;
    if (!iterate(iterable, items) ||
        !makeList(items, Sequence::List, loop->items))
      return false;
  }
  Value self;
  self.kind = Kind::Loop;
  self.loop = loop;
  Scope *outer = scope;
  bool any = false;
  for (;; ++loop->index) {
    bool found;
    if (!loopPeek(*loop, found))
      return false;
    if (!found)
      break;
    loop->hasBefore = any;
    loop->before = loop->current;
    loop->current = loop->after;
    loop->peeked = false;
    any = true;
    if (!spend() || !push(outer) ||
        (loopName != ADZE_CHAT_NONE && !set(loopName, self)) ||
        !assign(node.operands[0], loop->current) || !execute(node.operands[3]))
      return false;
    scope = outer;
    Flow how = flow;
    flow = Flow::Next;
    if (how == Flow::Break)
      break;
  }
  if (any || node.operands[4] == ADZE_CHAT_NONE)
    return true;
  if (!push(outer))
    return false;
  bool done = execute(node.operands[4]);
  scope = outer;
  return done;
}

bool Interpreter::loopAttribute(LoopState &loop, Bytes name, Value &result,
                                bool &found) {
  found = true;
  auto is = [&](const char *other) { return equalText(name, other); };
  bool more;
  if (is("index"))
    result = Value::of(int64_t(loop.index) + 1);
  else if (is("index0"))
    result = Value::of(int64_t(loop.index));
  else if (is("first"))
    result = Value::of(loop.index == 0);
  else if (is("depth"))
    result = Value::of(int64_t(1)); // no loop is recursive
  else if (is("depth0"))
    result = Value::of(int64_t(0));
  else if (is("last")) {
    if (!loopPeek(loop, more))
      return false;
    result = Value::of(!more);
  } else if (is("previtem")) {
    if (loop.hasBefore)
      result = loop.before;
    else
      return makeUndefined(Undefined::Hint, Value(),
                           Value::of(bytesOf("there is no previous item")),
                           result);
  } else if (is("nextitem")) {
    if (!loopPeek(loop, more))
      return false;
    if (more)
      result = loop.after;
    else
      return makeUndefined(Undefined::Hint, Value(),
                           Value::of(bytesOf("there is no next item")), result);
  } else if (is("length") || is("revindex") || is("revindex0")) {
    if (!loopPeek(loop, more))
      return false;
    // Read to the end; what was read is what comes next.
    Array<Value> rest;
    for (bool another = more; another;) {
      Value item;
      if (!loopNext(loop, item, another))
        return false;
      if (another && !rest.push(item))
        return failMemory();
    }
    if (more) {
      if (!makeList(rest, Sequence::List, loop.items))
        return false;
      loop.cursor = 0;
      loop.passed = true;
    }
    int64_t length = int64_t(loop.index) + 1 + more + int64_t(rest.size());
    result = Value::of(is("length")     ? length
                       : is("revindex") ? length - loop.index
                                        : length - loop.index - 1);
  } else if (is("cycle") || is("changed")) {
    auto *method = arena.make<Method>();
    if (!method)
      return failMemory();
    method->self.kind = Kind::Loop;
    method->self.loop = &loop;
    method->name = name;
    result = Value();
    result.kind = Kind::Method;
    result.method = method;
  } else {
    found = false;
  }
  return true;
}

bool Interpreter::callMacro(const Macro &macro, const Arguments &given,
                            const Value *caller, Value &result) {
  const adze_chat_node &node = programs.nodes[macro.node];
  Span<uint32_t> names = programs.entries(node.operands[1]);
  Span<uint32_t> defaults = programs.entries(node.operands[2]);
  int nameSize = int(macro.name.size < 60 ? macro.name.size : 60);
  auto *macroName = reinterpret_cast<const char *>(macro.name.data);
  Scope *outer = scope;
  if (!push(macro.scope))
    return false;
  Scope *inner = scope;
  for (uint32_t i = 0; i < names.size; ++i) {
    uint32_t name = programs.nodes[names[i]].operands[0];
    Value value;
    bool has = i < given.count;
    if (has)
      value = given.values[i];
    for (uint32_t k = 0; k < given.namedCount; ++k)
      if (equalBytes(given.named[k].name, programs.string(name))) {
        if (has)
          return fail("macro '%.*s' got multiple values for argument '%.*s'",
                      nameSize, macroName, int(given.named[k].name.size),
                      reinterpret_cast<const char *>(given.named[k].name.data));
        has = true;
        value = given.named[k].value;
      }
    if (!has && defaults[i] != ADZE_CHAT_NONE) {
      if (!evaluate(defaults[i], value))
        return false;
    } else if (!has) {
      Array<uint8_t> hint;
      Value text;
      if (!hint.append(bytesOf("parameter '")) ||
          !hint.append(programs.string(name)) ||
          !hint.append(bytesOf("' was not provided")))
        return failMemory();
      if (!makeString(hint, text) ||
          !makeUndefined(Undefined::Hint, Value(), text, value))
        return false;
    }
    if (!set(name, value))
      return false;
  }
  // Like Jinja: further arguments are for macros that look at them.
  Value rest;
  uint32_t extra = given.count > names.size ? given.count - names.size : 0;
  if (extra > 0 && varargsName == ADZE_CHAT_NONE)
    return fail("macro '%.*s' takes not more than %u argument(s)", nameSize,
                macroName, names.size);
  if (varargsName != ADZE_CHAT_NONE &&
      (!makeList(given.values + (given.count - extra), extra, Sequence::Tuple,
                 rest) ||
       !set(varargsName, rest)))
    return false;
  rest = Value();
  rest.kind = Kind::Dict;
  rest.dict = arena.make<Dict>();
  if (!rest.dict)
    return failMemory();
  *rest.dict = Dict();
  for (uint32_t k = 0; k < given.namedCount; ++k) {
    bool known = false;
    for (uint32_t name : names)
      known |= equalBytes(given.named[k].name,
                          programs.string(programs.nodes[name].operands[0]));
    if (known)
      continue;
    if (kwargsName == ADZE_CHAT_NONE)
      return fail("macro '%.*s' takes no keyword argument '%.*s'", nameSize,
                  macroName, int(given.named[k].name.size),
                  reinterpret_cast<const char *>(given.named[k].name.data));
    if (!setEntry(arena, *rest.dict, Value::of(given.named[k].name),
                  given.named[k].value))
      return failMemory();
  }
  if (kwargsName != ADZE_CHAT_NONE && !set(kwargsName, rest))
    return false;
  if (callerName != ADZE_CHAT_NONE) {
    Value value;
    if (caller)
      value = *caller;
    else if (!makeUndefined(Undefined::Hint, Value(),
                            Value::of(bytesOf("No caller defined")), value))
      return false;
    if (!set(callerName, value))
      return false;
  } else if (caller) {
    return fail("macro '%.*s' was invoked with two values for the special "
                "caller argument",
                nameSize, macroName);
  }

  uint32_t outerLine = line;
  size_t begin = out.size();
  const Value *outerBlock = blockText;
  blockText = nullptr;
  scope = inner;
  if (!execute(node.operands[3]))
    return false;
  blockText = outerBlock;
  line = outerLine;
  scope = outer;
  bool made = makeString(
      {out.data() + begin, static_cast<uint32_t>(out.size() - begin)}, result);
  out.shrink(begin);
  return made;
}

} // namespace adze::text
