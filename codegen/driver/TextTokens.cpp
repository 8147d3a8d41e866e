// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "TextTokens.h"
#include "ModelCompiler.h" // toError
#include "adze/text.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/SHA256.h"
#include <cstring>
#include <fstream>
#include <sstream>

using namespace adze;
using llvm::StringRef;

Result<std::string> adze::readTextFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file)
    return Error{ADZE_IO_ERROR, path + ": cannot read it",
                 "--text takes a file of plain text"};
  text << file.rdbuf(); // fails where the file is empty: who reads it says so
  return text.str();
}

std::string adze::sha256Hex(StringRef bytes) {
  llvm::SHA256 hash;
  hash.update(bytes);
  return llvm::toHex(hash.final(), /*LowerCase=*/true);
}

llvm::Expected<TextTokens> adze::tokenizeText(StringRef table, StringRef text,
                                              StringRef name) {
  if (table.empty())
    return llvm::createStringError(
        "the model has no tokenizer: put its tokenizer files beside the "
        "weights and compile it again; a module (.mlir) never has one, so give "
        "the folder or .gguf that it came from");
  // The table wants to be aligned to 8 bytes.
  std::vector<uint64_t> aligned((table.size() + 7) / 8);
  std::memcpy(aligned.data(), table.data(), table.size());
  adze_text *tokenizer = nullptr;
  adze_text_error error = {};
  if (adze_text_open(aligned.data(), table.size(), &tokenizer, &error))
    return llvm::createStringError(llvm::Twine("tokenizer: ") + error.message);
  TextTokens result;
  int32_t *found = nullptr;
  size_t count = 0;
  adze_text_status status = adze_text_encode(
      tokenizer, text.data(), text.size(), 0, &found, &count, &error);
  if (status == ADZE_TEXT_OK)
    result.ids.assign(found, found + count);
  adze_text_free(found);
  adze_text_info info = {};
  info.struct_size = sizeof info;
  if (!adze_text_get_info(tokenizer, &info) && info.adds_bos)
    result.bos = info.bos;
  adze_text_close(tokenizer);
  if (status != ADZE_TEXT_OK)
    return llvm::createStringError(name + ": " + error.message);
  return result;
}

Result<TextTokens> adze::tokenizeText(const Model &model,
                                      const std::string &text,
                                      const std::string &name) {
  const void *table = nullptr;
  size_t size = 0;
  if (adze_model_text_table(model.c(), &table, &size))
    size = 0; // tokenizeText says that there is none
  auto tokens = tokenizeText(StringRef(static_cast<const char *>(table), size),
                             text, name);
  if (!tokens)
    return toError(tokens.takeError());
  return std::move(*tokens);
}
