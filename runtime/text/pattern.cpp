// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Backtracking over programs whose only loops are runs of one character set.
//
// Whether a match goes on from (instruction, position) does not depend on how
// it got there, and two things are remembered per run for the whole text:
// where the run that covers a position ends, and a stretch of end positions
// from which nothing matched. So `\s+$` on a megabyte of spaces looks at each
// space once, although a match is tried from every one of them. What a
// pattern can still make slow (`a*a*a*b`) ends at a budget linear in the text.

#include "pattern.h"

#include "unicode.h"

namespace adze::text {

namespace {

/// Far above what the patterns of real tokenizers use (about 20).
constexpr uint64_t kStepsPerByte = 2000;

bool containsSlowly(const Table &table, const adze_tt_set &set,
                    uint32_t character) {
  bool complement = (set.flags & ADZE_TT_SET_COMPLEMENT) != 0;
  if (set.categories >> generalCategory(character) & 1)
    return !complement;
  constexpr uint32_t spaces =
      ADZE_TT_SET_WITH_SPACE | ADZE_TT_SET_WITH_NON_SPACE;
  if (set.flags & spaces) {
    uint32_t flag = isWhiteSpace(character) ? ADZE_TT_SET_WITH_SPACE
                                            : ADZE_TT_SET_WITH_NON_SPACE;
    if (set.flags & flag)
      return !complement;
  }
  uint32_t low = set.first_range, high = low + set.range_count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (character > table.ranges[middle].high)
      low = middle + 1;
    else if (character < table.ranges[middle].low)
      high = middle;
    else
      return !complement;
  }
  return complement;
}

} // namespace

bool buildAsciiSets(const Table &table, Array<AsciiSet> &sets) {
  if (!sets.resize(table.sets.size))
    return false;
  for (uint32_t i = 0; i < table.sets.size; ++i)
    for (uint32_t c = 0; c < 128; ++c)
      if (containsSlowly(table, table.sets[i], c))
        sets[i].bits[c / 64] |= uint64_t(1) << c % 64;
  return true;
}

bool PatternMatcher::contains(uint32_t set, uint32_t character) const {
  if (character < 128)
    return asciiSets[set].bits[character / 64] >> character % 64 & 1;
  return containsSlowly(table, table.sets[set], character);
}

/// The ends [*low, *high] that a run from `at` may have, or false if it is
/// shorter than its minimum.
bool PatternMatcher::scanRun(const adze_tt_instruction &run, RunMemory &memory,
                             uint32_t at, uint32_t *low, uint32_t *high) {
  uint32_t end = at, next, number = 0;
  for (; number < run.minimum; ++number, end = next)
    if (end == text.size ||
        !contains(run.set, decodeCharacter(text, end, &next)))
      return false;
  *low = end;
  bool unbounded = run.maximum == ADZE_TT_UNBOUNDED;
  if (unbounded && at >= memory.begin && end <= memory.end &&
      memory.begin < memory.end) {
    *high = memory.end;
    return true;
  }
  for (; number < run.maximum && end < text.size; end = next) {
    if (!contains(run.set, decodeCharacter(text, end, &next)))
      break;
    number += !unbounded;
    --budget; // scanning is work too; checked by the caller's loop
    if (budget == 0)
      return false;
  }
  *high = end;
  if (unbounded)
    memory.begin = at, memory.end = end;
  return true;
}

bool PatternMatcher::runFrom(uint32_t index, uint32_t at, uint32_t *next) {
  const adze_tt_instruction &run = program[index];
  RunMemory &memory = memories[index];
  uint32_t low, high;
  if (!scanRun(run, memory, at, &low, &high))
    return false;
  if (run.flags & ADZE_TT_POSSESSIVE) {
    *next = high;
    return true;
  }
  if (run.flags & ADZE_TT_LAZY) {
    *next = low;
    if (low < high && !choices.push({index, low, low, high}))
      outOfMemory = true;
    return true;
  }
  *next = high;
  if (high == memory.failedEnd && memory.failedLow < memory.failedEnd) {
    if (low >= memory.failedLow)
      return false;
    *next = previousCharacter(text, memory.failedLow);
  }
  if (low < high && !choices.push({index, *next, low, high}))
    outOfMemory = true;
  return true;
}

/// Takes the last decision another way; false if none is left.
bool PatternMatcher::backtrack(uint32_t *index, uint32_t *at) {
  while (!choices.empty()) {
    Choice &choice = choices.back();
    const adze_tt_instruction &instruction = program[choice.instruction];
    *at = choice.at;
    if (instruction.operation == ADZE_TT_ALTERNATIVE) {
      *index = instruction.other;
      choices.pop();
      return true;
    }
    *index = instruction.next;
    if (instruction.flags & ADZE_TT_LAZY) {
      if (choice.at < choice.high) {
        decodeCharacter(text, choice.at, &choice.at);
        *at = choice.at;
        return true;
      }
    } else if (choice.at > choice.low) {
      choice.at = previousCharacter(text, choice.at);
      *at = choice.at;
      return true;
    } else if (instruction.maximum == ADZE_TT_UNBOUNDED) {
      RunMemory &memory = memories[choice.instruction];
      memory.failedLow = choice.low;
      memory.failedEnd = choice.high;
    }
    choices.pop();
  }
  return false;
}

bool PatternMatcher::matchAt(uint32_t at, uint32_t *end) {
  choices.clear();
  uint32_t index = 0;
  while (budget > 0 && !outOfMemory) {
    --budget;
    const adze_tt_instruction &instruction = program[index];
    bool goesOn = true;
    uint32_t next;
    switch (instruction.operation) {
    case ADZE_TT_RUN:
      goesOn = runFrom(index, at, &next);
      if (goesOn)
        at = next;
      break;
    case ADZE_TT_ALTERNATIVE:
      if (!choices.push({index, at, 0, 0}))
        outOfMemory = true;
      break;
    case ADZE_TT_LOOKAHEAD:
      goesOn = at < text.size &&
               contains(instruction.set, decodeCharacter(text, at, &next));
      goesOn = goesOn != ((instruction.flags & ADZE_TT_NEGATED) != 0);
      break;
    case ADZE_TT_LINE_BEGIN:
      goesOn = at == 0 || text[at - 1] == '\n';
      break;
    case ADZE_TT_LINE_END:
      goesOn = at == text.size || text[at] == '\n';
      break;
    case ADZE_TT_JUMP:
      break;
    default: // ADZE_TT_MATCH
      *end = at;
      return true;
    }
    if (goesOn)
      index = instruction.next;
    else if (!backtrack(&index, &at))
      return false;
  }
  return false;
}

Outcome PatternMatcher::findAll(uint32_t pattern, Bytes searched,
                                Array<Range> &matches) {
  text = searched;
  program = table.instructions.slice(table.patterns[pattern].first,
                                     table.patterns[pattern].count);
  memories.clear();
  if (!memories.resize(program.size))
    return Outcome::OutOfMemory;
  budget = kStepsPerByte * (uint64_t(text.size) + 64);
  for (uint32_t at = 0; at < text.size;) {
    uint32_t end;
    bool found = matchAt(at, &end);
    if (outOfMemory)
      return Outcome::OutOfMemory;
    if (budget == 0)
      return Outcome::TooSlow;
    if (found && end > at) {
      if (!matches.push({at, end}))
        return Outcome::OutOfMemory;
      at = end;
    } else {
      decodeCharacter(text, at, &at);
    }
  }
  return Outcome::Ok;
}

} // namespace adze::text
