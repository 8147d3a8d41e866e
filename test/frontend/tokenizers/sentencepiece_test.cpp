// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// SentencePiece models: the vocabulary of stories260k as .model and as GGUF
// against the text and ids that the model's own run produced, and what broken
// files give.

#include "TokenizerTesting.h"

using namespace adze;
using namespace adze::testing;
using namespace llvm;

static const char kModelDirectory[] = "models/stories260k-hf";

/// The int32 or int64 values of a one-dimensional .npy file.
static Ids readNpyIds(StringRef path) {
  std::string file = readFile(path);
  size_t header = support::endian::read16le(file.data() + 8);
  StringRef description(file.data() + 10, header);
  StringRef values = StringRef(file).drop_front(10 + header);
  bool wide = description.contains("<i8");
  Ids ids;
  for (size_t at = 0; at < values.size(); at += wide ? 8 : 4)
    ids.push_back(
        static_cast<int32_t>(support::endian::read32le(values.data() + at)));
  return ids;
}

static void expectStories(const OpenTable &table) {
  std::string text = readFile(dataPath(kModelDirectory) + "/expected_text.txt");
  Ids ids = readNpyIds(dataPath(kModelDirectory) + "/expected_greedy_ids.npy");
  ASSERT_FALSE(ids.empty());
  // The text also has the token that the last id led to.
  std::string decoded = table.decode(ids);
  EXPECT_EQ(decoded, StringRef(text).take_front(decoded.size()).str());
  EXPECT_LT(text.size(), decoded.size() + 8);
  EXPECT_EQ(ids.front(), table.info().bos);
  EXPECT_EQ(decoded, table.decode(table.encode(decoded)));
  Ids again = table.encode(decoded, ADZE_TEXT_ADD_SPECIAL);
  EXPECT_EQ(1, again.front());
}

TEST(SentencePiece, StoriesModelFile) {
  std::string directory = dataPath(kModelDirectory);
  ADZE_NEED_DATA(directory);
  OpenTable table(buildTextTableFromSentencePiece(
      readFile(directory + "/tokenizer.model"), "tokenizer.model"));
  expectStories(table);
  EXPECT_EQ(512, table.info().vocabulary_size);
  EXPECT_EQ(2, table.info().eos);
  EXPECT_TRUE(adze_text_is_stop_token(table.get(), 2));
}

TEST(SentencePiece, StoriesGgufVocabularyGivesTheSameIds) {
  std::string path = dataPath("models/stories260k-gguf/stories260K.gguf");
  std::string directory = dataPath(kModelDirectory);
  ADZE_NEED_DATA(path);
  ADZE_NEED_DATA(directory);
  OpenTable gguf(
      buildTextTable(GgufVocabFile::read(readFile(path)), "stories.gguf"));
  OpenTable model(buildTextTableFromSentencePiece(
      readFile(directory + "/tokenizer.model"), "tokenizer.model"));
  expectStories(gguf);
  for (StringRef text : {"Once upon a time", "Lily's mom said, \"Go!\"\n",
                         "caf\xC3\xA9 \xF0\x9F\x9A\x80", "x"})
    EXPECT_EQ(model.encode(text), gguf.encode(text)) << text.str();
}

TEST(SentencePiece, BrokenFilesAreErrors) {
  EXPECT_NE(std::string::npos,
            messageOf(buildTextTableFromSentencePiece("", "empty.model"))
                .find("empty.model: not a SentencePiece model"));
  EXPECT_NE(std::string::npos,
            messageOf(buildTextTableFromSentencePiece("{\"a\": 1}", "j.model"))
                .find("j.model: "));
  std::string path =
      dataPath(kModelDirectory) + std::string("/tokenizer.model");
  ADZE_NEED_DATA(path);
  std::string whole = readFile(path);
  for (size_t length = 0; length < 200; ++length) {
    auto result = buildTextTableFromSentencePiece(
        StringRef(whole).take_front(length), "cut.model");
    // A cut between two pieces leaves a smaller model, which is a model.
    if (!result)
      EXPECT_NE(std::string::npos,
                toString(result.takeError()).find("cut.model"));
  }
}
