// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- Importer.h - From a checkpoint to a model-level module --*- C++ -*-===//
//
// Builds the IR of a decoder. Layers come in rolled: a layer kind is one
// function that adze.repeat applies, so the module's size does not depend on
// the depth. No weight enters the IR; CheckpointSource finds their bytes.
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_FRONTEND_IMPORTER_H
#define ADZE_FRONTEND_IMPORTER_H

#include "adze/Frontend/Checkpoint.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>

namespace mlir {
class MLIRContext;
} // namespace mlir

namespace adze {

struct ImportOptions {
  /// Element type of the KV cache: f32, bf16 or f16. Empty: f32 when the
  /// checkpoint's matrices are f32, bf16 otherwise.
  std::string kvType;
};

/// The model of `checkpoint`, verified, with
///
/// * `@step(tokens, batch, rows) -> logits` and
///   `@hidden(tokens, batch, rows) -> hidden`, the output of the final norm;
/// * the module attributes `adze.level` (model) and `adze.meta`: JSON with what
///   a runtime reports and needs besides code (architecture, sizes, types, the
///   tokens that begin and end a text);
/// * locations that are names of the checkpoint's modules, {} for the layer.
///
/// Loads the dialects it needs into `context`. Errors come back all at once as
/// a DiagnosticError; warnings are left in `diags`.
llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>>
importModel(mlir::MLIRContext &context, const Checkpoint &checkpoint,
            const ImportOptions &options, Diagnostics &diags);

} // namespace adze

#endif // ADZE_FRONTEND_IMPORTER_H
