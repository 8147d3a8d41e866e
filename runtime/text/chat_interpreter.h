// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Renders a chat template: walks its tree with the semantics of Jinja2 (and of
// Python under it). Every function returns false once something failed; the
// error says where in the template. Work, nesting and memory are bounded.

#ifndef ADZE_RUNTIME_TEXT_CHAT_INTERPRETER_H
#define ADZE_RUNTIME_TEXT_CHAT_INTERPRETER_H

#include "chat_program.h"
#include "chat_value.h"
#include "table.h"

#include <initializer_list>

namespace adze::text {

struct Variable {
  uint32_t name; ///< string of the program
  Value value;
  Variable *next;
};

struct Scope {
  Scope *parent;
  Variable *variables;
};

struct Macro {
  uint32_t node; ///< MACRO or CALL_BLOCK
  Scope *scope;  ///< where it was defined
  Bytes name;
};

/// A method of a value, found but not called.
struct Method {
  Value self;
  Bytes name;
};

/// Where a loop is; also the value of `loop`.
struct LoopState {
  Value items;
  const adze_chat_node *node; ///< FOR
  Scope *scope;               ///< around the loop
  uint32_t cursor, index;
  bool hasBefore, hasAfter, peeked;
  bool passed; ///< `items` are what the condition let through
  Value before, current, after;
  bool hasChanged;
  Value changed;
};

/// The arguments of a call.
struct Arguments {
  Value *values = nullptr;
  uint32_t count = 0;
  struct Named {
    Bytes name;
    Value value;
  } *named = nullptr;
  uint32_t namedCount = 0;
};

/// A call's parameter, with its default; for Interpreter::bind.
struct Parameter {
  const char *name;
  Value value = {};
  bool required = false;
  bool given = false;
};

struct ChatLimits {
  uint64_t steps = 20000000; ///< nodes walked, and bytes worked on / 16
  uint32_t depth = 1000;     ///< of calls here
  size_t memory = size_t(256) << 20;
};

class Interpreter {
public:
  Interpreter(const ChatPrograms &programs, const ChatLimits &limits,
              adze_text_error *error)
      : programs(programs), limits(limits), arena(limits.memory), error(error) {
  }

  /// Variables of the template that the caller gives.
  Dict context;
  Arena &memory() { return arena; }
  int64_t now = 0; ///< for strftime_now; 0: the clock

  /// Renders into `out`; on failure status() and the error say why.
  bool render(uint32_t root);
  Array<uint8_t> out;
  adze_text_status status() const { return failure; }

private:
  friend class MethodCall;
  enum class Flow { Next, Break, Continue };

  //===-- Failure and limits (chat_interpreter.cpp) -----------------------===//
#if defined(__GNUC__)
  __attribute__((format(printf, 2, 3)))
#endif
  bool fail(const char *format, ...);
  bool failMemory();
  bool failUndefined(const Value &value);
  bool failType(const char *operation, const Value &a, const Value &b);
  bool spend(uint64_t steps = 1);
  struct Nest {
    Interpreter &of;
    explicit Nest(Interpreter &of) : of(of) { ++of.depth; }
    ~Nest() { --of.depth; }
    bool ok() const;
  };

  //===-- Values ----------------------------------------------------------===//
  bool makeString(Bytes text, Value &result, bool markup = false);
  bool makeString(const Array<uint8_t> &text, Value &result,
                  bool markup = false) {
    return makeString(text.view(), result, markup);
  }
  bool makeList(const Value *items, size_t count, Sequence sequence,
                Value &result);
  bool makeList(const Array<Value> &items, Sequence sequence, Value &result) {
    return makeList(items.data(), items.size(), sequence, result);
  }
  bool makeUndefined(Undefined::Reason reason, const Value &object,
                     const Value &name, Value &result);
  bool truth(const Value &value, bool &result);
  bool append(Array<uint8_t> &to, Bytes text);
  bool appendText(Array<uint8_t> &to, const Value &value);
  bool appendRepr(Array<uint8_t> &to, const Value &value, uint32_t level = 0);
  bool appendJson(Array<uint8_t> &to, const Value &value,
                  const struct JsonStyle &style, uint32_t level = 0);
  bool toText(const Value &value, Value &result);
  bool softText(const Value &value, Value &result);
  /// Items of anything that can be iterated; reads a generator to its end.
  bool iterate(const Value &value, Array<Value> &items);
  bool length(const Value &value, int64_t &result);
  bool contains(const Value &container, const Value &item, bool &result);
  bool less(const Value &a, const Value &b, bool &result, uint32_t level = 0);
  bool compare(uint32_t how, const Value &a, const Value &b, bool &result);

  //===-- Statements (chat_statements.cpp) --------------------------------===//
  bool execute(uint32_t node);
  bool executeFor(const adze_chat_node &node);
  bool loopNext(LoopState &loop, Value &item, bool &found);
  bool loopPeek(LoopState &loop, bool &found);
  bool loopAttribute(LoopState &loop, Bytes name, Value &result, bool &found);
  bool assign(uint32_t target, const Value &value);
  bool set(uint32_t name, const Value &value);
  bool capture(uint32_t body, Value &text);
  bool applyToBlock(uint32_t filter, const Value &text, Value &result);
  bool push(Scope *parent);
  bool callMacro(const Macro &macro, const Arguments &arguments,
                 const Value *caller, Value &result);

