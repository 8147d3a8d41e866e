// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reader of SentencePiece models (sentencepiece_model.proto): pieces, the
// model type, ids of the special pieces, and the normaliser with its character
// map. Word and character models, white space as a suffix, and unused pieces
// in a BPE model are errors.

#include "Settings.h"
#include "TextTableBuilder.h"
#include "WireReader.h"

#include "llvm/ADT/bit.h"
#include "llvm/Support/ConvertUTF.h"
#include "llvm/Support/Endian.h"

#include <optional>

using namespace llvm;

namespace adze {

namespace {

enum PieceType { Normal = 1, Unknown, Control, UserDefined, Unused, Byte };
enum ModelType { Unigram = 1, Bpe = 2 };

bool isUtf8(StringRef text) {
  const auto *at = reinterpret_cast<const UTF8 *>(text.begin());
  return isLegalUTF8String(&at, reinterpret_cast<const UTF8 *>(text.end()));
}

class SentencePieceReader {
public:
  SentencePieceReader(StringRef model, StringRef name)
      : model(model), name(name) {}

  Expected<std::string> run(const TokenizerSettings &settings) {
    WireReader message(model);
    while (message.next()) {
      if (Error error = readField(message))
        return error;
    }
    if (message.isMalformed() || builder.tokens.empty())
      return tokenizerError(name, "not a SentencePiece model, or truncated "
                                  "after " +
                                      Twine(builder.tokens.size()) + " pieces");
    if (Error error = finish())
      return error;
    if (Error error = addSettingsTokens(settings))
      return error;
    if (Error error = applySettings(builder, settings, name))
      return error;
    return builder.write(name);
  }

private:
  Error readField(const WireReader &message) {
    if (message.field > 3)
      return Error::success();
    if (message.type != WireReader::Type::Bytes)
      return tokenizerError(name, "not a SentencePiece model: field " +
                                      Twine(message.field) + " is no message");
    return message.field == 1   ? readPiece(message.bytes)
           : message.field == 2 ? readTrainer(message.bytes)
                                : readNormalizer(message.bytes);
  }

  Error readPiece(StringRef bytes) {
    WireReader message(bytes);
    TextToken token;
    uint64_t type = Normal;
    while (message.next()) {
      if (message.field == 1 && message.type == WireReader::Type::Bytes)
        token.text = message.bytes.str();
      else if (message.field == 2 && message.type == WireReader::Type::Fixed32)
        token.score = bit_cast<float>(static_cast<uint32_t>(message.number));
      else if (message.field == 3 && message.type == WireReader::Type::Varint)
        type = message.number;
    }
    size_t id = builder.tokens.size();
    if (message.isMalformed())
      return tokenizerError(name, "piece " + Twine(id) + " is malformed");
    if (id >= ADZE_TT_MAX_VOCABULARY)
      return tokenizerError(name, "more than " + Twine(ADZE_TT_MAX_VOCABULARY) +
                                      " pieces");
    if (token.text.empty() || !isUtf8(token.text))
      return tokenizerError(name,
                            "piece " + Twine(id) + " is empty or not UTF-8");
    switch (type) {
    case Normal:
      token.kind = ADZE_TT_NORMAL;
      token.matchable = true;
      break;
    case Unknown:
      token.kind = ADZE_TT_UNKNOWN;
      if (unknownId < 0)
        unknownId = static_cast<int32_t>(id);
      break;
    case Control:
      token.kind = ADZE_TT_CONTROL;
      break;
    case UserDefined:
      token.kind = ADZE_TT_USER;
      token.matchable = true;
      builder.userSymbols.push_back(
          {token.text, static_cast<uint32_t>(id), 0, false});
      break;
    case Unused:
      token.kind = ADZE_TT_UNUSED;
      hasUnused = true;
      break;
    case Byte:
      token.kind = ADZE_TT_BYTE;
      break;
    default:
      return tokenizerError(name, "piece " + Twine(id) + " has unknown type " +
                                      Twine(type));
    }
    if (token.kind == ADZE_TT_CONTROL || token.kind == ADZE_TT_UNKNOWN)
      builder.addedTokens.push_back({token.text, static_cast<uint32_t>(id),
                                     ADZE_TT_ADDED_SPECIAL, false});
    builder.tokens.push_back(std::move(token));
    return Error::success();
  }

  Error readTrainer(StringRef bytes) {
    WireReader message(bytes);
    while (message.next()) {
      bool isNumber = message.type == WireReader::Type::Varint;
      auto number = static_cast<int32_t>(message.number);
      if (message.field == 3 && isNumber)
        modelType = message.number;
      else if (message.field == 24 && isNumber)
        spaceSuffix = number != 0;
      else if (message.field == 35 && isNumber)
        byteFallback = number != 0;
      else if (message.field == 41 && isNumber)
        builder.bos = number;
      else if (message.field == 42 && isNumber)
        builder.eos = number;
      else if (message.field == 43 && isNumber)
        builder.pad = number;
      else if (message.field == 44 && message.type == WireReader::Type::Bytes)
        builder.unknownText = message.bytes.str();
    }
    if (message.isMalformed())
      return tokenizerError(name, "trainer_spec is malformed");
    return Error::success();
  }

