// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tokens of a chat template: text, tags, and what is in them. White space is
// taken off as Jinja does with trim_blocks and lstrip_blocks: a line break
// after a block or comment, blanks between the start of a line and a block or
// comment, and all white space on the side of a '-'.

#include "ChatTemplate.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ConvertUTF.h"

using namespace llvm;

namespace adze {
namespace {

/// What Python's str.isspace knows, as UTF-8; the length, or 0.
size_t spaceLength(StringRef text) {
  if (text.empty())
    return 0;
  unsigned char c = text[0];
  if (c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x1F))
    return 1;
  if (text.starts_with("\xC2\x85") || text.starts_with("\xC2\xA0"))
    return 2;
  if (text.size() < 3)
    return 0;
  unsigned code = (c & 0xF) << 12 | (text[1] & 0x3F) << 6 | (text[2] & 0x3F);
  bool space =
      (c & 0xF0) == 0xE0 &&
      (code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 ||
       code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000);
  return space ? 3 : 0;
}

StringRef withoutSpaceAtEnd(StringRef text) {
  for (;;) {
    size_t at = text.size();
    while (at > 0 && at + 3 > text.size() && (text[at - 1] & 0xC0) == 0x80)
      --at;
    if (at == 0 || spaceLength(text.drop_front(at - 1)) != text.size() - at + 1)
      return text;
    text = text.take_front(at - 1);
  }
}

bool isNameStart(char c) { return isAlpha(c) || c == '_' || (c & 0x80) != 0; }

class Lexer {
public:
  Lexer(StringRef given, std::vector<ChatToken> &tokens, std::string &problem)
      : tokens(tokens), problem(problem) {
    // Line ends as Jinja writes them; the last one is not part of a template.
    for (size_t i = 0; i < given.size(); ++i) {
      if (given[i] == '\r') {
        source += '\n';
        i += i + 1 < given.size() && given[i + 1] == '\n';
      } else {
        source += given[i];
      }
    }
    if (!source.empty() && source.back() == '\n')
      source.pop_back();
    rest = source;
  }

  bool run() {
    while (!rest.empty())
      if (!part())
        return false;
    add(ChatToken::EndOfFile, "");
    return true;
  }

private:
  bool fail(const Twine &what, uint32_t where = 0) {
    problem = (what + " at line " + Twine(where ? where : line)).str();
    return false;
  }

  void add(ChatToken::Kind kind, StringRef text) {
    tokens.push_back({kind, text.str(), line});
  }

  /// Takes `count` bytes off the rest and keeps count of lines.
  StringRef take(size_t count) {
    StringRef taken = rest.take_front(count);
    rest = rest.drop_front(count);
    line += taken.count('\n');
    if (!taken.empty())
      atLineStart = taken.back() == '\n';
    return taken;
  }

  void skipSpace() {
    while (size_t length = spaceLength(rest))
      take(length);
  }

  /// Text up to a tag with the sign after the tag's two characters.
  void text(StringRef data, char sign, bool isVariable) {
    bool lineStart = atLineStart;
    StringRef kept = data;
    if (sign == '-') {
      kept = withoutSpaceAtEnd(data);
    } else if (sign != '+' && !isVariable) {
      size_t newline = data.rfind('\n');
      size_t begin = newline == StringRef::npos ? 0 : newline + 1;
      StringRef tail = data.drop_front(begin);
      if ((begin > 0 || lineStart) && !tail.empty()) {
        StringRef blank = tail;
        while (size_t length = spaceLength(blank))
          blank = blank.drop_front(length);
        if (blank.empty())
          kept = data.take_front(begin);
      }
    }
    if (!kept.empty())
      add(ChatToken::Data, kept);
  }

  static size_t findTag(StringRef text) {
    for (size_t at = 0; (at = text.find('{', at)) != StringRef::npos; ++at)
      if (at + 1 < text.size() &&
          (text[at + 1] == '{' || text[at + 1] == '%' || text[at + 1] == '#'))
        return at;
    return StringRef::npos;
  }

