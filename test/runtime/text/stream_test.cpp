// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Streams: whole characters only, stop strings across tokens, what is held
// back, and equality with decoding at once.

#include "SmallTables.h"

#include "llvm/Support/ConvertUTF.h"

#include <random>

using namespace adze;
using namespace adze::testing;

namespace {

class Stream {
public:
  Stream(const OpenTable &table, std::vector<const char *> stops = {},
         uint32_t flags = 0) {
    adze_text_error error = {};
    EXPECT_EQ(ADZE_TEXT_OK,
              adze_text_stream_create(table.get(), flags, stops.data(),
                                      stops.size(), &stream, &error))
        << error.message;
  }
  ~Stream() { adze_text_stream_destroy(stream); }

  std::string push(int32_t id) {
    adze_text_chunk chunk = {};
    EXPECT_EQ(ADZE_TEXT_OK, adze_text_stream_push(stream, id, &chunk, nullptr));
    return take(chunk);
  }
  std::string pushText(const char *text) {
    std::string made;
    for (; *text; ++text)
      made += push(static_cast<uint8_t>(*text));
    return made;
  }
  std::string finish() {
    adze_text_chunk chunk = {};
    EXPECT_EQ(ADZE_TEXT_OK, adze_text_stream_finish(stream, &chunk, nullptr));
    return take(chunk);
  }

  adze_text_stream *stream = nullptr;
  int32_t stopped = -1;

private:
  std::string take(const adze_text_chunk &chunk) {
    EXPECT_EQ('\0', chunk.utf8[chunk.length]);
    stopped = chunk.stop_string;
    return std::string(chunk.utf8, chunk.length);
  }
};

bool isUtf8(const std::string &text) {
  const auto *at = reinterpret_cast<const llvm::UTF8 *>(text.data());
  return llvm::isLegalUTF8String(&at, at + text.size());
}

OpenTable makeTable() {
  return OpenTable(buildTextTable(makeByteVocab(), "bytes"));
}

} // namespace

TEST(TextStream, GivesCharactersWhenTheyAreComplete) {
  OpenTable table = makeTable();
  Stream stream(table);
  EXPECT_EQ("", stream.push(0xF0));
  EXPECT_EQ("", stream.push(0x9F));
  EXPECT_EQ("", stream.push(0x9A));
  EXPECT_EQ("\xF0\x9F\x9A\x80", stream.push(0x80));
  EXPECT_EQ("the", stream.push(257));
  EXPECT_EQ("", stream.push(0xE4));
  EXPECT_EQ("\xEF\xBF\xBD", stream.finish());
}

TEST(TextStream, InvalidBytesBecomeReplacementCharacters) {
  OpenTable table = makeTable();
  Stream stream(table);
  EXPECT_EQ("\xEF\xBF\xBD", stream.push(0x80));
  EXPECT_EQ("", stream.push(0xE4));
  EXPECT_EQ("", stream.push(0xBD));
  EXPECT_EQ("\xEF\xBF\xBD"
            "A",
            stream.push('A'));
  EXPECT_EQ("", stream.push(0xED)); // a surrogate is no character
  EXPECT_EQ("\xEF\xBF\xBD\xEF\xBF\xBD", stream.push(0xA0));
}

TEST(TextStream, StopStringAcrossTokens) {
  OpenTable table = makeTable();
  Stream stream(table, {"END", "the end"});
  EXPECT_EQ("a ", stream.pushText("a "));
  EXPECT_EQ("", stream.push(257)); // "the" may begin the second string
  EXPECT_EQ("", stream.pushText(" en"));
  EXPECT_EQ("the en", stream.push('t').substr(0, 6));
  EXPECT_EQ("", stream.pushText("he en"));
  EXPECT_EQ("", stream.push('d'));
  EXPECT_EQ(1, stream.stopped);
  EXPECT_EQ("", stream.pushText("more"));
  EXPECT_EQ("", stream.finish());
  EXPECT_EQ(1, stream.stopped);

  adze_text_stream_reset(stream.stream);
  EXPECT_EQ("x", stream.push('x'));
  EXPECT_EQ(-1, stream.stopped);
  EXPECT_EQ("", stream.pushText("END"));
  EXPECT_EQ(0, stream.stopped);
}

TEST(TextStream, StopStringWithinOneToken) {
  OpenTable table = makeTable();
  Stream stream(table, {"h"});
  EXPECT_EQ("t", stream.push(257));
  EXPECT_EQ(0, stream.stopped);
}

TEST(TextStream, OverlappingBeginningsOfStopStrings) {
  OpenTable table = makeTable();
  Stream stream(table, {"aab"});
  EXPECT_EQ("", stream.pushText("aa"));
  EXPECT_EQ("a", stream.push('a'));
  EXPECT_EQ("", stream.push('b'));
  EXPECT_EQ(0, stream.stopped);
  Stream held(table, {"aab"});
  EXPECT_EQ("", held.pushText("aa"));
  EXPECT_EQ("aa", held.finish());
}

TEST(TextStream, LongestOfStopStringsThatEndTogether) {
  OpenTable table = makeTable();
  Stream stream(table, {"b", "ab"});
  EXPECT_EQ("x", stream.pushText("xab"));
  EXPECT_EQ(1, stream.stopped);
}

TEST(TextStream, RefusesBadArguments) {
  OpenTable table = makeTable();
  adze_text_stream *stream = nullptr;
  adze_text_error error = {};
  const char *empty[] = {""};
  EXPECT_EQ(ADZE_TEXT_INVALID_ARGUMENT,
            adze_text_stream_create(table.get(), 0, empty, 1, &stream, &error));
  EXPECT_EQ(nullptr, stream);
  const char *broken[] = {"\xFF"};
  EXPECT_EQ(
      ADZE_TEXT_INVALID_UTF8,
      adze_text_stream_create(table.get(), 0, broken, 1, &stream, &error));
  Stream good(table);
  adze_text_chunk chunk;
  EXPECT_EQ(ADZE_TEXT_TOKEN_OUT_OF_RANGE,
            adze_text_stream_push(good.stream, 262, &chunk, &error));
  EXPECT_NE(nullptr, strstr(error.message, "262"));
  EXPECT_EQ(ADZE_TEXT_TOKEN_OUT_OF_RANGE,
            adze_text_stream_push(good.stream, -1, &chunk, nullptr));
}

TEST(TextStream, RandomTokensGiveValidUtf8AndTheDecodedText) {
  std::mt19937 random(11);
  for (const GgufVocab &vocab : {makeByteVocab(), makeSpmVocab()}) {
    OpenTable table(buildTextTable(vocab, "small"));
    for (int round = 0; round < 500; ++round) {
      uint32_t flags = random() % 4;
      Stream stream(table, {"zzzz"}, flags);
      Ids ids;
      std::string streamed;
      for (unsigned length = random() % 30; length > 0; --length) {
        ids.push_back(static_cast<int32_t>(random() % vocab.tokens.size()));
        std::string chunk = stream.push(ids.back());
        EXPECT_TRUE(isUtf8(chunk));
        streamed += chunk;
      }
      std::string rest = stream.finish();
      EXPECT_TRUE(isUtf8(rest));
      EXPECT_EQ(table.decode(ids, flags), streamed + rest);
    }
  }
}

TEST(TextDecode, LeadingSpaceOfAContinuationIsKept) {
  OpenTable table(buildTextTable(makeSpmVocab(), "spm"));
  Ids ids = table.encode("ab ab");
  EXPECT_EQ("ab ab", table.decode(ids));
  EXPECT_EQ(" ab ab", table.decode(ids, ADZE_TEXT_CONTINUATION));
}
