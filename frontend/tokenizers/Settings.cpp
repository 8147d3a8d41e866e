// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Special tokens, bos and eos, stop tokens: from configuration files and onto
// a vocabulary.

#include "Settings.h"

#include "adze/Frontend/Json.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <algorithm>

using namespace llvm;

namespace adze {

int32_t findToken(const TextTableBuilder &builder, StringRef text) {
  for (const TextAddedToken &token : builder.addedTokens)
    if (text == token.text)
      return static_cast<int32_t>(token.id);
  for (size_t id = 0; id < builder.tokens.size(); ++id)
    if (text == builder.tokens[id].text)
      return static_cast<int32_t>(id);
  return -1;
}

static Error setToken(const TextTableBuilder &builder,
                      const std::optional<std::string> &text, StringRef key,
                      StringRef name, int32_t &id) {
  if (!text)
    return Error::success();
  int32_t found = findToken(builder, *text);
  if (found < 0)
    return tokenizerError(name, key + " '" + *text +
                                    "' of tokenizer_config.json is not in the "
                                    "vocabulary");
  id = found;
  return Error::success();
}

Error applySettings(TextTableBuilder &builder,
                    const TokenizerSettings &settings, StringRef name) {
  bool addsBos = builder.flags & ADZE_TT_ADDS_BOS;
  bool addsEos = builder.flags & ADZE_TT_ADDS_EOS;
  int32_t oldBos = builder.bos, oldEos = builder.eos;
  auto size = static_cast<int32_t>(builder.tokens.size());
  if (settings.bosId && *settings.bosId >= 0 && *settings.bosId < size)
    builder.bos = *settings.bosId;
  if (settings.eosId && *settings.eosId >= 0 && *settings.eosId < size)
    builder.eos = *settings.eosId;
  if (Error error =
          setToken(builder, settings.bosToken, "bos_token", name, builder.bos))
    return error;
  if (Error error =
          setToken(builder, settings.eosToken, "eos_token", name, builder.eos))
    return error;
  if (Error error =
          setToken(builder, settings.padToken, "pad_token", name, builder.pad))
    return error;
  // Where a text got the old bos, it gets the new one.
  std::replace(builder.prefixIds.begin(), builder.prefixIds.end(), oldBos,
               builder.bos);
  std::replace(builder.suffixIds.begin(), builder.suffixIds.end(), oldEos,
               builder.eos);
  builder.setAddBos(settings.addBos.value_or(addsBos));
  builder.setAddEos(settings.addEos.value_or(addsEos));
  if (settings.addBos.value_or(false) && builder.bos < 0)
    return tokenizerError(name, "add_bos_token is true, but there is no "
                                "bos_token");
  if (settings.addEos.value_or(false) && builder.eos < 0)
    return tokenizerError(name, "add_eos_token is true, but there is no "
                                "eos_token");

  // Ids beyond the vocabulary belong to a model with unused rows; no token of
  // this table can stop there.
  for (int32_t id : settings.stopTokens)
    if (id >= 0 && id < size)
      builder.stopIds.push_back(id);
  if (builder.eos >= 0)
    builder.stopIds.push_back(builder.eos);
  builder.chatTemplates = settings.chatTemplates;
  builder.warnings = settings.warnings;
  return Error::success();
}

Expected<std::string> readTextFile(StringRef path) {
  ErrorOr<std::unique_ptr<MemoryBuffer>> file = MemoryBuffer::getFile(path);
  if (!file)
    return tokenizerError(path, "cannot be read: " + file.getError().message());
  return (*file)->getBuffer().str();
}

namespace {

/// Reads the settings of one directory; each method one file.
class SettingsReader {
public:
  explicit SettingsReader(StringRef directory) : directory(directory) {}

  Expected<TokenizerSettings> run() {
    if (Error error = readTokenizerConfig())
      return error;
    if (Error error = readEndTokens("generation_config.json"))
      return error;
    if (Error error = readEndTokens("config.json"))
      return error;
    if (Error error = readChatTemplates())
      return error;
    return std::move(settings);
  }

private:
  std::string pathOf(StringRef file) {
    SmallString<256> path(directory);
    sys::path::append(path, file);
    return path.str().str();
  }

  /// Null if the file does not exist.
  Expected<json::Value> read(StringRef file) {
    std::string path = pathOf(file);
    if (!sys::fs::exists(path))
      return json::Value(nullptr);
    Expected<std::string> text = readTextFile(path);
    if (!text)
      return text.takeError();
    Expected<json::Value> value = parseJson(*text, path);
    if (value && !value->getAsObject())
      return tokenizerError(path, "expected a JSON object");
    return value;
  }

  /// A token is written as its text or as an object with "content".
  Error readToken(const json::Object &config, StringRef key, StringRef file,
                  std::optional<std::string> &token) {
    const json::Value *value = config.get(key);
    if (!value || value->kind() == json::Value::Null)
      return Error::success();
    if (const json::Object *object = value->getAsObject())
      value = object->get("content");
    std::optional<StringRef> text = value ? value->getAsString() : std::nullopt;
    if (!text)
      return tokenizerError(file, key + ": expected a token's text");
    token = text->str();
    return Error::success();
  }

