// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Damaged tables: truncated, of another version, misaligned, and mutated at
// random. A mutated table is refused or works on some vocabulary; it is never
// read out of bounds (run under the sanitizers to see that).

#include "SmallTables.h"

#include "adze/text_table.h"

#include <random>

using namespace adze;
using namespace adze::testing;

namespace {

std::vector<std::string> makeTables() {
  std::vector<std::string> tables;
  GgufVocab deepseek = makeByteVocab();
  deepseek.pre = "deepseek-llm";
  GgufVocab qwen = makeByteVocab();
  qwen.pre = "qwen2";
  for (const GgufVocab &vocab :
       {makeByteVocab(), deepseek, qwen, makeSpmVocab()}) {
    llvm::Expected<std::string> table = buildTextTable(vocab, "small");
    EXPECT_TRUE(bool(table));
    tables.push_back(table ? std::move(*table) : std::string());
  }
  return tables;
}

/// Opens and uses a table that may be damaged.
bool exercise(const std::string &bytes) {
  adze_text *text = nullptr;
  adze_text_error error = {};
  if (adze_text_open(bytes.data(), bytes.size(), &text, &error) !=
      ADZE_TEXT_OK) {
    EXPECT_EQ(nullptr, text);
    EXPECT_NE('\0', error.message[0]);
    return false;
  }
  const char input[] =
      "the aaaa  <|end|>\n\n[tool]caf\xC3\xA9 e\xCC\x81 123 ab";
  for (uint32_t flags : {0u, 3u}) {
    int32_t *ids = nullptr;
    size_t count = 0;
    if (adze_text_encode(text, input, sizeof input - 1, flags, &ids, &count,
                         &error) == ADZE_TEXT_OK) {
      char *utf8 = nullptr;
      size_t length = 0;
      EXPECT_EQ(ADZE_TEXT_OK, adze_text_decode(text, ids, count, flags, &utf8,
                                               &length, &error));
      adze_text_free(utf8);
    }
    adze_text_free(ids);
  }
  adze_text_close(text);
  return true;
}

} // namespace

TEST(TextTable, RefusesWhatIsNoTable) {
  std::string table = makeTables().front();
  for (size_t length = 0; length < table.size(); length += 1 + length / 16)
    EXPECT_FALSE(exercise(table.substr(0, length))) << length;
  EXPECT_TRUE(exercise(table));
  EXPECT_TRUE(exercise(table + "trailing bytes"));

  adze_text *text = nullptr;
  adze_text_error error = {};
  std::string shifted = " " + table;
  EXPECT_EQ(ADZE_TEXT_INVALID_ARGUMENT,
            adze_text_open(shifted.data() + 1, table.size(), &text, &error));
  EXPECT_EQ(ADZE_TEXT_INVALID_ARGUMENT,
            adze_text_open(nullptr, 0, &text, nullptr));

  std::string other = table;
  other[4] = 99;
  EXPECT_EQ(ADZE_TEXT_UNSUPPORTED_VERSION,
            adze_text_open(other.data(), other.size(), &text, &error));
  EXPECT_NE(nullptr, strstr(error.message, "version 99"));
  other = table;
  other[0] = 'X';
  EXPECT_EQ(ADZE_TEXT_CORRUPT_TABLE,
            adze_text_open(other.data(), other.size(), &text, &error));
}

TEST(TextTable, MutatedTablesNeverReadOutOfBounds) {
  std::mt19937 random(5);
  unsigned refused = 0, opened = 0;
  for (const std::string &table : makeTables()) {
    for (int round = 0; round < 3000; ++round) {
      std::string mutated = table;
      for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
        // Half of the changes hit the header and its directory.
        size_t range = random() % 2 ? sizeof(adze_tt_header) : mutated.size();
        size_t at = random() % range;
        static const uint8_t values[] = {0, 1, 0x7F, 0x80, 0xFF};
        mutated[at] =
            static_cast<char>(random() % 2 ? values[random() % 5] : random());
      }
      ++(exercise(mutated) ? opened : refused);
    }
  }
  // Both must happen, or the loop tests nothing.
  EXPECT_GT(refused, 1000u);
  EXPECT_GT(opened, 1000u);
}
