// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pre-tokenizer: steps that split pieces at pattern matches, and steps
// that rewrite them. A split sees one piece at a time, so that lookahead and
// line ends do not see into the next one.

#include "tokenizer.h"
#include "unicode.h"

namespace adze::text {

namespace {

/// A stretch of a piece that is a match or lies between matches.
struct Stretch {
  Range range;
  bool match;
};

/// Matches and what lies between them; with `invert` the two change places.
bool alternate(Range piece, const Array<Range> &matches, bool invert,
               Array<Stretch> &stretches) {
  uint32_t done = piece.begin;
  for (size_t i = 0; i < matches.size(); ++i) {
    Range match = {piece.begin + matches[i].begin,
                   piece.begin + matches[i].end};
    if (match.begin > done && !stretches.push({{done, match.begin}, invert}))
      return false;
    if (!stretches.push({match, !invert}))
      return false;
    done = match.end;
  }
  return done == piece.end || stretches.push({{done, piece.end}, invert});
}

/// The pieces that `behavior` makes of the stretches.
bool join(Array<Stretch> &stretches, uint32_t behavior, Array<Range> &pieces) {
  size_t count = stretches.size();
  switch (behavior) {
  case ADZE_TT_SPLIT_MERGED_WITH_PREVIOUS:
    for (size_t i = 0; i < count; ++i) {
      const Stretch &here = stretches[i];
      if (here.match && i > 0 && !stretches[i - 1].match)
        pieces.back().end = here.range.end;
      else if (!pieces.push(here.range))
        return false;
    }
    return true;
  case ADZE_TT_SPLIT_MERGED_WITH_NEXT:
    for (size_t i = 0; i < count; ++i) {
      // A match joins what follows, unless that is a match too.
      bool joins = i > 0 && stretches[i - 1].match && !stretches[i].match;
      if (joins)
        pieces.back().end = stretches[i].range.end;
      else if (!pieces.push(stretches[i].range))
        return false;
    }
    return true;
  case ADZE_TT_SPLIT_CONTIGUOUS:
    for (size_t i = 0; i < count; ++i) {
      if (i > 0 && stretches[i - 1].match == stretches[i].match)
        pieces.back().end = stretches[i].range.end;
      else if (!pieces.push(stretches[i].range))
        return false;
    }
    return true;
  default:
    for (size_t i = 0; i < count; ++i)
      if (!(behavior == ADZE_TT_SPLIT_REMOVED && stretches[i].match) &&
          !pieces.push(stretches[i].range))
        return false;
    return true;
  }
}

Outcome split(const Tokenizer &tokenizer, const adze_tt_step &step, Bytes text,
              const Array<Range> &pieces, Array<Range> &result) {
  PatternMatcher matcher(tokenizer.table, tokenizer.asciiSets);
  Array<Range> matches;
  Array<Stretch> stretches;
  bool invert = (step.argument & ADZE_TT_SPLIT_INVERT) != 0;
  uint32_t behavior = step.argument & ~uint32_t(ADZE_TT_SPLIT_INVERT);
  for (size_t i = 0; i < pieces.size(); ++i) {
    Range piece = pieces[i];
    matches.clear();
    stretches.clear();
    Outcome outcome = matcher.findAll(
        step.pattern, text.slice(piece.begin, piece.end - piece.begin),
        matches);
    if (outcome != Outcome::Ok)
      return outcome;
    if (!alternate(piece, matches, invert, stretches) ||
        !join(stretches, behavior, result))
      return Outcome::OutOfMemory;
  }
  return Outcome::Ok;
}

/// Rewrites each piece into `newText`.
adze_text_status rewritePieces(const Tokenizer &tokenizer,
                               const adze_tt_step &step, bool atStart,
                               Bytes text, const Array<Range> &pieces,
                               Array<uint8_t> &newText, Array<Range> &newPieces,
                               adze_text_error *error) {
  for (size_t i = 0; i < pieces.size(); ++i) {
    Bytes piece = text.slice(pieces[i].begin, pieces[i].end - pieces[i].begin);
    auto begin = static_cast<uint32_t>(newText.size());
    if (step.operation == ADZE_TT_ENSURE_PREFIX) {
      Bytes prefix = tokenizer.table.string(step.a);
      bool wanted = step.argument == 0 || (atStart && i == 0);
      if (wanted && !startsWith(piece, prefix) && !newText.append(prefix))
        return failOutOfMemory(error);
      if (!newText.append(piece))
        return failOutOfMemory(error);
      if (newText.size() > kLongestText)
        return fail(error, ADZE_TEXT_LIMIT_EXCEEDED, 0,
                    "the split text is longer than %u bytes", kLongestText);
    } else {
      adze_text_status status = rewrite(tokenizer, step, piece, newText, error);
      if (status != ADZE_TEXT_OK)
        return status;
    }
    auto end = static_cast<uint32_t>(newText.size());
    if (end > begin && !newPieces.push({begin, end}))
      return failOutOfMemory(error);
  }
  return ADZE_TEXT_OK;
}

} // namespace

adze_text_status pretokenize(const Tokenizer &tokenizer, bool atStart,
                             Array<uint8_t> &text, Array<Range> &pieces,
                             adze_text_error *error) {
  const Table &table = tokenizer.table;
  pieces.clear();
  if (text.empty())
    return ADZE_TEXT_OK;
  if (!pieces.push({0, static_cast<uint32_t>(text.size())}))
    return failOutOfMemory(error);
  Array<Range> newPieces;
  Array<uint8_t> newText;
  for (uint32_t i = table.header().normalizer_steps; i < table.steps.size;
       ++i) {
    const adze_tt_step &step = table.steps[i];
    newPieces.clear();
    adze_text_status status;
    if (step.operation == ADZE_TT_SPLIT) {
      status = failOutcome(
          split(tokenizer, step, text.view(), pieces, newPieces), error);
    } else {
      newText.clear();
      status = rewritePieces(tokenizer, step, atStart, text.view(), pieces,
                             newText, newPieces, error);
      text.swap(newText);
    }
    if (status != ADZE_TEXT_OK)
      return status;
    pieces.swap(newPieces);
  }
  return ADZE_TEXT_OK;
}

} // namespace adze::text
