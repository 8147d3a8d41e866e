// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What passes that go by statistics leave in the module for the proof.
#ifndef ADZE_TRANSFORMS_ROUNDING_H
#define ADZE_TRANSFORMS_ROUNDING_H

#include "llvm/ADT/StringRef.h"

namespace adze {

/// Module attribute: their report as JSON in a string, as the option `report`
/// of adze-gptq writes it.
inline constexpr llvm::StringLiteral kRoundingAttrName = "adze.rounding";

/// The same of passes that scale what weights read: adze-awq and
/// adze-smooth-quant.
inline constexpr llvm::StringLiteral kScalingAttrName = "adze.scaling";

} // namespace adze

#endif // ADZE_TRANSFORMS_ROUNDING_H
