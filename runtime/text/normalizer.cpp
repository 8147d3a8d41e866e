// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The normaliser: rewriting steps one after the other. Each step is linear in
// the text, normal forms n log n. All results stay well-formed UTF-8, because
// the texts that steps insert were checked when the table was opened.

#include "tokenizer.h"
#include "unicode.h"

namespace adze::text {

adze_text_status failOutcome(Outcome outcome, adze_text_error *error) {
  switch (outcome) {
  case Outcome::Ok:
    return ADZE_TEXT_OK;
  case Outcome::OutOfMemory:
    return failOutOfMemory(error);
  case Outcome::TooSlow:
    break;
  }
  return fail(error, ADZE_TEXT_LIMIT_EXCEEDED, 0,
              "a split pattern of this tokenizer takes more than linear time "
              "on the text given");
}

namespace {

bool appendReplaced(Bytes text, Bytes from, Bytes to, Array<uint8_t> &result) {
  uint32_t done = 0, at = 0;
  while (at + from.size <= text.size) {
    const void *hit = memchr(text.data + at, from[0], text.size - at);
    if (!hit)
      break;
    at = static_cast<uint32_t>(static_cast<const uint8_t *>(hit) - text.data);
    if (!startsWith(text.slice(at, text.size - at), from)) {
      ++at;
      continue;
    }
    if (!result.append(text.slice(done, at - done)) || !result.append(to))
      return false;
    at += from.size;
    done = at;
  }
  return result.append(text.slice(done, text.size - done));
}

Bytes strip(Bytes text, bool left, bool right) {
  uint32_t begin = 0, end = text.size, next;
  while (left && begin < end &&
         isWhiteSpace(decodeCharacter(text, begin, &next)))
    begin = next;
  while (right && end > begin) {
    uint32_t before = previousCharacter(text, end);
    if (!isWhiteSpace(decodeCharacter(text, before, &next)))
      break;
    end = before;
  }
  return text.slice(begin, end - begin);
}

Outcome replacePattern(const Tokenizer &tokenizer, const adze_tt_step &step,
                       Bytes text, Array<uint8_t> &result) {
  PatternMatcher matcher(tokenizer.table, tokenizer.asciiSets);
  Array<Range> matches;
  Outcome outcome = matcher.findAll(step.pattern, text, matches);
  if (outcome != Outcome::Ok)
    return outcome;
  Bytes to = tokenizer.table.string(step.b);
  uint32_t done = 0;
  for (size_t i = 0; i < matches.size(); ++i) {
    if (!result.append(text.slice(done, matches[i].begin - done)) ||
        !result.append(to))
      return Outcome::OutOfMemory;
    done = matches[i].end;
  }
  return result.append(text.slice(done, text.size - done))
             ? Outcome::Ok
             : Outcome::OutOfMemory;
}

} // namespace

adze_text_status rewrite(const Tokenizer &tokenizer, const adze_tt_step &step,
                         Bytes text, Array<uint8_t> &result,
                         adze_text_error *error) {
  const Table &table = tokenizer.table;
  Outcome outcome = Outcome::Ok;
  bool enoughMemory = true;
  switch (step.operation) {
  case ADZE_TT_PREPEND:
    enoughMemory = (text.empty() || result.append(table.string(step.a))) &&
                   result.append(text);
    break;
  case ADZE_TT_REPLACE_TEXT:
    enoughMemory = appendReplaced(text, table.string(step.a),
                                  table.string(step.b), result);
    break;
  case ADZE_TT_REPLACE_PATTERN:
    outcome = replacePattern(tokenizer, step, text, result);
    break;
  case ADZE_TT_NORMAL_FORM:
    enoughMemory = appendNormalForm(text, step.argument, result);
    break;
  case ADZE_TT_STRIP:
    enoughMemory =
        result.append(strip(text, step.argument & 1, step.argument & 2));
    break;
  default: // ADZE_TT_SPM_NORMALIZE
    enoughMemory =
        normalizeSentencePiece(tokenizer, step.argument, text, result);
    break;
  }
  if (!enoughMemory)
    return failOutOfMemory(error);
  if (outcome == Outcome::Ok && result.size() > kLongestText)
    return fail(error, ADZE_TEXT_LIMIT_EXCEEDED, 0,
                "the normalised text is longer than %u bytes", kLongestText);
  return failOutcome(outcome, error);
}

adze_text_status normalize(const Tokenizer &tokenizer, Array<uint8_t> &text,
                           adze_text_error *error) {
  const Table &table = tokenizer.table;
  Array<uint8_t> result;
  for (uint32_t i = 0; i < table.header().normalizer_steps; ++i) {
    result.clear();
    adze_text_status status =
        rewrite(tokenizer, table.steps[i], text.view(), result, error);
    if (status != ADZE_TEXT_OK)
      return status;
    text.swap(result);
  }
  return ADZE_TEXT_OK;
}

} // namespace adze::text
