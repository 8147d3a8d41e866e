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

TEST(TokenizerJson, PatternsThatAreRefusedSayWhy) {
  const std::pair<std::string, const char *> cases[] = {
      {"a)", "a closing bracket without an opening one"},
      {"(?:a", "a group without an end"},
      {std::string(70, '(') + "a" + std::string(70, ')'),
       "groups nested too deeply"},
      {"(?:(?:abcdefgh|ijklmnop){100})", "group"},
      {"^*", "a repeated line boundary"},
      {"a(?=bc)", "lookahead at more than one character"},
      {"(?i:[\u00e0-\u00ef])", "letters beyond ASCII where case is ignored"},
      {"a(?=", "the end, where a character is expected"},
      {"a|*b", "an operator where a character is expected"},
      {"[]a]", "an empty class"},
      {"[ab", "a class without an end"},
      {"[a[b]]", "a class inside a class (write \\[ for the bracket)"},
      {"[a&&b]", "an intersection of classes"},
      {"[b-a]", "a range of characters that does not rise"},
      {"a\\", "a backslash at the end"},
      {"\\b", "the escape \\b"},
      {"\\p{L", "a property without an end"},
      {"\\p{Greek}", "the property 'Greek'; general categories such as L or Nd "
                     "are implemented"},
      {"\\x{110000}", "a malformed hexadecimal character"},
      {"\\u12", "a malformed hexadecimal character"},
      {"a{b}", "a brace that is no repetition (write \\{ for the brace)"},
      {"a{3,2}", "a repetition that does not rise or exceeds "},
      {"a{2,3}+", "a repeated interval"},
      {"a*{2}", "a repetition of a repetition"},
  };
  for (const auto &[pattern, words] : cases) {
    std::string escaped;
    for (char c : pattern)
      escaped += c == '\\' ? std::string("\\\\") : std::string(1, c);
    Parts parts;
    parts.preTokenizer = R"({"type": "Split", "pattern": {"Regex": ")" +
                         escaped + R"("}, "behavior": "Isolated"})";
    SCOPED_TRACE(pattern);
    expectError(parts, "pre_tokenizer.pattern: unsupported or malformed split "
                       "pattern at character ");
    expectError(parts, words);
  }
}

TEST(TokenizerJson, PartsOfTheWrongKindAreNamed) {
  struct Case {
    std::string Parts::*part;
    const char *json, *words;
  } cases[] = {
      {&Parts::normalizer, R"({"type": "Prepend", "prepend": 3})",
       "normalizer.prepend: expected a string"},
      {&Parts::normalizer, R"({"type": "Sequence", "normalizers": 1})",
       "normalizer.normalizers: expected an array"},
      {&Parts::model, R"("byte_fallback": true, )",
       "model.byte_fallback: contradicts a ByteLevel pre-tokenizer"},
      {&Parts::model, R"("unk_token": "?", )",
       "model.unk_token: '?' is not in the vocabulary"},
      {&Parts::merges, "1", "model.merges: expected an array"},
      {&Parts::merges, R"(["ab"])",
       "'ab' is not two tokens with a space "
       "between them"},
      {&Parts::added, R"({"id": 4000000000, "content": "x"})",
       "added_tokens[0].id: expected an id near the vocabulary of 5"},
      {&Parts::added, R"({"id": 2, "content": "x"})",
       "added_tokens[0].id: 'x' has id 2, which contradicts the vocabulary"},
      {&Parts::postProcessor,
       R"({"type": "TemplateProcessing", "single": [{"Special": 1}],
           "pair": [], "special_tokens": {}})",
       "expected a Sequence or a SpecialToken"},
      {&Parts::postProcessor,
       R"({"type": "TemplateProcessing", "pair": [], "special_tokens": {},
           "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                      {"Sequence": {"id": "A", "type_id": 0}}]})",
       ".special_tokens: has no ids for '<s>'"},
      {&Parts::postProcessor,
       R"({"type": "TemplateProcessing", "pair": [],
           "special_tokens": {"<s>": {"id": "<s>", "ids": [99],
                                      "tokens": ["<s>"]}},
           "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                      {"Sequence": {"id": "A", "type_id": 0}}]})",
       ".special_tokens.<s>: expected ids within the vocabulary"},
      {&Parts::postProcessor,
       R"({"type": "TemplateProcessing", "pair": [],
           "special_tokens": {"<s>": {"id": "<s>", "ids": [0],
                                      "tokens": ["<s>"]}},
           "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}]})",
       ".single: has no place for the text"},
      {&Parts::postProcessor,
       R"({"type": "TemplateProcessing", "pair": [], "special_tokens": {},
           "single": [{"Sequence": {"id": "A", "type_id": 0}},
                      {"Sequence": {"id": "B", "type_id": 0}}]})",
       "a second text is not supported"},
      {&Parts::decoder,
       R"({"type": "Sequence", "decoders": [{"type": "Replace",
           "pattern": {"Regex": "a"}, "content": "b"}]})",
       ".pattern.Regex: is not supported in a decoder"},
      {&Parts::decoder,
       R"({"type": "Sequence", "decoders": [{"type": "Fuse"},
           {"type": "Strip", "content": "a", "start": 1, "stop": 0}]})",
       "only spaces at the start can be stripped"},
      {&Parts::preTokenizer,
       R"({"type": "Sequence", "pretokenizers": [
           {"type": "ByteLevel", "add_prefix_space": false},
           {"type": "Digits", "individual_digits": true}]})",
       "a step after ByteLevel is not supported"},
      {&Parts::preTokenizer,
       R"({"type": "Metaspace", "replacement": "_", "prepend_scheme": "often"})",
       ".prepend_scheme: 'often'"},
  };
  for (const Case &c : cases) {
    SCOPED_TRACE(c.words);
    Parts parts;
    parts.*c.part = c.json;
    expectError(parts, c.words);
  }
  for (const auto &[vocab, words] :
       {std::pair<const char *, const char *>(
            "[]", "model.vocab: expected an object of tokens and ids"),
        {R"({"a": 0, "b": 9000000})",
         "model.vocab: token 'b' has no usable id for a vocabulary of 2"},
        {R"({"a": 0, "b": 0})", "model.vocab: id 0 is given twice"}}) {
    std::string text = std::string(R"({"version": "1.0", "added_tokens": [],
          "normalizer": null, "post_processor": null,
          "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
          "decoder": {"type": "ByteLevel"},
          "model": {"type": "BPE", "merges": [], "vocab": )") +
                       vocab + "}}";
    std::string message =
        messageOf(buildTextTableFromTokenizerJson(text, "t.json"));
    EXPECT_TRUE(StringRef(message).contains(words)) << message;
  }
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
