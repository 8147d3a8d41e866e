// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- MlirDiagnostics.cpp - MLIR's diagnostics as findings ---------------===//
//
// Places and severities of MLIR's diagnostics.
//
//===----------------------------------------------------------------------===//

#include "MlirDiagnostics.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Location.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace adze {

/// File and subject of a finding at `location`.
static std::pair<std::string, std::string> placeOf(mlir::Location location,
                                                   StringRef file) {
  if (auto line = location->findInstanceOf<mlir::FileLineColLoc>())
    return {(line.getFilename().getValue() + ":" + Twine(line.getLine()) + ":" +
             Twine(line.getColumn()))
                .str(),
            ""};
  if (auto name = location->findInstanceOf<mlir::NameLoc>())
    return {file.str(), quoted(name.getName().getValue())};
  return {file.str(), ""};
}

MlirDiagnostics::MlirDiagnostics(mlir::MLIRContext &context, StringRef file,
                                 Diagnostics &diags)
    : context(context), printedOps(context.shouldPrintOpOnDiagnostic()),
      file(file), diags(diags),
      handler(&context, [this](mlir::Diagnostic &diagnostic) {
        return handle(diagnostic);
      }) {
  context.printOpOnDiagnostic(false);
}

MlirDiagnostics::~MlirDiagnostics() { context.printOpOnDiagnostic(printedOps); }

mlir::LogicalResult MlirDiagnostics::handle(mlir::Diagnostic &diagnostic) {
  auto severity = diagnostic.getSeverity();
  // Remarks are for whoever listens outside.
  if (severity == mlir::DiagnosticSeverity::Remark)
    return mlir::failure();
  auto [place, subject] = placeOf(diagnostic.getLocation(), file);
  std::string message = diagnostic.str();
  for (mlir::Diagnostic &note : diagnostic.getNotes()) {
    auto [notePlace, noteSubject] = placeOf(note.getLocation(), file);
    message += "\n  note: " + notePlace + ": " +
               (noteSubject.empty() ? "" : noteSubject + ": ") + note.str();
  }
  if (severity == mlir::DiagnosticSeverity::Error)
    diags.error(place, subject, message);
  else
    diags.warning(place, subject, message);
  return mlir::success();
}

} // namespace adze
