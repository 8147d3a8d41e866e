// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The arena, numbers as text, equality and dictionaries of chat templates.

#include "chat_value.h"

#include "adze/text_table.h"

#include <cmath>
#include <cstdio>

namespace adze::text {

Arena::~Arena() {
  while (chunk) {
    Chunk *previous = chunk->previous;
    free(chunk);
    chunk = previous;
  }
}

void *Arena::allocate(size_t bytes) {
  constexpr size_t alignment = 16, least = size_t(1) << 16;
  if (bytes > limit - used)
    return nullptr;
  size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  if (!at || rounded > static_cast<size_t>(end - at)) {
    constexpr size_t head =
        (sizeof(Chunk) + alignment - 1) / alignment * alignment;
    size_t size = rounded > least ? rounded : least;
    auto *made = static_cast<Chunk *>(malloc(head + size));
    if (!made)
      return nullptr;
    made->previous = chunk;
    made->size = size;
    chunk = made;
    at = reinterpret_cast<uint8_t *>(made) + head;
    end = at + size;
  }
  used += rounded < limit - used ? rounded : limit - used;
  void *memory = at;
  at += rounded;
  return memory;
}

const uint8_t *Arena::join(Bytes text, Bytes more) {
  size_t total = size_t(text.size) + more.size;
  if (total > limit)
    return nullptr;
  const uint8_t *textEnd = text.data + text.size;
  for (Growing &open : growing)
    if (text.size > 0 && open.end == textEnd &&
        more.size <= static_cast<size_t>(open.limit - open.end)) {
      if (more.size > 0)
        memcpy(open.end, more.data, more.size);
      open.end += more.size;
      return text.data;
    }
  // Twice the room for what may go on growing, so that it is rarely moved.
  constexpr size_t worthGrowing = 256;
  bool grows = text.size > 0 && total >= worthGrowing;
  auto *made = static_cast<uint8_t *>(allocate(grows ? 2 * total : total));
  if (!made)
    return nullptr;
  if (text.size > 0)
    memcpy(made, text.data, text.size);
  if (more.size > 0)
    memcpy(made + text.size, more.data, more.size);
  if (grows) {
    growing[nextGrowing] = {made + total, made + 2 * total};
    nextGrowing = (nextGrowing + 1) % (sizeof growing / sizeof *growing);
  }
  return made;
}

const char *typeName(const Value &value) {
  switch (value.kind) {
  case Kind::Undefined:
    return "Undefined";
  case Kind::None:
    return "NoneType";
  case Kind::Bool:
    return "bool";
  case Kind::Int:
    return "int";
  case Kind::Float:
    return "float";
  case Kind::String:
    return value.markup ? "Markup" : "str";
  case Kind::Dict:
    return "dict";
  case Kind::Namespace:
    return "Namespace";
  case Kind::Macro:
    return "Macro";
  case Kind::Function:
    return "function";
  case Kind::Method:
    return "builtin_function_or_method";
  case Kind::Loop:
    return "LoopContext";
  case Kind::List:
    break;
  }
  static const char *const names[] = {"list",      "tuple",     "range",
                                      "generator", "dict_keys", "dict_values",
                                      "dict_items"};
  return names[static_cast<int>(value.sequence)];
}

bool equalBytes(Bytes a, Bytes b) {
  return a.size == b.size &&
         (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool appendInteger(Array<uint8_t> &out, int64_t value) {
  uint8_t digits[20];
  uint32_t count = 0;
  uint64_t rest = value < 0 ? 0 - static_cast<uint64_t>(value)
                            : static_cast<uint64_t>(value);
  do
    digits[20 - ++count] = static_cast<uint8_t>('0' + rest % 10);
  while (rest /= 10);
  return (value >= 0 || out.push('-')) &&
         out.append(digits + 20 - count, count);
}

bool appendFloat(Array<uint8_t> &out, double value) {
  if (std::isnan(value))
    return out.append(bytesOf("nan"));
  if (std::isinf(value))
    return out.append(bytesOf(value < 0 ? "-inf" : "inf"));
  char buffer[40];
  for (int digits = 1; digits <= 17; ++digits) {
    snprintf(buffer, sizeof buffer, "%.*e", digits - 1, value);
    if (strtod(buffer, nullptr) == value)
      break;
  }
  // d.dddde+xx, whatever the locale's decimal point is.
  uint8_t digits[20];
  int count = 0, exponent = 0;
  const char *c = buffer;
  for (; *c && *c != 'e'; ++c)
    if (*c >= '0' && *c <= '9')
      digits[count++] = static_cast<uint8_t>(*c);
  if (*c == 'e')
    exponent = atoi(c + 1);
  while (count > 1 && digits[count - 1] == '0')
    --count;
  if (std::signbit(value) && !out.push('-'))
    return false;
  if (exponent < -4 || exponent >= 16) {
    if (!out.push(digits[0]) ||
        (count > 1 &&
         (!out.push('.') ||
          !out.append(digits + 1, static_cast<size_t>(count - 1)))))
      return false;
    snprintf(buffer, sizeof buffer, "e%c%02d", exponent < 0 ? '-' : '+',
             exponent < 0 ? -exponent : exponent);
    return out.append(bytesOf(buffer));
  }
  if (exponent < 0) {
    if (!out.append(bytesOf("0.")))
      return false;
    for (int i = -1; i > exponent; --i)
      if (!out.push('0'))
        return false;
    return out.append(digits, static_cast<size_t>(count));
  }
  for (int i = 0; i <= exponent || i < count; ++i)
    if ((i == exponent + 1 && !out.push('.')) ||
        !out.push(i < count ? digits[i] : uint8_t('0')))
      return false;
  return count > exponent + 1 || out.append(bytesOf(".0"));
}

bool parseFloat(Bytes text, double *value) {
  // strtod reads the locale's decimal point, so it is given none.
  char buffer[64];
  uint32_t size = 0, digits = 0;
  long shift = 0, exponent = 0;
  uint32_t at = 0;
  if (at < text.size && (text[at] == '-' || text[at] == '+')) {
    if (text[at] == '-')
      buffer[size++] = '-';
    ++at;
  }
  bool any = false, afterPoint = false;
  for (; at < text.size; ++at) {
    uint8_t c = text[at];
    if (c == '.' && !afterPoint) {
      afterPoint = true;
      continue;
    }
    if (c < '0' || c > '9')
      break;
    any = true;
    shift -= afterPoint;
    if (digits == 0 && c == '0')
      continue;        // leading zeros
    if (digits < 40) { // the rest cannot change a double by half a unit more
      buffer[size++] = static_cast<char>(c);
      ++digits;
    } else {
      ++shift;
    }
  }
  if (!any)
    return false;
  if (at < text.size && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    bool minus = false, some = false;
    if (at < text.size && (text[at] == '-' || text[at] == '+'))
      minus = text[at++] == '-';
    for (; at < text.size && text[at] >= '0' && text[at] <= '9'; ++at) {
      some = true;
      if (exponent < 100000000)
        exponent = exponent * 10 + (text[at] - '0');
    }
    if (!some)
      return false;
    exponent = minus ? -exponent : exponent;
  }
  if (at != text.size)
    return false;
  if (digits == 0)
    buffer[size++] = '0';
  snprintf(buffer + size, sizeof buffer - size, "e%ld", shift + exponent);
  *value = strtod(buffer, nullptr);
  return true;
}

bool parseInteger(Bytes text, uint32_t base, int64_t *value) {
  uint32_t at = 0;
  bool minus = text.size > 0 && text[0] == '-';
  if (text.size > 0 && (text[0] == '-' || text[0] == '+'))
    ++at;
  if (at == text.size)
    return false;
  uint64_t made = 0, most = (uint64_t(1) << 63) - !minus;
  for (; at < text.size; ++at) {
    uint8_t c = text[at] | 0x20;
    uint32_t digit = text[at] >= '0' && text[at] <= '9'
                         ? uint32_t(text[at] - '0')
                     : c >= 'a' && c <= 'z' ? uint32_t(c - 'a' + 10)
                                            : 99;
    if (digit >= base || made > (most - digit) / base)
      return false;
    made = made * base + digit;
  }
  *value = static_cast<int64_t>(minus ? 0 - made : made);
  return true;
}

namespace {

constexpr uint32_t kDeepestValue = 200;

bool equalLists(const Value &a, const Value &b, uint32_t depth) {
  if (a.list == b.list)
    return true;
  if (a.list->count != b.list->count)
    return false;
  for (uint32_t i = 0; i < a.list->count; ++i)
    if (!equalValues(a.list->items[i], b.list->items[i], depth + 1))
      return false;
  return true;
}

uint32_t hashValue(const Value &key) {
  if (key.is(Kind::String)) {
    uint32_t state = ADZE_TT_HASH_START;
    for (uint8_t byte : key.bytes())
      state = adze_tt_hash_extend(state, byte);
    return adze_tt_hash_finish(state);
  }
  if (!key.isNumber())
    return 0;
  // 1, 1.0 and True are one key.
  int64_t number = 0;
  if (key.isWhole())
    number = key.whole();
  else if (key.real >= -9e18 && key.real <= 9e18)
    number = static_cast<int64_t>(key.real);
  return static_cast<uint32_t>(number ^ number >> 32) * 2654435769u;
}

} // namespace

bool equalValues(const Value &a, const Value &b, uint32_t depth) {
  if (depth > kDeepestValue)
    return false;
  if (a.isNumber() && b.isNumber())
    return a.isWhole() && b.isWhole() ? a.whole() == b.whole()
                                      : a.number() == b.number();
  if (a.kind != b.kind)
    return false;
  switch (a.kind) {
  case Kind::Undefined:
  case Kind::None:
    return true;
  case Kind::String:
    return equalBytes(a.bytes(), b.bytes());
  case Kind::List:
    if (a.sequence != b.sequence)
      return false;
    if (a.sequence == Sequence::Generator || a.sequence == Sequence::Values)
      return a.list == b.list;
    return equalLists(a, b, depth);
  case Kind::Dict: {
    if (a.dict->count != b.dict->count)
      return false;
    for (uint32_t i = 0; i < a.dict->count; ++i) {
      const DictEntry *other = findEntry(*b.dict, a.dict->entries[i].key);
      if (!other ||
          !equalValues(a.dict->entries[i].value, other->value, depth + 1))
        return false;
    }
    return true;
  }
  case Kind::Function:
    return a.function == b.function;
  default:
    return a.dict == b.dict;
  }
}

DictEntry *findEntry(const Dict &dict, const Value &key) {
  uint32_t hash = hashValue(key);
  auto matches = [&](const DictEntry &entry) {
    return entry.hash == hash && equalValues(entry.key, key);
  };
  if (dict.slotCount == 0) {
    for (uint32_t i = 0; i < dict.count; ++i)
      if (matches(dict.entries[i]))
        return &dict.entries[i];
    return nullptr;
  }
  for (uint32_t slot = hash;; ++slot) {
    uint32_t entry = dict.slots[slot & (dict.slotCount - 1)];
    if (entry == 0)
      return nullptr;
    if (matches(dict.entries[entry - 1]))
      return &dict.entries[entry - 1];
  }
}

static void index(Dict &dict, uint32_t entry) {
  uint32_t slot = dict.entries[entry].hash;
  while (dict.slots[slot & (dict.slotCount - 1)] != 0)
    ++slot;
  dict.slots[slot & (dict.slotCount - 1)] = entry + 1;
}

bool setEntry(Arena &arena, Dict &dict, const Value &key, const Value &value) {
  if (DictEntry *found = findEntry(dict, key)) {
    found->value = value;
    return true;
  }
  if (dict.count == dict.capacity) {
    uint32_t capacity = dict.capacity ? 2 * dict.capacity : 8;
    auto *grown = arena.make<DictEntry>(capacity);
    if (!grown)
      return false;
    if (dict.count > 0)
      memcpy(static_cast<void *>(grown), dict.entries,
             dict.count * sizeof(DictEntry));
    dict.entries = grown;
    dict.capacity = capacity;
    if (capacity > 8) { // at most half full
      auto *slots = arena.make<uint32_t>(2 * capacity);
      if (!slots)
        return false;
      memset(slots, 0, 2 * capacity * sizeof(uint32_t));
      dict.slots = slots;
      dict.slotCount = 2 * capacity;
      for (uint32_t i = 0; i < dict.count; ++i)
        index(dict, i);
    }
  }
  dict.entries[dict.count] = {key, value, hashValue(key)};
  ++dict.count;
  if (dict.slotCount > 0)
    index(dict, dict.count - 1);
  return true;
}

} // namespace adze::text
