// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "TextTokens.h"
#include "adze/text.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/SHA256.h"
#include <fstream>
#include <sstream>

using namespace adze;

Result<std::string> adze::readTextFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf()))
    return Error{ADZE_IO_ERROR,
                 path + ": cannot read it, or there is nothing in it",
                 "--text takes a file of plain text"};
  return text.str();
}

std::string adze::sha256Hex(const std::string &bytes) {
  llvm::SHA256 hash;
  hash.update(bytes);
  return llvm::toHex(hash.final(), /*LowerCase=*/true);
}

Result<TextTokens> adze::encodeText(const Model &model, const std::string &name,
                                    const std::string &bytes) {
  const void *table;
  size_t size;
  if (adze_model_text_table(model.c(), &table, &size))
    return Error{
        ADZE_NOT_FOUND, "the model was compiled without a tokenizer",
        "put its tokenizer files beside the weights and compile again"};
  adze_text *text = nullptr;
  adze_text_error error = {};
  if (adze_text_open(table, size, &text, &error))
    return Error{ADZE_BAD_ARTEFACT, std::string("tokenizer: ") + error.message,
                 ""};
  int32_t *ids = nullptr;
  size_t count = 0;
  TextTokens result;
  adze_text_status status = adze_text_encode(text, bytes.data(), bytes.size(),
                                             0, &ids, &count, &error);
  if (status == ADZE_TEXT_OK)
    result.ids.assign(ids, ids + count);
  adze_text_free(ids);
  adze_text_info info = {};
  info.struct_size = sizeof info;
  if (!adze_text_get_info(text, &info) && info.adds_bos)
    result.bos = info.bos;
  adze_text_close(text);
  if (status != ADZE_TEXT_OK)
    return Error{ADZE_INVALID_ARGUMENT, name + ": " + error.message, ""};
  return result;
}
