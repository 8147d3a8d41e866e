// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// tokenizer.json: the BPE model, added tokens, and the order of reading. The
// rules come first, because whether the model works on bytes is said by the
// pre-tokenizer, not by the model.

#include "TokenizerJson.h"

#include "ByteLevel.h"
#include "Merges.h"
#include "Settings.h"
#include "adze/Frontend/Json.h"

#include <cstdlib>
#include <utf8proc.h>

using namespace llvm;

namespace adze {

// Access to the file.

Error TokenizerJsonReader::unsupported(const JsonNode &node,
                                       StringRef supported) const {
  return fail(node.path, "type '" + node.type() +
                             "' is not supported; supported: " + supported);
}

Error TokenizerJsonReader::checkKeys(const JsonNode &node,
                                     ArrayRef<StringRef> known) const {
  for (const auto &[key, value] : *node.object) {
    StringRef keyText = key;
    if (keyText != "type" && !is_contained(known, keyText))
      return fail(node.path + "." + keyText, "is not supported");
  }
  return Error::success();
}

Error TokenizerJsonReader::readBool(const JsonNode &node, StringRef key,
                                    bool &value, bool required) const {
  const json::Value *member = node.object->get(key);
  if (!member || member->kind() == json::Value::Null)
    return required ? fail(node.path + "." + key, "is missing")
                    : Error::success();
  auto flag = member->getAsBoolean();
  if (!flag)
    return fail(node.path + "." + key, "expected true or false");
  value = *flag;
  return Error::success();
}

Error TokenizerJsonReader::readString(const JsonNode &node, StringRef key,
                                      std::string &value) const {
  auto text = node.object->getString(key);
  if (!text)
    return fail(node.path + "." + key, "expected a string");
  value = text->str();
  return Error::success();
}

Error TokenizerJsonReader::readNode(const JsonNode &node, StringRef key,
                                    JsonNode &child) const {
  const json::Value *member = node.object->get(key);
  child.path = node.path.empty() ? key.str() : (node.path + "." + key).str();
  if (!member || member->kind() == json::Value::Null)
    return Error::success();
  child.object = member->getAsObject();
  if (!child.object)
    return fail(child.path, "expected an object");
  return Error::success();
}

Error TokenizerJsonReader::readNodes(const JsonNode &node, StringRef key,
                                     std::vector<JsonNode> &children) const {
  const json::Array *array = node.object->getArray(key);
  std::string path = (node.path + "." + key).str();
  if (!array)
    return fail(path, "expected an array");
  for (size_t i = 0; i < array->size(); ++i) {
    JsonNode child;
    child.object = (*array)[i].getAsObject();
    child.path = path + "[" + std::to_string(i) + "]";
    if (!child.object)
      return fail(child.path, "expected an object");
    children.push_back(std::move(child));
  }
  return Error::success();
}

// The model.

Error TokenizerJsonReader::readModel() {
  JsonNode top{&root, ""}, model;
  if (Error error = readNode(top, "model", model))
    return error;
  if (!model.object)
    return fail("model", "is missing");
  // Files of early versions leave the type of a BPE model out.
  if (model.type() != "BPE" &&
      !(model.type().empty() && model.object->get("merges")))
    return unsupported(model, "BPE");
  if (Error error =
          checkKeys(model, {"vocab", "merges", "dropout", "unk_token",
                            "continuing_subword_prefix", "end_of_word_suffix",
                            "fuse_unk", "byte_fallback", "ignore_merges"}))
    return error;
  for (StringRef key : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (auto text = model.object->getString(key); text && !text->empty())
      return fail("model." + key, "'" + *text + "' is not supported");
  // Dropout makes encoding random during training; inference leaves it off.
  if (auto rate = model.object->getNumber("dropout"); rate && *rate != 0)
    return fail("model.dropout", "is not supported");
  bool fuse = false, fallback = false, ignore = false;
  if (Error error = readBool(model, "fuse_unk", fuse))
    return error;
  if (Error error = readBool(model, "byte_fallback", fallback))
    return error;
  if (Error error = readBool(model, "ignore_merges", ignore))
    return error;
  if (byteLevel && fallback)
    return fail("model.byte_fallback", "contradicts a ByteLevel pre-tokenizer");
  builder.model = byteLevel ? ADZE_TT_BYTE_BPE : ADZE_TT_CHAR_BPE;
  builder.flags |= flagIf(fuse, ADZE_TT_FUSE_UNKNOWN) |
                   flagIf(fallback, ADZE_TT_BYTE_FALLBACK) |
                   flagIf(ignore, ADZE_TT_IGNORE_MERGES);
  if (Error error = readVocabulary(model))
    return error;
  if (Error error = readMerges(model))
    return error;
  if (auto unknown = model.object->getString("unk_token")) {
    auto entry = vocabulary.find(*unknown);
    if (entry == vocabulary.end())
      return fail("model.unk_token",
                  "'" + *unknown + "' is not in the vocabulary");
    builder.unk = static_cast<int32_t>(entry->second);
  }
  return Error::success();
}

Error TokenizerJsonReader::readVocabulary(const JsonNode &model) {
  const json::Object *entries = model.object->getObject("vocab");
  if (!entries)
    return fail("model.vocab", "expected an object of tokens and ids");
  builder.tokens.resize(entries->size());
  bool fallback = builder.flags & ADZE_TT_BYTE_FALLBACK;
  for (const auto &[key, value] : *entries) {
    StringRef written = key;
    auto id = value.getAsInteger();
    if (!id || *id < 0 || *id > UINT32_MAX ||
        !builder.growTo(static_cast<uint32_t>(*id)))
      return fail("model.vocab", "token '" + written +
                                     "' has no usable id for a vocabulary of " +
                                     Twine(entries->size()));
    TextToken &token = builder.tokens[*id];
    if (token.kind != ADZE_TT_UNUSED)
      return fail("model.vocab", "id " + Twine(*id) + " is given twice");
    std::optional<std::string> bytes;
    if (byteLevel)
      bytes = decodeByteLevel(written);
    token.text = bytes ? std::move(*bytes) : written.str();
    token.kind = ADZE_TT_NORMAL;
    token.matchable = !byteLevel || bytes;
    unsigned byte;
    if (fallback && written.size() == 6 && written.starts_with("<0x") &&
        written.ends_with(">") &&
        !written.substr(3, 2).getAsInteger(16, byte)) {
      token.kind = ADZE_TT_BYTE;
    }
    vocabulary[written] = static_cast<uint32_t>(*id);
  }
  return Error::success();
}

/// Merges are written "left right", or since 2024 ["left", "right"].
Error TokenizerJsonReader::readMerges(const JsonNode &model) {
  const json::Array *entries = model.object->getArray("merges");
  if (!entries)
    return fail("model.merges", "expected an array");
  MergeResolver resolver(vocabulary, builder.merges);
  for (const json::Value &entry : *entries) {
    Error error = Error::success();
    if (auto text = entry.getAsString()) {
      error = resolver.add(*text);
    } else {
      const json::Array *pair = entry.getAsArray();
      auto left =
          pair && pair->size() == 2 ? (*pair)[0].getAsString() : std::nullopt;
      auto right = left ? (*pair)[1].getAsString() : std::nullopt;
      if (!right) {
        consumeError(std::move(error));
        return fail("model.merges[" + Twine(builder.merges.size()) + "]",
                    "expected two tokens");
      }
      error = resolver.add(*left, *right);
    }
    if (error)
      return fail("model.merges", toString(std::move(error)));
  }
  return Error::success();
}

Error TokenizerJsonReader::readAddedTokens() {
  const json::Value *list = root.get("added_tokens");
  if (!list || list->kind() == json::Value::Null)
    return Error::success();
  std::vector<JsonNode> nodes;
  JsonNode top{&root, ""};
  if (!list->getAsArray())
    return fail("added_tokens", "expected an array");
  if (Error error = readNodes(top, "added_tokens", nodes))
    return error;
  for (const JsonNode &node : nodes) {
    if (Error error = checkKeys(node, {"id", "content", "single_word", "lstrip",
                                       "rstrip", "normalized", "special"}))
      return error;
    TextAddedToken token;
    bool single = false, left = false, right = false, special = false;
    if (Error error = readString(node, "content", token.text))
      return error;
    auto id = node.object->getInteger("id");
    if (!id || *id < 0 || *id > UINT32_MAX ||
        !builder.growTo(static_cast<uint32_t>(*id)))
      return fail(node.path + ".id", "expected an id near the vocabulary of " +
                                         Twine(builder.tokens.size()));
    auto written = vocabulary.find(token.text);
    bool isKnown = written != vocabulary.end();
    if ((isKnown && written->second != *id) ||
        (!isKnown && builder.tokens[*id].kind != ADZE_TT_UNUSED))
      return fail(node.path + ".id", "'" + token.text + "' has id " +
                                         Twine(*id) +
                                         ", which contradicts the vocabulary");
    if (Error error = readBool(node, "single_word", single))
      return error;
    if (single)
      return fail(node.path + ".single_word", "is not supported");
    if (Error error = readBool(node, "lstrip", left))
      return error;
    if (Error error = readBool(node, "rstrip", right))
      return error;
    if (Error error = readBool(node, "special", special))
      return error;
    token.normalized = !special;
    if (Error error = readBool(node, "normalized", token.normalized))
      return error;
    token.id = static_cast<uint32_t>(*id);
    token.flags = flagIf(left, ADZE_TT_ADDED_LSTRIP) |
                  flagIf(right, ADZE_TT_ADDED_RSTRIP) |
                  flagIf(special, ADZE_TT_ADDED_SPECIAL);
    builder.addedTokens.push_back(std::move(token));
  }
  return Error::success();
}

/// One rewriting step at compile time; false if it needs the runtime.
static bool applyStep(const TextStep &step, std::string &text) {
  if (step.operation == ADZE_TT_PREPEND) {
    text = text.empty() ? "" : step.a + text;
    return true;
  }
  if (step.operation == ADZE_TT_REPLACE_TEXT) {
    std::string replaced;
    StringRef rest = text;
    for (size_t at; (at = rest.find(step.a)) != StringRef::npos;
         rest = rest.drop_front(at + step.a.size()))
      replaced += (rest.take_front(at) + step.b).str();
    text = replaced + rest.str();
    return true;
  }
  if (step.operation != ADZE_TT_NORMAL_FORM)
    return false;
  bool compatible =
      step.argument == ADZE_TT_NFKC || step.argument == ADZE_TT_NFKD;
  bool composed = step.argument == ADZE_TT_NFC || step.argument == ADZE_TT_NFKC;
  utf8proc_uint8_t *normal = nullptr;
  auto size = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t *>(text.data()),
      static_cast<utf8proc_ssize_t>(text.size()), &normal,
      static_cast<utf8proc_option_t>(
          UTF8PROC_STABLE | (composed ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
          (compatible ? UTF8PROC_COMPAT : 0)));
  if (size < 0)
    return false;
  text.assign(reinterpret_cast<char *>(normal), size);
  std::free(normal);
  return true;
}

/// The reference matches the normal form of such tokens in the normal form of
/// the text, and decodes to it.
Error TokenizerJsonReader::normalizeAddedTokens() {
  for (TextAddedToken &token : builder.addedTokens) {
    if (!token.normalized)
      continue;
    const std::string written = token.text;
    for (const TextStep &step : builder.normalizer)
      if (!applyStep(step, token.text))
        return fail("added_tokens", "'" + written +
                                        "' is matched in the normalised text, "
                                        "which this normalizer does not "
                                        "support");
    if (token.text != written)
      setAddedText(builder.tokens[token.id], token.text);
  }
  return Error::success();
}

/// The byte-level decoder maps added tokens too, where it can.
void TokenizerJsonReader::setAddedText(TextToken &token, StringRef text) const {
  std::optional<std::string> bytes;
  if (byteLevelDecoder)
    bytes = decodeByteLevel(text);
  token.text = bytes ? std::move(*bytes) : text.str();
}

/// Kinds and texts of the added tokens in the vocabulary.
Error TokenizerJsonReader::finishTokens() {
  for (const TextAddedToken &added : builder.addedTokens) {
    TextToken &token = builder.tokens[added.id];
    bool special = added.flags & ADZE_TT_ADDED_SPECIAL;
    if (token.kind == ADZE_TT_UNUSED)
      setAddedText(token, added.text);
    token.kind = special                      ? ADZE_TT_CONTROL
                 : token.kind == ADZE_TT_BYTE ? ADZE_TT_BYTE
                                              : ADZE_TT_USER;
  }
  return Error::success();
}

/// Without tokenizer_config.json the names of the added tokens have to do.
Error TokenizerJsonReader::guessSpecialTokens(
    const TokenizerSettings &settings) {
  auto firstOf = [&](ArrayRef<StringRef> names) {
    for (StringRef candidate : names)
      for (const TextAddedToken &token : builder.addedTokens)
        if (candidate == token.text && (token.flags & ADZE_TT_ADDED_SPECIAL))
          return static_cast<int32_t>(token.id);
    return int32_t(-1);
  };
  // What the template puts first and last is known better than by name.
  if (!builder.prefixIds.empty())
    builder.bos = builder.prefixIds.front();
  if (!builder.suffixIds.empty())
    builder.eos = builder.suffixIds.back();
  if (builder.bos < 0 && !settings.bosToken)
    builder.bos = firstOf({"<s>", "<|begin_of_text|>", "<bos>"});
  if (builder.eos < 0 && !settings.eosToken)
    builder.eos = firstOf(
        {"</s>", "<|end_of_text|>", "<|im_end|>", "<eos>", "<|endoftext|>"});
  if (!builder.prefixIds.empty())
    builder.flags |= ADZE_TT_ADDS_BOS;
  if (!builder.suffixIds.empty())
    builder.flags |= ADZE_TT_ADDS_EOS;
  return Error::success();
}

Expected<std::string>
TokenizerJsonReader::run(const TokenizerSettings &settings) {
  JsonNode top{&root, ""};
  // Truncation and padding concern batches for training, not one text.
  for (const auto &[key, value] : root) {
    StringRef keyText = key;
    if (!is_contained(ArrayRef<StringRef>{"version", "truncation", "padding",
                                          "added_tokens", "normalizer",
                                          "pre_tokenizer", "post_processor",
                                          "decoder", "model"},
                      keyText))
      return fail(keyText, "is not supported");
  }
  if (Error error = readRules())
    return error;
  if (Error error = readModel())
    return error;
  if (Error error = readAddedTokens())
    return error;
  if (Error error = finishTokens())
    return error;
  JsonNode postProcessor;
  if (Error error = readNode(top, "post_processor", postProcessor))
    return error;
  if (postProcessor.object)
    if (Error error = readPostProcessor(postProcessor))
      return error;
  if (Error error = guessSpecialTokens(settings))
    return error;
  if (Error error = applySettings(builder, settings, name))
    return error;
  if (Error error = normalizeAddedTokens())
    return error;
  return builder.write(name);
}

Expected<std::string>
buildTextTableFromTokenizerJson(StringRef text, StringRef name,
                                const TokenizerSettings &settings) {
  Expected<json::Value> value = parseJson(text, name);
  if (!value)
    return value.takeError();
  const json::Object *root = value->getAsObject();
  if (!root)
    return tokenizerError(name, "expected a JSON object");
  return TokenizerJsonReader(*root, name).run(settings);
}

} // namespace adze
