// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Entries and layers of a scheduled module, as functions of the LLVM dialect.
#ifndef ADZE_CODEGEN_LOWERSCHEDULE_H
#define ADZE_CODEGEN_LOWERSCHEDULE_H

#include "adze/Codegen/KernelBuilder.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/StringMap.h"

namespace adze {

/// What the lowering knows of one entry.
struct LoweredEntry {
  std::string name;   // as the user calls it: "step"
  std::string symbol; // of the emitted adze_entry_fn
  int64_t bytesPerToken = 0, bytesPerRow = 0, scratchPerThread = 0;
  SharedBytes shared;
};

/// The symbol that a kernel's code has, by the name of its adze.kernel; one
/// that is not in it is called by its own name.
using KernelSymbols = llvm::StringMap<std::string>;

/// Makes a module of the LLVM dialect with every function of `scheduled`;
/// kernels stay external. Weights need adze.offset and adze.stride.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>>
lowerSchedule(mlir::ModuleOp scheduled, const KernelSymbols &kernels,
              const KernelTarget &target,
              llvm::SmallVectorImpl<LoweredEntry> &entries);

} // namespace adze

#endif // ADZE_CODEGEN_LOWERSCHEDULE_H
