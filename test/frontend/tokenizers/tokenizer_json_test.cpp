// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// tokenizer.json: constructs that are refused, and by which words; both
// syntaxes of merges; special tokens from configuration files; directories.

#include "TokenizerTesting.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace adze;
using namespace adze::testing;
using namespace llvm;

namespace {

/// A small byte-level tokenizer with parts that a test replaces.
struct Parts {
  std::string normalizer = "null";
  std::string preTokenizer =
      R"({"type": "ByteLevel", "add_prefix_space": false})";
  std::string postProcessor = "null";
  std::string decoder = R"({"type": "ByteLevel"})";
  std::string merges = R"(["a b", "ab c"])";
  std::string model = "";
  std::string added =
      R"({"id": 5, "content": "<s>", "special": true},
         {"id": 6, "content": "</s>", "special": true})";
  std::string extra = "";

  std::string json() const {
    return R"({"version": "1.0", "truncation": null, "padding": null,
      "added_tokens": [)" +
           added + R"(], "normalizer": )" + normalizer +
           R"(, "pre_tokenizer": )" + preTokenizer + R"(, "post_processor": )" +
           postProcessor + R"(, "decoder": )" + decoder + extra +
           R"(, "model": {"type": "BPE", )" + model +
           R"("vocab": {"a": 0, "b": 1, "c": 2, "ab": 3, "abc": 4},
               "merges": )" +
           merges + "}}";
  }
  Expected<std::string> build(const TokenizerSettings &settings = {}) const {
    return buildTextTableFromTokenizerJson(json(), "t.json", settings);
  }
};

void expectError(const Parts &parts, StringRef words) {
  std::string message = messageOf(parts.build());
  EXPECT_TRUE(StringRef(message).starts_with("t.json: ")) << message;
  EXPECT_TRUE(StringRef(message).contains(words)) << message;
}

} // namespace

TEST(TokenizerJson, BothSyntaxesOfMerges) {
  Parts parts;
  OpenTable strings(parts.build());
  EXPECT_EQ(Ids({4, 3}), strings.encode("abcab"));
  parts.merges = R"([["a", "b"], ["ab", "c"]])";
  OpenTable pairs(parts.build());
  EXPECT_EQ(strings.bytes(), pairs.bytes());
}

TEST(TokenizerJson, UnsupportedConstructsAreNamedWithTheirPath) {
  Parts parts;
  parts.normalizer = R"({"type": "Lowercase"})";
  expectError(parts, "normalizer: type 'Lowercase' is not supported");
  parts = Parts();
  parts.normalizer =
      R"({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "BertNormalizer"}]})";
  expectError(parts, "normalizer.normalizers[1]: type 'BertNormalizer'");
  parts = Parts();
  parts.preTokenizer = R"({"type": "BertPreTokenizer"})";
  expectError(parts, "pre_tokenizer: type 'BertPreTokenizer'");
  parts = Parts();
  parts.preTokenizer =
      R"({"type": "Split", "pattern": {"Regex": "(?<=a)b"}, "behavior": "Isolated"})";
  expectError(parts, "pre_tokenizer.pattern: unsupported or malformed split "
                     "pattern at character 2");
  parts = Parts();
  parts.preTokenizer =
      R"({"type": "Split", "pattern": {"String": "a"}, "behavior": "Sideways"})";
  expectError(parts, "pre_tokenizer.behavior: 'Sideways'");
  parts = Parts();
  parts.preTokenizer = R"({"type": "ByteLevel", "strange": 1})";
  expectError(parts, "pre_tokenizer.strange: is not supported");
  parts = Parts();
  parts.postProcessor = R"({"type": "RobertaProcessing"})";
  expectError(parts, "post_processor: type 'RobertaProcessing'");
  parts = Parts();
  parts.decoder = R"({"type": "WordPiece"})";
  expectError(parts, "decoder: type 'WordPiece'");
  parts = Parts();
  parts.decoder = "null";
  expectError(parts, "decoder: is missing");
  parts = Parts();
  parts.model = R"("dropout": 0.1, )";
  expectError(parts, "model.dropout");
  parts = Parts();
  parts.model = R"("end_of_word_suffix": "</w>", )";
  expectError(parts, "model.end_of_word_suffix: '</w>'");
  parts = Parts();
  parts.model = R"("unheard_of": true, )";
  expectError(parts, "model.unheard_of: is not supported");
  parts = Parts();
  parts.added = R"({"id": 5, "content": "x", "single_word": true})";
  expectError(parts, "added_tokens[0].single_word");
  parts = Parts();
  parts.extra = R"(, "surprise": {})";
  expectError(parts, "surprise: is not supported");
}

