// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Chat templates against Jinja2: the texts and errors that
// test/scripts/chat/make_references.py stored, for templates of our own and for
// those of models in the shared test data.

#include "SmallTables.h"
#include "adze/text_table.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/SHA256.h"

#include <algorithm>

using namespace adze;
using namespace adze::testing;
using namespace llvm;

namespace {

/// A vocabulary with this template.
std::string tableWith(StringRef source,
                      std::vector<std::string> *warnings = nullptr) {
  GgufVocab vocab = makeByteVocab();
  vocab.chatTemplate = source.str();
  Expected<std::string> table = buildTextTable(vocab, "test", warnings);
  EXPECT_TRUE(bool(table));
  return table ? *table : std::string();
}

struct Rendered {
  adze_text_status status = ADZE_TEXT_OK;
  std::string text, message;
};

Rendered render(const OpenTable &table, const adze_chat &chat) {
  Rendered result;
  char *utf8 = nullptr;
  size_t length = 0;
  adze_text_error error = {};
  result.status = adze_chat_format(table.get(), &chat, &utf8, &length, &error);
  if (result.status == ADZE_TEXT_OK)
    result.text.assign(utf8, length);
  else
    result.message = error.message;
  adze_text_free(utf8);
  return result;
}

Rendered renderOne(StringRef source, const char *messages = nullptr) {
  OpenTable table(tableWith(source));
  adze_chat chat = {};
  chat.struct_size = sizeof chat;
  chat.messages_json =
      messages ? messages : R"([{"role":"user","content":"Hi"}])";
  return render(table, chat);
}

json::Object readReferences(StringRef name) {
  std::string path =
      (StringRef(ADZE_SOURCE_DIR) + "/test/runtime/text/chat/" + name + ".json")
          .str();
  Expected<json::Value> value = json::parse(readFile(path));
  EXPECT_TRUE(bool(value)) << path;
  if (!value) {
    consumeError(value.takeError());
    return {};
  }
  return std::move(*value->getAsObject()->getObject(name));
}

std::string sha256(StringRef text) {
  return toHex(SHA256::hash(arrayRefFromStringRef(text)), true);
}

Rendered renderConversation(const OpenTable &table, const json::Object &of) {
  std::string messages = of.getString("messages")->str();
  std::string tools = of.getString("tools").value_or("").str();
  std::string variables = of.getString("variables")->str();
  adze_chat chat = {};
  chat.struct_size = sizeof chat;
  chat.messages_json = messages.c_str();
  chat.tools_json = tools.empty() ? nullptr : tools.c_str();
  chat.variables_json = variables.c_str();
  chat.flags = *of.getBoolean("prompt") ? ADZE_CHAT_ADD_GENERATION_PROMPT : 0;
  chat.now = 1773065107; // 2026-03-09 14:05:07, as in make_references.py
  return render(table, chat);
}

/// `expected` is {"text": TEXT or [LENGTH, SHA-256]} or an error of Jinja.
void expectResult(const Rendered &made, const json::Object &expected) {
  if (auto text = expected.getString("text")) {
    EXPECT_EQ(text->str(), made.text) << made.message;
    return;
  }
  if (const json::Array *digest = expected.getArray("text")) {
    EXPECT_EQ(ADZE_TEXT_OK, made.status) << made.message;
    EXPECT_EQ(*(*digest)[0].getAsInteger(), int64_t(made.text.size()));
    EXPECT_EQ((*digest)[1].getAsString()->str(), sha256(made.text))
        << made.text;
    return;
  }
  EXPECT_EQ(ADZE_TEXT_TEMPLATE_ERROR, made.status) << made.text;
  // What a template raises is for the user; Python's own words are close.
  StringRef message = expected.getString("raises").value_or(
      *expected.begin()->second.getAsString());
  StringRef lineless = message.split(" on line ").first;
  EXPECT_NE(std::string::npos,
            made.message.find(lineless.take_front(120).str()))
      << "expected '" << message.str() << "', found '" << made.message << "'";
}

} // namespace

