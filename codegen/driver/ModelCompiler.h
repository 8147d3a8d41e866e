// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One compilation, step by step: load, optimize, generate code, write. What
// compileToFile(), compile() and the tools are made of.
#ifndef ADZE_CODEGEN_DRIVER_MODELCOMPILER_H
#define ADZE_CODEGEN_DRIVER_MODELCOMPILER_H

#include "Remarks.h"
#include "adze/Codegen/Artefact.h"
#include "adze/Codegen/ObjectEmitter.h"
#include "adze/Compiler.h"
#include "adze/Frontend/Checkpoint.h"
#include "adze/Transforms/Activations.h"
#include "adze/Transforms/Pipelines.h"
#include "adze/Weights/WeightTable.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/JSON.h"
#include <atomic>

namespace adze {

/// Whether passes make weights that they need no calibration for.
inline bool prunes(const CompileOptions &options) {
  return !options.prune.empty() || options.pruneNeurons != 0 ||
         options.pruneHeads != 0 || options.removeDead;
}

/// The same options without anything that rounds or prunes weights, or goes by
/// a calibration.
inline CompileOptions withoutCompression(CompileOptions options) {
  options.activations = withDynamicRanges(options.activations).str();
  options.weights.clear();
  options.calibration.clear();
  options.method.clear();
  options.prune.clear();
  options.pruneMethod.clear();
  options.pruneAllocate.clear();
  options.pruneNeurons = options.pruneHeads = 0;
  options.removeDead = false;
  return options;
}

class ModelCompiler {
public:
  explicit ModelCompiler(const CompileOptions &options);
  ~ModelCompiler();

  /// Reads a checkpoint or a module and loads the plug-ins.
  llvm::Error load(llvm::StringRef path);
  /// Takes over a module made elsewhere, in mlirContext().
  llvm::Error adopt(mlir::OwningOpRef<mlir::ModuleOp> module,
                    std::unique_ptr<WeightSource> weights);
  /// Runs the target-independent pipeline, or its part up to an extension
  /// point (its inserted passes included).
  llvm::Error optimize(llvm::StringRef untilPoint = "");
  /// The passes of optimize(), as adze-opt takes them.
  llvm::Expected<std::string> pipeline();
  /// Code of every variant of the target, or, to be read as assembly or LLVM
  /// IR, of the best. Module: after optimize().
  llvm::Error generate(EmitKind kind = EmitKind::Object);
  /// Packs weights and writes the artefact, or what static linking needs.
  llvm::Error write(llvm::StringRef output, bool forStaticLinking = false);
  /// What write() writes, for linking in this process instead. Module: after
  /// generate(). The code moves out; `evaluator` must outlive the result.
  /// Weights are looked at for the proof only if it is wanted.
  llvm::Expected<ArtefactInput>
  artefactInput(std::unique_ptr<WeightEvaluator> &evaluator,
                bool wantsProof = true);
  /// Writes the table of the weights that load() found, for a module that will
  /// be read without the checkpoint.
  llvm::Error writeTable(llvm::StringRef path);

  /// What the reference interpreter gives for one sequence of tokens: a row of
  /// logits for each. Module: after optimize().
  llvm::Expected<std::vector<double>>
  interpret(const std::vector<int32_t> &tokens);
  /// The proof so far (Proof.h), after write().
  const llvm::json::Object &proof() const { return proofJson; }
  /// Has write() leave so many bytes for more of it.
  void reserveProof(size_t bytes) { proofReserve = bytes; }
  /// What others know of this compilation.
  void addToProof(llvm::json::Object more) { proofExtra = std::move(more); }

  /// For `--emit`: the scheduled module of the best variant, and the module of
  /// its built kernels.
  llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>> schedule();
  llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>> buildKernels();

  /// Runs other passes than the pipeline's.
  llvm::Error runPasses(mlir::ModuleOp module, llvm::StringRef pipeline);

  mlir::ModuleOp module() { return *moduleRef; }
  /// Where load() found weights, or null; the tokenizer's table, or empty.
  WeightSource *weights() { return source.get(); }
  llvm::StringRef textTable() const { return text; }
  mlir::MLIRContext &mlirContext() { return *context; }
  /// What diagnostics said since the last call, as one error.
  llvm::Error diagnosed(const llvm::Twine &fallback);
  const std::vector<ArtefactVariant> &variants() const { return code; }
  CompileStats &stats() { return numbers; }
  /// What passes have said so far.
  llvm::ArrayRef<PassRemark> remarks() const { return said; }

private:
  llvm::Expected<std::vector<PipelineStep>>
  pipelineSteps(llvm::StringRef table = "");
  llvm::Error runPipeline(llvm::ArrayRef<std::string> passes);
  llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>>
  scheduleFor(const TargetVariant &variant);
  bool usesBF16Dot(const TargetVariant &variant) const;
  size_t addPlan(llvm::json::Object plan);
  llvm::Error readEntries(mlir::ModuleOp scheduled);
  void addActivations(llvm::json::Object &meta);
  void addWeights(llvm::json::Object &meta);
  /// Whether passes compute weights that no expression can.
  bool makesWeights() const {
    return !options.calibration.empty() || prunes(options) || options.rotate;
  }
  bool report(const char *stage, uint64_t done, uint64_t total);

  const CompileOptions &options;
  std::vector<std::string> pluginProblems;
  std::vector<std::string> inserted; // by plug-ins and by options
  std::vector<PassRemark> said;      // before the context, which appends to it
  std::unique_ptr<mlir::MLIRContext> context;
  std::unique_ptr<Checkpoint> checkpoint;
  std::unique_ptr<WeightSource> source;
  WeightTable *tableSource = nullptr; // `source`, where it is a table
  std::string ownStore;               // a folder that goes with the compiler
  mlir::OwningOpRef<mlir::ModuleOp> moduleRef;
  int64_t parameters = 0; // as loaded
  std::string text;       // tokenizer table
  std::vector<std::string> messages;
  std::atomic<bool> isStopped = false; // in a pass, by options.progress
  llvm::SmallVector<const TargetVariant *> targets;
  std::vector<ArtefactVariant> code;
  std::vector<ArtefactEntry> entries;
  llvm::json::Array plans; // launches of the variants (Schedule.h)
  llvm::json::Object proofJson, proofExtra;
  size_t proofReserve = 0;
  CompileStats numbers;
};

/// The variants that code is generated for.
llvm::Expected<llvm::SmallVector<const TargetVariant *>>
targetsOf(const CompileOptions &options);

/// The error's text as a Result error with a status of the runtime.
Error toError(llvm::Error error);

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_MODELCOMPILER_H
