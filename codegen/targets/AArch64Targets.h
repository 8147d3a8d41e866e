// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The aarch64 half of what --target names. Private to codegen/targets.
#ifndef ADZE_CODEGEN_TARGETS_AARCH64TARGETS_H
#define ADZE_CODEGEN_TARGETS_AARCH64TARGETS_H

#include "llvm/ADT/StringRef.h"
#include <optional>

namespace adze {

/// Bits of adze/abi.h of `aarch64`, `aarch64+feature...` or the name of an Arm
/// CPU; nothing where `item` is neither.
std::optional<uint64_t> parseAArch64Target(llvm::StringRef item);

} // namespace adze

#endif // ADZE_CODEGEN_TARGETS_AARCH64TARGETS_H
