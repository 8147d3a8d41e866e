// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The variants that an artefact can hold, and how a --target names them.
#ifndef ADZE_CODEGEN_TARGETVARIANTS_H
#define ADZE_CODEGEN_TARGETVARIANTS_H

#include "adze/Codegen/KernelBuilder.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace adze {

/// One set of CPU features that code is generated for.
struct TargetVariant {
  llvm::StringLiteral name;
  llvm::StringLiteral triple;
  llvm::StringLiteral cpu;      // of LLVM
  llvm::StringLiteral features; // of LLVM, beyond the CPU's
  uint64_t need;                // adze_variant.need[0]: bits of adze/abi.h
  KernelTarget kernel;
  uint32_t vscale = 0; // SVE: vectors of vscale * 128 bits; 0: none

  bool isAArch64() const { return triple.starts_with("aarch64"); }

  /// Whether code with such dots for `weaker` is what this variant would have:
  /// it needs nothing more, and nothing that makes registers, tiles or these
  /// dots differ.
  bool sharesCode(const TargetVariant &weaker, KernelDots dots) const;
};

/// All variants of the x86-64 family, best first.
llvm::ArrayRef<TargetVariant> x86Variants();

/// All variants of the aarch64 family, best first.
llvm::ArrayRef<TargetVariant> aarch64Variants();

/// Every variant of both families.
llvm::SmallVector<const TargetVariant *> allVariants();

/// The variants that `spec` asks for, best first, each once, all of one family.
/// A spec is a comma separated list of: `all` (every one of x86-64) or
/// `aarch64` (every one of aarch64); `host`; a level with features such as
/// x86-64-v3, x86-64-v4+vnni+bf16, aarch64+dotprod; the name of a CPU such as
/// znver4 or neoverse-v1. All but `all` and `aarch64` give the best variant
/// that they can run. Where `+amx` is named, nothing less is given in its
/// place.
llvm::Expected<llvm::SmallVector<const TargetVariant *>>
resolveTargets(llvm::StringRef spec);

/// Bits of adze/abi.h that this machine has, as LLVM sees it, and the system
/// grants.
uint64_t hostNeedBits();

/// Whether this machine runs such code, if it can, slower than that of a weaker
/// variant, as the runtime knows it too (runtime/lib/cpu.c).
bool isSlowOnHost(const TargetVariant &variant);

} // namespace adze

#endif // ADZE_CODEGEN_TARGETVARIANTS_H
