// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A recursive descent parser that emits instructions while it reads. Each part
// of a pattern becomes a fragment: its first instruction and the places that
// lead out of it. Fragments are joined by pointing those places at the next
// instruction, which therefore always lies ahead:
//
//   a(?:b|c)?d   0: RUN a ->1          1: ALTERNATIVE ->2, else 6
//                2: ALTERNATIVE ->3, else 4               3: RUN b ->6
//                4: JUMP ->5           5: RUN c ->6       6: RUN d ->7
//                7: MATCH

#include "PatternCompiler.h"

#include "CharacterSet.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ConvertUTF.h"

#include <algorithm>

using namespace llvm;

namespace adze {

namespace {

constexpr unsigned kDeepestGroup = 64;

struct Exit {
  uint32_t instruction;
  bool other; ///< the place is `other`, not `next`
};

/// Instructions from `first` on; without any, there is nothing to match.
struct Fragment {
  uint32_t first = 0;
  bool empty = true;
  SmallVector<Exit, 4> exits;
};

class Parser {
public:
  Parser(PatternPrograms &programs, ArrayRef<UTF32> pattern)
      : programs(programs), pattern(pattern) {}

  Error run() {
    Fragment whole;
    if (!parseAlternatives(whole, 0))
      return takeError();
    if (at != pattern.size()) {
      fail("a closing bracket without an opening one");
      return takeError();
    }
    uint32_t end = emit({ADZE_TT_MATCH, 0, 0, 0, 0, 0, 0});
    connect(whole, end);
    if (program.size() > ADZE_TT_MAX_INSTRUCTIONS) {
      fail("a pattern of more than " + Twine(ADZE_TT_MAX_INSTRUCTIONS) +
           " parts");
      return takeError();
    }
    makeFinalRunsPossessive();
    programs.patterns.push_back(
        {static_cast<uint32_t>(programs.instructions.size()),
         static_cast<uint32_t>(program.size())});
    programs.instructions.insert(programs.instructions.end(), program.begin(),
                                 program.end());
    return Error::success();
  }

private:
  struct Quantifier {
    uint32_t minimum = 1, maximum = 1;
    bool lazy = false, possessive = false, present = false;
  };

  // Reading.
  bool atEnd() const { return at >= pattern.size(); }
  UTF32 peek(size_t ahead = 0) const {
    return at + ahead < pattern.size() ? pattern[at + ahead] : 0;
  }
  bool accept(UTF32 character) {
    if (atEnd() || pattern[at] != character)
      return false;
    ++at;
    return true;
  }
  bool fail(const Twine &what) {
    if (message.empty())
      message = ("unsupported or malformed split pattern at character " +
                 Twine(at) + ": " + what)
                    .str();
    return false;
  }
  Error takeError() {
    return createStringError(inconvertibleErrorCode(), message);
  }

  // Emitting.
  uint32_t emit(adze_tt_instruction instruction) {
    program.push_back(instruction);
    return static_cast<uint32_t>(program.size() - 1);
  }
  void connect(const Fragment &fragment, uint32_t target) {
    for (Exit exit : fragment.exits) {
      adze_tt_instruction &instruction = program[exit.instruction];
      (exit.other ? instruction.other : instruction.next) = target;
    }
  }
  /// Appends `part`, which was emitted last, to `sequence`.
  void append(Fragment &sequence, Fragment part) {
    if (part.empty)
      return;
    connect(sequence, part.first);
    if (!sequence.empty)
      part.first = sequence.first;
    sequence = std::move(part);
  }
  Fragment single(adze_tt_instruction instruction) {
    Fragment fragment;
    fragment.first = emit(instruction);
    fragment.empty = false;
    fragment.exits.push_back({fragment.first, false});
    return fragment;
  }

  bool parseAlternatives(Fragment &result, unsigned depth);
  bool parseSequence(Fragment &result, unsigned depth);
  bool parseGroup(Fragment &result, unsigned depth);
  bool parseLookahead(Fragment &result, bool negated);
  bool parseCharacters(CharacterSet &set);
  bool parseClass(CharacterSet &set);
  bool parseClassItem(CharacterSet &set);
  bool parseEscape(CharacterSet &set, bool &isCharacter, uint32_t &character);
  bool parseProperty(CharacterSet &set, bool negated);
  bool parseHex(unsigned digits, uint32_t &character);
  bool parseQuantifier(Quantifier &quantifier);
  bool parseInterval(Quantifier &quantifier);
  bool finishSet(CharacterSet &set, uint32_t &index);
  void makeFinalRunsPossessive();