TEST(ChatTemplate, UnitsAsJinja) {
  json::Object conversations = readReferences("conversations");
  json::Object units = readReferences("units");
  EXPECT_GT(units.size(), 100u);
  for (const auto &[name, value] : units) {
    const json::Object &unit = *value.getAsObject();
    std::vector<std::string> warnings;
    OpenTable table(tableWith(*unit.getString("source"), &warnings));
    EXPECT_TRUE(warnings.empty()) << name.str() << ": " << warnings.front();
    for (const auto &[conversation, expected] : *unit.getObject("results")) {
      SCOPED_TRACE(name.str() + " with " + conversation.str());
      expectResult(
          renderConversation(table, *conversations.getObject(conversation)),
          *expected.getAsObject());
    }
  }
}

TEST(ChatTemplate, ModelsAsJinja) {
  std::string folder = dataPath("tokenizers/chat_templates");
  ADZE_NEED_DATA(folder);
  json::Object conversations = readReferences("conversations");
  json::Object models = readReferences("models");
  EXPECT_GE(models.size(), 17u);
  for (const auto &[file, value] : models) {
    const json::Object &model = *value.getAsObject();
    std::string source = readFile(folder + "/" + file.str());
    ASSERT_EQ(model.getString("sha256")->str(), sha256(source))
        << file.str() << " is not the file the references were made from";
    std::vector<std::string> warnings;
    OpenTable table(tableWith(source, &warnings));
    ASSERT_TRUE(warnings.empty()) << file.str() << ": " << warnings.front();
    for (const auto &[conversation, expected] : *model.getObject("results")) {
      SCOPED_TRACE(file.str() + " with " + conversation.str());
      expectResult(
          renderConversation(table, *conversations.getObject(conversation)),
          *expected.getAsObject());
    }
  }
}

TEST(ChatTemplate, UnsupportedConstructsAreNamedWithTheirLine) {
  const std::pair<const char *, const char *> cases[] = {
      {"a\n{% include 'x' %}",
       "the statement 'include' is not supported at line 2"},
      {"{% block b %}{% endblock %}", "the statement 'block' is not supported"},
      {"\n\n{{ x | urlize }}",
       "the filter 'urlize' is not supported at line 3"},
      {"{{ x is escaped }}", "the test 'escaped' is not supported at line 1"},
      {"{% for x in y recursive %}{% endfor %}",
       "a 'recursive' loop is not supported"},
      {"{{ f(*x) }}", "a call with '*' arguments is not supported"},
      {"{% if x %}\n", "'endif' is missing for the block that begins at line"},
      {"{{ 1 + }}", "expected an expression, found '}}' at line 1"},
      {"{{ 'a }}", "a string without its end at line 1"},
      {"{{ (1 }}", "unexpected '}' at line 1"},
      {"{{ 1", "a tag without its end '}}' at line 1"},
      {"{{ (1] }}", "unexpected ']'"},
      {"{{ a ? b }}", "unexpected character '?'"},
      {"{# x", "missing end of comment tag at line 1"},
      {"{% raw %}", "missing end of raw directive at line 1"},
      {"{% break %}", "'break' outside of a loop"},
      {"{% set 1 = 2 %}", "cannot assign to '1'"},
      {"{% for loop in x %}{% endfor %}", "cannot assign to the loop variable"},
      {"{% macro m(a=1, b) %}{% endmacro %}", "a parameter without default"},
      {"{{ 99999999999999999999 }}", "the number '99999999999999999999'"},
      {"{{ '\\N{DASH}' }}", "the escape \\N{...}"},
      {"{{ x is odd is even }}", "tests cannot be chained"},
      {"{{ a(b=1, 2) }}", "an argument after a keyword argument"},
      {"{% call x %}{% endcall %}", "expected a call in the 'call' block"},
      {"\xFF", "text that is not UTF-8"},
      {"{{ a.'x' }}", "expected a name after '.'"},
      {"{{ a[] }}", "expected an index, found ']'"},
      {"{{ a | 1 }}", "expected a name, found"},
      {"{% 1 %}", "expected the name of a statement, found"},
      {"{% for in x %}{% endfor %}", "expected a name to assign to, found"},
      {"{% for x of y %}{% endfor %}", "expected 'in', found"},
      {"{% macro m((a, b)) %}{% endmacro %}",
       "expected the name of a parameter"},
      {"{% macro 1() %}{% endmacro %}", "expected the name of a macro, found"},
      {"{% set a. = 1 %}", "expected a name after '.', found"},
      {"{% if a b %}{% endif %}", "expected the end of the tag, found"},
      {"{{ '\\x1' }}", "a truncated escape in a string"},
      {"{{ '\\uD800' }}", "an escape in a string that is no character"},
  };
  for (const auto &[source, problem] : cases) {
    SCOPED_TRACE(source);
    std::vector<std::string> warnings;
    OpenTable table(tableWith(source, &warnings)); // the tokenizer still works
    EXPECT_FALSE(table.encode("the").empty());
    ASSERT_EQ(1u, warnings.size());
    EXPECT_NE(std::string::npos, warnings[0].find(problem)) << warnings[0];
    adze_chat chat = {};
    chat.struct_size = sizeof chat;
    Rendered made = render(table, chat);
    EXPECT_EQ(ADZE_TEXT_NO_CHAT_TEMPLATE, made.status);
    EXPECT_NE(std::string::npos, made.message.find(problem)) << made.message;
  }
}

