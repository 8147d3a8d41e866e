// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Chat templates against Jinja2: the texts and errors that
// test/scripts/chat/make_references.py stored, for templates of our own and for
// those of models in the shared test data.

#include "SmallTables.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/SHA256.h"

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
  chat.messages_json = messages ? messages : R"([{"role":"user","content":"Hi"}])";
  return render(table, chat);
}

json::Object readReferences(StringRef name) {
  std::string path = (StringRef(ADZE_SOURCE_DIR) + "/test/runtime/text/chat/" +
                      name + ".json")
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
  chat.flags =
      *of.getBoolean("prompt") ? ADZE_CHAT_ADD_GENERATION_PROMPT : 0;
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
  StringRef message =
      expected.getString("raises").value_or(*expected.begin()->second.getAsString());
  StringRef lineless = message.split(" on line ").first;
  EXPECT_NE(std::string::npos, made.message.find(lineless.take_front(120).str()))
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
      expectResult(renderConversation(
                       table, *conversations.getObject(conversation)),
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
      expectResult(renderConversation(
                       table, *conversations.getObject(conversation)),
                   *expected.getAsObject());
    }
  }
}