  PatternPrograms &programs;
  ArrayRef<UTF32> pattern;
  size_t at = 0;
  bool ignoreCase = false;
  std::vector<adze_tt_instruction> program;
  std::string message;
};

/// Alternatives are emitted in a row, each behind an ALTERNATIVE that leads to
/// it and else to the next such instruction; the last has a JUMP in its place.
bool Parser::parseAlternatives(Fragment &result, unsigned depth) {
  if (depth > kDeepestGroup)
    return fail("groups nested too deeply");
  bool outerIgnoreCase = ignoreCase;
  size_t scan = at;
  // One look ahead for a '|' of this level saves an instruction per group.
  unsigned level = 0;
  bool inClass = false, several = false;
  for (; scan < pattern.size() && !several; ++scan) {
    UTF32 c = pattern[scan];
    if (c == '\\')
      ++scan;
    else if (inClass)
      inClass = c != ']';
    else if (c == '[')
      inClass = true;
    else if (c == '(')
      ++level;
    else if (c == ')' && level-- == 0)
      break;
    else if (c == '|' && level == 0)
      several = true;
  }
  if (!several) {
    bool parsed = parseSequence(result, depth);
    ignoreCase = outerIgnoreCase;
    return parsed;
  }
  Fragment whole;
  whole.empty = false;
  whole.first = static_cast<uint32_t>(program.size());
  for (bool last = false; !last;) {
    uint32_t choice = emit({ADZE_TT_ALTERNATIVE, 0, 0, 0, 0, 0, 0});
    Fragment branch;
    if (!parseSequence(branch, depth))
      return false;
    if (branch.empty)
      whole.exits.push_back({choice, false});
    else
      program[choice].next = branch.first;
    whole.exits.append(branch.exits.begin(), branch.exits.end());
    last = !accept('|');
    if (last)
      program[choice].operation = ADZE_TT_JUMP;
    else
      program[choice].other = static_cast<uint32_t>(program.size());
  }
  ignoreCase = outerIgnoreCase;
  result = std::move(whole);
  return true;
}

bool Parser::parseSequence(Fragment &result, unsigned depth) {
  while (!atEnd() && peek() != '|' && peek() != ')') {
    Fragment part;
    Quantifier quantifier;
    if (peek() == '(') {
      // An optional group needs its decision in front of it. What the group is
      // shows only behind it, so there is always a step to turn into one.
      uint32_t choice = emit({ADZE_TT_JUMP, 0, 0, 0, 0, 0, 0});
      Fragment group;
      if (!parseGroup(group, depth) || !parseQuantifier(quantifier))
        return false;
      bool once = quantifier.minimum == 1 && quantifier.maximum == 1;
      bool optional = quantifier.minimum == 0 && quantifier.maximum == 1;
      if ((!once && !optional) || quantifier.possessive)
        return fail("a repeated group; only single characters may repeat");
      part.first = choice;
      part.empty = false;
      part.exits = group.exits;
      bool skipFirst = quantifier.lazy;
      if (group.empty) {
        part.exits.push_back({choice, false});
      } else if (once) {
        program[choice].next = group.first;
      } else {
        program[choice].operation = ADZE_TT_ALTERNATIVE;
        (skipFirst ? program[choice].other : program[choice].next) =
            group.first;
        part.exits.push_back({choice, !skipFirst});
      }
    } else if (peek() == '^' || peek() == '$') {
      uint32_t operation =
          peek() == '^' ? ADZE_TT_LINE_BEGIN : ADZE_TT_LINE_END;
      ++at;
      part = single({operation, 0, 0, 0, 0, 0, 0});
      if (!parseQuantifier(quantifier))
        return false;
      if (quantifier.present)
        return fail("a repeated line boundary");
    } else {
      CharacterSet set;
      uint32_t index;
      if (!parseCharacters(set) || !finishSet(set, index) ||
          !parseQuantifier(quantifier))
        return false;
      uint32_t flags = flagIf(quantifier.lazy, ADZE_TT_LAZY) |
                       flagIf(quantifier.possessive, ADZE_TT_POSSESSIVE);
      part = single({ADZE_TT_RUN, flags, index, quantifier.minimum,
                     quantifier.maximum, 0, 0});
    }
    append(result, std::move(part));
  }
  return true;
}

bool Parser::parseGroup(Fragment &result, unsigned depth) {
  bool outerIgnoreCase = ignoreCase;
  ++at; // (
  if (accept('?')) {
    if (accept('='))
      return parseLookahead(result, false);
    if (accept('!'))
      return parseLookahead(result, true);
    if (accept('i')) {
      ignoreCase = true;
      // (?i) holds to the end of the group around it.
      if (accept(')'))
        return true;
    }
    if (!accept(':'))
      return fail("this kind of group; (?:...), (?i:...), (?=x) and (?!x) "
                  "are implemented");
  }
  if (!parseAlternatives(result, depth + 1))
    return false;
  ignoreCase = outerIgnoreCase;
  return accept(')') || fail("a group without an end");
}

bool Parser::parseLookahead(Fragment &result, bool negated) {
  CharacterSet set;
  uint32_t index;
  if (!parseCharacters(set) || !finishSet(set, index))
    return false;
  if (!accept(')'))
    return fail("lookahead at more than one character");
  result = single(
      {ADZE_TT_LOOKAHEAD, flagIf(negated, ADZE_TT_NEGATED), index, 0, 0, 0, 0});
  return true;
}

bool Parser::finishSet(CharacterSet &set, uint32_t &index) {
  if (ignoreCase && !set.ignoreCase())
    return fail("letters beyond ASCII where case is ignored");
  index = set.intern(programs);
  return true;
}

/// One character or a set of them, without what repeats it.
bool Parser::parseCharacters(CharacterSet &set) {
  if (atEnd())
    return fail("the end, where a character is expected");
  UTF32 c = peek();
  if (c == '[')
    return parseClass(set);
  if (c == '.') {
    ++at;
    set.complement = true;
    set.addRange('\n', '\n');
    return true;
  }
  if (c == '\\') {
    bool isCharacter;
    uint32_t character;
    if (!parseEscape(set, isCharacter, character))
      return false;
    if (isCharacter)
      set.addRange(character, character);
    return true;
  }
  if (c == '*' || c == '+' || c == '?' || c == '(' || c == ')' || c == '|')
    return fail("an operator where a character is expected");
  ++at;
  set.addRange(c, c);
  return true;
}

bool Parser::parseClass(CharacterSet &set) {
  ++at; // [
  set.complement = accept('^');
  if (peek() == ']')
    return fail("an empty class");
  while (!accept(']')) {
    if (atEnd())
      return fail("a class without an end");
    if (!parseClassItem(set))
      return false;
  }
  return true;
}

bool Parser::parseClassItem(CharacterSet &set) {
  if (peek() == '[')
    return fail("a class inside a class (write \\[ for the bracket)");
  if (peek() == '&' && peek(1) == '&')
    return fail("an intersection of classes");
  bool isCharacter = true;
  uint32_t low;
  if (peek() == '\\') {
    if (!parseEscape(set, isCharacter, low))
      return false;
  } else {
    low = pattern[at++];
  }
  if (!isCharacter)
    return true;
  uint32_t high = low;
  if (peek() == '-' && at + 1 < pattern.size() && peek(1) != ']') {
    ++at;
    if (peek() == '\\') {
      if (!parseEscape(set, isCharacter, high))
        return false;
    } else {
      high = pattern[at++];
    }
    if (!isCharacter || high < low)
      return fail("a range of characters that does not rise");
  }
  set.addRange(low, high);
  return true;
}

bool Parser::parseEscape(CharacterSet &set, bool &isCharacter,
                         uint32_t &character) {
  ++at; // backslash
  if (atEnd())
    return fail("a backslash at the end");
  UTF32 c = pattern[at++];
  isCharacter = true;
  switch (c) {
  case 'n':
    character = '\n';
    return true;
  case 'r':
    character = '\r';
    return true;
  case 't':
    character = '\t';
    return true;
  case 'f':
    character = '\f';
    return true;
  case 'v':
    character = '\v';
    return true;
  case 'x':
    return parseHex(2, character);
  case 'u':
    return parseHex(4, character);
  default:
    break;
  }
  isCharacter = false;
  switch (c) {
  case 's':
  case 'S':
    set.addSpace(c == 'S');
    return true;
  case 'd':
  case 'D':
    set.addCategories(1u << ADZE_TT_ND, c == 'D');
    return true;
  case 'p':
  case 'P':
    return parseProperty(set, c == 'P');
  default:
    break;
  }
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
      (c >= '0' && c <= '9'))
    return fail(Twine("the escape \\") + Twine(static_cast<char>(c)));
  isCharacter = true;
  character = c;
  return true;
}

bool Parser::parseProperty(CharacterSet &set, bool negated) {
  std::string name;
  if (accept('{')) {
    if (accept('^'))
      negated = !negated;
    while (!atEnd() && peek() != '}' && name.size() < 64)
      name.push_back(static_cast<char>(pattern[at++] & 0x7F));
    if (!accept('}'))
      return fail("a property without an end");
  } else if (!atEnd()) {
    name.push_back(static_cast<char>(pattern[at++] & 0x7F));
  }
  uint32_t mask = categoryMask(name);
  if (mask == 0)
    return fail("the property '" + name +
                "'; general categories such as L or Nd are implemented");
  set.addCategories(mask, negated);
  return true;
}

bool Parser::parseHex(unsigned digits, uint32_t &character) {
  bool braces = accept('{');
  character = 0;
  unsigned number = 0;
  for (; number < (braces ? 6 : digits); ++number, ++at) {
    unsigned digit =
        peek() < 0x80 ? hexDigitValue(static_cast<char>(peek())) : ~0u;
    if (digit == ~0u)
      break;
    character = character * 16 + digit;
  }
  if (number == 0 || (!braces && number != digits) || character > 0x10FFFF ||
      (braces && !accept('}')))
    return fail("a malformed hexadecimal character");
  return true;
}

bool Parser::parseInterval(Quantifier &quantifier) {
  size_t start = at;
  auto number = [&](uint32_t &value) {
    bool any = false;
    for (value = 0; peek() >= '0' && peek() <= '9'; ++at, any = true)
      value = std::min(value * 10 + (peek() - '0'), 100000u);
    return any;
  };
  ++at; // {
  bool hasMinimum = number(quantifier.minimum);
  bool comma = accept(',');
  bool hasMaximum = comma && number(quantifier.maximum);
  if (!accept('}') || (!hasMinimum && !hasMaximum)) {
    at = start;
    return fail("a brace that is no repetition (write \\{ for the brace)");
  }
  if (!comma)
    quantifier.maximum = quantifier.minimum;
  else if (!hasMaximum)
    quantifier.maximum = ADZE_TT_UNBOUNDED;
  if (quantifier.minimum > ADZE_TT_MAX_REPEAT ||
      (quantifier.maximum > ADZE_TT_MAX_REPEAT &&
       quantifier.maximum != ADZE_TT_UNBOUNDED) ||
      quantifier.minimum > quantifier.maximum)
    return fail("a repetition that does not rise or exceeds " +
                Twine(ADZE_TT_MAX_REPEAT));
  return true;
}

bool Parser::parseQuantifier(Quantifier &quantifier) {
  bool interval = false;
  if (accept('*'))
    quantifier.minimum = 0, quantifier.maximum = ADZE_TT_UNBOUNDED;
  else if (accept('+'))
    quantifier.maximum = ADZE_TT_UNBOUNDED;
  else if (accept('?'))
    quantifier.minimum = 0;
  else if (peek() == '{') {
    interval = true;
    if (!parseInterval(quantifier))
      return false;
  } else
    return true;
  quantifier.present = true;
  if (accept('?')) {
    quantifier.lazy = true;
  } else if (interval && peek() == '+') {
    // In Oniguruma x{m,n}+ repeats the interval: it is not possessive.
    if (quantifier.minimum > 1)
      return fail("a repeated interval");
    ++at;
    quantifier.maximum = ADZE_TT_UNBOUNDED;
  } else if (accept('+')) {
    quantifier.possessive = true;
  }
  if (peek() == '*' || peek() == '+' || peek() == '?' || peek() == '{')
    return fail("a repetition of a repetition");
  return true;
}

/// A greedy run need not try shorter lengths if what follows cannot fail.
void Parser::makeFinalRunsPossessive() {
  std::vector<bool> succeeds(program.size(), false);
  for (size_t i = program.size(); i-- > 0;) {
    adze_tt_instruction &instruction = program[i];
    switch (instruction.operation) {
    case ADZE_TT_MATCH:
      succeeds[i] = true;
      break;
    case ADZE_TT_RUN:
      if (succeeds[instruction.next] && !(instruction.flags & ADZE_TT_LAZY))
        instruction.flags |= ADZE_TT_POSSESSIVE;
      succeeds[i] = succeeds[instruction.next] && instruction.minimum == 0;
      break;
    case ADZE_TT_ALTERNATIVE:
      succeeds[i] = succeeds[instruction.next] || succeeds[instruction.other];
      break;
    case ADZE_TT_JUMP:
      succeeds[i] = succeeds[instruction.next];
      break;
    default:
      break;
    }
  }
}

} // namespace

Expected<uint32_t> PatternPrograms::add(StringRef pattern) {
  SmallVector<UTF32> characters(pattern.size());
  const auto *source = reinterpret_cast<const UTF8 *>(pattern.begin());
  UTF32 *target = characters.data();
  if (ConvertUTF8toUTF32(&source, reinterpret_cast<const UTF8 *>(pattern.end()),
                         &target, characters.data() + characters.size(),
                         strictConversion) != conversionOK)
    return createStringError(inconvertibleErrorCode(),
                             "a split pattern is not UTF-8");
  characters.resize(target - characters.data());
  if (Error error = Parser(*this, characters).run())
    return error;
  return static_cast<uint32_t>(patterns.size() - 1);
}

std::string quotePattern(StringRef text) {
  std::string quoted;
  for (char c : text) {
    if (StringRef("\\[](){}.*+?^$|&-").contains(c))
      quoted.push_back('\\');
    quoted.push_back(c);
  }
  return quoted;
}

} // namespace adze
