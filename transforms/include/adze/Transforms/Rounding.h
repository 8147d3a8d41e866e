// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What passes that compute weights leave in the module for the proof.
#ifndef ADZE_TRANSFORMS_ROUNDING_H
#define ADZE_TRANSFORMS_ROUNDING_H

#include "llvm/ADT/StringRef.h"

namespace adze {

/// Module attribute: the report of passes that round by statistics, as JSON in
/// a string, as the option `report` of adze-gptq writes it.
inline constexpr llvm::StringLiteral kRoundingAttrName = "adze.rounding";
/// The same of passes that prune, as adze-prune writes it.
inline constexpr llvm::StringLiteral kPruningAttrName = "adze.pruning";

/// The same of passes that scale what weights read: adze-awq and
/// adze-smooth-quant.
inline constexpr llvm::StringLiteral kScalingAttrName = "adze.scaling";

/// The same of adze-static-ranges.
inline constexpr llvm::StringLiteral kRangesAttrName = "adze.ranges";

/// The rules that adze-choose-formats found, as `--weights` takes them.
inline constexpr llvm::StringLiteral kFormatsAttrName = "adze.formats";

} // namespace adze

#endif // ADZE_TRANSFORMS_ROUNDING_H
