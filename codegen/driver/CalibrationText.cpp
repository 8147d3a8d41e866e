// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "CalibrationText.h"
#include "adze/text.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/SHA256.h"
#include <cstring>

using namespace adze;
using llvm::StringRef;

std::string adze::sha256Hex(StringRef bytes) {
  llvm::SHA256 hash;
  hash.update(bytes);
  return llvm::toHex(hash.final(), /*LowerCase=*/true);
}

llvm::Expected<CalibrationTokens> adze::tokenizeText(StringRef table,
                                                     StringRef text) {
  if (table.empty())
    return llvm::createStringError(
        "the model has no tokenizer: put its tokenizer files beside the "
        "weights");
  // The table wants to be aligned to 8 bytes.
  std::vector<uint64_t> aligned((table.size() + 7) / 8);
  std::memcpy(aligned.data(), table.data(), table.size());
  adze_text *tokenizer = nullptr;
  adze_text_error error = {};
  if (adze_text_open(aligned.data(), table.size(), &tokenizer, &error))
    return llvm::createStringError(llvm::Twine("tokenizer: ") + error.message);
  CalibrationTokens result;
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
    return llvm::createStringError(llvm::Twine("the calibration text: ") +
                                   error.message);
  return result;
}

llvm::Expected<std::vector<std::vector<int32_t>>>
adze::cutSequences(const CalibrationTokens &tokens, uint32_t sequences,
                   uint32_t length) {
  const auto &[ids, bos] = tokens;
  uint64_t each = length - (bos >= 0 ? 1 : 0);
  uint64_t needed = each * sequences;
  if (ids.size() < needed || ids.empty())
    return llvm::createStringError(
        "the calibration text is too short: it has " + llvm::Twine(ids.size()) +
        " tokens, and " + llvm::Twine(sequences) + " sequences of " +
        llvm::Twine(length) + " need " + llvm::Twine(needed));
  std::vector<std::vector<int32_t>> result;
  uint64_t stride = ids.size() / sequences;
  for (uint64_t i = 0; i < sequences; ++i) {
    std::vector<int32_t> window;
    if (bos >= 0)
      window.push_back(bos);
    auto first = ids.begin() + int64_t(i * stride);
    window.insert(window.end(), first, first + int64_t(each));
    result.push_back(std::move(window));
  }
  return result;
}
