// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GGUF vocabularies: tokenizer.ggml.model "llama" (SentencePiece BPE) and
// "gpt2" (byte-level BPE with a named pre-tokenizer). Other models, such as
// bert, t5 or rwkv, and unknown pre-tokenizers are errors.

#include "ByteLevel.h"
#include "GgufPreTokenizers.h"
#include "Merges.h"
#include "TextTableBuilder.h"

#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace adze {

namespace {

/// tokenizer.ggml.token_type.
enum GgufTokenType { Normal = 1, Unknown, Control, UserDefined, Unused, Byte };

/// Tokens that end a turn by their name, whatever the file's ids say: a chat
/// model must stop at its end-of-turn token although eos is another one.
constexpr const char *kEndTokens[] = {"<|eot_id|>",
                                      "<|im_end|>",
                                      "<|end|>",
                                      "<end_of_turn>",
                                      "<|eom_id|>",
                                      "<|endoftext|>",
                                      "<EOT>",
                                      "<|end_of_text|>",
                                      "<|eot|>",
                                      "<|end▁of▁sentence|>",
                                      "<｜end▁of▁sentence｜>"};

class GgufVocabReader {
public:
  GgufVocabReader(const GgufVocab &vocab, StringRef name,
                  std::vector<std::string> *warnings)
      : vocab(vocab), name(name) {
    builder.warnings = warnings;
  }

  Expected<std::string> run() {
    if (vocab.model != "llama" && vocab.model != "gpt2")
      return tokenizerError(
          name, "tokenizer.ggml.model '" + vocab.model +
                    "' is not supported; llama and gpt2 are (--tokens works "
                    "without a tokenizer)");
    if (Error error = checkCounts())
      return error;
    Error error = vocab.model == "llama" ? readLlama() : readGpt2();
    if (error)
      return error;
    if (Error idError = readIds())
      return idError;
    if (!vocab.chatTemplate.empty())
      builder.chatTemplates.push_back({"default", vocab.chatTemplate});
    return builder.write(name);
  }

private:
  Error checkCounts() {
    size_t count = vocab.tokens.size();
    if (count == 0)
      return tokenizerError(name, "tokenizer.ggml.tokens is missing or empty");
    if (count > ADZE_TT_MAX_VOCABULARY)
      return tokenizerError(name, "tokenizer.ggml.tokens has " + Twine(count) +
                                      " entries; at most " +
                                      Twine(ADZE_TT_MAX_VOCABULARY) +
                                      " are supported");
    if (!vocab.types.empty() && vocab.types.size() != count)
      return tokenizerError(
          name, "tokenizer.ggml.token_type has " + Twine(vocab.types.size()) +
                    " entries for " + Twine(count) + " tokens");
    if (!vocab.scores.empty() && vocab.scores.size() != count)
      return tokenizerError(
          name, "tokenizer.ggml.scores has " + Twine(vocab.scores.size()) +
                    " entries for " + Twine(count) + " tokens");
    return Error::success();
  }

  int32_t typeOf(size_t id) const {
    return vocab.types.empty() ? int32_t(Normal) : vocab.types[id];
  }

  /// Kind, and the list of added tokens; the text is set by the caller.
  Error addToken(size_t id, TextToken &token) {
    auto number = static_cast<uint32_t>(id);
    switch (typeOf(id)) {
    case Normal:
      token.kind = ADZE_TT_NORMAL;
      token.matchable = true;
      break;
    case Unknown:
      token.kind = ADZE_TT_UNKNOWN;
      break;
    case Control:
      token.kind = ADZE_TT_CONTROL;
      break;
    case UserDefined:
      token.kind = ADZE_TT_USER;
      token.matchable = true;
      break;
    case Unused:
      token.kind = ADZE_TT_UNUSED;
      break;
    case Byte:
      token.kind = ADZE_TT_BYTE;
      break;
    default:
      return tokenizerError(name, "tokenizer.ggml.token_type of token " +
                                      Twine(id) + " is " + Twine(typeOf(id)) +
                                      "; expected 1 to 6");
    }
    bool special =
        token.kind == ADZE_TT_CONTROL || token.kind == ADZE_TT_UNKNOWN;
    if (special || token.kind == ADZE_TT_USER)
      builder.addedTokens.push_back({vocab.tokens[id], number,
                                     flagIf(special, ADZE_TT_ADDED_SPECIAL),
                                     false});
    return Error::success();
  }

  Error readLlama() {
    if (vocab.scores.empty())
      return tokenizerError(name, "tokenizer.ggml.scores is missing; the "
                                  "model llama needs it");
    // "default" says nothing about a SentencePiece model.
    if (!vocab.pre.empty() && vocab.pre != "default" &&
        vocab.pre != "llama-spm")
      return unknownPre("default");
    for (size_t id = 0; id < vocab.tokens.size(); ++id) {
      TextToken token;
      token.text = vocab.tokens[id];
      token.score = vocab.scores[id];
      if (Error error = addToken(id, token))
        return error;
      builder.tokens.push_back(std::move(token));
    }
    builder.model = ADZE_TT_SPM_BPE;
    builder.flags = ADZE_TT_BYTE_FALLBACK | ADZE_TT_FUSE_UNKNOWN |
                    ADZE_TT_REPLACEMENT_PER_BYTE;
    bool prefix = vocab.addSpacePrefix.value_or(true);
    bool removeExtra = vocab.removeExtraWhitespaces.value_or(false);
    builder.normalizer.push_back(
        {ADZE_TT_SPM_NORMALIZE,
         flagIf(prefix, ADZE_TT_SPM_DUMMY_PREFIX) |
             flagIf(removeExtra, ADZE_TT_SPM_REMOVE_EXTRA) | ADZE_TT_SPM_ESCAPE,
         0, "", ""});
    builder.decoder.push_back(
        {ADZE_TT_REPLACE_TEXT, 0, 0, "\xE2\x96\x81", " "});
    builder.decodeStrip = prefix ? 1 : 0;
    builder.bos = 1;
    builder.eos = 2;
    builder.unk = 0;
    addBosByDefault = true;
    return Error::success();
  }

