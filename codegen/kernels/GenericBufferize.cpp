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
  context.loadDialect<
      affine::AffineDialect, bufferization::BufferizationDialect,
      linalg::LinalgDialect, memref::MemRefDialect, tensor::TensorDialect>();
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

/// The groups of a shape with unit dimensions that bring it to the shape
/// without those in `dropped`.
static SmallVector<ReassociationIndices>
groupsWithout(const llvm::SmallBitVector &dropped) {
  SmallVector<ReassociationIndices> groups;
  ReassociationIndices pending;
  for (int64_t i = 0, e = dropped.size(); i < e; ++i) {
    pending.push_back(i);
    if (!dropped.test(i))
      groups.push_back(std::exchange(pending, {}));
  }
  if (!groups.empty())
    llvm::append_range(groups.back(), pending);
  return groups;
}

/// Slices that drop dimensions, by slices that do not: once there is one row,
/// its dimension of size 1 could not be told from one that was dropped.
static void keepRanks(ModuleOp module) {
  SmallVector<Operation *> work;
  module.walk([&](Operation *op) {
    auto extract = dyn_cast<tensor::ExtractSliceOp>(op);
    auto insert = dyn_cast<tensor::InsertSliceOp>(op);
    if ((extract && extract.getDroppedDims().any()) ||
        (insert && insert.getDroppedDims().any()))
      work.push_back(op);
  });
  for (Operation *op : work) {
    OpBuilder b(op);
    if (auto extract = dyn_cast<tensor::ExtractSliceOp>(op)) {
      auto whole = tensor::ExtractSliceOp::create(
          b, op->getLoc(), extract.getSource(), extract.getMixedOffsets(),
          extract.getMixedSizes(), extract.getMixedStrides());
      SmallVector<ReassociationIndices> groups =
          groupsWithout(extract.getDroppedDims());
      auto dropped = tensor::CollapseShapeOp::create(
          b, op->getLoc(), extract.getType(), whole, groups);
      op->replaceAllUsesWith(dropped);
    } else {
      auto insert = cast<tensor::InsertSliceOp>(op);
      auto type =
          cast<RankedTensorType>(tensor::ExtractSliceOp::inferResultType(
              insert.getDestType(), insert.getMixedSizes()));
      auto expanded = tensor::ExpandShapeOp::create(
          b, op->getLoc(), type, insert.getSource(),
          groupsWithout(insert.getDroppedDims()));
      auto whole = tensor::InsertSliceOp::create(
          b, op->getLoc(), expanded, insert.getDest(), insert.getMixedOffsets(),
          insert.getMixedSizes(), insert.getMixedStrides());
      op->replaceAllUsesWith(whole);
    }
    op->erase();
  }
}

FailureOr<int64_t> adze::bufferizeRows(ModuleOp module, KernelOp kernel,
                                       Value scratch) {
  if (failed(decomposeAll(module)))
    return failure();
  keepRanks(module);
  // Every op a linalg.generic of static shape.
  PassManager structured(module.getContext());
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
                             ValueRange sizes, unsigned) -> FailureOr<Value> {
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
