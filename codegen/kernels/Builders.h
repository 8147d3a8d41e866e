// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One builder per kernel family; see KernelBuilder.h for what each makes.
#ifndef ADZE_CODEGEN_KERNELS_BUILDERS_H
#define ADZE_CODEGEN_KERNELS_BUILDERS_H

#include "adze/Codegen/KernelBuilder.h"

namespace adze {

#define ADZE_KERNEL_BUILDER(name)                                              \
  mlir::FailureOr<mlir::func::FuncOp> build##name(                             \
      mlir::OpBuilder &builder, KernelOp kernel, const KernelTarget &target);
ADZE_KERNEL_BUILDER(Linear)
ADZE_KERNEL_BUILDER(Attention)
ADZE_KERNEL_BUILDER(AttentionMerge)
ADZE_KERNEL_BUILDER(RmsNorm)
ADZE_KERNEL_BUILDER(Quantize)
ADZE_KERNEL_BUILDER(Embed)
ADZE_KERNEL_BUILDER(RotaryTable)
ADZE_KERNEL_BUILDER(Rotary)
ADZE_KERNEL_BUILDER(KVAppend)
ADZE_KERNEL_BUILDER(TakeRows)
ADZE_KERNEL_BUILDER(Map)
ADZE_KERNEL_BUILDER(Generic)
#undef ADZE_KERNEL_BUILDER

class KernelEmitter;
/// Begins @kernel(lo, hi, scratch, batch, `pointers` pointers, `sizes` sizes)
/// and calls `body` with the arguments after hi, per row.
mlir::func::FuncOp beginRows(
    KernelEmitter &e, KernelOp kernel, int64_t pointers, int64_t sizes,
    llvm::function_ref<void(mlir::Value row, mlir::ValueRange arguments)> body);

int64_t linearScratchBytes(KernelOp kernel, const KernelTarget &target,
                           int64_t columns);
int64_t attentionScratchBytes(KernelOp kernel, const KernelTarget &target);
SharedBytes attentionSharedBytes(KernelOp kernel, const KernelTarget &target);
int64_t rowScratchBytes(KernelOp kernel);
int64_t genericScratchBytes(KernelOp kernel);

} // namespace adze

#endif // ADZE_CODEGEN_KERNELS_BUILDERS_H
