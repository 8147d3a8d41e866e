// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "CalibrationText.h"

using namespace adze;

llvm::Expected<std::vector<std::vector<int32_t>>>
adze::cutSequences(const TextTokens &tokens, uint32_t sequences,
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
