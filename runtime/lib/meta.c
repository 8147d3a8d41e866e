/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "meta.h"

#define MAX_DEPTH 32

typedef struct {
  const char *at, *end;
} cursor;

static void skip_space(cursor *c) {
  while (c->at < c->end &&
         (*c->at == ' ' || *c->at == '\n' || *c->at == '\t' || *c->at == '\r'))
    ++c->at;
}
static bool take(cursor *c, char what) {
  if (c->at == c->end || *c->at != what)
    return false;
  ++c->at;
  return true;
}
static int hex_digit(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
static bool take_hex4(cursor *c, uint32_t *value) {
  *value = 0;
  for (int i = 0; i < 4; ++i, ++c->at) {
    int digit = c->at < c->end ? hex_digit(*c->at) : -1;
    if (digit < 0)
      return false;
    *value = *value << 4 | (uint32_t)digit;
  }
  return true;
}

static void put(char *out, size_t capacity, size_t *length, uint32_t byte) {
  if (*length < capacity)
    out[*length] = (char)byte;
  ++*length;
}
static void put_code_point(char *out, size_t capacity, size_t *length,
                           uint32_t c) {
  if (c < 0x80) {
    put(out, capacity, length, c);
    return;
  }
  static const uint8_t lead[] = {0, 0xC0, 0xE0, 0xF0};
  int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  put(out, capacity, length, lead[more] | c >> (6 * more));
  while (more--)
    put(out, capacity, length, 0x80 | (c >> (6 * more) & 0x3F));
}

/* The escape after a backslash; surrogate pairs are joined. */
static bool take_escape(cursor *c, uint32_t *code_point) {
  if (c->at == c->end)
    return false;
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  char kind = *c->at++;
  if (kind == 'u') {
    uint32_t low;
    if (!take_hex4(c, code_point))
      return false;
    if (*code_point >= 0xDC00 && *code_point < 0xE000)
      return false;
    if (*code_point < 0xD800 || *code_point >= 0xDC00)
      return true;
    if (!take(c, '\\') || !take(c, 'u') || !take_hex4(c, &low) ||
        low < 0xDC00 || low >= 0xE000)
      return false;
    *code_point = 0x10000 + ((*code_point - 0xD800) << 10) + (low - 0xDC00);
    return true;
  }
  const char *found = kind ? strchr(from, kind) : NULL;
  if (!found)
    return false;
  *code_point = (uint8_t)to[found - from];
  return true;
}

/* A string; its decoded bytes go to `out` as far as there is room. */
static bool take_string(cursor *c, char *out, size_t capacity, size_t *length) {
  *length = 0;
  if (!take(c, '"'))
    return false;
  while (c->at < c->end) {
    uint8_t byte = (uint8_t)*c->at++;
    if (byte == '"')
      return true;
    if (byte < 0x20)
      return false;
    uint32_t code_point;
    if (byte != '\\')
      put(out, capacity, length, byte);
    else if (take_escape(c, &code_point))
      put_code_point(out, capacity, length, code_point);
    else
      return false;
  }
  return false;
}

static bool take_digits(cursor *c) {
  const char *begin = c->at;
  while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
    ++c->at;
  return c->at > begin;
}
static bool take_number(cursor *c) {
  take(c, '-');
  bool leading_zero = c->at < c->end && *c->at == '0';
  const char *begin = c->at;
  if (!take_digits(c) || (leading_zero && c->at - begin > 1))
    return false;
  if (take(c, '.') && !take_digits(c))
    return false;
  if (take(c, 'e') || take(c, 'E')) {
    if (!take(c, '-'))
      take(c, '+');
    return take_digits(c);
  }
  return true;
}
static bool take_word(cursor *c, const char *word) {
  size_t length = strlen(word);
  if ((size_t)(c->end - c->at) < length || memcmp(c->at, word, length))
    return false;
  c->at += length;
  return true;
}

static bool take_value(cursor *c, int depth);

static bool take_list(cursor *c, int depth, char close, bool keys) {
  ++c->at;
  skip_space(c);
  if (take(c, close))
    return true;
  do {
    size_t length;
    skip_space(c);
    if (keys) {
      if (!take_string(c, NULL, 0, &length))
        return false;
      skip_space(c);
      if (!take(c, ':'))
        return false;
    }
    if (!take_value(c, depth + 1))
      return false;
    skip_space(c);
  } while (take(c, ','));
  return take(c, close);
}

static bool take_value(cursor *c, int depth) {
  skip_space(c);
  if (c->at == c->end || depth > MAX_DEPTH)
    return false;
  size_t length;
  switch (*c->at) {
  case '{':
    return take_list(c, depth, '}', true);
  case '[':
    return take_list(c, depth, ']', false);
  case '"':
    return take_string(c, NULL, 0, &length);
  case 't':
    return take_word(c, "true");
  case 'f':
    return take_word(c, "false");
  case 'n':
    return take_word(c, "null");
  }
  return take_number(c);
}

bool adze_meta_valid(const char *json, size_t length) {
  cursor c = {json, json + length};
  skip_space(&c);
  if (c.at == c.end || *c.at != '{' || !take_value(&c, 0))
    return false;
  skip_space(&c);
  while (c.at < c.end && !*c.at) /* a writer may end the text with a NUL */
    ++c.at;
  return c.at == c.end;
}

bool adze_meta_find(const char *json, size_t length, const char *key,
                    adze_meta_value *value) {
  cursor c = {json, json + length};
  size_t key_length = strlen(key);
  skip_space(&c);
  if (!take(&c, '{'))
    return false;
  do {
    char name[64];
    size_t name_length;
    skip_space(&c);
    if (!take_string(&c, name, sizeof name, &name_length))
      return false;
    skip_space(&c);
    if (!take(&c, ':'))
      return false;
    skip_space(&c);
    const char *begin = c.at;
    if (!take_value(&c, 1))
      return false;
    if (name_length == key_length && name_length <= sizeof name &&
        !memcmp(name, key, key_length)) {
      value->text = begin;
      value->length = (size_t)(c.at - begin);
      return true;
    }
    skip_space(&c);
  } while (take(&c, ','));
  return false;
}

static bool take_integer(cursor *c, int64_t *integer) {
  bool negative = take(c, '-');
  const char *begin = c->at;
  int64_t value = 0;
  for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; ++c->at)
    if (__builtin_mul_overflow(value, (int64_t)10, &value) ||
        __builtin_sub_overflow(value, (int64_t)(*c->at - '0'), &value))
      return false;
  if (c->at == begin || (!negative && value == INT64_MIN))
    return false;
  *integer = negative ? value : -value;
  return true;
}

bool adze_meta_integer(adze_meta_value value, int64_t *integer) {
  cursor c = {value.text, value.text + value.length};
  return take_integer(&c, integer) && c.at == c.end;
}

bool adze_meta_integers(adze_meta_value value, int64_t *integers,
                        size_t capacity, size_t *count) {
  *count = 0;
  int64_t one;
  if (adze_meta_integer(value, &one)) {
    if (capacity)
      integers[0] = one;
    *count = 1;
    return true;
  }
  cursor c = {value.text, value.text + value.length};
  if (!take(&c, '['))
    return false;
  skip_space(&c);
  if (take(&c, ']'))
    return true;
  do {
    skip_space(&c);
    if (!take_integer(&c, &one))
      return false;
    if (*count < capacity)
      integers[*count] = one;
    ++*count;
    skip_space(&c);
  } while (take(&c, ','));
  return take(&c, ']');
}

size_t adze_meta_string(adze_meta_value value, char *out, size_t capacity,
                        bool *is_string) {
  cursor c = {value.text, value.text + value.length};
  size_t length = 0;
  *is_string = take_string(&c, out, capacity, &length) && c.at == c.end;
  return *is_string ? length : 0;
}
