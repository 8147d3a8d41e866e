// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Readers of tokenizer files. Each turns one kind of vocabulary into the text
// table (adze/text_table.h) that goes into an artefact and that libadze_text
// reads in place. What a reader does not implement is an error that names the
// construct; nothing is ignored silently.

#ifndef ADZE_FRONTEND_TOKENIZER_H
#define ADZE_FRONTEND_TOKENIZER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace adze {

/// Reads the tokenizer of a Hugging Face model directory: tokenizer.json, else
/// tokenizer.model, else vocab.json with merges.txt; and tokenizer_config.json,
/// generation_config.json and config.json for bos, eos, stop tokens and the
/// chat template. A directory without any of the three is an error; use
/// hasTokenizerFiles to ask first.
/// What does not make the tokenizer unusable goes to `warnings`.
llvm::Expected<std::string>
buildTextTable(llvm::StringRef modelDirectory,
               std::vector<std::string> *warnings = nullptr);

/// Whether the directory has a file that buildTextTable would read.
bool hasTokenizerFiles(llvm::StringRef modelDirectory);

/// A chat template as a checkpoint ships it. Checkpoints with several name
/// them; the one of a checkpoint with one is "default".
struct NamedTemplate {
  std::string name, source;
};

/// A token that tokenizer_config.json adds to a vocabulary.
struct AddedTokenSetting {
  int32_t id = 0;
  std::string content;
  bool special = false, lstrip = false, rstrip = false;
};

/// What configuration files say about a tokenizer, besides its own file. Fields
/// left empty take the default of the vocabulary.
struct TokenizerSettings {
  std::optional<std::string> bosToken, eosToken, unkToken, padToken;
  std::optional<bool> addBos, addEos;
  /// Of generation_config.json, else config.json.
  std::vector<int32_t> stopTokens;
  std::optional<int32_t> bosId, eosId;
  std::vector<NamedTemplate> chatTemplates;
  /// Told of chat templates that cannot be compiled.
  std::vector<std::string> *warnings = nullptr;
  /// added_tokens_decoder; tokenizer.json has its own list instead.
  std::vector<AddedTokenSetting> addedTokens;
};

/// The three kinds of file, from memory. `name` stands for the file in errors.
llvm::Expected<std::string>
buildTextTableFromTokenizerJson(llvm::StringRef json, llvm::StringRef name,
                                const TokenizerSettings &settings = {});
llvm::Expected<std::string>
buildTextTableFromSentencePiece(llvm::StringRef model, llvm::StringRef name,
                                const TokenizerSettings &settings = {});
llvm::Expected<std::string>
buildTextTableFromVocabAndMerges(llvm::StringRef vocabJson,
                                 llvm::StringRef merges, llvm::StringRef name,
                                 const TokenizerSettings &settings = {});

/// The tokenizer.ggml.* values of a GGUF file, already parsed. Optional fields
/// are those that the file may lack.
struct GgufVocab {
  std::string model; ///< tokenizer.ggml.model: "llama" or "gpt2"
  std::string pre;   ///< tokenizer.ggml.pre, empty if absent
  std::vector<std::string> tokens;
  std::vector<float> scores;       ///< empty, or one per token
  std::vector<int32_t> types;      ///< token_type: empty, or one per token
  std::vector<std::string> merges; ///< "left right"
  std::optional<int32_t> bosId, eosId, unkId, padId; ///< *_token_id
  std::optional<int32_t> eotId, eomId;
  std::optional<bool> addBos, addEos; ///< add_bos_token, add_eos_token
  std::optional<bool> addSpacePrefix; ///< add_space_prefix
  std::optional<bool> removeExtraWhitespaces;
  std::string chatTemplate; ///< tokenizer.chat_template
};

llvm::Expected<std::string>
buildTextTable(const GgufVocab &vocab, llvm::StringRef fileName,
               std::vector<std::string> *warnings = nullptr);

} // namespace adze

#endif // ADZE_FRONTEND_TOKENIZER_H
