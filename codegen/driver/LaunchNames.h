// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a launch of a schedule is for, in the names of the checkpoint.
#ifndef ADZE_CODEGEN_DRIVER_LAUNCHNAMES_H
#define ADZE_CODEGEN_DRIVER_LAUNCHNAMES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace adze {

/// The names in a location, each once, in order; without those that only hold
/// another one (`a.b` where there is `a.b.q`).
llvm::SmallVector<llvm::StringRef> namesOf(mlir::Location loc);

/// `a.b.q` and `a.b.k` as "a.b.q, k".
std::string joinNames(llvm::ArrayRef<llvm::StringRef> names);

/// The entry of a scheduled module that writes text, else the first one.
mlir::func::FuncOp mainEntry(mlir::ModuleOp scheduled);

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_LAUNCHNAMES_H