  /// After a tag's end: white space after '-', else one line break of blocks.
  void afterEnd(char sign, bool trims) {
    if (sign == '-')
      skipSpace();
    else if (sign != '+' && trims && rest.starts_with("\n"))
      take(1);
  }

  bool part() {
    size_t at = findTag(rest);
    if (at == StringRef::npos) {
      add(ChatToken::Data, rest);
      take(rest.size());
      return true;
    }
    char kind = rest[at + 1];
    char sign = at + 2 < rest.size() ? rest[at + 2] : 0;
    if (sign != '-' && sign != '+')
      sign = 0;
    text(rest.take_front(at), sign, kind == '{');
    take(at);
    uint32_t begin = line;
    StringRef tag = rest.take_front(2);
    take(2 + (sign != 0));
    if (kind == '#')
      return comment(begin);
    StringRef inner = rest.ltrim();
    if (kind == '%' && inner.consume_front("raw")) {
      inner = inner.ltrim();
      bool dash = inner.consume_front("-");
      if (inner.consume_front("%}")) {
        take(rest.size() - inner.size());
        if (dash)
          skipSpace();
        return raw(begin);
      }
    }
    add(ChatToken::Begin, tag);
    return inside(kind == '{' ? "}}" : "%}", begin);
  }

  bool comment(uint32_t begin) {
    size_t end = rest.find("#}");
    if (end == StringRef::npos)
      return fail("missing end of comment tag", begin);
    char sign = end > 0 ? rest[end - 1] : 0;
    take(end + 2);
    afterEnd(sign, true);
    return true;
  }

  bool raw(uint32_t begin) {
    for (size_t at = 0; (at = rest.find("{%", at)) != StringRef::npos;
         at += 2) {
      StringRef tail = rest.drop_front(at + 2);
      char sign =
          !tail.empty() && (tail[0] == '-' || tail[0] == '+') ? tail[0] : 0;
      tail = tail.drop_front(sign != 0).ltrim();
      if (!tail.consume_front("endraw"))
        continue;
      tail = tail.ltrim();
      char endSign =
          !tail.empty() && (tail[0] == '-' || tail[0] == '+') ? tail[0] : 0;
      tail = tail.drop_front(endSign != 0);
      if (!tail.consume_front("%}"))
        continue;
      text(rest.take_front(at), sign, false);
      take(rest.size() - tail.size());
      afterEnd(endSign, true);
      return true;
    }
    return fail("missing end of raw directive", begin);
  }

  bool inside(StringRef end, uint32_t begin) {
    std::string open; // closing brackets that are due
    for (;;) {
      skipSpace();
      if (rest.empty())
        return fail("a tag without its end '" + end + "'", begin);
      if (open.empty()) {
        char sign =
            rest[0] == '-' || (rest[0] == '+' && end == "%}") ? rest[0] : 0;
        if (rest.drop_front(sign != 0).starts_with(end)) {
          add(ChatToken::End, end);
          take(2 + (sign != 0));
          afterEnd(sign, end == "%}");
          return true;
        }
      }
      char c = rest[0];
      if (isDigit(c)) {
        number();
      } else if (isNameStart(c)) {
        size_t length = 0;
        while (length < rest.size() &&
               (isNameStart(rest[length]) || isDigit(rest[length])))
          ++length;
        add(ChatToken::Name, rest.take_front(length));
        take(length);
      } else if (c == '"' || c == '\'') {
        if (!string(c))
          return false;
      } else if (!operation(open)) {
        return false;
      }
    }
  }

  size_t digits(StringRef text) {
    size_t length = 0;
    while (length < text.size() &&
           (isDigit(text[length]) ||
            (text[length] == '_' && length > 0 && length + 1 < text.size() &&
             isDigit(text[length + 1]))))
      ++length;
    return length;
  }