TEST(TokenizerJson, BrokenFilesAreErrors) {
  EXPECT_NE(std::string::npos,
            messageOf(buildTextTableFromTokenizerJson("{", "t.json"))
                .find("t.json: expected JSON"));
  EXPECT_NE(std::string::npos,
            messageOf(buildTextTableFromTokenizerJson("[]", "t.json"))
                .find("expected a JSON object"));
  EXPECT_NE(std::string::npos,
            messageOf(buildTextTableFromTokenizerJson(std::string(100000, '['),
                                                      "t.json"))
                .find("nested at most 64 deep"));
  Parts parts;
  parts.merges = R"(["a x"])";
  expectError(parts, "merge 0: token 'x' is not in the vocabulary");
  parts.merges = R"(["a b", [1, 2]])";
  expectError(parts, "model.merges[1]: expected two tokens");
  parts = Parts();
  parts.added = R"({"id": 4000000000, "content": "x"})";
  expectError(parts, "added_tokens[0].id");
  parts.added = R"({"id": 2, "content": "x"})";
  expectError(parts, "contradicts the vocabulary");
  std::string whole = Parts().json();
  for (size_t length = 0; length < whole.size(); ++length)
    EXPECT_NE("", messageOf(buildTextTableFromTokenizerJson(
                      StringRef(whole).take_front(length), "t.json")));
}

TEST(TokenizerJson, EscapedSurrogatesBeyondTheFirstPlanes) {
  // U+2070E as an escape; LLVM's JSON parser alone would read U+1070E.
  Parts parts;
  parts.added += R"(, {"id": 7, "content": "\uD841\uDF0E"})";
  OpenTable table(parts.build());
  EXPECT_EQ(Ids({0, 7, 1}), table.encode("a\xF0\xA0\x9C\x8E"
                                         "b"));
  EXPECT_EQ("a\xF0\xA0\x9C\x8E", table.decode({0, 7}));
}

TEST(TokenizerJson, SpecialTokensOfConfigurations) {
  Parts parts;
  TokenizerSettings settings;
  settings.bosToken = "<s>";
  settings.eosToken = "</s>";
  settings.addBos = true;
  settings.stopTokens = {4, 900};
  OpenTable table(parts.build(settings));
  EXPECT_EQ(5, table.info().bos);
  EXPECT_EQ(6, table.info().eos);
  EXPECT_EQ(Ids({5, 0}), table.encode("a", ADZE_TEXT_ADD_SPECIAL));
  EXPECT_TRUE(adze_text_is_stop_token(table.get(), 4));
  EXPECT_TRUE(adze_text_is_stop_token(table.get(), 6));
  EXPECT_FALSE(adze_text_is_stop_token(table.get(), 900));

  parts.postProcessor = R"({"type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
               {"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [5],
    "tokens": ["<s>"]}}})";
  EXPECT_EQ(Ids({5, 0}),
            OpenTable(parts.build()).encode("a", ADZE_TEXT_ADD_SPECIAL));
  settings.addBos = false;
  EXPECT_EQ(
      Ids({0}),
      OpenTable(parts.build(settings)).encode("a", ADZE_TEXT_ADD_SPECIAL));
  settings.eosToken = "<none>";
  EXPECT_NE(std::string::npos,
            messageOf(parts.build(settings)).find("eos_token '<none>'"));
}

