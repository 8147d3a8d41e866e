// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Generated definitions of all adze ops.

#include "adze/Dialect/Adze/Adze.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace adze;

#define GET_OP_CLASSES
#include "adze/Dialect/Adze/AdzeOps.cpp.inc"
