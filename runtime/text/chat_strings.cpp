// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What Python's str does, on UTF-8: white space, case, quotes, lines.

#include "chat_interpreter.h"

#include "adze/text_table.h"
#include "unicode.h"

#include <cstdio>
#include <utf8proc.h>

namespace adze::text {

bool isPythonSpace(uint32_t c) {
  if (c < 0x80)
    return c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x1F);
  return isWhiteSpace(c);
}

uint32_t characterCount(Bytes text) {
  uint32_t count = 0;
  for (uint8_t byte : text)
    count += (byte & 0xC0) != 0x80;
  return count;
}

uint32_t characterOffset(Bytes text, uint32_t index) {
  uint32_t at = 0;
  for (; at < text.size; ++at)
    if ((text[at] & 0xC0) != 0x80 && index-- == 0)
      break;
  return at;
}

static bool hasCharacter(Bytes set, uint32_t character) {
  for (uint32_t at = 0; at < set.size;)
    if (decodeCharacter(set, at, &at) == character)
      return true;
  return false;
}

Bytes strip(Bytes text, bool left, bool right, const Bytes *set) {
  auto drops = [&](uint32_t character) {
    return set ? hasCharacter(*set, character) : isPythonSpace(character);
  };
  uint32_t begin = 0, end = text.size, next;
  while (left && begin < end && drops(decodeCharacter(text, begin, &next)))
    begin = next;
  while (right && end > begin) {
    uint32_t before = previousCharacter(text, end);
    if (before < begin || !drops(decodeCharacter(text, before, &next)))
      break;
    end = before;
  }
  return text.slice(begin, end - begin);
}

uint32_t findText(Bytes text, Bytes part, uint32_t from) {
  if (from > text.size || part.size > text.size - from)
    return text.size;
  if (part.size == 0)
    return from;
  const void *found =
      memmem(text.data + from, text.size - from, part.data, part.size);
  return found ? static_cast<uint32_t>(static_cast<const uint8_t *>(found) -
                                       text.data)
               : text.size;
}

static bool isCased(uint32_t c) {
  uint32_t category = generalCategory(c);
  return category >= ADZE_TT_LU && category <= ADZE_TT_LT;
}

static bool appendUpper(Array<uint8_t> &out, uint32_t c, bool title) {
  if (c == 0xDF) // the one letter in common use whose capital is two
    return out.append(bytesOf(title ? "Ss" : "SS"));
  auto code = static_cast<utf8proc_int32_t>(c);
  return appendCharacter(out,
                         static_cast<uint32_t>(title ? utf8proc_totitle(code)
                                                     : utf8proc_toupper(code)));
}
static bool appendLower(Array<uint8_t> &out, uint32_t c, bool ends) {
  if (c == 0x3A3) // sigma at the end of a word
    return appendCharacter(out, ends ? 0x3C2 : 0x3C3);
  if (c == 0x130)
    return out.append(bytesOf("i\xCC\x87"));
  return appendCharacter(out, static_cast<uint32_t>(utf8proc_tolower(
                                  static_cast<utf8proc_int32_t>(c))));
}

bool appendCase(Array<uint8_t> &out, Bytes text, Case how) {
  bool first = true, afterCased = false;
  for (uint32_t at = 0, next; at < text.size; at = next) {
    uint32_t c = decodeCharacter(text, at, &next), after;
    bool cased = isCased(c), upper = how == Case::Upper;
    if (how == Case::Title)
      upper = !afterCased;
    else if (how == Case::Capitalize || how == Case::JinjaTitle)
      upper = first;
    bool wordEnds =
        afterCased &&
        (next == text.size || !isCased(decodeCharacter(text, next, &after)));
    bool added =
        upper
            ? appendUpper(out, c, how != Case::Upper && how != Case::JinjaTitle)
            : appendLower(out, c, wordEnds);
    if (!added)
      return false;
    afterCased = cased;
    // Jinja's title begins a word after these.
    first =
        how == Case::JinjaTitle && (c == '-' || c == '(' || c == '{' ||
                                    c == '[' || c == '<' || isPythonSpace(c));
  }
  return true;
}

