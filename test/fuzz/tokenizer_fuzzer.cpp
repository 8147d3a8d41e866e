// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// libFuzzer entry: any bytes as tokenizer.json, as a SentencePiece model, as
// vocab.json with merges.txt, or as a GGUF vocabulary (the first byte says
// which). What a reader accepts must open as a text table and encode.

#include "adze/Frontend/Tokenizer.h"
#include "adze/text.h"

#include "llvm/ADT/SmallVector.h"

#include <cstdio>
#include <cstdlib>

using namespace llvm;

/// Readers write tables that the runtime accepts, whatever the input was.
static void useTable(Expected<std::string> table) {
  if (!table) {
    consumeError(table.takeError());
    return;
  }
  adze_text *text = nullptr;
  adze_text_error error = {};
  if (adze_text_open(table->data(), table->size(), &text, &error) !=
      ADZE_TEXT_OK) {
    std::fprintf(stderr, "%s\n", error.message);
    std::abort();
  }
  static const char input[] = "Hello  world \n\n e\xCC\x81 123 'll <s>[X]";
  int32_t *ids = nullptr;
  size_t count = 0;
  adze_text_encode(text, input, sizeof input - 1, ADZE_TEXT_PARSE_SPECIAL, &ids,
                   &count, nullptr);
  char *utf8 = nullptr;
  size_t length = 0;
  adze_text_decode(text, ids, count, 0, &utf8, &length, nullptr);
  adze_text_free(utf8);
  adze_text_free(ids);
  adze_text_close(text);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0)
    return 0;
  StringRef input(reinterpret_cast<const char *>(data) + 1, size - 1);
  switch (data[0] % 4) {
  case 0:
    useTable(adze::buildTextTableFromTokenizerJson(input, "fuzz.json"));
    break;
  case 1:
    useTable(adze::buildTextTableFromSentencePiece(input, "fuzz.model"));
    break;
  case 2: {
    auto [vocabulary, merges] = input.split('\0');
    useTable(
        adze::buildTextTableFromVocabAndMerges(vocabulary, merges, "fuzz"));
    break;
  }
  default: {
    adze::GgufVocab vocab;
    vocab.model = data[0] & 4 ? "llama" : "gpt2";
    vocab.pre = "default";
    SmallVector<StringRef> words;
    input.split(words, '\n');
    for (StringRef word : words) {
      vocab.types.push_back(word.empty() ? 1 : word.back() % 8);
      vocab.scores.push_back(static_cast<float>(word.size()));
      vocab.tokens.push_back(word.drop_back(!word.empty()).str());
      if (word.contains(' '))
        vocab.merges.push_back(word.str());
    }
    useTable(adze::buildTextTable(vocab, "fuzz.gguf"));
    break;
  }
  }
  return 0;
}
