// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From built kernels to the LLVM dialect.
#ifndef ADZE_CODEGEN_KERNELLOWERING_H
#define ADZE_CODEGEN_KERNELLOWERING_H

#include "adze/Codegen/TargetVariants.h"
#include "mlir/IR/PatternMatch.h"

namespace adze {

/// Patterns for the ops of adze_kernel that are alike on all targets.
void populateCommonKernelPatterns(mlir::RewritePatternSet &patterns);

/// Patterns that lower the ops of adze_kernel for an aarch64 variant.
void populateAArch64KernelPatterns(mlir::RewritePatternSet &patterns,
                                   const TargetVariant &variant);

/// Patterns that lower the ops of adze_kernel for an x86 variant.
void populateX86KernelPatterns(mlir::RewritePatternSet &patterns,
                               const TargetVariant &variant);

/// Lowers a module of functions (adze_kernel, arith, math, vector, scf, cf,
/// func, index, and LLVM ops) to the LLVM dialect alone. No fast-math, no
/// contraction. Uses no pass manager, so that modules of one context can be
/// lowered on several threads once loadLoweringDialects was called.
llvm::LogicalResult lowerKernelsToLLVM(mlir::ModuleOp module,
                                       const TargetVariant &variant);

/// Loads the dialects that lowering and translation need into the context.
void loadLoweringDialects(mlir::MLIRContext &context);

} // namespace adze

#endif // ADZE_CODEGEN_KERNELLOWERING_H
