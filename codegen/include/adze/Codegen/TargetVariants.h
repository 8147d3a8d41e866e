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
};

/// All variants of the x86-64 family, best first.
llvm::ArrayRef<TargetVariant> x86Variants();

/// The variants that `spec` asks for, best first, each once. A spec is a comma
/// separated list of: `all`; `host`; a level with features such as x86-64-v3,
/// x86-64-v4+vnni+bf16; the name of a CPU such as znver4. Each gives the best
/// variant that it can run (`all`: every one).
llvm::Expected<llvm::SmallVector<const TargetVariant *>>
resolveTargets(llvm::StringRef spec);

/// Bits of adze/abi.h that this machine has, as LLVM sees it.
uint64_t hostNeedBits();

} // namespace adze

#endif // ADZE_CODEGEN_TARGETVARIANTS_H
