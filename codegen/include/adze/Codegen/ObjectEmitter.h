// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From the LLVM dialect to an object file, assembly, or LLVM IR for a variant.
#ifndef ADZE_CODEGEN_OBJECTEMITTER_H
#define ADZE_CODEGEN_OBJECTEMITTER_H

#include "adze/Codegen/TargetVariants.h"
#include "llvm/Support/MemoryBuffer.h"

namespace adze {

enum class EmitKind { Object, Assembly, LLVMIR };

struct EmitOptions {
  EmitKind kind = EmitKind::Object;
  /// Appended to the name of every function that the module defines, so that
  /// the variants of one artefact can be linked together. Functions that it
  /// only declares are called by the name they have.
  std::string symbolSuffix;
  /// Hidden visibility for all of these functions: an artefact exports its
  /// descriptor only. Off for what a JIT looks up by name.
  bool hideSymbols = false;
};

/// Translates and compiles a module in the LLVM dialect. The module is not
/// changed. Errors are diagnostics on it.
mlir::FailureOr<std::unique_ptr<llvm::MemoryBuffer>>
emitModule(mlir::ModuleOp module, const TargetVariant &variant,
           const EmitOptions &options);

/// One module to lower (lowerKernelsToLLVM), translate and compile.
struct EmitJob {
  mlir::ModuleOp module;
  const TargetVariant *variant;
  EmitOptions options;
  std::unique_ptr<llvm::MemoryBuffer> result = nullptr; // null after a failure
};

/// Runs jobs on up to `threads` threads (0: as many as the machine has). The
/// modules may share a context. Fails if any job did, after all have run.
llvm::LogicalResult emitModules(llvm::MutableArrayRef<EmitJob> jobs,
                                unsigned threads = 0);

} // namespace adze

#endif // ADZE_CODEGEN_OBJECTEMITTER_H