namespace {

class TemporaryDirectory {
public:
  TemporaryDirectory() {
    EXPECT_FALSE(sys::fs::createUniqueDirectory("adze-tokenizer", path));
  }
  ~TemporaryDirectory() { sys::fs::remove_directories(path); }
  void write(StringRef file, StringRef contents) {
    SmallString<128> name(path);
    sys::path::append(name, file);
    std::error_code error;
    raw_fd_ostream stream(name, error);
    ASSERT_FALSE(error);
    stream << contents;
  }
  SmallString<128> path;
};

} // namespace

TEST(ModelDirectory, FilesAndConfigurations) {
  TemporaryDirectory directory;
  EXPECT_FALSE(hasTokenizerFiles(directory.path));
  std::string message = messageOf(buildTextTable(directory.path.str()));
  EXPECT_NE(std::string::npos, message.find("no tokenizer")) << message;

  directory.write("tokenizer.json", Parts().json());
  directory.write("tokenizer_config.json",
                  R"({"bos_token": {"content": "<s>"}, "eos_token": "</s>",
                      "chat_template": "{{ hello }}"})");
  directory.write("config.json", R"({"eos_token_id": 3})");
  directory.write("generation_config.json", R"({"eos_token_id": [6, 4]})");
  EXPECT_TRUE(hasTokenizerFiles(directory.path));
  OpenTable table(buildTextTable(directory.path.str()));
  adze_text_info info = table.info();
  EXPECT_EQ(5, info.bos);
  EXPECT_EQ(6, info.eos);
  EXPECT_EQ("{{ hello }}",
            std::string(info.chat_template, info.chat_template_length));
  EXPECT_EQ(Ids({4, 6}),
            Ids(info.stop_tokens, info.stop_tokens + info.stop_token_count));

  // A file of its own counts more; further ones are chosen by name.
  directory.write("chat_template.jinja", "{{ messages | length }}");
  SmallString<128> more(directory.path);
  sys::path::append(more, "additional_chat_templates");
  ASSERT_FALSE(sys::fs::create_directory(more));
  directory.write("additional_chat_templates/tool_use.jinja", "tools");
  directory.write("additional_chat_templates/bad.jinja", "{% nope %}");
  std::vector<std::string> warnings;
  OpenTable templates(buildTextTable(directory.path.str(), &warnings));
  ASSERT_EQ(1u, warnings.size());
  EXPECT_EQ("chat template 'bad' is not available: the statement 'nope' is not "
            "supported at line 1",
            warnings[0]);
  auto format = [&](const char *tools, const char *name) {
    adze_chat chat = {};
    chat.struct_size = sizeof chat;
    chat.tools_json = tools;
    chat.template_name = name;
    char *utf8 = nullptr;
    size_t length = 0;
    adze_text_error error = {};
    adze_chat_format(templates.get(), &chat, &utf8, &length, &error);
    std::string made = utf8 ? utf8 : error.message;
    adze_text_free(utf8);
    return made;
  };
  EXPECT_EQ("0", format(nullptr, nullptr));
  EXPECT_EQ("tools", format("[]", nullptr));
  EXPECT_EQ("0", format("[]", "default"));
  EXPECT_NE(std::string::npos, format(nullptr, "bad").find("'nope'"));
  EXPECT_NE(std::string::npos,
            format(nullptr, "other").find("no chat template named 'other'"));

  directory.write("generation_config.json", R"({"eos_token_id": "six"})");
  message = messageOf(buildTextTable(directory.path.str()));
  EXPECT_NE(std::string::npos,
            message.find("generation_config.json: eos_token_id"))
      << message;
  directory.write("generation_config.json", "{");
  message = messageOf(buildTextTable(directory.path.str()));
  EXPECT_NE(std::string::npos, message.find("expected JSON")) << message;
}

TEST(ModelDirectory, StoriesAsItStands) {
  std::string path = dataPath("models/stories260k-hf");
  ADZE_NEED_DATA(path);
  OpenTable table(buildTextTable(path));
  EXPECT_EQ(1, table.info().bos);
  EXPECT_EQ(2, table.info().eos);
  EXPECT_TRUE(table.info().adds_bos);
  EXPECT_FALSE(table.info().adds_eos);
}
