// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// tokenizer.json: normaliser, pre-tokenizer, post-processor and decoder, each
// an object with a type, and sequences of them. Semantics follow the reference
// implementation (the tokenizers crate) object by object.

#include "TokenizerJson.h"

#include "ByteLevel.h"

using namespace llvm;

namespace adze {

/// Sequences may hold sequences; real files do not.
static constexpr size_t kLongestPath = 512;

Error TokenizerJsonReader::readRules() {
  JsonNode top{&root, ""}, normalizer, preTokenizer, decoder;
  if (Error error = readNode(top, "normalizer", normalizer))
    return error;
  if (Error error = readNode(top, "pre_tokenizer", preTokenizer))
    return error;
  if (Error error = readNode(top, "decoder", decoder))
    return error;
  if (normalizer.object)
    if (Error error = readNormalizer(normalizer))
      return error;
  if (preTokenizer.object)
    if (Error error = readPreTokenizer(preTokenizer))
      return error;
  if (!decoder.object)
    return fail("decoder", "is missing; tokenizers without one (whole words) "
                           "are not supported");
  return readDecoder(decoder);
}

Error TokenizerJsonReader::readPattern(const JsonNode &node, std::string &text,
                                       bool &isRegex) const {
  JsonNode pattern;
  if (Error error = readNode(node, "pattern", pattern))
    return error;
  if (!pattern.object)
    return fail(node.path + ".pattern", "is missing");
  isRegex = pattern.object->get("Regex") != nullptr;
  if (Error error = readString(pattern, isRegex ? "Regex" : "String", text))
    return error;
  return text.empty() ? fail(pattern.path, "is empty") : Error::success();
}

// Normaliser.

Error TokenizerJsonReader::readNormalizer(const JsonNode &node) {
  auto add = [&](TextStep step) {
    builder.normalizer.push_back(std::move(step));
    return Error::success();
  };
  StringRef type = node.type();
  if (type == "Sequence") {
    std::vector<JsonNode> children;
    if (Error error = checkKeys(node, {"normalizers"}))
      return error;
    if (Error error = readNodes(node, "normalizers", children))
      return error;
    for (const JsonNode &child : children)
      if (Error error = child.path.size() > kLongestPath
                            ? fail(node.path, "nested too deeply")
                            : readNormalizer(child))
        return error;
    return Error::success();
  }
  static constexpr StringRef forms[] = {"NFC", "NFD", "NFKC", "NFKD"};
  for (uint32_t form = 0; form < 4; ++form)
    if (type == forms[form]) {
      if (Error error = checkKeys(node, {}))
        return error;
      return add({ADZE_TT_NORMAL_FORM, form, 0, "", ""});
    }
  if (type == "Prepend") {
    std::string text;
    if (Error error = checkKeys(node, {"prepend"}))
      return error;
    if (Error error = readString(node, "prepend", text))
      return error;
    return add({ADZE_TT_PREPEND, 0, 0, text, ""});
  }
  if (type == "Strip") {
    bool left = true, right = true;
    if (Error error = checkKeys(node, {"strip_left", "strip_right"}))
      return error;
    if (Error error = readBool(node, "strip_left", left))
      return error;
    if (Error error = readBool(node, "strip_right", right))
      return error;
    return add(
        {ADZE_TT_STRIP, (left ? 1u : 0u) | (right ? 2u : 0u), 0, "", ""});
  }
  if (type == "Replace") {
    std::string pattern, content;
    bool isRegex = false;
    if (Error error = checkKeys(node, {"pattern", "content"}))
      return error;
    if (Error error = readPattern(node, pattern, isRegex))
      return error;
    if (Error error = readString(node, "content", content))
      return error;
    if (!isRegex)
      return add({ADZE_TT_REPLACE_TEXT, 0, 0, pattern, content});
    Expected<uint32_t> number = builder.patterns.add(pattern);
    if (!number)
      return fail(node.path + ".pattern", toString(number.takeError()));
    return add({ADZE_TT_REPLACE_PATTERN, 0, *number, "", content});
  }
  return unsupported(node, "Sequence, NFC, NFD, NFKC, NFKD, Prepend, Replace, "
                           "Strip");
}

// Pre-tokenizer.

Error TokenizerJsonReader::addSplit(const JsonNode &node, StringRef pattern,
                                    uint32_t behavior) {
  Expected<uint32_t> number = builder.patterns.add(pattern);
  if (!number)
    return fail(node.path + ".pattern", toString(number.takeError()));
  builder.preTokenizer.push_back({ADZE_TT_SPLIT, behavior, *number, "", ""});
  return Error::success();
}

Error TokenizerJsonReader::readPreTokenizer(const JsonNode &node) {
  StringRef type = node.type();
  if (byteLevel)
    return fail(node.path, "a step after ByteLevel is not supported");
  if (type == "Sequence") {
    std::vector<JsonNode> children;
    if (Error error = checkKeys(node, {"pretokenizers"}))
      return error;
    if (Error error = readNodes(node, "pretokenizers", children))
      return error;
    for (const JsonNode &child : children)
      if (Error error = child.path.size() > kLongestPath
                            ? fail(node.path, "nested too deeply")
                            : readPreTokenizer(child))
        return error;
    return Error::success();
  }
  if (type == "Split")
    return readSplit(node);
  if (type == "ByteLevel")
    return readByteLevelSplit(node);
  if (type == "Metaspace")
    return readMetaspace(node);
  if (type == "Digits") {
    bool individual = false;
    if (Error error = checkKeys(node, {"individual_digits"}))
      return error;
    if (Error error = readBool(node, "individual_digits", individual))
      return error;
    return addSplit(node, individual ? R"(\p{N})" : R"(\p{N}+)",
                    ADZE_TT_SPLIT_ISOLATED);
  }
  return unsupported(node, "Sequence, Split, ByteLevel, Metaspace, Digits");
}

Error TokenizerJsonReader::readSplit(const JsonNode &node) {
  static constexpr StringRef behaviors[] = {
      "Isolated", "Removed", "MergedWithPrevious", "MergedWithNext",
      "Contiguous"}; // in the order of ADZE_TT_SPLIT_*
  std::string pattern, behaviorName;
  bool isRegex = false, invert = false;
  if (Error error = checkKeys(node, {"pattern", "behavior", "invert"}))
    return error;
  if (Error error = readPattern(node, pattern, isRegex))
    return error;
  if (Error error = readString(node, "behavior", behaviorName))
    return error;
  if (Error error = readBool(node, "invert", invert))
    return error;
  for (uint32_t behavior = 0; behavior < std::size(behaviors); ++behavior)
    if (behaviorName == behaviors[behavior])
      return addSplit(node, isRegex ? pattern : quotePattern(pattern),
                      behavior | flagIf(invert, ADZE_TT_SPLIT_INVERT));
  return fail(node.path + ".behavior", "'" + behaviorName +
                                           "' is not supported; supported: "
                                           "Isolated, Removed, "
                                           "MergedWithPrevious, "
                                           "MergedWithNext, Contiguous");
}

Error TokenizerJsonReader::readByteLevelSplit(const JsonNode &node) {
  bool addPrefix = true, useRegex = true;
  if (Error error =
          checkKeys(node, {"add_prefix_space", "trim_offsets", "use_regex"}))
    return error;
  if (Error error = readBool(node, "add_prefix_space", addPrefix))
    return error;
  if (Error error = readBool(node, "use_regex", useRegex))
    return error;
  if (addPrefix)
    builder.preTokenizer.push_back({ADZE_TT_ENSURE_PREFIX, 0, 0, " ", ""});
  if (useRegex)
    if (Error error = addSplit(node, kGpt2Pattern, ADZE_TT_SPLIT_ISOLATED))
      return error;
  byteLevel = true;
  return Error::success();
}

Error TokenizerJsonReader::readMetaspace(const JsonNode &node) {
  std::string replacement, scheme = "always";
  bool split = true, legacyPrefix = true;
  if (Error error = checkKeys(node, {"replacement", "prepend_scheme", "split",
                                     "add_prefix_space", "str_rep"}))
    return error;
  if (Error error = readString(node, "replacement", replacement))
    return error;
  if (Error error = readBool(node, "add_prefix_space", legacyPrefix))
    return error;
  if (Error error = readBool(node, "split", split))
    return error;
  if (!legacyPrefix)
    scheme = "never";
  if (node.object->get("prepend_scheme"))
    if (Error error = readString(node, "prepend_scheme", scheme))
      return error;
  builder.preTokenizer.push_back(
      {ADZE_TT_REPLACE_TEXT, 0, 0, " ", replacement});
  if (scheme == "always" || scheme == "first")
    builder.preTokenizer.push_back({ADZE_TT_ENSURE_PREFIX,
                                    scheme == "first" ? 1u : 0u, 0, replacement,
                                    ""});
  else if (scheme != "never")
    return fail(node.path + ".prepend_scheme",
                "'" + scheme +
                    "' is not supported; supported: always, first, "
                    "never");
  return split ? addSplit(node, quotePattern(replacement),
                          ADZE_TT_SPLIT_MERGED_WITH_NEXT)
               : Error::success();
}

// Post-processor: which ids go around a single text.

Error TokenizerJsonReader::readPostProcessor(const JsonNode &node) {
  StringRef type = node.type();
  if (type == "ByteLevel") // concerns offsets only
    return Error::success();
  if (type == "TemplateProcessing")
    return readTemplate(node);
  if (type == "Sequence") {
    std::vector<JsonNode> children;
    if (Error error = checkKeys(node, {"processors"}))
      return error;
    if (Error error = readNodes(node, "processors", children))
      return error;
    for (const JsonNode &child : children)
      if (Error error = child.path.size() > kLongestPath
                            ? fail(node.path, "nested too deeply")
                            : readPostProcessor(child))
        return error;
    return Error::success();
  }
  return unsupported(node, "Sequence, ByteLevel, TemplateProcessing");
}

/// "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}];
/// the ids of special tokens stand in "special_tokens".
Error TokenizerJsonReader::readTemplate(const JsonNode &node) {
  if (Error error = checkKeys(node, {"single", "pair", "special_tokens"}))
    return error;
  std::vector<JsonNode> parts;
  JsonNode specials;
  if (Error error = readNodes(node, "single", parts))
    return error;
  if (Error error = readNode(node, "special_tokens", specials))
    return error;
  std::vector<int32_t> *target = &builder.prefixIds;
  for (const JsonNode &part : parts) {
    if (part.object->getObject("Sequence")) {
      if (target == &builder.suffixIds)
        return fail(part.path, "a second text is not supported");
      target = &builder.suffixIds;
      continue;
    }
    const json::Object *token = part.object->getObject("SpecialToken");
    auto text = token ? token->getString("id") : std::nullopt;
    if (!text)
      return fail(part.path, "expected a Sequence or a SpecialToken");
    const json::Object *entry =
        specials.object ? specials.object->getObject(*text) : nullptr;
    const json::Array *ids = entry ? entry->getArray("ids") : nullptr;
    if (!ids)
      return fail(node.path + ".special_tokens",
                  "has no ids for '" + *text + "'");
    for (const json::Value &value : *ids) {
      auto id = value.getAsInteger();
      if (!id || *id < 0 || static_cast<size_t>(*id) >= builder.tokens.size())
        return fail(node.path + ".special_tokens." + *text,
                    "expected ids within the vocabulary");
      target->push_back(static_cast<int32_t>(*id));
    }
  }
  if (target == &builder.prefixIds)
    return fail(node.path + ".single", "has no place for the text");
  return Error::success();
}

// Decoder.

Error TokenizerJsonReader::readDecoder(const JsonNode &node) {
  StringRef type = node.type();
  if (type != "Sequence") {
    bool fused = false;
    return readDecoderStep(node, fused);
  }
  std::vector<JsonNode> children;
  if (Error error = checkKeys(node, {"decoders"}))
    return error;
  if (Error error = readNodes(node, "decoders", children))
    return error;
  bool fused = false;
  for (const JsonNode &child : children)
    if (Error error = readDecoderStep(child, fused))
      return error;
  return Error::success();
}

/// `fused`: the steps before have joined the tokens into one text.
Error TokenizerJsonReader::readDecoderStep(const JsonNode &node, bool &fused) {
  StringRef type = node.type();
  if (type == "ByteLevel") {
    byteLevelDecoder = true;
    return Error::success();
  }
  if (type == "Fuse") {
    fused = true;
    return checkKeys(node, {});
  }
  if (type == "ByteFallback") {
    // Byte tokens always decode to their byte.
    builder.flags |= ADZE_TT_REPLACEMENT_PER_BYTE;
    return checkKeys(node, {});
  }
  if (type == "Replace" && !fused) {
    std::string pattern, content;
    bool isRegex = false;
    if (Error error = checkKeys(node, {"pattern", "content"}))
      return error;
    if (Error error = readPattern(node, pattern, isRegex))
      return error;
    if (isRegex)
      return fail(node.path + ".pattern.Regex", "is not supported in a "
                                                "decoder");
    if (Error error = readString(node, "content", content))
      return error;
    builder.decoder.push_back({ADZE_TT_REPLACE_TEXT, 0, 0, pattern, content});
    return Error::success();
  }
  if (type == "Strip" && fused) {
    if (Error error = checkKeys(node, {"content", "start", "stop"}))
      return error;
    auto start = node.object->getInteger("start").value_or(0);
    if (node.object->getString("content") != StringRef(" ") ||
        node.object->getInteger("stop").value_or(0) != 0 || start < 0 ||
        start > UINT32_MAX)
      return fail(node.path, "only spaces at the start can be stripped");
    builder.decodeStrip = static_cast<uint32_t>(start);
    return Error::success();
  }
  if (type == "Metaspace" && !fused) {
    std::string replacement, scheme = "always";
    bool legacyPrefix = true;
    if (Error error = checkKeys(node, {"replacement", "prepend_scheme", "split",
                                       "add_prefix_space", "str_rep"}))
      return error;
    if (Error error = readString(node, "replacement", replacement))
      return error;
    if (Error error = readBool(node, "add_prefix_space", legacyPrefix))
      return error;
    if (node.object->get("prepend_scheme"))
      if (Error error = readString(node, "prepend_scheme", scheme))
        return error;
    builder.decoder.push_back({ADZE_TT_REPLACE_TEXT, 0, 0, replacement, " "});
    if (legacyPrefix && scheme != "never")
      builder.flags |= ADZE_TT_DROP_IN_FIRST_TOKEN;
    return Error::success();
  }
  if (type == "Replace" || type == "Strip" || type == "Metaspace")
    return fail(node.path, "type '" + type + "' is not supported " +
                               (fused ? "after" : "before") + " Fuse");
  return unsupported(node, "Sequence, ByteLevel, Replace, ByteFallback, Fuse, "
                           "Strip, Metaspace");
}

} // namespace adze
