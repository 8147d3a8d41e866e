// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// libFuzzer entry: eight bytes seed the random generator, the others change its
// module and choose passes and target. Then the whole way down: verifier,
// passes, schedule, kernels, LLVM dialect. What is refused must be refused by a
// diagnostic, and what a pass makes of a valid module must be valid.
//
// ADZE_FUZZ_DUMP=1 prints the module of each input before it is compiled.

#include "../random/RandomCase.h"
#include "Mutations.h"
#include "adze/Codegen/KernelBuilder.h"
#include "adze/Codegen/KernelLowering.h"
#include "adze/Codegen/LowerSchedule.h"
#include "adze/Transforms/Passes.h"
#include "adze/Transforms/Pipelines.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

#include <cstdlib>

using namespace mlir;
using namespace adze;
using namespace adze::test;

// libMLIR is not instrumented: memory that one side's allocator poisons is used
// by the other.
extern "C" const char *__asan_default_options() {
  return "allow_user_poisoning=0:detect_leaks=0:detect_container_overflow=0";
}

namespace {

[[noreturn]] void finding(ModuleOp module, const llvm::Twine &what) {
  llvm::errs() << "finding: " << what << "\n";
  if (module)
    module->print(llvm::errs(), OpPrintingFlags().printGenericOpForm());
  std::abort();
}

/// Counts the errors that are reported.
class Listener {
public:
  explicit Listener(MLIRContext &context)
      : handler(&context, [this](Diagnostic &diagnostic) {
          if (diagnostic.getSeverity() != DiagnosticSeverity::Error)
            return;
          ++errors;
          std::string text = diagnostic.str();
          if (text.empty())
            finding({}, "an error without words");
          if (std::getenv("ADZE_FUZZ_DUMP"))
            llvm::errs() << "error: " << text << "\n";
        }) {}
  unsigned errors = 0;

private:
  ScopedDiagnosticHandler handler;
};

class Compilation {
public:
  Compilation(ModuleOp module, Listener &listener, Bytes &bytes)
      : module(module), listener(listener), bytes(bytes) {}

  void run() {
    PipelineOptions options;
    options.weights = bytes.pick<const char *>({"", "", "f32", "bf16", "f16"});
    for (const char *pass :
         {"adze-merge-qkv", "adze-fuse-head-sinks", "adze-merge-gate-up",
          "adze-fuse-linear-regions", "adze-fuse-maps", "cse"})
      if (bytes.below(5) == 1)
        options.disabled.push_back(pass);
    if (bytes.below(3) == 1)
      options.generic.push_back(bytes.pick<const char *>(
          {"all", "adze.linear", "adze.attention", "adze.rms_norm",
           "adze.rotary", "adze.map", "adze.kv_append"}));
    const TargetVariant &variant =
        x86Variants()[bytes.below(x86Variants().size())];

    std::vector<PipelineStep> steps;
    std::string error;
    if (!buildPipeline(options, steps, error))
      finding(module, error);
    for (const PipelineStep &step : steps)
      if (!step.pass.empty() && !runPass(module, step.pass))
        return;
    std::string schedule = "adze-schedule{bf16-dot=";
    schedule += variant.kernel.hasBF16Dot ? "true" : "false";
    for (const std::string &op : options.generic)
      schedule += " generic=" + op;
    if (!runPass(module, schedule + "}"))
      return;
    lower(variant);
  }

private:
  /// False: refused, with a diagnostic.
  bool refusedOr(bool done, const llvm::Twine &what) {
    if (!done && !listener.errors)
      finding(module, what + " failed without a diagnostic");
    return done;
  }

  bool runPass(ModuleOp on, const std::string &text) {
    PassManager manager(on.getContext());
    manager.enableVerifier(false);
    if (failed(parsePassPipeline(text, manager)))
      finding(on, "no pass: " + text);
    if (!refusedOr(succeeded(manager.run(on)), text))
      return false;
    if (failed(verify(on)))
      finding(on, text + " made an invalid module of a valid one");
    return true;
  }

  void lower(const TargetVariant &variant) {
    SmallVector<LoweredEntry> entries;
    auto glue = lowerSchedule(module, {}, variant.kernel, entries);
    if (!refusedOr(succeeded(glue), "lowering the schedule"))
      return;
    toLLVM(**glue, variant, "lowering the entries");
    // One in four kernels, or the time would go into building tiles.
    uint64_t part = bytes.below(4), number = 0;
    for (auto kernel : module.getOps<KernelOp>()) {
      if (number++ % 4 != part)
        continue;
      OwningOpRef<ModuleOp> into = ModuleOp::create(kernel.getLoc());
      OpBuilder builder = OpBuilder::atBlockEnd(into->getBody());
      auto built = buildKernel(builder, kernel, variant.kernel);
      if (!refusedOr(succeeded(built), "building a kernel"))
        continue;
      if (failed(verify(*into)))
        finding(*into, "a built kernel is not valid");
      toLLVM(*into, variant, "lowering a kernel");
    }
  }

  void toLLVM(ModuleOp on, const TargetVariant &variant, const char *what) {
    if (refusedOr(succeeded(lowerKernelsToLLVM(on, variant)), what) &&
        failed(verify(on)))
      finding(on, llvm::Twine(what) + " made an invalid module");
  }

  ModuleOp module;
  Listener &listener;
  Bytes &bytes;
};

/// A context for some hundred inputs: it keeps every attribute that was made.
MLIRContext &freshContext() {
  static std::unique_ptr<MLIRContext> context;
  static unsigned uses = 0;
  if (!context || ++uses % 256 == 0) {
    context = std::make_unique<MLIRContext>(MLIRContext::Threading::DISABLED);
    context->loadDialect<AdzeDialect, arith::ArithDialect, func::FuncDialect,
                         math::MathDialect, tensor::TensorDialect>();
    loadLoweringDialects(*context);
  }
  return *context;
}

} // namespace

extern "C" int LLVMFuzzerInitialize(int *, char ***) {
  adze::registerTransformsPasses();
  mlir::registerTransformsPasses();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Bytes bytes(llvm::ArrayRef(data, size));
  Random random(bytes.number(8));
  std::string text = generateModel(random).text;
  MLIRContext &context = freshContext();
  Listener listener(context);
  auto module = parseSourceString<ModuleOp>(text, &context);
  if (!module)
    finding({}, "the generated module is not valid:\n" + text);
  uint64_t choices = bytes.number(1);
  for (uint64_t i = 0, n = choices % 5; i < n; ++i)
    mutate(*module, bytes);
  if (std::getenv("ADZE_FUZZ_DUMP"))
    module->print(llvm::errs(), OpPrintingFlags().printGenericOpForm());
  listener.errors = 0;
  if (failed(verify(*module))) {
    if (!listener.errors)
      finding(*module, "the verifier failed without a diagnostic");
    return 0;
  }
  Compilation(*module, listener, bytes).run();
  return 0;
}
