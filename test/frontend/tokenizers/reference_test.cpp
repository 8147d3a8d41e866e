// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Encoding and decoding against what the libraries tokenizers and
// sentencepiece gave for small vocabularies. The files under references/ are
// made by test/scripts/tokenizers/make_references.py.

#include "TokenizerTesting.h"

#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

#ifndef ADZE_REFERENCES
#define ADZE_REFERENCES ADZE_SOURCE_DIR "/test/frontend/tokenizers/references"
#endif

using namespace adze;
using namespace adze::testing;
using namespace llvm;

static Ids asIds(const json::Array &array) {
  Ids ids;
  for (const json::Value &value : array)
    ids.push_back(static_cast<int32_t>(value.getAsInteger().value_or(-1)));
  return ids;
}

static Expected<std::string> readReference(StringRef file) {
  std::string path = std::string(ADZE_REFERENCES) + "/" + file.str();
  std::string contents = readFile(path);
  return file.ends_with(".json")
             ? buildTextTableFromTokenizerJson(contents, path)
             : buildTextTableFromSentencePiece(contents, path);
}

static json::Value readCases(StringRef file) {
  std::string path = std::string(ADZE_REFERENCES) + "/" +
                     file.rsplit('.').first.str() + ".ids.json";
  Expected<json::Value> cases = json::parse(readFile(path));
  if (cases)
    return *cases;
  ADD_FAILURE() << path << ": " << toString(cases.takeError());
  return json::Array();
}

static std::string show(const json::Value &value) {
  std::string text;
  raw_string_ostream(text) << value;
  return text;
}

class References : public ::testing::TestWithParam<const char *> {};

TEST_P(References, EncodeAndDecodeAlike) {
  OpenTable table(readReference(GetParam()));
  json::Value cases = readCases(GetParam());
  ASSERT_TRUE(cases.getAsArray());
  ASSERT_GT(cases.getAsArray()->size(), 80u);
  for (const json::Value &value : *cases.getAsArray()) {
    const json::Object &entry = *value.getAsObject();
    Ids ids = asIds(*entry.getArray("ids"));
    if (auto text = entry.getString("text")) {
      uint32_t flags = entry.getBoolean("special").value_or(false)
                           ? ADZE_TEXT_PARSE_SPECIAL
                           : 0;
      EXPECT_EQ(ids, table.encode(*text, flags)) << "text " << show(value);
      if (const json::Array *around = entry.getArray("around"))
        EXPECT_EQ(asIds(*around),
                  table.encode(*text, flags | ADZE_TEXT_ADD_SPECIAL))
            << "text " << show(value);
    }
    EXPECT_EQ(entry.getString("decoded")->str(), table.decode(ids))
        << "ids " << show(value);
    if (auto kept = entry.getString("kept"))
      EXPECT_EQ(kept->str(), table.decode(ids, ADZE_TEXT_KEEP_SPECIAL))
          << "ids " << show(value);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Files, References,
    ::testing::Values("gpt2.json", "gpt2-prefix.json", "llama3.json",
                      "qwen2.json", "o200k.json", "split-kinds.json",
                      "llama2.json", "mistral.json", "spm-bpe.model",
                      "spm-unigram.model", "spm-bpe-identity.model",
                      "spm-unigram-identity.model", "spm-rules.model",
                      "spm-unigram-rules.model"));

/// GPT-2's own vocabulary and ids that Hugging Face gave for a real text.
TEST(RealVocabularies, Gpt2AsTokenizerJsonAndAsVocabWithMerges) {
  std::string root = dataPath("tokenizers/hf_reference_ids/reftests");
  ADZE_NEED_DATA(root);
  Expected<json::Value> reference =
      json::parse(readFile(root + "/monty-python-credits-gpt2.json"));
  ASSERT_TRUE(bool(reference)) << toString(reference.takeError());
  Ids expected = asIds(*reference->getAsObject()->getArray("token_ids"));
  std::string text = readFile(root + "/monty-python-credits.txt");

  OpenTable json(buildTextTable(root + "/models/gpt2"));
  EXPECT_EQ(expected, json.encode(text));
  EXPECT_EQ(text, json.decode(expected));
  EXPECT_EQ(50257, json.info().vocabulary_size);
  EXPECT_EQ(50256, json.info().eos);

  OpenTable files(buildTextTableFromVocabAndMerges(
      readFile(root + "/models/gpt2/vocab.json"),
      readFile(root + "/models/gpt2/merges.txt"), "gpt2"));
  EXPECT_EQ(expected, files.encode(text));
  EXPECT_EQ(text, files.decode(expected));
  EXPECT_EQ(50256, files.info().eos);
}
