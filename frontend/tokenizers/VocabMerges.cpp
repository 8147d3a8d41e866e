// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GPT-2's original files: vocab.json (token to id) and merges.txt (one merge
// per line behind a version line).

#include "ByteLevel.h"
#include "Merges.h"
#include "Settings.h"
#include "TextTableBuilder.h"
#include "adze/Frontend/Json.h"

#include "llvm/ADT/StringExtras.h"

using namespace llvm;

namespace adze {

static Error readVocabulary(StringRef text, StringRef name,
                            TextTableBuilder &builder,
                            StringMap<uint32_t> &vocabulary) {
  Expected<json::Value> value = parseJson(text, name);
  if (!value)
    return value.takeError();
  const json::Object *entries = value->getAsObject();
  if (!entries)
    return tokenizerError(name, "expected an object of tokens and ids");
  builder.tokens.reserve(entries->size());
  builder.tokens.resize(entries->size());
  for (const auto &[token, idValue] : *entries) {
    StringRef written = token;
    auto id = idValue.getAsInteger();
    if (!id || *id < 0 || *id > UINT32_MAX ||
        !builder.growTo(static_cast<uint32_t>(*id)))
      return tokenizerError(name, "token '" + written +
                                      "' has no usable id for a vocabulary "
                                      "of " +
                                      Twine(entries->size()));
    TextToken &entry = builder.tokens[*id];
    if (entry.kind != ADZE_TT_UNUSED)
      return tokenizerError(name, "id " + Twine(*id) + " is given twice");
    std::optional<std::string> bytes = decodeByteLevel(written);
    entry.kind = bytes ? ADZE_TT_NORMAL : ADZE_TT_USER;
    entry.matchable = bytes.has_value();
    entry.text = bytes ? std::move(*bytes) : written.str();
    if (written.starts_with("<|") && written.ends_with("|>")) {
      entry.kind = ADZE_TT_CONTROL;
      builder.addedTokens.push_back({written.str(), static_cast<uint32_t>(*id),
                                     ADZE_TT_ADDED_SPECIAL, false});
    }
    vocabulary[written] = static_cast<uint32_t>(*id);
  }
  return Error::success();
}

Expected<std::string>
buildTextTableFromVocabAndMerges(StringRef vocabJson, StringRef merges,
                                 StringRef name,
                                 const TokenizerSettings &settings) {
  TextTableBuilder builder;
  StringMap<uint32_t> vocabulary;
  if (Error error = readVocabulary(vocabJson, name, builder, vocabulary))
    return error;
  MergeResolver resolver(vocabulary, builder.merges);
  bool first = true;
  for (StringRef line : split(merges, '\n')) {
    line.consume_back("\r");
    bool isVersion = first && line.starts_with("#version");
    first = false;
    if (line.empty() || isVersion)
      continue;
    if (Error error = resolver.add(line))
      return tokenizerError(name, "merges.txt: " + toString(std::move(error)));
  }
  builder.model = ADZE_TT_BYTE_BPE;
  Expected<uint32_t> pattern = builder.patterns.add(kGpt2Pattern);
  if (!pattern)
    return pattern.takeError();
  builder.preTokenizer.push_back(
      {ADZE_TT_SPLIT, ADZE_TT_SPLIT_ISOLATED, *pattern, "", ""});
  builder.eos = builder.bos = findToken(builder, "<|endoftext|>");
  if (Error error = applySettings(builder, settings, name))
    return error;
  return builder.write(name);
}

} // namespace adze
