// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How long rounding by a calibration, and writing what came of it, will take:
// counted from the shapes of a module, at rates that are measured.
#ifndef ADZE_CODEGEN_DRIVER_ROUNDINGTIME_H
#define ADZE_CODEGEN_DRIVER_ROUNDINGTIME_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringRef.h"

namespace adze {

/// Seconds on `threads` threads, for the method (CompileOptions::method) on all
/// linears of an imported module. Measures for a quarter of a second.
double predictRounding(mlir::ModuleOp module, llvm::StringRef method,
                       unsigned threads);

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_ROUNDINGTIME_H
