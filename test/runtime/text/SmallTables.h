// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Small vocabularies for the tests of the text library, one of each model.

#ifndef ADZE_TEST_RUNTIME_TEXT_SMALLTABLES_H
#define ADZE_TEST_RUNTIME_TEXT_SMALLTABLES_H

#include "../../frontend/tokenizers/TokenizerTesting.h"

namespace adze::testing {

/// Byte-level BPE as GGUF: 256 bytes, a few merges, a control token and one
/// added token. Ids of bytes are their values.
inline GgufVocab makeByteVocab() {
  GgufVocab vocab;
  vocab.model = "gpt2";
  vocab.pre = "llama-bpe";
  unsigned next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    bool itself =
        (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    unsigned c = itself ? byte : next++;
    std::string text;
    if (c < 0x80)
      text = {static_cast<char>(c)};
    else
      text = {static_cast<char>(0xC0 | c >> 6),
              static_cast<char>(0x80 | (c & 0x3F))};
    vocab.tokens.push_back(text);
  }
  for (const char *token : {"th", "the", "<|end|>", "[tool]", "aa", "aaaa"})
    vocab.tokens.push_back(token);
  vocab.types.assign(vocab.tokens.size(), 1);
  vocab.types[258] = 3;
  vocab.types[259] = 4;
  vocab.merges = {"t h", "th e", "a a", "aa aa"};
  vocab.addBos = false;
  return vocab;
}

/// SentencePiece BPE as GGUF: three specials, 256 byte tokens, some pieces.
inline GgufVocab makeSpmVocab() {
  GgufVocab vocab;
  vocab.model = "llama";
  vocab.tokens = {"<unk>", "<s>", "</s>"};
  vocab.types = {2, 3, 3};
  for (unsigned byte = 0; byte < 256; ++byte) {
    char text[8];
    snprintf(text, sizeof text, "<0x%02X>", byte);
    vocab.tokens.push_back(text);
    vocab.types.push_back(6);
  }
  vocab.scores.assign(vocab.tokens.size(), 0);
  float score = 0;
  for (const char *piece :
       {"\xE2\x96\x81", "a", "b", "ab", "\xE2\x96\x81\x61", "aa", "aaaa",
        "\xC3\xA9", "\xE2\x96\x81\xE2\x96\x81"}) {
    vocab.tokens.push_back(piece);
    vocab.types.push_back(1);
    vocab.scores.push_back(score -= 1);
  }
  return vocab;
}

} // namespace adze::testing

#endif // ADZE_TEST_RUNTIME_TEXT_SMALLTABLES_H
