// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The adze_kernel dialect: register-tile ops that targets lower.
#ifndef ADZE_DIALECT_ADZEKERNEL_ADZEKERNEL_H
#define ADZE_DIALECT_ADZEKERNEL_ADZEKERNEL_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/LLVMIR/LLVMTypes.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "adze/Dialect/AdzeKernel/AdzeKernelDialect.h.inc"
#define GET_OP_CLASSES
#include "adze/Dialect/AdzeKernel/AdzeKernelOps.h.inc"

#endif // ADZE_DIALECT_ADZEKERNEL_ADZEKERNEL_H