  void number() {
    size_t length = digits(rest);
    bool real = false;
    // Not after a dot: in a.1.2 the parts are integers.
    bool afterDot = rest.data() > source.data() && rest.data()[-1] == '.';
    if (!afterDot) {
      StringRef tail = rest.drop_front(length);
      if (tail.starts_with("."))
        if (size_t more = digits(tail.drop_front(1))) {
          length += 1 + more;
          real = true;
          tail = rest.drop_front(length);
        }
      if (tail.starts_with_insensitive("e")) {
        size_t sign = tail.size() > 1 && (tail[1] == '+' || tail[1] == '-');
        if (size_t more = digits(tail.drop_front(1 + sign))) {
          length += 1 + sign + more;
          real = true;
        }
      }
    }
    if (!real && rest[0] == '0' && rest.size() > 1 &&
        StringRef("xXoObB").contains(rest[1])) {
      length = 2;
      while (length < rest.size() && (isHexDigit(rest[length])))
        ++length;
    }
    std::string text;
    for (char c : rest.take_front(length))
      if (c != '_')
        text += c;
    add(real ? ChatToken::Float : ChatToken::Integer, text);
    take(length);
  }

  /// Decodes as Python's unicode_escape does.
  bool string(char quote) {
    std::string value;
    size_t at = 1;
    for (; at < rest.size() && rest[at] != quote; ++at) {
      if (rest[at] != '\\') {
        value += rest[at];
        continue;
      }
      if (++at == rest.size())
        break;
      if (!escape(at, value))
        return false;
    }
    if (at >= rest.size())
      return fail("a string without its end");
    add(ChatToken::String, value);
    take(at + 1);
    return true;
  }

  /// `at` is the character after the backslash; left at the last one used.
  bool escape(size_t &at, std::string &value) {
    static constexpr StringLiteral from = "\\'\"abfnrtv";
    static constexpr StringLiteral to = "\\'\"\a\b\f\n\r\t\v";
    char c = rest[at];
    if (c == '\n')
      return true;
    if (size_t index = from.find(c); index != StringRef::npos) {
      value += to[index];
      return true;
    }
    unsigned base = 16, most = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (c == 'N')
      return fail("the escape \\N{...} in a string is not supported");
    if (c >= '0' && c <= '7') {
      base = 8;
      most = 3;
      --at;
    } else if (most == 0) {
      value += '\\';
      value += c;
      return true;
    }
    uint32_t code = 0;
    unsigned used = 0;
    for (; used < most && at + 1 < rest.size(); ++used) {
      unsigned digit = hexDigitValue(rest[at + 1]);
      if (digit >= base)
        break;
      code = code * base + digit;
      ++at;
    }
    if (base == 16 && used < most)
      return fail("a truncated escape in a string");
    char buffer[4], *end = buffer;
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000) ||
        !ConvertCodePointToUTF8(code, end))
      return fail("an escape in a string that is no character");
    value.append(buffer, end);
    return true;
  }

  bool operation(std::string &open) {
    static constexpr StringLiteral known[] = {
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
        "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
    for (StringRef candidate : known) {
      if (!rest.starts_with(candidate))
        continue;
      char c = candidate[0];
      if (c == '(' || c == '[' || c == '{') {
        open += c == '(' ? ')' : c == '[' ? ']' : '}';
      } else if (c == ')' || c == ']' || c == '}') {
        if (open.empty() || open.back() != c)
          return fail("unexpected '" + candidate + "'");
        open.pop_back();
      }
      add(ChatToken::Operator, candidate);
      take(candidate.size());
      return true;
    }
    return fail("unexpected character '" + rest.take_front(1) + "'");
  }

  std::string source;
  StringRef rest;
  std::vector<ChatToken> &tokens;
  std::string &problem;
  uint32_t line = 1;
  bool atLineStart = true;
};

} // namespace

bool tokenizeChatTemplate(StringRef source, std::vector<ChatToken> &tokens,
                          std::string &problem) {
  const auto *bytes = reinterpret_cast<const UTF8 *>(source.begin());
  if (!isLegalUTF8String(&bytes,
                         reinterpret_cast<const UTF8 *>(source.end()))) {
    problem = "text that is not UTF-8";
    return false;
  }
  return Lexer(source, tokens, problem).run();
}

} // namespace adze
