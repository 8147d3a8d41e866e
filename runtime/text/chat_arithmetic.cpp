// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Arithmetic of chat templates, and strftime_now. Whole numbers have 64 bits;
// a result beyond them is an error, where Python would go on.

#include "chat_interpreter.h"

#include <cmath>
#include <cstdio>
#include <ctime>

namespace adze::text {

bool Interpreter::add(const Value &a, const Value &b, Value &result) {
  for (const Value *value : {&a, &b})
    if (value->is(Kind::Undefined))
      return failUndefined(*value);
  if (a.is(Kind::String) && b.is(Kind::String)) {
    if (!spend(b.size / 16))
      return false;
    Bytes left = a.bytes(), right = b.bytes();
    Array<uint8_t> escaped;
    // What is added to text marked safe is escaped.
    if (a.markup != b.markup) {
      if (!appendEscaped(escaped, a.markup ? right : left))
        return failMemory();
      (a.markup ? right : left) = escaped.view();
    }
    if (size_t(left.size) + right.size > limits.memory)
      return failMemory();
    const uint8_t *joined = arena.join(left, right);
    if (!joined)
      return failMemory();
    result = Value::of(Bytes{joined, left.size + right.size});
    result.markup = a.markup || b.markup;
    return true;
  }
  if (a.isNumber() && b.isNumber())
    return subtractEtc(ADZE_CHAT_ADD, a, b, result);
  if (a.is(Kind::List) && b.is(Kind::List) && a.sequence == b.sequence &&
      (a.sequence == Sequence::List || a.sequence == Sequence::Tuple)) {
    Array<Value> items;
    return iterate(a, items) && iterate(b, items) &&
           makeList(items, a.sequence, result);
  }
  if (a.is(Kind::String) && !b.is(Kind::String))
    return fail("can only concatenate str (not \"%s\") to str", typeName(b));
  if (a.isSequence(Sequence::List))
    return fail("can only concatenate list (not \"%s\") to list", typeName(b));
  return failType("+", a, b);
}

bool Interpreter::repeat(const Value &value, int64_t times, Value &result) {
  if (times < 0)
    times = 0;
  if (value.is(Kind::String)) {
    Array<uint8_t> text;
    if (value.size > 0 &&
        static_cast<uint64_t>(times) > limits.memory / value.size)
      return failMemory();
    for (int64_t i = 0; i < times && value.size > 0; ++i)
      if (!spend() || !append(text, value.bytes()))
        return false;
    return makeString(text, result, value.markup);
  }
  Array<Value> items;
  for (int64_t i = 0; i < times && value.list->count > 0; ++i)
    if (!spend() || !iterate(value, items))
      return false;
  return makeList(items, value.sequence, result);
}

bool Interpreter::realArithmetic(uint32_t operation, double a, double b,
                                 Value &result) {
  bool divides = operation == ADZE_CHAT_DIVIDE ||
                 operation == ADZE_CHAT_FLOOR_DIVIDE ||
                 operation == ADZE_CHAT_MODULO;
  if (divides && b == 0)
    return fail("division by zero");
  double value = 0;
  switch (operation) {
  case ADZE_CHAT_ADD:
    value = a + b;
    break;
  case ADZE_CHAT_SUBTRACT:
    value = a - b;
    break;
  case ADZE_CHAT_MULTIPLY:
    value = a * b;
    break;
  case ADZE_CHAT_DIVIDE:
    value = a / b;
    break;
  case ADZE_CHAT_POWER:
    if ((a == 0 && b < 0) || (a < 0 && b != std::floor(b)))
      return fail("a power that is no number");
    value = std::pow(a, b);
    break;
  default: { // floor division and its rest, with the sign of b
    double rest = std::fmod(a, b);
    double quotient = (a - rest) / b;
    if (rest != 0 && (b < 0) != (rest < 0)) {
      rest += b;
      quotient -= 1;
    } else if (rest == 0) {
      rest = std::copysign(0.0, b);
    }
    value = operation == ADZE_CHAT_MODULO ? rest : std::floor(quotient + 0.5);
    break;
  }
  }
  result = Value::of(value);
  return true;
}

bool Interpreter::subtractEtc(uint32_t operation, const Value &a,
                              const Value &b, Value &result) {
  if (!a.isWhole() || !b.isWhole() || operation == ADZE_CHAT_DIVIDE)
    return realArithmetic(operation, a.number(), b.number(), result);
  int64_t x = a.whole(), y = b.whole(), made = 0;
  bool overflow = false;
  switch (operation) {
  case ADZE_CHAT_ADD:
    overflow = __builtin_add_overflow(x, y, &made);
    break;
  case ADZE_CHAT_SUBTRACT:
    overflow = __builtin_sub_overflow(x, y, &made);
    break;
  case ADZE_CHAT_MULTIPLY:
    overflow = __builtin_mul_overflow(x, y, &made);
    break;
  case ADZE_CHAT_POWER: {
    if (y < 0)
      return realArithmetic(operation, static_cast<double>(x),
                            static_cast<double>(y), result);
    made = 1;
    bool trivial = x == 0 || x == 1 || x == -1;
    if (trivial)
      y = y == 0 ? 0 : 2 - (y & 1);
    for (; y > 0 && !overflow; --y)
      overflow = __builtin_mul_overflow(made, x, &made);
    break;
  }
  default:
    if (y == 0)
      return fail("integer division or modulo by zero");
    if (y == -1) {
      overflow = operation == ADZE_CHAT_FLOOR_DIVIDE &&
                 __builtin_sub_overflow(int64_t(0), x, &made);
      break;
    }
    made = operation == ADZE_CHAT_MODULO ? x % y : x / y;
    if (x % y != 0 && (x % y < 0) != (y < 0))
      made += operation == ADZE_CHAT_MODULO ? y : -1;
    break;
  }
  if (overflow)
    return fail("a whole number of more than 64 bits");
  result = Value::of(made);
  return true;
}

bool Interpreter::arithmetic(const adze_chat_node &node, Value &result) {
  Value a, b;
  uint32_t operation = node.operation;
  if (!evaluate(node.operands[0], a))
    return false;
  if (operation == ADZE_CHAT_NEGATE || operation == ADZE_CHAT_PLUS) {
    if (a.is(Kind::Undefined))
      return failUndefined(a);
    if (!a.isNumber())
      return fail("bad operand type for unary %s: '%s'",
                  operation == ADZE_CHAT_PLUS ? "+" : "-", typeName(a));
    if (operation == ADZE_CHAT_PLUS) {
      result = a.isWhole() ? Value::of(a.whole()) : a;
      return true;
    }
    if (!a.isWhole()) {
      result = Value::of(-a.real);
      return true;
    }
    return subtractEtc(ADZE_CHAT_SUBTRACT, Value::of(int64_t(0)), a, result);
  }
  if (!evaluate(node.operands[1], b))
    return false;
  line = node.line;
  for (const Value *value : {&a, &b})
    if (value->is(Kind::Undefined))
      return failUndefined(*value);
  if (a.isNumber() && b.isNumber())
    return subtractEtc(operation, a, b, result);
  auto repeats = [](const Value &value) {
    return value.is(Kind::String) || value.isSequence(Sequence::List) ||
           value.isSequence(Sequence::Tuple);
  };
  if (operation == ADZE_CHAT_MULTIPLY && repeats(a) && b.isWhole())
    return repeat(a, b.whole(), result);
  if (operation == ADZE_CHAT_MULTIPLY && repeats(b) && a.isWhole())
    return repeat(b, a.whole(), result);
  if (operation == ADZE_CHAT_MODULO && a.is(Kind::String))
    return fail("formatting text with %% is not supported");
  static const char *const signs[] = {"-", "*", "/", "//", "%", "**"};
  return failType(signs[operation - ADZE_CHAT_SUBTRACT], a, b);
}

bool Interpreter::strftime(Bytes format, Value &result) {
  time_t seconds = static_cast<time_t>(now);
  struct tm t;
  // A given time is what the clock on the wall is to show.
  if (now == 0)
    seconds = ::time(nullptr);
  if (!(now == 0 ? localtime_r(&seconds, &t) : gmtime_r(&seconds, &t)))
    return fail("strftime_now: the time cannot be read");
  static const char *const days[] = {"Sunday",    "Monday",   "Tuesday",
                                     "Wednesday", "Thursday", "Friday",
                                     "Saturday"};
  static const char *const months[] = {
      "January", "February", "March",     "April",   "May",      "June",
      "July",    "August",   "September", "October", "November", "December"};
  Array<uint8_t> text;
  for (uint32_t at = 0; at < format.size; ++at) {
    if (format[at] != '%' || at + 1 == format.size) {
      if (!append(text, format.slice(at, 1)))
        return false;
      continue;
    }
    char buffer[48] = "";
    bool plain = format[++at] == '-' && at + 1 < format.size; // no zeros before
    if (plain)
      ++at;
    auto number = [&](int value, int width) {
      snprintf(buffer, sizeof buffer, "%0*d", plain ? 1 : width, value);
    };
    int hour = t.tm_hour % 12 == 0 ? 12 : t.tm_hour % 12;
    switch (format[at]) {
    case 'Y':
      number(t.tm_year + 1900, 1);
      break;
    case 'y':
      number(t.tm_year % 100, 2);
      break;
    case 'm':
      number(t.tm_mon + 1, 2);
      break;
    case 'd':
      number(t.tm_mday, 2);
      break;
    case 'e':
      snprintf(buffer, sizeof buffer, "%*d", plain ? 1 : 2, t.tm_mday);
      break;
    case 'H':
      number(t.tm_hour, 2);
      break;
    case 'I':
      number(hour, 2);
      break;
    case 'M':
      number(t.tm_min, 2);
      break;
    case 'S':
      number(t.tm_sec, 2);
      break;
    case 'j':
      number(t.tm_yday + 1, 3);
      break;
    case 'w':
      number(t.tm_wday, 1);
      break;
    case 'p':
      snprintf(buffer, sizeof buffer, t.tm_hour < 12 ? "AM" : "PM");
      break;
    case 'A':
      snprintf(buffer, sizeof buffer, "%s", days[t.tm_wday]);
      break;
    case 'a':
      snprintf(buffer, sizeof buffer, "%.3s", days[t.tm_wday]);
      break;
    case 'B':
      snprintf(buffer, sizeof buffer, "%s", months[t.tm_mon]);
      break;
    case 'b':
    case 'h':
      snprintf(buffer, sizeof buffer, "%.3s", months[t.tm_mon]);
      break;
    case 'F':
      snprintf(buffer, sizeof buffer, "%d-%02d-%02d", t.tm_year + 1900,
               t.tm_mon + 1, t.tm_mday);
      break;
    case 'T':
      snprintf(buffer, sizeof buffer, "%02d:%02d:%02d", t.tm_hour, t.tm_min,
               t.tm_sec);
      break;
    case '%':
      snprintf(buffer, sizeof buffer, "%%");
      break;
    default:
      return fail("strftime_now: the code '%%%c' is not supported",
                  format[at] < 0x80 ? format[at] : '?');
    }
    if (!append(text, bytesOf(buffer)))
      return false;
  }
  return makeString(text, result);
}

} // namespace adze::text
