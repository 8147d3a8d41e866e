// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GGUF vocabularies against the ids that llama.cpp gives for its own test
// texts (the .inp and .out files beside each vocabulary).

#include "TokenizerTesting.h"

#include "llvm/ADT/StringExtras.h"

using namespace adze;
using namespace adze::testing;
using namespace llvm;

static GgufVocab readVocab(StringRef path) {
  return GgufVocabFile::read(readFile(path));
}

static std::vector<std::string> readTexts(StringRef path) {
  std::vector<std::string> texts;
  std::string contents = readFile(path);
  StringRef rest = contents;
  const StringRef separator = "\n__ggml_vocab_test__\n";
  while (!rest.empty()) {
    auto [text, after] = rest.split(separator);
    texts.push_back(text.str());
    rest = after;
  }
  return texts;
}

static std::vector<Ids> readIds(StringRef path) {
  std::vector<Ids> lines;
  std::string contents = readFile(path);
  for (StringRef line : split(contents, '\n')) {
    Ids ids;
    SmallVector<StringRef> words;
    line.split(words, ' ', -1, /*KeepEmpty=*/false);
    for (StringRef word : words) {
      int32_t id = -1;
      word.getAsInteger(10, id);
      ids.push_back(id);
    }
    lines.push_back(ids);
  }
  return lines;
}

class GgufVocabIds : public ::testing::TestWithParam<const char *> {};

TEST_P(GgufVocabIds, EqualThoseOfLlamaCpp) {
  std::string path = dataPath(std::string("tokenizers/vocab_gguf/ggml-vocab-") +
                              GetParam() + ".gguf");
  ADZE_NEED_DATA(path);
  OpenTable table(buildTextTable(readVocab(path), path));
  std::vector<std::string> texts = readTexts(path + ".inp");
  std::vector<Ids> expected = readIds(path + ".out");
  ASSERT_GT(texts.size(), 30u);
  ASSERT_GE(expected.size(), texts.size());
  for (size_t i = 0; i < texts.size(); ++i)
    EXPECT_EQ(expected[i], table.encode(texts[i]))
        << "text '" << texts[i] << "'";
}

INSTANTIATE_TEST_SUITE_P(Files, GgufVocabIds,
                         ::testing::Values("llama-spm", "gpt-2",
                                           "deepseek-llm"));

TEST(GgufVocab, UnsupportedModelIsNamed) {
  std::string path = dataPath("tokenizers/vocab_gguf/ggml-vocab-bert-bge.gguf");
  ADZE_NEED_DATA(path);
  std::string message = messageOf(buildTextTable(readVocab(path), "bge.gguf"));
  EXPECT_NE(std::string::npos, message.find("bge.gguf")) << message;
  EXPECT_NE(std::string::npos, message.find("'bert'")) << message;
  EXPECT_NE(std::string::npos, message.find("llama and gpt2")) << message;
}

static GgufVocab makeSmallVocab() {
  GgufVocab vocab;
  vocab.model = "gpt2";
  vocab.pre = "gpt-2";
  vocab.tokens = {"a", "b", "ab", "<|im_end|>"};
  vocab.types = {1, 1, 1, 3};
  vocab.merges = {"a b"};
  return vocab;
}

TEST(GgufVocab, UnknownPreTokenizerIsNamedWithTheKnownOnes) {
  GgufVocab vocab = makeSmallVocab();
  vocab.pre = "no-such-pre";
  std::string message = messageOf(buildTextTable(vocab, "x.gguf"));
  EXPECT_NE(std::string::npos, message.find("'no-such-pre'")) << message;
  EXPECT_NE(std::string::npos, message.find("llama-bpe")) << message;
  EXPECT_NE(std::string::npos, message.find("deepseek-llm")) << message;
}

TEST(GgufVocab, ContradictionsAreErrors) {
  GgufVocab vocab = makeSmallVocab();
  vocab.types.pop_back();
  EXPECT_NE(std::string::npos,
            messageOf(buildTextTable(vocab, "x.gguf"))
                .find("token_type has 3 entries for 4 tokens"));
  vocab = makeSmallVocab();
  vocab.types[0] = 9;
  EXPECT_NE(std::string::npos, messageOf(buildTextTable(vocab, "x.gguf"))
                                   .find("token_type of token 0 is 9"));
  vocab = makeSmallVocab();
  vocab.merges = {"a c"};
  EXPECT_NE(std::string::npos,
            messageOf(buildTextTable(vocab, "x.gguf")).find("token 'c'"));
  vocab = makeSmallVocab();
  vocab.merges = {"ab"};
  EXPECT_NE(
      std::string::npos,
      messageOf(buildTextTable(vocab, "x.gguf")).find("is not two tokens"));
  vocab = makeSmallVocab();
  vocab.eosId = 4;
  EXPECT_NE(std::string::npos,
            messageOf(buildTextTable(vocab, "x.gguf"))
                .find("eos_token_id is 4; the vocabulary has 4"));
  vocab = makeSmallVocab();
  vocab.model = "llama";
  vocab.pre = "";
  EXPECT_NE(
      std::string::npos,
      messageOf(buildTextTable(vocab, "x.gguf")).find("tokenizer.ggml.scores"));
}

TEST(GgufVocab, WhatTheRuntimeWouldRefuseIsRefusedHere) {
  GgufVocab vocab = makeSmallVocab();
  vocab.tokens[3] = "<\xFF>";
  EXPECT_NE(std::string::npos, messageOf(buildTextTable(vocab, "x.gguf"))
                                   .find("special token 3 is not UTF-8"));
  vocab = makeSmallVocab();
  vocab.model = "llama";
  vocab.pre = "";
  vocab.scores = {0, 0, 0, 0};
  vocab.tokens[0] = "<1x0A>";
  vocab.types[0] = 6;
  EXPECT_NE(std::string::npos, messageOf(buildTextTable(vocab, "x.gguf"))
                                   .find("expected the form <0xHH>"));
}

TEST(GgufVocab, EndOfTurnTokensStop) {
  OpenTable table(buildTextTable(makeSmallVocab(), "x.gguf"));
  EXPECT_TRUE(adze_text_is_stop_token(table.get(), 3));
  EXPECT_FALSE(adze_text_is_stop_token(table.get(), 2));
  EXPECT_EQ(Ids({2, 3, 0}),
            table.encode("ab<|im_end|>a", ADZE_TEXT_PARSE_SPECIAL));
  EXPECT_EQ("aba", table.decode({2, 3, 0}));
  EXPECT_EQ("ab<|im_end|>a", table.decode({2, 3, 0}, ADZE_TEXT_KEEP_SPECIAL));
}
