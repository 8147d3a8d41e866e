// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Execution of the split patterns of a text table: a backtracking matcher over
// UTF-8 without recursion. See pattern.cpp for why long runs stay linear.

#ifndef ADZE_RUNTIME_TEXT_PATTERN_H
#define ADZE_RUNTIME_TEXT_PATTERN_H

#include "table.h"

namespace adze::text {

/// Half open, in bytes of the text searched.
struct Range {
  uint32_t begin, end;
};

/// Membership of the ASCII characters in each set, made once per table.
struct AsciiSet {
  uint64_t bits[2];
};
[[nodiscard]] bool buildAsciiSets(const Table &table, Array<AsciiSet> &sets);

enum class Outcome { Ok, OutOfMemory, TooSlow };

class PatternMatcher {
public:
  PatternMatcher(const Table &table, const Array<AsciiSet> &asciiSets)
      : table(table), asciiSets(asciiSets) {}

  /// Appends all matches that are not empty, from left to right. `text` ends
  /// where lookahead and line ends see the end.
  Outcome findAll(uint32_t pattern, Bytes text, Array<Range> &matches);

private:
  /// What earlier attempts on this text told about one unbounded run.
  struct RunMemory {
    uint32_t begin, end;           ///< all of [begin, end) is in the set
    uint32_t failedLow, failedEnd; ///< no match goes on from in between
  };
  /// A decision that can be taken another way.
  struct Choice {
    uint32_t instruction;
    uint32_t at;        ///< where it went on last
    uint32_t low, high; ///< where a run may end
  };

  bool contains(uint32_t set, uint32_t character) const;
  bool scanRun(const adze_tt_instruction &run, RunMemory &memory, uint32_t at,
               uint32_t *low, uint32_t *high);
  bool matchAt(uint32_t at, uint32_t *end);
  bool runFrom(uint32_t index, uint32_t at, uint32_t *next);
  bool backtrack(uint32_t *index, uint32_t *at);

  const Table &table;
  const Array<AsciiSet> &asciiSets;
  Bytes text;
  Span<adze_tt_instruction> program;
  Array<RunMemory> memories;
  Array<Choice> choices;
  uint64_t budget = 0;
  bool outOfMemory = false;
};

} // namespace adze::text

#endif // ADZE_RUNTIME_TEXT_PATTERN_H