bool appendEscaped(Array<uint8_t> &out, Bytes text) {
  for (const uint8_t &byte : text) {
    const char *entity = byte == '&'    ? "&amp;"
                         : byte == '<'  ? "&lt;"
                         : byte == '>'  ? "&gt;"
                         : byte == '"'  ? "&#34;"
                         : byte == '\'' ? "&#39;"
                                        : nullptr;
    if (!(entity ? out.append(bytesOf(entity)) : out.append(&byte, 1)))
      return false;
  }
  return true;
}

bool appendStringRepr(Array<uint8_t> &out, Bytes text) {
  bool single = findText(text, bytesOf("'")) != text.size;
  bool both = single && findText(text, bytesOf("\"")) != text.size;
  uint8_t quote = single && !both ? '"' : '\'';
  if (!out.push(quote))
    return false;
  char buffer[16];
  for (uint32_t at = 0, next; at < text.size; at = next) {
    uint32_t c = decodeCharacter(text, at, &next);
    uint32_t category = c < 0x80 ? 0 : generalCategory(c);
    bool hidden =
        c < 0x20 || c == 0x7F ||
        (c >= 0x80 && (category == ADZE_TT_CN || category >= ADZE_TT_ZS));
    buffer[0] = 0;
    if (c == quote || c == '\\')
      snprintf(buffer, sizeof buffer, "\\%c", char(c));
    else if (c == '\n' || c == '\r' || c == '\t')
      snprintf(buffer, sizeof buffer, "\\%c",
               c == '\n'   ? 'n'
               : c == '\r' ? 'r'
                           : 't');
    else if (hidden)
      snprintf(buffer, sizeof buffer,
               c < 0x100     ? "\\x%02x"
               : c < 0x10000 ? "\\u%04x"
                             : "\\U%08x",
               c);
    if (!(buffer[0] ? out.append(bytesOf(buffer))
                    : out.append(text.data + at, next - at)))
      return false;
  }
  return out.push(quote);
}

bool appendJsonString(Array<uint8_t> &out, Bytes text, bool ascii) {
  if (!out.push('"'))
    return false;
  char buffer[16];
  for (uint32_t at = 0, next; at < text.size; at = next) {
    uint32_t c = decodeCharacter(text, at, &next);
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    const char *simple = c > 0 && c < 0x80 ? strchr(from, int(c)) : nullptr;
    buffer[0] = 0;
    if (simple)
      snprintf(buffer, sizeof buffer, "\\%c", to[simple - from]);
    else if (c < 0x20)
      snprintf(buffer, sizeof buffer, "\\u%04x", c);
    else if (ascii && c >= 0x10000)
      snprintf(buffer, sizeof buffer, "\\u%04x\\u%04x",
               0xD800 + ((c - 0x10000) >> 10),
               0xDC00 + ((c - 0x10000) & 0x3FF));
    else if (ascii && c >= 0x80)
      snprintf(buffer, sizeof buffer, "\\u%04x", c);
    if (!(buffer[0] ? out.append(bytesOf(buffer))
                    : out.append(text.data + at, next - at)))
      return false;
  }
  return out.push('"');
}

bool splitLines(Bytes text, Array<Bytes> &lines) {
  uint32_t begin = 0;
  for (uint32_t at = 0, next; at < text.size; at = next) {
    uint32_t c = decodeCharacter(text, at, &next);
    if (!((c >= 10 && c <= 13) || (c >= 0x1C && c <= 0x1E) || c == 0x85 ||
          c == 0x2028 || c == 0x2029))
      continue;
    if (!lines.push(text.slice(begin, at - begin)))
      return false;
    if (c == '\r' && next < text.size && text[next] == '\n')
      ++next;
    begin = next;
  }
  return begin == text.size || lines.push(text.slice(begin, text.size - begin));
}

} // namespace adze::text