  //===-- Expressions (chat_expressions.cpp) ------------------------------===//
  bool evaluate(uint32_t node, Value &result);
  bool evaluateOther(const adze_chat_node &node, Value &result);
  bool lookUp(uint32_t name, Value &result);
  bool arithmetic(const adze_chat_node &node, Value &result);
  bool add(const Value &a, const Value &b, Value &result);
  bool subtractEtc(uint32_t operation, const Value &a, const Value &b,
                   Value &result);
  bool realArithmetic(uint32_t operation, double a, double b, Value &result);
  bool repeat(const Value &value, int64_t times, Value &result);
  bool attribute(const Value &object, Bytes name, Value &result);
  bool item(const Value &object, const Value &key, Value &result);
  bool slice(const Value &object, const adze_chat_node &node, Value &result);
  bool evaluateArguments(uint32_t positional, uint32_t keywords,
                         Arguments &arguments);
  bool call(const Value &callee, const Arguments &arguments, Value &result,
            const Value *caller = nullptr);
  bool callFunction(uint32_t function, const Arguments &arguments,
                    Value &result);
  bool strftime(Bytes format, Value &result);
  bool bind(const char *what, const Arguments &arguments, Parameter *parameters,
            uint32_t count);

  //===-- Filters, tests, methods -----------------------------------------===//
  bool filter(uint32_t id, const Value &input, const Arguments &arguments,
              Value &result);
  bool textFilter(uint32_t id, const Value &input, const Arguments &arguments,
                  Value &result);
  bool numberFilter(uint32_t id, const Value &input, const Arguments &arguments,
                    Value &result);
  bool sequenceFilter(uint32_t id, const Value &input,
                      const Arguments &arguments, Value &result);
  bool select(uint32_t id, const Value &input, const Arguments &arguments,
              Value &result);
  bool map(const Value &input, const Arguments &arguments, Value &result);
  bool sortFilter(uint32_t id, const Value &input, const Arguments &arguments,
                  Value &result);
  bool sorted(Array<Value> &keys, Array<Value> &items, bool reverse);
  bool indent(const Value &input, const Arguments &arguments, Value &result);
  bool toJson(const Value &input, const Arguments &arguments, Value &result);
  bool attributePath(const Value &object, const Value &path,
                     const Value *otherwise, Value &result);
  bool foldCase(const Value &value, Value &result);
  bool test(uint32_t id, const Value &input, const Arguments &arguments,
            bool &result);
  bool callMethod(const Method &method, const Arguments &arguments,
                  Value &result);
  bool textMethod(const Method &method, const Arguments &arguments,
                  Value &result);

  const ChatPrograms &programs;
  ChatLimits limits;
  Arena arena;
  adze_text_error *error;
  adze_text_status failure = ADZE_TEXT_OK;
  Scope *scope = nullptr;
  /// Names with a meaning, where the program has them: else nobody asks.
  uint32_t loopName = ADZE_CHAT_NONE, callerName = ADZE_CHAT_NONE,
           varargsName = ADZE_CHAT_NONE, kwargsName = ADZE_CHAT_NONE;
  const Value *blockText = nullptr; ///< input of a filter without one
  uint32_t line = 0, depth = 0;
  uint64_t steps = 0;
  Flow flow = Flow::Next;
};

struct JsonStyle {
  bool ascii = false, sortKeys = false, pretty = false;
  Bytes indent, itemSeparator, keySeparator;
};

//===-- Text (chat_strings.cpp) -------------------------------------------===//

/// What Python's str.isspace says.
bool isPythonSpace(uint32_t character);
uint32_t characterCount(Bytes text);
/// Byte offset of character `index`.
uint32_t characterOffset(Bytes text, uint32_t index);
/// Strips white space, or the characters of `set`.
Bytes strip(Bytes text, bool left, bool right, const Bytes *set);
/// First place of `part` at or after `from`, or the size.
uint32_t findText(Bytes text, Bytes part, uint32_t from = 0);
enum class Case { Upper, Lower, Title, Capitalize, JinjaTitle };
[[nodiscard]] bool appendCase(Array<uint8_t> &out, Bytes text, Case how);
[[nodiscard]] bool appendEscaped(Array<uint8_t> &out, Bytes text);
[[nodiscard]] bool appendStringRepr(Array<uint8_t> &out, Bytes text);
[[nodiscard]] bool appendJsonString(Array<uint8_t> &out, Bytes text,
                                    bool ascii);
/// Lines without their ends, as str.splitlines.
[[nodiscard]] bool splitLines(Bytes text, Array<Bytes> &lines);

enum Function : uint32_t {
  kRaiseException,
  kStrftimeNow,
  kNamespace,
  kRange,
  kDictFunction,
  kFunctionCount
};

/// Whether Python has this method; `changes`: one that the sandbox refuses.
bool isMethodName(const Value &object, Bytes name, bool &changes);

} // namespace adze::text

#endif // ADZE_RUNTIME_TEXT_CHAT_INTERPRETER_H