TEST(ChatTemplate, NestingIsBounded) {
  const std::pair<const char *, char> brackets[] = {
      {"(", ')'}, {"[", ']'}, {"-", ' '}, {"not ", ' '}};
  for (const auto &[open, close] : brackets) {
    std::string source = "{{ ";
    for (int i = 0; i < 100000; ++i)
      source += open;
    source += '1' + std::string(100000, close);
    std::vector<std::string> warnings;
    OpenTable table(tableWith(source + " }}", &warnings));
    ASSERT_EQ(1u, warnings.size());
    EXPECT_NE(std::string::npos, warnings[0].find("nested too deeply"));
  }
  std::string blocks, sum = "{{ 1";
  for (int i = 0; i < 100000; ++i) {
    blocks += "{% if x %}";
    sum += " + 1";
  }
  for (const std::string &source : {blocks, sum + " }}"}) {
    std::vector<std::string> warnings;
    OpenTable table(tableWith(source, &warnings));
    ASSERT_EQ(1u, warnings.size());
    EXPECT_NE(std::string::npos, warnings[0].find("nested too deeply"));
  }
}

TEST(ChatTemplate, WorkAndMemoryAreBounded) {
  const std::pair<const char *, const char *> cases[] = {
      {"{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}"
       "{% endfor %}",
       "more than"},
      {"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "nested deeper"},
      {"{% set ns = namespace(x='ab') %}{% for i in range(99) %}"
       "{% set ns.x = ns.x + ns.x %}{% endfor %}",
       "memory"},
      {"{{ 'x' * 9999999999 }}", "memory"},
      {"{{ range(100001) }}", "Range too big"},
      {"{% set ns = namespace(x=[]) %}{% for i in range(5000) %}"
       "{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
       "nested deeper than 200"},
      {"{% set ns = namespace(x=[]) %}{% for i in range(5000) %}"
       "{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x | tojson }}",
       "nested deeper than 200"},
      {"{{ 9223372036854775807 + 1 }}", "more than 64 bits"},
      {"{{ 10 ** 40 }}", "more than 64 bits"},
      {"{{ '%s' % 1 }}", "formatting text with % is not supported"},
      {"{{ 'a'.encode() }}", "the method 'encode' of str is not supported"},
      {"{{ strftime_now('%Q') }}", "the code '%Q' is not supported"},
      {"{{ [1] | map('nope') | list }}", "the filter 'nope' is not supported"},
      {"{{ [1] | select('nope') | list }}", "the test 'nope' is not supported"},
  };
  for (const auto &[source, problem] : cases) {
    SCOPED_TRACE(source);
    Rendered made = renderOne(source);
    EXPECT_EQ(ADZE_TEXT_TEMPLATE_ERROR, made.status) << made.text.size();
    EXPECT_NE(std::string::npos, made.message.find(problem)) << made.message;
  }
}

TEST(ChatTemplate, ErrorsNameTheLine) {
  Rendered made = renderOne("a\nb\n{{ raise_exception('not so') }}");
  EXPECT_EQ("chat template, line 3: not so", made.message);
  made = renderOne("a\n{{ [1,\n2][0].x.y }}");
  EXPECT_EQ("chat template, line 3: 'int object' has no attribute 'x'",
            made.message);
}

TEST(ChatTemplate, JsonIsReadStrictly) {
  const char *valid[] = {"[]", " [ ] ",
                         R"([{"role": "\u00e9\ud83c\udf89\n\/"}])",
                         "[-0, 1.5e3, 0.1, 9223372036854775807, true, null]"};
  for (const char *json : valid)
    EXPECT_EQ(ADZE_TEXT_OK, renderOne("{{ messages }}", json).status) << json;
  EXPECT_EQ("['é🎉\\n/']",
            renderOne("{{ messages }}", R"(["\u00e9\ud83c\udf89\n\/"])").text);
  EXPECT_EQ(
      "{'a': 2, 'b': 1}",
      renderOne("{{ messages[0] }}", R"([{"a": 0, "b": 1, "a": 2}])").text);
  const char *invalid[] = {"",
                           "[",
                           "[1,]",
                           "[1 2]",
                           "[01]",
                           "[1.]",
                           "[.5]",
                           "[+1]",
                           "['a']",
                           "[\"a]",
                           "[\"\n\"]",
                           "[\"\\q\"]",
                           "[\"\\ud800\"]",
                           "[\"\\udc00\"]",
                           "[\"\\u12\"]",
                           "[tru]",
                           "[NaN]",
                           "[1] x",
                           "[{\"a\"}]",
                           "[{\"a\": 1,}]",
                           "[{a: 1}]",
                           "[1e]",
                           "\xFF",
                           "{}",
                           "[9223372036854775808]"};
  for (const char *json : invalid) {
    Rendered made = renderOne("x", json);
    EXPECT_EQ(ADZE_TEXT_INVALID_JSON, made.status) << json;
    EXPECT_EQ(0u, made.message.find("messages")) << made.message;
  }
  EXPECT_EQ(ADZE_TEXT_INVALID_JSON,
            renderOne("x", std::string(100000, '[').c_str()).status);
}

TEST(ChatTemplate, ManyKeysAreFoundInOrder) {
  std::string json = "[{";
  for (int i = 0; i < 20000; ++i)
    json +=
        (i ? ", \"k" : "\"k") + std::to_string(i) + "\": " + std::to_string(i);
  json += "}]";
  Rendered made =
      renderOne("{{ messages[0] | length }} {{ messages[0].k19999 }} "
                "{{ (messages[0] | list)[12345] }} "
                "{{ 'k77' in messages[0] }}{{ 'x' in messages[0] }}",
                json.c_str());
  EXPECT_EQ("20000 19999 k12345 TrueFalse", made.text) << made.message;
}

TEST(ChatTemplate, LongConversationsTakeLinearTime) {
  // Text built by adding to itself: quadratic copies would not fit.
  Rendered made =
      renderOne("{% set ns = namespace(x='') %}{% for i in range(60000) %}"
                "{% set ns.x = ns.x + 'some words of an answer ' %}{% endfor %}"
                "{{ ns.x | length }}");
  EXPECT_EQ("1440000", made.text) << made.message;
}

TEST(ChatTemplate, MessagesAsStructs) {
  OpenTable table(
      tableWith("{% for m in messages %}{{ m.role }}={{ m.content }};"
                "{% endfor %}{{ tools is none }}"));
  adze_chat_message messages[] = {{"user", "Hi"}, {"assistant", "Ho"}};
  adze_chat chat = {};
  chat.struct_size = sizeof chat;
  chat.messages = messages;
  chat.message_count = 2;
  EXPECT_EQ("user=Hi;assistant=Ho;True", render(table, chat).text);
  messages[1].content = nullptr;
  EXPECT_EQ(ADZE_TEXT_INVALID_ARGUMENT, render(table, chat).status);
  messages[1].content = "\xFF";
  EXPECT_EQ(ADZE_TEXT_INVALID_UTF8, render(table, chat).status);
  chat.flags = 8;
  EXPECT_EQ(ADZE_TEXT_INVALID_ARGUMENT, render(table, chat).status);
}

TEST(ChatTemplate, SpecialTokensComeFromTheTable) {
  GgufVocab vocab = makeSpmVocab();
  vocab.bosId = 1;
  vocab.eosId = 2;
  vocab.addBos = true;
  vocab.chatTemplate =
      "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}";
  OpenTable table(buildTextTable(vocab, "test"));
  adze_chat_message message = {"user", "ab"};
  adze_chat chat = {};
  chat.struct_size = sizeof chat;
  chat.messages = &message;
  chat.message_count = 1;
  EXPECT_EQ("<s>ab</s>", render(table, chat).text);
  // One bos, although the tokenizer adds one to plain text.
  int32_t *ids = nullptr;
  size_t count = 0;
  ASSERT_EQ(ADZE_TEXT_OK,
            adze_chat_encode(table.get(), &chat, &ids, &count, nullptr));
  Ids made(ids, ids + count);
  adze_text_free(ids);
  EXPECT_EQ(1, std::count(made.begin(), made.end(), 1));
  EXPECT_EQ(1, made.front());
  EXPECT_EQ(2, made.back());
}

TEST(ChatTemplate, ModelsWithoutOne) {
  OpenTable table(buildTextTable(makeByteVocab(), "test"));
  adze_chat chat = {};
  chat.struct_size = sizeof chat;
  Rendered made = render(table, chat);
  EXPECT_EQ(ADZE_TEXT_NO_CHAT_TEMPLATE, made.status);
  EXPECT_NE(std::string::npos, made.message.find("has no chat template"));
}

TEST(ChatTemplate, TablesFromBeforeTheExtensionOpen) {
  std::string bytes = tableWith("x{{ 1 }}");
  auto *header = reinterpret_cast<adze_tt_header *>(bytes.data());
  header->flags &= ~uint32_t(ADZE_TT_EXTENDED);
  OpenTable table(bytes);
  EXPECT_FALSE(table.encode("the").empty());
  adze_chat chat = {};
  chat.struct_size = sizeof chat;
  Rendered made = render(table, chat);
  EXPECT_EQ(ADZE_TEXT_NO_CHAT_TEMPLATE, made.status);
  EXPECT_NE(std::string::npos, made.message.find("compile it again"));
}

TEST(ChatTemplate, DamagedProgramsAreRefused) {
  std::string bytes =
      tableWith("{% for m in messages %}{{ m.role }}{% endfor %}");
  auto *extension = reinterpret_cast<adze_tt_extension *>(
      bytes.data() + sizeof(adze_tt_header));
  adze_tt_section section = extension->sections[ADZE_TT_CHAT_PROGRAMS];
  auto *head =
      reinterpret_cast<adze_chat_header *>(bytes.data() + section.offset);
  auto refused = [&] {
    adze_text *text = nullptr;
    adze_text_error error = {};
    adze_text_status status =
        adze_text_open(bytes.data(), bytes.size(), &text, &error);
    adze_text_close(text);
    EXPECT_NE(std::string::npos, StringRef(error.message).find("chat program"))
        << error.message;
    return status == ADZE_TEXT_CORRUPT_TABLE;
  };
  for (uint32_t *count :
       {&head->program_count, &head->node_count, &head->link_count,
        &head->string_count, &head->byte_count}) {
    uint32_t kept = *count;
    *count = 0xFFFFFFF0u;
    EXPECT_TRUE(refused());
    *count = kept;
  }
  auto *nodes = reinterpret_cast<adze_chat_node *>(
      reinterpret_cast<char *>(head + 1) +
      head->program_count * sizeof(adze_chat_program));
  adze_chat_node &last = nodes[head->node_count - 1];
  adze_chat_node kept = last;
  last.operation = ADZE_CHAT_OPERATION_COUNT;
  EXPECT_TRUE(refused());
  last = {ADZE_CHAT_NOT, 1, {head->node_count - 1}}; // its own child
  EXPECT_TRUE(refused());
  last = kept;
  last.operands[0] = 0xFFFFFFFFu;
  EXPECT_TRUE(refused());
}
