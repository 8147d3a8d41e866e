// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "adze/Transforms/PruneRules.h"
#include "adze/Dialect/Adze/FormatName.h"
#include "llvm/ADT/StringSwitch.h"

using namespace adze;
using llvm::Expected;
using llvm::StringRef;
using llvm::Twine;

static constexpr int64_t kLargest = 1 << 20; // of N, M, R and C

bool PruneRule::matches(StringRef tensor) const {
  return matchesTensor(pattern, tensor);
}

Expected<ZerosPattern> adze::parseZerosPattern(StringRef text) {
  auto fail = [&](const Twine &message) {
    return llvm::createStringError("\"" + text + "\": expects " + message);
  };
  ZerosPattern result;
  result.text = text.str();
  auto [first, second] = text.split(':');
  auto isCount = [](StringRef number, int64_t &value) {
    return !number.getAsInteger(10, value) && value >= 0 && value <= kLargest;
  };
  bool hasBlock = second.contains('x');
  if (text.contains(':') && !hasBlock) {
    result.kind = ZerosKind::NofM;
    if (!isCount(first, result.keep) || !isCount(second, result.of) ||
        result.of == 0)
      return fail("N:M, such as 2:4, where of M neighbours N are kept");
    if (result.keep > result.of)
      return fail("to keep at most " + Twine(result.of) + " of " +
                  Twine(result.of) + ", got " + Twine(result.keep));
    result.amount = double(result.of - result.keep) / double(result.of);
    return result;
  }
  if (first.getAsDouble(result.amount))
    return fail("an amount such as 0.5, N:M such as 2:4, or blocks such as "
                "0.5:16x32");
  if (!(result.amount >= 0 && result.amount <= 1))
    return fail("an amount from 0 to 1, got " + first);
  if (!hasBlock)
    return result;
  result.kind = ZerosKind::Blocks;
  auto [rows, columns] = second.split('x');
  if (!isCount(rows, result.blockRows) ||
      !isCount(columns, result.blockColumns) || result.blockRows == 0 ||
      result.blockColumns == 0)
    return fail("blocks as ROWSxCOLUMNS, such as 16x32, got " + second);
  return result;
}

Expected<std::vector<PruneRule>> adze::parsePruneRules(StringRef text) {
  auto parts = splitRules(text, "*down_proj=0,*=2:4");
  if (!parts)
    return parts.takeError();
  std::vector<PruneRule> rules;
  for (const RuleText &part : *parts) {
    auto zeros = parseZerosPattern(part.value);
    if (!zeros)
      return zeros.takeError();
    rules.push_back({part.text.str(), part.pattern.str(), std::move(*zeros)});
  }
  return rules;
}

Expected<PruneMethod> adze::parsePruneMethod(StringRef name) {
  auto method = llvm::StringSwitch<std::optional<PruneMethod>>(name)
                    .Case("magnitude", PruneMethod::Magnitude)
                    .Case("wanda", PruneMethod::Wanda)
                    .Case("sparsegpt", PruneMethod::SparseGpt)
                    .Default(std::nullopt);
  if (!method)
    return llvm::createStringError("expects the method to be " + kPruneMethods +
                                   ", got \"" + name + "\"");
  return *method;
}
