// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Normal forms on cases of Unicode's own test file and its worst inputs.

#include "SmallTables.h"

#include "llvm/ADT/StringExtras.h"

using namespace adze;
using namespace adze::testing;

/// Ids of the byte vocabulary are bytes, so encoding shows the normal form.
static std::string normalForm(const OpenTable &table, llvm::StringRef text) {
  return table.decode(table.encode(text));
}

TEST(TextNormalForm, NfcOfSingleCases) {
  GgufVocab vocab = makeByteVocab();
  vocab.pre = "qwen2"; // normalises to NFC
  OpenTable table(buildTextTable(vocab, "nfc"));
  const std::pair<const char *, const char *> cases[] = {
      {"e\xCC\x81", "\xC3\xA9"},                                // composed
      {"\xE2\x84\xAB", "\xC3\x85"},                             // Angstrom sign
      {"\xE1\xB8\x8B\xCC\xA3", "\xE1\xB8\x8D\xCC\x87"},         // reordered
      {"q\xCC\x87\xCC\xA3", "q\xCC\xA3\xCC\x87"},               // no composite
      {"\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8", "\xEA\xB0\x81"}, // Hangul
      {"\xE0\xA5\x98", "\xE0\xA4\x95\xE0\xA4\xBC"},             // excluded
      {"\xEF\xAC\x81", "\xEF\xAC\x81"},                         // compatibility
      {"plain", "plain"},
  };
  for (const auto &[text, expected] : cases)
    EXPECT_EQ(expected, normalForm(table, text)) << text;
}

TEST(TextNormalForm, AllCasesOfTheUnicodeTestFile) {
  const char *path = "/usr/share/unicode/NormalizationTest.txt";
  ADZE_NEED_DATA(path);
  GgufVocab vocab = makeByteVocab();
  vocab.pre = "qwen2";
  OpenTable table(buildTextTable(vocab, "nfc"));
  std::string contents = readFile(path);
  unsigned checked = 0;
  for (llvm::StringRef line : llvm::split(contents, '\n')) {
    if (line.empty() || !llvm::isHexDigit(line[0]))
      continue;
    llvm::SmallVector<llvm::StringRef> columns;
    line.split(columns, ';');
    auto text = [&](size_t column) {
      std::string result;
      for (llvm::StringRef hex : llvm::split(columns[column], ' ')) {
        uint32_t c = 0;
        hex.getAsInteger(16, c);
        if (c < 0x80)
          result += static_cast<char>(c);
        else if (c < 0x800)
          result += {static_cast<char>(0xC0 | c >> 6),
                     static_cast<char>(0x80 | (c & 63))};
        else if (c < 0x10000)
          result += {static_cast<char>(0xE0 | c >> 12),
                     static_cast<char>(0x80 | (c >> 6 & 63)),
                     static_cast<char>(0x80 | (c & 63))};
        else
          result += {static_cast<char>(0xF0 | c >> 18),
                     static_cast<char>(0x80 | (c >> 12 & 63)),
                     static_cast<char>(0x80 | (c >> 6 & 63)),
                     static_cast<char>(0x80 | (c & 63))};
      }
      return result;
    };
    for (size_t column : {0, 1, 2})
      EXPECT_EQ(text(1), normalForm(table, text(column))) << line.str();
    ++checked;
  }
  EXPECT_GT(checked, 10000u);
}
