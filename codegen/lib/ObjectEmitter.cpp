// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels come out of the builders in their final shape: what is run on the
// LLVM IR only removes repeated address arithmetic and moves invariants out of
// loops. Every module has its own LLVMContext, so that jobs share nothing.

#include "adze/Codegen/ObjectEmitter.h"
#include "adze/Codegen/KernelLowering.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Scalar/EarlyCSE.h"
#include "llvm/Transforms/Scalar/LICM.h"
#include "llvm/Transforms/Scalar/LoopPassManager.h"

using namespace adze;
using namespace mlir;

static void initializeTargets() {
  static const bool once = [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
    LLVMInitializeAArch64AsmParser();
    return true;
  }();
  (void)once;
}

static std::unique_ptr<llvm::TargetMachine>
createMachine(const TargetVariant &variant, std::string &error) {
  initializeTargets();
  llvm::Triple triple(variant.triple);
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return nullptr;
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(
      triple, variant.cpu, variant.features, options, llvm::Reloc::PIC_,
      llvm::CodeModel::Small, llvm::CodeGenOptLevel::Default));
}

static void prepareFunctions(llvm::Module &module, const TargetVariant &variant,
                             const EmitOptions &options) {
  for (llvm::Function &function : module) {
    if (function.isIntrinsic())
      continue;
    bool isLibrary = llvm::StringSwitch<bool>(function.getName())
                         .Cases({"memcpy", "memmove", "memset"}, true)
                         .Default(false);
    if (!isLibrary) {
      if (!function.isDeclaration())
        function.setName(function.getName() + options.symbolSuffix);
      if (options.hideSymbols && !function.hasLocalLinkage()) {
        function.setVisibility(llvm::GlobalValue::HiddenVisibility);
        function.setDSOLocal(true);
      }
    }
    if (function.isDeclaration())
      continue;
    function.addFnAttr(llvm::Attribute::NoUnwind);
    function.addFnAttr("target-cpu", variant.cpu);
    if (!variant.features.empty())
      function.addFnAttr("target-features", variant.features);
    if (variant.vscale)
      function.addFnAttr(llvm::Attribute::getWithVScaleRangeArgs(
          module.getContext(), variant.vscale, variant.vscale));
    // Without it some CPUs are tuned to 256 bits.
    function.addFnAttr("prefer-vector-width",
                       variant.kernel.lanes >= 16 ? "512" : "256");
  }
}

/// Common subexpressions and loop invariants, nothing else.
static void simplify(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::PassBuilder builder(&machine);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  llvm::FunctionPassManager passes;
  passes.addPass(llvm::EarlyCSEPass());
  passes.addPass(llvm::createFunctionToLoopPassAdaptor(
      llvm::LICMPass(llvm::LICMOptions()), /*UseMemorySSA=*/true));
  for (llvm::Function &function : module)
    if (!function.isDeclaration())
      passes.run(function, functions);
}

FailureOr<std::unique_ptr<llvm::MemoryBuffer>>
adze::emitModule(ModuleOp module, const TargetVariant &variant,
                 const EmitOptions &options) {
  std::string error;
  std::unique_ptr<llvm::TargetMachine> machine = createMachine(variant, error);
  if (!machine)
    return module.emitError("this build has no code generator for ")
           << variant.triple << ": " << error;
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> ir = translateModuleToLLVMIR(module, context);
  if (!ir)
    return module.emitError("cannot translate to LLVM IR");
  ir->setTargetTriple(machine->getTargetTriple());
  ir->setDataLayout(machine->createDataLayout());
  ir->setPICLevel(llvm::PICLevel::BigPIC);
  prepareFunctions(*ir, variant, options);
  simplify(*ir, *machine);

  llvm::SmallString<0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  if (options.kind == EmitKind::LLVMIR) {
    ir->print(stream, nullptr);
  } else {
    llvm::legacy::PassManager passes;
    auto type = options.kind == EmitKind::Object
                    ? llvm::CodeGenFileType::ObjectFile
                    : llvm::CodeGenFileType::AssemblyFile;
    if (machine->addPassesToEmitFile(passes, stream, nullptr, type))
      return module.emitError("cannot emit code for ") << variant.triple;
    passes.run(*ir);
  }
  return std::unique_ptr<llvm::MemoryBuffer>(
      std::make_unique<llvm::SmallVectorMemoryBuffer>(
          std::move(bytes), variant.name, /*RequiresNullTerminator=*/false));
}

static LogicalResult runJob(EmitJob &job) {
  if (failed(lowerKernelsToLLVM(job.module, *job.variant)))
    return failure();
  auto result = emitModule(job.module, *job.variant, job.options);
  if (failed(result))
    return failure();
  job.result = std::move(*result);
  return success();
}

LogicalResult adze::emitModules(llvm::MutableArrayRef<EmitJob> jobs,
                                unsigned threads) {
  initializeTargets();
  if (!jobs.empty())
    loadLoweringDialects(*jobs.front().module.getContext());
  if (threads == 1 || jobs.size() < 2) {
    for (EmitJob &job : jobs)
      (void)runJob(job);
  } else {
    // The largest first: none is left over at the end.
    SmallVector<std::pair<size_t, EmitJob *>> bySize;
    for (EmitJob &job : jobs) {
      size_t ops = 0;
      job.module.walk([&](Operation *) { ++ops; });
      bySize.push_back({ops, &job});
    }
    llvm::stable_sort(bySize,
                      [](auto &a, auto &b) { return a.first > b.first; });
    llvm::DefaultThreadPool pool(llvm::hardware_concurrency(threads));
    for (auto [ops, job] : bySize)
      pool.async([job] { (void)runJob(*job); });
    pool.wait();
  }
  return success(llvm::all_of(
      jobs, [](const EmitJob &job) { return job.result != nullptr; }));
}
