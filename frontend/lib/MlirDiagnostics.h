// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- MlirDiagnostics.h - MLIR's diagnostics as findings ------*- C++ -*-===//
//
// While it lives, what MLIR says about a context's modules becomes findings
// with `file:line:column`, or the name of a checkpoint's module, as the place.
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_FRONTEND_LIB_MLIRDIAGNOSTICS_H
#define ADZE_FRONTEND_LIB_MLIRDIAGNOSTICS_H

#include "adze/Frontend/Error.h"

#include "mlir/IR/Diagnostics.h"

namespace adze {

class MlirDiagnostics {
public:
  /// `file` is named where a diagnostic has no file of its own.
  MlirDiagnostics(mlir::MLIRContext &context, llvm::StringRef file,
                  Diagnostics &diags);
  ~MlirDiagnostics();

private:
  mlir::LogicalResult handle(mlir::Diagnostic &diagnostic);

  mlir::MLIRContext &context;
  bool printedOps; ///< whether the context printed the op, which helps no user
  std::string file;
  Diagnostics &diags;
  mlir::ScopedDiagnosticHandler handler;
};

} // namespace adze

#endif // ADZE_FRONTEND_LIB_MLIRDIAGNOSTICS_H