  Error readFlag(const json::Object &config, StringRef key, StringRef file,
                 std::optional<bool> &flag) {
    const json::Value *value = config.get(key);
    if (!value || value->kind() == json::Value::Null)
      return Error::success();
    flag = value->getAsBoolean();
    if (!flag)
      return tokenizerError(file, key + ": expected true or false");
    return Error::success();
  }

  Error readTokenizerConfig() {
    Expected<json::Value> value = read("tokenizer_config.json");
    if (!value)
      return value.takeError();
    const json::Object *config = value->getAsObject();
    if (!config)
      return Error::success();
    std::string file = pathOf("tokenizer_config.json");
    if (Error error = readToken(*config, "bos_token", file, settings.bosToken))
      return error;
    if (Error error = readToken(*config, "eos_token", file, settings.eosToken))
      return error;
    if (Error error = readToken(*config, "unk_token", file, settings.unkToken))
      return error;
    if (Error error = readToken(*config, "pad_token", file, settings.padToken))
      return error;
    if (Error error = readFlag(*config, "add_bos_token", file, settings.addBos))
      return error;
    if (Error error = readFlag(*config, "add_eos_token", file, settings.addEos))
      return error;
    if (auto text = config->getString("chat_template"))
      settings.chatTemplates = {{"default", text->str()}};
    else if (const json::Array *named = config->getArray("chat_template"))
      readNamedTemplates(*named);
    return readAddedTokens(*config, file);
  }

  void readNamedTemplates(const json::Array &named) {
    for (const json::Value &value : named)
      if (const json::Object *entry = value.getAsObject())
        if (auto text = entry->getString("template"))
          setTemplate(entry->getString("name").value_or("default"),
                      text->str());
  }

  void setTemplate(StringRef name, std::string source) {
    for (NamedTemplate &entry : settings.chatTemplates)
      if (entry.name == name) {
        entry.source = std::move(source);
        return;
      }
    settings.chatTemplates.push_back({name.str(), std::move(source)});
  }

  Error readAddedTokens(const json::Object &config, StringRef file) {
    const json::Value *value = config.get("added_tokens_decoder");
    if (!value)
      return Error::success();
    const json::Object *entries = value->getAsObject();
    if (!entries)
      return tokenizerError(file, "added_tokens_decoder: expected an object");
    for (const auto &[key, entry] : *entries) {
      StringRef idText = key;
      AddedTokenSetting token;
      const json::Object *object = entry.getAsObject();
      auto content = object ? object->getString("content") : std::nullopt;
      if (idText.getAsInteger(10, token.id) || token.id < 0 || !content)
        return tokenizerError(file, "added_tokens_decoder." + idText +
                                        ": expected an id with an object that "
                                        "has a content");
      if (object->getBoolean("single_word").value_or(false))
        return tokenizerError(file, "added_tokens_decoder." + idText +
                                        ".single_word is not supported");
      token.content = content->str();
      token.special = object->getBoolean("special").value_or(false);
      token.lstrip = object->getBoolean("lstrip").value_or(false);
      token.rstrip = object->getBoolean("rstrip").value_or(false);
      settings.addedTokens.push_back(std::move(token));
    }
    return Error::success();
  }

  Error readEndTokens(StringRef file) {
    Expected<json::Value> value = read(file);
    if (!value)
      return value.takeError();
    const json::Object *config = value->getAsObject();
    if (!config)
      return Error::success();
    if (auto id = config->getInteger("bos_token_id"); id && !settings.bosId)
      settings.bosId = static_cast<int32_t>(*id);
    const json::Value *end = config->get("eos_token_id");
    if (!end || end->kind() == json::Value::Null ||
        !settings.stopTokens.empty())
      return Error::success();
    std::vector<const json::Value *> ids;
    if (const json::Array *list = end->getAsArray())
      for (const json::Value &id : *list)
        ids.push_back(&id);
    else
      ids.push_back(end);
    for (const json::Value *entry : ids) {
      auto id = entry->getAsInteger();
      if (!id || *id != static_cast<int32_t>(*id))
        return tokenizerError(pathOf(file), "eos_token_id: expected token ids");
      settings.stopTokens.push_back(static_cast<int32_t>(*id));
    }
    if (!settings.stopTokens.empty())
      settings.eosId = settings.stopTokens.front();
    return Error::success();
  }

  /// Newer checkpoints ship templates in files of their own, which count more
  /// than tokenizer_config.json.
  Error readTemplateFile(StringRef path, StringRef name) {
    Expected<std::string> text = readTextFile(path);
    if (!text)
      return text.takeError();
    setTemplate(name, std::move(*text));
    return Error::success();
  }

  Error readChatTemplates() {
    std::string path = pathOf("chat_template.jinja");
    if (sys::fs::exists(path))
      if (Error error = readTemplateFile(path, "default"))
        return error;
    std::error_code code;
    std::vector<std::string> more;
    for (sys::fs::directory_iterator
             at(pathOf("additional_chat_templates"), code),
         end;
         !code && at != end; at.increment(code))
      if (sys::path::extension(at->path()) == ".jinja")
        more.push_back(at->path());
    llvm::sort(more);
    for (const std::string &file : more)
      if (Error error = readTemplateFile(file, sys::path::stem(file)))
        return error;
    return Error::success();
  }

  StringRef directory;
  TokenizerSettings settings;
};

} // namespace

Expected<TokenizerSettings> readSettings(StringRef directory) {
  return SettingsReader(directory).run();
}

} // namespace adze
