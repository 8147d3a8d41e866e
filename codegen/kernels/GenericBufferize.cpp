// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One row of tensor code -> memory. The stock passes do the work; what is ours
// is where memory comes from: every allocation is a place of its own in the
// thread's scratch, decided here, so that emitted code never allocates.

#include "Generic.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/Dialect/Arith/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/Linalg/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Linalg/Transforms/SubsetInsertionOpInterfaceImpl.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/Dialect/SCF/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/Transforms/SubsetInsertionOpInterfaceImpl.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace adze;

void adze::loadGenericDialects(MLIRContext &context) {
  DialectRegistry registry;
  registry.insert<affine::AffineDialect, bufferization::BufferizationDialect,
                  linalg::LinalgDialect, memref::MemRefDialect,
                  tensor::TensorDialect>();
  arith::registerBufferizableOpInterfaceExternalModels(registry);
  arith::registerValueBoundsOpInterfaceExternalModels(registry);
  linalg::registerBufferizableOpInterfaceExternalModels(registry);
  linalg::registerSubsetOpInterfaceExternalModels(registry);
  scf::registerBufferizableOpInterfaceExternalModels(registry);
  scf::registerValueBoundsOpInterfaceExternalModels(registry);
  tensor::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerSubsetOpInterfaceExternalModels(registry);
  tensor::registerValueBoundsOpInterfaceExternalModels(registry);
  context.appendDialectRegistry(registry);
  context.loadDialect<affine::AffineDialect,
                      bufferization::BufferizationDialect,
                      linalg::LinalgDialect, memref::MemRefDialect,
                      tensor::TensorDialect>();
}

/// Ops that are made of others, until none is left.
static LogicalResult decomposeAll(ModuleOp module) {
  for (bool changed = true; changed;) {
    changed = false;
    SmallVector<Operation *> work;
    module.walk([&](Operation *op) {
      if (isa<DecomposableOpInterface, linalg::AggregatedOpInterface,
              tensor::ConcatOp>(op))
        work.push_back(op);
    });
    for (Operation *op : work) {
      OpBuilder b(op);
      FailureOr<SmallVector<Value>> values = failure();
      if (auto concat = dyn_cast<tensor::ConcatOp>(op))
        values = concat.decomposeOperation(b);
      else if (auto aggregate = dyn_cast<linalg::AggregatedOpInterface>(op))
        values = aggregate.decomposeOperation(b);
      else
        values = cast<DecomposableOpInterface>(op).decompose(b);
      if (failed(values))
        return op->emitOpError() << "cannot be decomposed";
      op->replaceAllUsesWith(*values);
      op->erase();
      changed = true;
    }
  }
  return success();
}

FailureOr<int64_t> adze::bufferizeRows(ModuleOp module, KernelOp kernel,
                                       Value scratch) {
  if (failed(decomposeAll(module)))
    return failure();
  // Every op a linalg.generic of static shape.
  PassManager structured(module.getContext());
  structured.enableVerifier(false);
  auto &each = structured.nest<func::FuncOp>();
  each.addPass(createConvertElementwiseToLinalgPass());
  each.addPass(createCanonicalizerPass());
  each.addPass(createLinalgGeneralizeNamedOpsPass());
  each.addPass(createCanonicalizerPass());
  each.addPass(createCSEPass());
  if (failed(structured.run(module)))
    return kernel.emitOpError() << "cannot be brought to loops";

  constexpr int64_t kLimit = int64_t(1) << 30;
  int64_t bytes = 0;
  bufferization::OneShotBufferizationOptions options;
  options.allocationFn = [&](OpBuilder &b, Location loc, MemRefType type,
                             ValueRange sizes,
                             unsigned) -> FailureOr<Value> {
    Type element = type.getElementType();
    if (!sizes.empty() || !type.hasStaticShape() ||
        !(element.isIntOrIndexOrFloat()))
      return kernel.emitOpError()
             << "needs a temporary of type " << type
             << "; the generic path has temporaries of one row and static size "
                "only: write the op so that each row needs a fixed amount";
    int64_t bits = element.isIndex() ? 64 : element.getIntOrFloatBitWidth();
    int64_t count = 1;
    for (int64_t size : type.getShape())
      count = llvm::SaturatingMultiply<uint64_t>(count, size);
    if (count < 0 || count > kLimit || bytes > kLimit)
      return kernel.emitOpError()
             << "needs more than " << kLimit << " bytes of temporaries per row";
    auto ptr = LLVM::LLVMPointerType::get(b.getContext());
    Value place = LLVM::GEPOp::create(b, loc, ptr, b.getI8Type(), scratch,
                                      ArrayRef<LLVM::GEPArg>{int32_t(bytes)});
    bytes += llvm::alignTo(count * llvm::divideCeil(bits, 8), 64);
    return UnrealizedConversionCastOp::create(b, loc, type, place).getResult(0);
  };
  options.memCpyFn = [](OpBuilder &b, Location loc, Value from,
                        Value to) -> LogicalResult {
    linalg::makeMemRefCopyOp(b, loc, from, to);
    return success();
  };
  bufferization::BufferizationState state;
  for (auto func : module.getOps<func::FuncOp>())
    if (failed(bufferization::runOneShotBufferize(func, options, state)))
      return kernel.emitOpError() << "cannot be brought to memory";
  return bytes;
}
