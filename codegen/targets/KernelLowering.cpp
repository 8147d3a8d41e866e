// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The way down: adze_kernel by the target's patterns, scf to cf, then
// everything to the LLVM dialect in one conversion.

#include "adze/Codegen/KernelLowering.h"
#include "ExpandTable.h"
#include "adze/Codegen/MathExpansion.h"
#include "adze/Dialect/AdzeKernel/AdzeKernel.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/IndexToLLVM/IndexToLLVM.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Index/IR/IndexDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Transforms/DialectConversion.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

using namespace mlir;
using namespace adze;

void adze::loadLoweringDialects(MLIRContext &context) {
  loadKernelDialects(context);
  context.loadDialect<cf::ControlFlowDialect, index::IndexDialect,
                      ub::UBDialect>();
  DialectRegistry registry;
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  context.appendDialectRegistry(registry);
}

static LogicalResult lowerKernelOps(ModuleOp module,
                                    const TargetVariant &variant) {
  if (!variant.kernel.hasExpand)
    addExpandTable(module);
  RewritePatternSet patterns(module.getContext());
  populateCommonKernelPatterns(patterns);
  if (variant.isAArch64())
    populateAArch64KernelPatterns(patterns, variant);
  else
    populateX86KernelPatterns(patterns, variant);
  populateMathExpansionPatterns(patterns);
  walkAndApplyPatterns(module, std::move(patterns));
  WalkResult left = module.walk([&](Operation *op) {
    if (!isa_and_present<kernel::AdzeKernelDialect>(op->getDialect()))
      return WalkResult::advance();
    op->emitOpError() << "cannot be lowered for target " << variant.name;
    return WalkResult::interrupt();
  });
  return failure(left.wasInterrupted());
}

static LogicalResult lowerControlFlow(ModuleOp module) {
  MLIRContext *context = module.getContext();
  RewritePatternSet patterns(context);
  populateSCFToControlFlowConversionPatterns(patterns);
  ConversionTarget target(*context);
  target.addIllegalDialect<scf::SCFDialect>();
  target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
  return applyPartialConversion(module, target, std::move(patterns));
}

static LogicalResult lowerToLLVMDialect(ModuleOp module) {
  MLIRContext *context = module.getContext();
  LLVMTypeConverter converter(context);
  RewritePatternSet patterns(context);
  arith::populateArithToLLVMConversionPatterns(converter, patterns);
  populateMathToLLVMConversionPatterns(converter, patterns);
  populateVectorToLLVMConversionPatterns(converter, patterns);
  index::populateIndexToLLVMConversionPatterns(converter, patterns);
  ub::populateUBToLLVMConversionPatterns(converter, patterns);
  cf::populateControlFlowToLLVMConversionPatterns(converter, patterns);
  populateFuncToLLVMConversionPatterns(converter, patterns);
  LLVMConversionTarget target(*context);
  target.addLegalOp<ModuleOp>();
  return applyFullConversion(module, target, std::move(patterns));
}

LogicalResult adze::lowerKernelsToLLVM(ModuleOp module,
                                       const TargetVariant &variant) {
  // Private helpers of kernels stay inside their object: others have their own.
  auto internal =
      LLVM::LinkageAttr::get(module.getContext(), LLVM::Linkage::Internal);
  for (auto func : module.getOps<func::FuncOp>())
    if (func.isPrivate() && !func.isDeclaration())
      func->setAttr("llvm.linkage", internal);
  if (failed(lowerKernelOps(module, variant)) ||
      failed(lowerControlFlow(module)))
    return failure();
  return lowerToLLVMDialect(module);
}
