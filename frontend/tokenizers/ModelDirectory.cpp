// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which file of a model directory is its tokenizer.

#include "Settings.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace llvm;

namespace adze {

static std::string pathOf(StringRef directory, StringRef file) {
  SmallString<256> path(directory);
  sys::path::append(path, file);
  return path.str().str();
}

static bool has(StringRef directory, StringRef file) {
  return sys::fs::exists(pathOf(directory, file));
}

bool hasTokenizerFiles(StringRef directory) {
  return has(directory, "tokenizer.json") ||
         has(directory, "tokenizer.model") ||
         (has(directory, "vocab.json") && has(directory, "merges.txt"));
}

Expected<std::string> buildTextTable(StringRef directory,
                                     std::vector<std::string> *warnings) {
  if (!hasTokenizerFiles(directory))
    return tokenizerError(directory,
                          "no tokenizer: expected tokenizer.json, "
                          "tokenizer.model, or vocab.json with merges.txt "
                          "(--tokens works without one)");
  Expected<TokenizerSettings> settings = readSettings(directory);
  if (!settings)
    return settings.takeError();
  settings->warnings = warnings;
  auto read = [&](StringRef file) {
    return readTextFile(pathOf(directory, file));
  };

  if (has(directory, "tokenizer.json")) {
    Expected<std::string> json = read("tokenizer.json");
    if (!json)
      return json.takeError();
    return buildTextTableFromTokenizerJson(
        *json, pathOf(directory, "tokenizer.json"), *settings);
  }
  if (has(directory, "tokenizer.model")) {
    Expected<std::string> model = read("tokenizer.model");
    if (!model)
      return model.takeError();
    return buildTextTableFromSentencePiece(
        *model, pathOf(directory, "tokenizer.model"), *settings);
  }
  Expected<std::string> vocab = read("vocab.json");
  if (!vocab)
    return vocab.takeError();
  Expected<std::string> merges = read("merges.txt");
  if (!merges)
    return merges.takeError();
  return buildTextTableFromVocabAndMerges(
      *vocab, *merges, pathOf(directory, "vocab.json"), *settings);
}

} // namespace adze
