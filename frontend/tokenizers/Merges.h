// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Resolving merges written as texts into merges of ids.

#ifndef ADZE_FRONTEND_TOKENIZERS_MERGES_H
#define ADZE_FRONTEND_TOKENIZERS_MERGES_H

#include "TextTableBuilder.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringMap.h"

namespace adze {

/// Collects merges in order of rank. `vocabulary` maps the texts of the file
/// to ids.
class MergeResolver {
public:
  MergeResolver(const llvm::StringMap<uint32_t> &vocabulary,
                std::vector<TextMerge> &merges)
      : vocabulary(vocabulary), merges(merges) {}

  /// An error says which text is not in the vocabulary.
  llvm::Error add(llvm::StringRef left, llvm::StringRef right) {
    uint32_t leftId, rightId, resultId;
    llvm::SmallString<64> joined(left);
    joined += right;
    if (llvm::Error error = find(left, leftId))
      return error;
    if (llvm::Error error = find(right, rightId))
      return error;
    if (llvm::Error error = find(joined, resultId))
      return error;
    merges.push_back({leftId, rightId, resultId});
    return llvm::Error::success();
  }

  /// "left right", split at the only space.
  llvm::Error add(llvm::StringRef pair) {
    auto [left, right] = pair.split(' ');
    if (left.empty() || right.empty() || right.contains(' '))
      return fail("'" + pair + "' is not two tokens with a space between them");
    return add(left, right);
  }

private:
  llvm::Error find(llvm::StringRef text, uint32_t &id) {
    auto entry = vocabulary.find(text);
    if (entry == vocabulary.end())
      return fail("token '" + text + "' is not in the vocabulary");
    id = entry->second;
    return llvm::Error::success();
  }
  llvm::Error fail(const llvm::Twine &what) {
    return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                   "merge " + llvm::Twine(merges.size()) +
                                       ": " + what);
  }

  const llvm::StringMap<uint32_t> &vocabulary;
  std::vector<TextMerge> &merges;
};

} // namespace adze

#endif // ADZE_FRONTEND_TOKENIZERS_MERGES_H