  Error unknownPre(const Twine &supported) {
    return tokenizerError(name, "tokenizer.ggml.pre '" + vocab.pre +
                                    "' is not supported for the model " +
                                    vocab.model + "; supported: " + supported);
  }

  Error readGpt2() {
    const GgufPreTokenizer *pre =
        findGgufPreTokenizer(vocab.pre.empty() ? "default" : vocab.pre);
    if (!pre)
      return unknownPre(listGgufPreTokenizers());
    StringMap<uint32_t> vocabulary;
    for (size_t id = 0; id < vocab.tokens.size(); ++id) {
      TextToken token;
      if (Error error = addToken(id, token))
        return error;
      if (token.kind == ADZE_TT_BYTE)
        return tokenizerError(name, "token " + Twine(id) +
                                        " is a byte token; the model gpt2 has "
                                        "none");
      std::optional<std::string> bytes = decodeByteLevel(vocab.tokens[id]);
      // Tokens that the model makes are bytes; the others may be plain text.
      if (!bytes && token.kind == ADZE_TT_NORMAL)
        token.matchable = false;
      token.text = bytes ? std::move(*bytes) : vocab.tokens[id];
      vocabulary.try_emplace(vocab.tokens[id], static_cast<uint32_t>(id));
      builder.tokens.push_back(std::move(token));
    }
    MergeResolver resolver(vocabulary, builder.merges);
    for (const std::string &merge : vocab.merges)
      if (Error error = resolver.add(merge))
        return tokenizerError(name, "tokenizer.ggml.merges: " +
                                        toString(std::move(error)));
    builder.model = ADZE_TT_BYTE_BPE;
    builder.flags = flagIf(pre->ignoreMerges, ADZE_TT_IGNORE_MERGES);
    if (pre->nfc)
      builder.normalizer.push_back(
          {ADZE_TT_NORMAL_FORM, ADZE_TT_NFC, 0, "", ""});
    if (vocab.addSpacePrefix.value_or(false))
      builder.preTokenizer.push_back({ADZE_TT_ENSURE_PREFIX, 0, 0, " ", ""});
    for (const char *pattern : pre->patterns) {
      Expected<uint32_t> number = builder.patterns.add(pattern);
      if (!number)
        return tokenizerError(name, toString(number.takeError()));
      builder.preTokenizer.push_back(
          {ADZE_TT_SPLIT, ADZE_TT_SPLIT_ISOLATED, *number, "", ""});
    }
    addBosByDefault = pre->addBos;
    return Error::success();
  }

  /// Writers mark an id that does not exist with 2^32 - 1.
  Error setId(const std::optional<int32_t> &given, StringRef key, int32_t &id) {
    if (!given)
      return Error::success();
    auto size = static_cast<int32_t>(builder.tokens.size());
    if (*given < -1 || *given >= size)
      return tokenizerError(name, "tokenizer.ggml." + key + " is " +
                                      Twine(*given) + "; the vocabulary has " +
                                      Twine(size) + " tokens");
    id = *given;
    return Error::success();
  }

  Error readIds() {
    auto size = static_cast<int32_t>(builder.tokens.size());
    for (int32_t *id : {&builder.bos, &builder.eos, &builder.unk})
      *id = *id < size ? *id : -1;
    int32_t eot = -1, eom = -1;
    if (Error error = setId(vocab.bosId, "bos_token_id", builder.bos))
      return error;
    if (Error error = setId(vocab.eosId, "eos_token_id", builder.eos))
      return error;
    if (Error error = setId(vocab.unkId, "unknown_token_id", builder.unk))
      return error;
    if (Error error = setId(vocab.padId, "padding_token_id", builder.pad))
      return error;
    if (Error error = setId(vocab.eotId, "eot_token_id", eot))
      return error;
    if (Error error = setId(vocab.eomId, "eom_token_id", eom))
      return error;
    builder.setAddBos(vocab.addBos.value_or(addBosByDefault));
    builder.setAddEos(vocab.addEos.value_or(false));
    for (int32_t id : {builder.eos, eot, eom})
      if (id >= 0)
        builder.stopIds.push_back(id);
    for (const TextAddedToken &token : builder.addedTokens)
      if (is_contained(kEndTokens, StringRef(token.text)))
        builder.stopIds.push_back(static_cast<int32_t>(token.id));
    return Error::success();
  }

  const GgufVocab &vocab;
  StringRef name;
  TextTableBuilder builder;
  bool addBosByDefault = false;
};

} // namespace

Expected<std::string> buildTextTable(const GgufVocab &vocab, StringRef fileName,
                                     std::vector<std::string> *warnings) {
  return GgufVocabReader(vocab, fileName, warnings).run();
}

} // namespace adze
