// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reader of Hugging Face's tokenizer.json, in two files: vocabulary, merges
// and added tokens (TokenizerJson.cpp), and the rules around them: normaliser,
// pre-tokenizer, post-processor, decoder (TokenizerJsonRules.cpp).
//
// Every construct is either read or refused with its path in the file; a key
// that the reader does not know is refused too.

#ifndef ADZE_FRONTEND_TOKENIZERS_TOKENIZERJSON_H
#define ADZE_FRONTEND_TOKENIZERS_TOKENIZERJSON_H

#include "TextTableBuilder.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/JSON.h"

namespace adze {

/// One object of the file with its path, such as "normalizer.normalizers[1]".
struct JsonNode {
  const llvm::json::Object *object = nullptr;
  std::string path;

  llvm::StringRef type() const {
    return object->getString("type").value_or("");
  }
};

class TokenizerJsonReader {
public:
  TokenizerJsonReader(const llvm::json::Object &root, llvm::StringRef name)
      : root(root), name(name) {}

  llvm::Expected<std::string> run(const TokenizerSettings &settings);

private:
  // Access with errors that name the path.
  llvm::Error fail(const llvm::Twine &path, const llvm::Twine &what) const {
    return tokenizerError(name, path + ": " + what);
  }
  llvm::Error unsupported(const JsonNode &node,
                          llvm::StringRef supported) const;
  /// Refuses keys that are not in `known` ("type" always is).
  llvm::Error checkKeys(const JsonNode &node,
                        llvm::ArrayRef<llvm::StringRef> known) const;
  llvm::Error readBool(const JsonNode &node, llvm::StringRef key, bool &value,
                       bool required = false) const;
  llvm::Error readString(const JsonNode &node, llvm::StringRef key,
                         std::string &value) const;
  /// A member object; without it `child.object` stays null.
  llvm::Error readNode(const JsonNode &node, llvm::StringRef key,
                       JsonNode &child) const;
  /// The objects of a member array.
  llvm::Error readNodes(const JsonNode &node, llvm::StringRef key,
                        std::vector<JsonNode> &children) const;

  // TokenizerJson.cpp
  llvm::Error readModel();
  llvm::Error readVocabulary(const JsonNode &model);
  llvm::Error readMerges(const JsonNode &model);
  llvm::Error readAddedTokens();
  llvm::Error normalizeAddedTokens();
  void setAddedText(TextToken &token, llvm::StringRef text) const;
  llvm::Error finishTokens();
  llvm::Error guessSpecialTokens(const TokenizerSettings &settings);

  // TokenizerJsonRules.cpp
  llvm::Error readRules();
  llvm::Error readNormalizer(const JsonNode &node);
  llvm::Error readPreTokenizer(const JsonNode &node);
  llvm::Error readSplit(const JsonNode &node);
  llvm::Error readByteLevelSplit(const JsonNode &node);
  llvm::Error readMetaspace(const JsonNode &node);
  llvm::Error readPostProcessor(const JsonNode &node);
  llvm::Error readTemplate(const JsonNode &node);
  llvm::Error readDecoder(const JsonNode &node);
  llvm::Error readDecoderStep(const JsonNode &node, bool &fused);
  /// "pattern": {"String": ...} or {"Regex": ...}.
  llvm::Error readPattern(const JsonNode &node, std::string &text,
                          bool &isRegex) const;
  llvm::Error addSplit(const JsonNode &node, llvm::StringRef pattern,
                       uint32_t behavior);

  const llvm::json::Object &root;
  llvm::StringRef name;
  TextTableBuilder builder;
  /// The vocabulary as the file writes it.
  llvm::StringMap<uint32_t> vocabulary;
  bool byteLevel = false;
  bool byteLevelDecoder = false;
};

} // namespace adze

#endif // ADZE_FRONTEND_TOKENIZERS_TOKENIZERJSON_H
