// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Names of what activations are multiplied as, as command lines spell them.
#ifndef ADZE_TRANSFORMS_ACTIVATIONS_H
#define ADZE_TRANSFORMS_ACTIVATIONS_H

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>
#include <string>

namespace adze {

/// The names, for messages and help texts.
inline constexpr llvm::StringLiteral kActivationNames =
    "int8:token, int8:g128, int8:g32 (or another multiple of 16), one of these "
    "with :static behind it, bf16 or f32";

/// What linears with integer weights multiply unless told otherwise.
inline constexpr llvm::StringLiteral kDefaultActivations = "int8:g128";

/// The group of int8 activations: N of int8:gN, 0 of int8:token, whether or not
/// their ranges are static; nothing for any other name.
std::optional<int64_t> activationGroup(llvm::StringRef name);

/// Whether the ranges of such are those of a calibration (int8:gN:static), and
/// the name of those whose ranges are found at run time.
bool hasStaticRanges(llvm::StringRef name);
llvm::StringRef withDynamicRanges(llvm::StringRef name);

/// The name of a group.
std::string activationName(int64_t group, bool isStatic = false);

/// Whether `name` is one of kActivationNames.
bool isActivationName(llvm::StringRef name);

} // namespace adze

#endif // ADZE_TRANSFORMS_ACTIVATIONS_H
