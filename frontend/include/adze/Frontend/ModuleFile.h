// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- ModuleFile.h - Modules on disk, with their weights ------*- C++ -*-===//
//
// The text front door: an .mlir or .mlirbc file and the weight table beside it
// are a model, as a checkpoint is.
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_FRONTEND_MODULEFILE_H
#define ADZE_FRONTEND_MODULEFILE_H

#include "adze/Frontend/Error.h"
#include "adze/Weights/WeightSource.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <memory>

namespace adze {

struct ModuleFile {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  /// The opened weight table; null when the module has no `adze.table` (its
  /// weights, if any, are bound by the caller).
  std::unique_ptr<WeightSource> weights;
};

/// Parses and verifies the module in `path`, text or bytecode, and opens its
/// weight table, which is looked for from the module's folder. What the parser
/// and the verifier say comes back as the error, each with its place.
///
/// The ops that the module uses must be in dialects that `context` has
/// registered.
llvm::Expected<ModuleFile> loadModuleFile(mlir::MLIRContext &context,
                                          llvm::StringRef path);

} // namespace adze

#endif // ADZE_FRONTEND_MODULEFILE_H
