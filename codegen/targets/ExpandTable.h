// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze_kernel.expand_load where no instruction spreads elements: 16 bytes at a
// time by an instruction that takes each byte of a register from a place of
// another, and a table of such places for each mask of 8 bits (of 4 for
// elements of 32 bits).
#ifndef ADZE_CODEGEN_TARGETS_EXPANDTABLE_H
#define ADZE_CODEGEN_TARGETS_EXPANDTABLE_H

#include "adze/Dialect/AdzeKernel/AdzeKernel.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"

namespace adze {

/// Adds the tables that the expand_loads of a module read, if it has none yet.
void addExpandTable(mlir::ModuleOp module);

/// Emits `permute`(bytes, places): vectors of 16 bytes, of which a place above
/// 127 gives zero.
using BytePermute =
    llvm::function_ref<mlir::Value(mlir::Value bytes, mlir::Value places)>;

/// The result of `op` by the table.
mlir::Value expandByTable(mlir::OpBuilder &b, kernel::ExpandLoadOp op,
                          BytePermute permute);

} // namespace adze

#endif // ADZE_CODEGEN_TARGETS_EXPANDTABLE_H