  Error readNormalizer(StringRef bytes) {
    WireReader message(bytes);
    while (message.next()) {
      bool isNumber = message.type == WireReader::Type::Varint;
      bool on = message.number != 0;
      if (message.field == 2 && message.type == WireReader::Type::Bytes)
        charsmap = message.bytes;
      else if (message.field == 3 && isNumber)
        dummyPrefix = on;
      else if (message.field == 4 && isNumber)
        removeExtra = on;
      else if (message.field == 5 && isNumber)
        escapeSpaces = on;
    }
    if (message.isMalformed())
      return tokenizerError(name, "normalizer_spec is malformed");
    return Error::success();
  }

  /// A double array of `size` bytes, then zero terminated texts.
  Error readCharsmap() {
    if (charsmap.empty())
      return Error::success();
    uint64_t size =
        charsmap.size() < 4 ? 0 : support::endian::read32le(charsmap.data());
    if (size == 0 || size % 4 != 0 || size > charsmap.size() - 4)
      return tokenizerError(name, "normalizer_spec.precompiled_charsmap is "
                                  "truncated");
    StringRef trie = charsmap.substr(4, size);
    for (size_t i = 0; i < trie.size(); i += 4)
      builder.charsmapTrie.push_back(
          support::endian::read32le(trie.data() + i));
    builder.charsmapText = charsmap.drop_front(4 + size).str();
    if (!isUtf8(builder.charsmapText))
      return tokenizerError(name, "normalizer_spec.precompiled_charsmap is "
                                  "not UTF-8");
    if (builder.charsmapText.empty() || builder.charsmapText.back() != '\0')
      builder.charsmapText.push_back('\0');
    return Error::success();
  }

  Error finish() {
    if (modelType != Unigram && modelType != Bpe)
      return tokenizerError(name, "trainer_spec.model_type " +
                                      Twine(modelType) +
                                      " is not supported; unigram (1) and BPE "
                                      "(2) are");
    if (spaceSuffix)
      return tokenizerError(name, "trainer_spec.treat_whitespace_as_suffix is "
                                  "not supported");
    if (modelType == Bpe && hasUnused)
      return tokenizerError(name, "a BPE model with unused pieces is not "
                                  "supported");
    auto size = static_cast<int32_t>(builder.tokens.size());
    for (int32_t *id : {&builder.bos, &builder.eos, &builder.pad})
      if (*id < 0 || *id >= size || builder.tokens[*id].kind == ADZE_TT_NORMAL)
        *id = -1;
    builder.unk = unknownId;
    builder.model = modelType == Bpe ? ADZE_TT_SPM_BPE : ADZE_TT_UNIGRAM;
    builder.flags = ADZE_TT_FUSE_UNKNOWN | ADZE_TT_REPLACEMENT_PER_BYTE |
                    flagIf(byteFallback, ADZE_TT_BYTE_FALLBACK);
    if (Error error = readCharsmap())
      return error;
    builder.normalizer.push_back(
        {ADZE_TT_SPM_NORMALIZE,
         flagIf(dummyPrefix, ADZE_TT_SPM_DUMMY_PREFIX) |
             flagIf(removeExtra, ADZE_TT_SPM_REMOVE_EXTRA) |
             flagIf(escapeSpaces, ADZE_TT_SPM_ESCAPE),
         0, "", ""});
    builder.decoder.push_back(
        {ADZE_TT_REPLACE_TEXT, 0, 0, "\xE2\x96\x81", " "});
    builder.decodeStrip = removeExtra ? UINT32_MAX : dummyPrefix ? 1 : 0;
    // The models that use these files begin a text with bos by default.
    builder.setAddBos(true);
    return Error::success();
  }

  Error addSettingsTokens(const TokenizerSettings &settings) {
    for (const AddedTokenSetting &added : settings.addedTokens) {
      auto id = static_cast<uint32_t>(added.id);
      if (id < builder.tokens.size() &&
          builder.tokens[id].text == added.content)
        continue;
      bool known = id < builder.tokens.size() &&
                   builder.tokens[id].kind != ADZE_TT_UNUSED;
      if (known || !builder.growTo(id))
        return tokenizerError(name, "added_tokens_decoder." + Twine(added.id) +
                                        " of tokenizer_config.json does not "
                                        "fit the vocabulary of " +
                                        Twine(builder.tokens.size()) +
                                        " pieces");
      uint8_t kind = added.special ? ADZE_TT_CONTROL : ADZE_TT_USER;
      builder.tokens[id] = {added.content, kind, 0, false};
      uint32_t flags = flagIf(added.special, ADZE_TT_ADDED_SPECIAL) |
                       flagIf(added.lstrip, ADZE_TT_ADDED_LSTRIP) |
                       flagIf(added.rstrip, ADZE_TT_ADDED_RSTRIP);
      builder.addedTokens.push_back({added.content, id, flags, false});
    }
    return Error::success();
  }

  StringRef model, name;
  TextTableBuilder builder = makeBuilder();
  uint64_t modelType = Unigram;
  bool spaceSuffix = false, byteFallback = false, hasUnused = false;
  bool dummyPrefix = true, removeExtra = true, escapeSpaces = true;
  int32_t unknownId = -1;
  StringRef charsmap;

  static TextTableBuilder makeBuilder() {
    TextTableBuilder defaults; // those of sentencepiece_model.proto
    defaults.bos = 1;
    defaults.eos = 2;
    defaults.unknownText = " \xE2\x81\x87 ";
    return defaults;
  }
};

} // namespace

Expected<std::string>
buildTextTableFromSentencePiece(StringRef model, StringRef name,
                                const TokenizerSettings &settings) {
  return SentencePieceReader(model, name).run(settings);
}

} // namespace adze
