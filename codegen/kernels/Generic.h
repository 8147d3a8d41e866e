// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pieces of the generic family. A kernel with a region is one row of
// tensor code, computed row after row:
//
//   placeRows        the region between the row's memory and the result's
//   bufferizeRows    tensors -> memory, temporaries in the thread's scratch
//   lowerRows        linalg, memref -> scf, arith and loads of !llvm.ptr
//
// Memory is a memref made from a pointer by unrealized_conversion_cast; with
// kWeightAttrName it is the logical form of a stored weight, whose elements are
// decoded as they are read. Private to codegen/kernels.
#ifndef ADZE_CODEGEN_KERNELS_GENERIC_H
#define ADZE_CODEGEN_KERNELS_GENERIC_H

#include "adze/Codegen/KernelBuilder.h"
#include "mlir/IR/OwningOpRef.h"

namespace adze {

inline constexpr llvm::StringLiteral kWeightAttrName = "adze.weight";

/// Loads the dialects that tensor code goes through, with their bufferization.
void loadGenericDialects(mlir::MLIRContext &context);

/// Tensor ops of `module` (one function, as placeRows leaves it) to memory at
/// `scratch`; returns the bytes of scratch that they take. `kernel` is where
/// diagnostics stand.
mlir::FailureOr<int64_t> bufferizeRows(mlir::ModuleOp module, KernelOp kernel,
                                       mlir::Value scratch);

/// Loops and memory accesses; `rows` is the size of a dynamic dimension.
llvm::LogicalResult lowerRows(mlir::ModuleOp module, KernelOp kernel,
                              mlir::Value rows);

/// Arithmetic on 16-bit floats in f32, math ops expanded. What would become a
/// call of a libm is a diagnostic.
llvm::LogicalResult lowerRowMath(mlir::ModuleOp module, KernelOp kernel);

// attention and kv_append, whose meaning is per sequence.
mlir::FailureOr<mlir::func::FuncOp>
buildGenericAttention(mlir::OpBuilder &builder, KernelOp kernel);
mlir::FailureOr<mlir::func::FuncOp>
buildGenericKVAppend(mlir::OpBuilder &builder, KernelOp kernel);

} // namespace adze

#endif // ADZE_CODEGEN_KERNELS_GENERIC_H
