// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Encoding at its edges: invalid text, special tokens on and off, byte
// fallback, and time on texts that make naive implementations quadratic.

#include "SmallTables.h"

#include <chrono>

using namespace adze;
using namespace adze::testing;

TEST(TextEncode, InvalidUtf8IsAnErrorWithItsOffset) {
  OpenTable table(buildTextTable(makeByteVocab(), "bytes"));
  struct Case {
    std::string text;
    uint64_t offset;
  };
  for (const Case &c : std::vector<Case>{{"\xFF", 0},
                                         {"abc\x80", 3},
                                         {"0123456789abcdef\xE4\xBD", 16},
                                         {"\xC0\xAF", 0},
                                         {"ok \xED\xA0\x80", 3},
                                         {"\xF4\x90\x80\x80", 0}}) {
    int32_t *ids = nullptr;
    size_t count = 0;
    adze_text_error error = {};
    EXPECT_EQ(ADZE_TEXT_INVALID_UTF8,
              adze_text_encode(table.get(), c.text.data(), c.text.size(), 0,
                               &ids, &count, &error));
    EXPECT_EQ(c.offset, error.offset);
    EXPECT_EQ(nullptr, ids);
  }
}

TEST(TextEncode, ControlTokensOnlyWhenAskedFor) {
  OpenTable table(buildTextTable(makeByteVocab(), "bytes"));
  EXPECT_EQ(Ids({257, 258}),
            table.encode("the<|end|>", ADZE_TEXT_PARSE_SPECIAL));
  EXPECT_EQ(Ids({257, '<', '|', 'e', 'n', 'd', '|', '>'}),
            table.encode("the<|end|>"));
  // Added tokens that are not control tokens are always found.
  EXPECT_EQ(Ids({257, 259, 'x'}), table.encode("the[tool]x"));
  EXPECT_TRUE(adze_text_is_special_token(table.get(), 258));
  EXPECT_FALSE(adze_text_is_special_token(table.get(), 259));
  EXPECT_FALSE(adze_text_is_special_token(table.get(), -1));
}

TEST(TextEncode, EmptyTextGivesWhatGoesAroundIt) {
  GgufVocab vocab = makeSpmVocab();
  vocab.addEos = true;
  OpenTable table(buildTextTable(vocab, "spm"));
  EXPECT_EQ(Ids(), table.encode(""));
  EXPECT_EQ(Ids({1, 2}), table.encode("", ADZE_TEXT_ADD_SPECIAL));
  EXPECT_TRUE(table.info().adds_bos);
  EXPECT_TRUE(table.info().adds_eos);
}

TEST(TextEncode, ByteFallback) {
  OpenTable table(buildTextTable(makeSpmVocab(), "spm"));
  Ids ids = table.encode("\xF0\x9F\x9A\x80");
  EXPECT_EQ(Ids({259, 3 + 0xF0, 3 + 0x9F, 3 + 0x9A, 3 + 0x80}), ids);
  EXPECT_EQ("\xF0\x9F\x9A\x80", table.decode(ids));
}

TEST(TextEncode, TokenBytes) {
  OpenTable table(buildTextTable(makeSpmVocab(), "spm"));
  char buffer[8];
  size_t length = 0;
  EXPECT_EQ(ADZE_TEXT_OK,
            adze_text_token_bytes(table.get(), 3 + 0xE4, buffer, sizeof buffer,
                                  &length, nullptr));
  ASSERT_EQ(1u, length);
  EXPECT_EQ('\xE4', buffer[0]);
  EXPECT_EQ(ADZE_TEXT_OK,
            adze_text_token_bytes(table.get(), 263, buffer, sizeof buffer,
                                  &length, nullptr));
  EXPECT_EQ(" a", std::string(buffer, length));
  EXPECT_EQ(
      ADZE_TEXT_BUFFER_TOO_SMALL,
      adze_text_token_bytes(table.get(), 263, buffer, 1, &length, nullptr));
  EXPECT_EQ(2u, length);
}

namespace {

std::string repeat(const std::string &unit, size_t bytes) {
  std::string text;
  while (text.size() < bytes)
    text += unit;
  return text;
}

/// Generous for a loaded machine; quadratic behaviour takes hours.
void expectFast(const OpenTable &table, const std::string &text,
                const char *what) {
  auto begin = std::chrono::steady_clock::now();
  Ids ids = table.encode(text);
  std::chrono::duration<double> seconds =
      std::chrono::steady_clock::now() - begin;
  EXPECT_LT(seconds.count(), 20.0) << what;
  EXPECT_FALSE(ids.empty());
}

} // namespace

TEST(TextEncode, AMegabyteOfOneThingIsNotQuadratic) {
  constexpr size_t size = 1 << 20;
  const std::pair<const char *, std::string> texts[] = {
      {"spaces", repeat(" ", size)},
      {"spaces, then a letter", repeat(" ", size) + "x"},
      {"one letter", repeat("a", size)},
      {"capital letters", repeat("A", size)},
      {"newlines and spaces", repeat(" \n", size) + "x"},
      {"digits", repeat("1", size)},
      {"punctuation", repeat("<|", size)},
      {"marks of two classes", "a" + repeat("\xCC\x95\xCC\x96", size)},
  };
  OpenTable spm(buildTextTable(makeSpmVocab(), "spm"));
  for (const char *pre :
       {"llama-bpe", "qwen2", "deepseek-llm", "gpt-2", "default", "smollm"}) {
    GgufVocab vocab = makeByteVocab();
    vocab.pre = pre;
    OpenTable table(buildTextTable(vocab, pre));
    for (const auto &[what, text] : texts)
      expectFast(table, text, what);
  }
  for (const auto &[what, text] : texts)
    expectFast(spm, text, what);
}
