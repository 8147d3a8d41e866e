// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What adze_text_open makes: the checked table and the small indexes that are
// derived from it. Immutable afterwards.

#ifndef ADZE_RUNTIME_TEXT_TOKENIZER_H
#define ADZE_RUNTIME_TEXT_TOKENIZER_H

#include "added_tokens.h"
#include "chat_program.h"
#include "pattern.h"
#include "table.h"

namespace adze::text {

struct Tokenizer {
  Table table;
  Array<AsciiSet> asciiSets;
  AddedTokens rawAdded, normalizedAdded, userSymbols;
  ChatPrograms chat;

  adze_text_status open(const void *memory, size_t size,
                        adze_text_error *error);
};

/// Encodes text (encoder.cpp).
adze_text_status encode(const Tokenizer &tokenizer, Bytes text, uint32_t flags,
                        Array<int32_t> &ids, adze_text_error *error);

/// Normal form of a whole text by the normaliser steps (normalizer.cpp);
/// `text` is replaced by it.
adze_text_status normalize(const Tokenizer &tokenizer, Array<uint8_t> &text,
                           adze_text_error *error);

/// One rewriting step, of normaliser or pre-tokenizer, from `text` to the end
/// of `result`.
adze_text_status rewrite(const Tokenizer &tokenizer, const adze_tt_step &step,
                         Bytes text, Array<uint8_t> &result,
                         adze_text_error *error);

/// SentencePiece's normaliser (sentencepiece_normalizer.cpp).
[[nodiscard]] bool normalizeSentencePiece(const Tokenizer &tokenizer,
                                          uint32_t flags, Bytes text,
                                          Array<uint8_t> &result);

/// Splits normalised text into pieces (pretokenizer.cpp). `pieces` are ranges
/// of `text`, which pre-tokenizer steps may rewrite. `atStart`: the text
/// begins where the text to encode begins.
adze_text_status pretokenize(const Tokenizer &tokenizer, bool atStart,
                             Array<uint8_t> &text, Array<Range> &pieces,
                             adze_text_error *error);

/// Texts beyond this are refused, which keeps every offset in 32 bits.
constexpr uint32_t kLongestText = 1u << 30;

adze_text_status failOutcome(Outcome outcome, adze_text_error *error);

} // namespace adze::text

struct adze_text {
  adze::text::Tokenizer tokenizer;
};

#endif // ADZE_RUNTIME_TEXT_TOKENIZER_H
