// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a chat template computes with: the types of Python that Jinja templates
// meet, in an arena that is freed as a whole. Values never change once made,
// but for namespaces and for how far a generator has been read.

#ifndef ADZE_RUNTIME_TEXT_CHAT_VALUE_H
#define ADZE_RUNTIME_TEXT_CHAT_VALUE_H

#include "array.h"

namespace adze::text {

enum class Kind : uint8_t {
  Undefined,
  None,
  Bool,
  Int,
  Float,
  String,
  List, ///< and everything that is iterated like one, see Sequence
  Dict,
  Namespace,
  Macro,
  Function,
  Method,
  Loop
};

/// What a list is in Python; they print and compare differently.
enum class Sequence : uint8_t {
  List,
  Tuple,
  Range,
  Generator, ///< can be read once
  Keys,
  Values,
  Items
};

struct List;
struct Dict;
struct Undefined;
struct Macro;
struct Method;
struct LoopState;

struct Value {
  Kind kind = Kind::None;
  Sequence sequence = Sequence::List;
  bool markup = false; ///< a string marked `safe`
  uint32_t size = 0;   ///< of a string, in bytes
  union {
    bool boolean;
    int64_t integer = 0;
    double real;
    const uint8_t *text;
    List *list;
    Dict *dict; ///< of a namespace, too
    const Undefined *undefined;
    const Macro *macro;
    const Method *method;
    LoopState *loop;
    uint32_t function;
  };

  static Value of(bool value) {
    Value v;
    v.kind = Kind::Bool;
    v.boolean = value;
    return v;
  }
  static Value of(int64_t value) {
    Value v;
    v.kind = Kind::Int;
    v.integer = value;
    return v;
  }
  static Value of(double value) {
    Value v;
    v.kind = Kind::Float;
    v.real = value;
    return v;
  }
  static Value of(Bytes bytes) {
    Value v;
    v.kind = Kind::String;
    v.size = bytes.size;
    v.text = bytes.data;
    return v;
  }
  Bytes bytes() const { return {text, size}; }
  bool is(Kind other) const { return kind == other; }
  bool isNumber() const {
    return kind == Kind::Bool || kind == Kind::Int || kind == Kind::Float;
  }
  bool isWhole() const { return kind == Kind::Bool || kind == Kind::Int; }
  int64_t whole() const { return kind == Kind::Bool ? boolean : integer; }
  double number() const {
    return kind == Kind::Float ? real : static_cast<double>(whole());
  }
  bool isSequence(Sequence other) const {
    return kind == Kind::List && sequence == other;
  }
};

struct List {
  Value *items;
  uint32_t count;
  uint32_t next; ///< of a generator: items already read
};

struct DictEntry {
  Value key, value;
  uint32_t hash;
};

/// In order of insertion; an index once it is no longer small.
struct Dict {
  DictEntry *entries = nullptr;
  uint32_t count = 0, capacity = 0;
  uint32_t *slots = nullptr; ///< entry + 1
  uint32_t slotCount = 0;
};

/// Why a value is undefined, for the message when it is used.
struct Undefined {
  enum Reason { Name, Attribute, Hint, Unsafe } reason;
  Value object, name;
};

/// Memory of one rendering.
class Arena {
public:
  explicit Arena(size_t limit) : limit(limit) {}
  Arena(const Arena &) = delete;
  ~Arena();

  /// Null where the limit is reached or memory is out; aligned to 16.
  void *allocate(size_t bytes);
  template <typename T> T *make(size_t count = 1) {
    if (count > limit / sizeof(T))
      return nullptr;
    return static_cast<T *>(allocate(count * sizeof(T)));
  }
  /// Makes `text` followed by `more`; in place where there is room behind
  /// `text`, so that building a text piece by piece takes linear time.
  const uint8_t *join(Bytes text, Bytes more);

private:
  struct Chunk {
    Chunk *previous;
    size_t size;
  };
  Chunk *chunk = nullptr;
  /// Texts that have room behind them.
  struct Growing {
    uint8_t *end = nullptr, *limit = nullptr;
  };
  uint8_t *at = nullptr, *end = nullptr;
  Growing growing[4];
  uint32_t nextGrowing = 0;
  size_t limit, used = 0;
};

const char *typeName(const Value &value);

/// Python's repr of a number without any locale.
[[nodiscard]] bool appendInteger(Array<uint8_t> &out, int64_t value);
[[nodiscard]] bool appendFloat(Array<uint8_t> &out, double value);
/// A decimal number, without any locale. False if it is none.
bool parseFloat(Bytes text, double *value);
/// False if it is no whole number or has more than 64 bits.
bool parseInteger(Bytes text, uint32_t base, int64_t *value);

bool equalBytes(Bytes a, Bytes b);
inline Bytes bytesOf(const char *text) {
  return {reinterpret_cast<const uint8_t *>(text),
          static_cast<uint32_t>(strlen(text))};
}
inline bool equalText(Bytes a, const char *b) {
  return equalBytes(a, bytesOf(b));
}

/// Python's ==. `depth` bounds the recursion (a deeper value is unequal).
bool equalValues(const Value &a, const Value &b, uint32_t depth = 0);

DictEntry *findEntry(const Dict &dict, const Value &key);
/// Adds or replaces. False where memory is out.
[[nodiscard]] bool setEntry(Arena &arena, Dict &dict, const Value &key,
                            const Value &value);

/// Reads one JSON value strictly into values. On failure `*at` is the offset
/// and `*problem` says what was expected.
bool parseJson(Arena &arena, Bytes text, Value &value, uint32_t *at,
               const char **problem);

} // namespace adze::text

#endif // ADZE_RUNTIME_TEXT_CHAT_VALUE_H
