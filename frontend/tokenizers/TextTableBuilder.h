// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the readers of tokenizer files fill in, and the writer that turns it
// into the bytes of a text table (adze/text_table.h).

#ifndef ADZE_FRONTEND_TOKENIZERS_TEXTTABLEBUILDER_H
#define ADZE_FRONTEND_TOKENIZERS_TEXTTABLEBUILDER_H

#include "ChatTemplate.h"
#include "PatternCompiler.h"

#include "adze/Frontend/Tokenizer.h"
#include "adze/text_table.h"

#include <string>
#include <vector>

namespace adze {

/// A vocabulary entry. Ids are places in TextTableBuilder::tokens.
struct TextToken {
  std::string text; ///< for byte-level models: the bytes it stands for
  uint8_t kind = ADZE_TT_UNUSED;
  float score = 0;
  /// The model may produce it by looking its text up.
  bool matchable = false;
};

struct TextMerge {
  uint32_t left, right, result; ///< the rank is the place in the list
};

struct TextAddedToken {
  std::string text; ///< as it stands in the text
  uint32_t id = 0;
  uint32_t flags = 0; ///< ADZE_TT_ADDED_*
  /// Matched in the normalised text; `text` is normalised then.
  bool normalized = false;
};

struct TextStep {
  uint32_t operation = 0;
  uint32_t argument = 0;
  uint32_t pattern = 0;
  std::string a, b;
};

class TextTableBuilder {
public:
  uint32_t model = 0;
  uint32_t flags = 0;
  std::vector<TextToken> tokens;
  std::vector<TextMerge> merges;
  std::vector<TextAddedToken> addedTokens;
  /// Pieces that a SentencePiece model never takes apart.
  std::vector<TextAddedToken> userSymbols;
  std::vector<TextStep> normalizer, preTokenizer, decoder;
  PatternPrograms patterns;
  int32_t bos = -1, eos = -1, unk = -1, pad = -1;
  std::vector<int32_t> prefixIds, suffixIds, stopIds;
  uint32_t decodeStrip = 0;
  std::string unknownText, charsmapText;
  std::vector<NamedTemplate> chatTemplates;
  /// Told of chat templates that cannot be compiled, where there is one.
  std::vector<std::string> *warnings = nullptr;
  std::vector<uint32_t> charsmapTrie;

  /// Makes `tokens` long enough for `id`; false if the id is out of all
  /// proportion, so that no number from a file decides about memory.
  bool growTo(uint32_t id);

  /// Puts bos before and eos after a text, or takes them away.
  void setAddBos(bool wanted);
  void setAddEos(bool wanted);

  /// Writes the table. `name` stands for the source in errors.
  llvm::Expected<std::string> write(llvm::StringRef name) const;
};

/// Every error of the readers: "NAME: MESSAGE".
llvm::Error tokenizerError(llvm::StringRef name, const llvm::Twine &message);

} // namespace adze

#endif // ADZE_FRONTEND_TOKENIZERS_TEXTTABLEBUILDER_H
