// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Bufferized rows -> loops over pointers, and their arithmetic: see Generic.h.

#include "Generic.h"
#include "KernelEmitter.h"
#include "adze/Codegen/MathExpansion.h"
#include "adze/Dialect/AdzeKernel/AdzeKernel.h"
#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Iterators.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace adze;

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

namespace {

/// Rewrites the accesses of one function.
class AccessLowering {
public:
  AccessLowering(KernelOp kernel, Value rows) : kernel(kernel), rows(rows) {}

  LogicalResult run(ModuleOp module);

private:
  LogicalResult lower(Operation *op);
  LogicalResult lowerConstant(ModuleOp module, memref::GlobalOp global);
  FailureOr<Value> pointerOf(Operation *op, Value memory, Attribute &weight);
  Value place(KernelEmitter &e, Value pointer, MemRefType type,
              ValueRange indices);
  InFlightDiagnostic refuse(Operation *op) {
    return kernel.emitOpError()
           << "holds " << op->getName()
           << ", which the generic path cannot lower; rewrite it to linalg or "
              "tensor ops with a pass at before-codegen";
  }

  KernelOp kernel;
  Value rows;
};

Type storedType(OpBuilder &b, Type element) {
  if (element.isIndex())
    return b.getI64Type();
  if (element.isInteger(1))
    return b.getI8Type();
  return element;
}

FailureOr<Value> AccessLowering::pointerOf(Operation *op, Value memory,
                                           Attribute &weight) {
  if (auto cast = memory.getDefiningOp<UnrealizedConversionCastOp>()) {
    weight = cast->getAttr(kWeightAttrName);
    return cast.getOperand(0);
  }
  if (auto global = memory.getDefiningOp<memref::GetGlobalOp>()) {
    OpBuilder b(op);
    return Value(LLVM::AddressOfOp::create(
        b, op->getLoc(), LLVM::LLVMPointerType::get(b.getContext()),
        (kernel.getSymName() + "." + global.getName()).str()));
  }
  Operation *def = memory.getDefiningOp();
  return refuse(def ? def : op);
}

/// Row-major; the first dimension's size is never needed.
Value AccessLowering::place(KernelEmitter &e, Value pointer, MemRefType type,
                            ValueRange indices) {
  Value linear = e.constant(0);
  for (auto [i, index] : llvm::enumerate(indices)) {
    if (i)
      linear = e.mul(linear, type.getDimSize(i));
    linear = e.add(linear, index);
  }
  return e.at(pointer, e.mul(linear, KernelEmitter::bytesOf(storedType(
                                         e.b, type.getElementType()))));
}

LogicalResult AccessLowering::lower(Operation *op) {
  OpBuilder b(op);
  KernelEmitter e(b, op->getLoc());
  if (auto dim = dyn_cast<memref::DimOp>(op)) {
    if (dim.getConstantIndex() != 0)
      return refuse(op);
    dim.getResult().replaceAllUsesWith(rows);
    op->erase();
    return success();
  }
  auto load = dyn_cast<memref::LoadOp>(op);
  auto store = dyn_cast<memref::StoreOp>(op);
  Value memory = load ? load.getMemref() : store.getMemref();
  ValueRange indices = load ? load.getIndices() : store.getIndices();
  auto type = cast<MemRefType>(memory.getType());
  Type element = type.getElementType(), stored = storedType(b, element);
  Attribute weight;
  FailureOr<Value> pointer = pointerOf(op, memory, weight);
  if (failed(pointer))
    return failure();
  if (weight) {
    if (store)
      return refuse(op) << " (it writes to a weight)";
    auto weightType = cast<WeightType>(cast<TypeAttr>(weight).getValue());
    Value row = indices.size() == 2 ? indices[0] : e.constant(0);
    Value value = weightType.getFormat().emitLoadElement(
        b, op->getLoc(), *pointer, weightType.getLayout() == LayoutKind::Panels,
        weightType.getCols(), row, indices.back());
    if (!value)
      return refuse(op) << " (it reads a weight of type " << weightType
                        << ", whose format is only read in panels)";
    load.getResult().replaceAllUsesWith(value);
    op->erase();
    return success();
  }
  if (!type.getLayout().isIdentity() || !element.isIntOrIndexOrFloat() ||
      llvm::is_contained(type.getShape().drop_front(type.getRank() ? 1 : 0),
                         ShapedType::kDynamic))
    return refuse(op) << " on " << type;
  Value at = place(e, *pointer, type, indices);
  unsigned align = KernelEmitter::bytesOf(stored);
  if (load) {
    Value value = e.load(stored, at, align);
    if (element.isIndex())
      value = e.toIndex(value);
    else if (stored != element)
      value = arith::TruncIOp::create(b, op->getLoc(), element, value);
    load.getResult().replaceAllUsesWith(value);
  } else {
    Value value = store.getValue();
    if (element.isIndex())
      value = arith::IndexCastOp::create(b, op->getLoc(), stored, value);
    else if (stored != element)
      value = arith::ExtUIOp::create(b, op->getLoc(), stored, value);
    e.store(value, at, align);
  }
  op->erase();
  return success();
}

LogicalResult AccessLowering::lowerConstant(ModuleOp module,
                                            memref::GlobalOp global) {
  auto value =
      dyn_cast_if_present<DenseElementsAttr>(global.getInitialValueAttr());
  OpBuilder b(global);
  Type element = global.getType().getElementType();
  if (!value || storedType(b, element) != element)
    return refuse(global);
  auto flat =
      value.reshape(RankedTensorType::get({value.getNumElements()}, element));
  LLVM::GlobalOp::create(
      b, global.getLoc(),
      LLVM::LLVMArrayType::get(element, value.getNumElements()),
      /*isConstant=*/true, LLVM::Linkage::Internal,
      (kernel.getSymName() + "." + global.getSymName()).str(), flat,
      /*alignment=*/64);
  global.erase();
  return success();
}

LogicalResult AccessLowering::run(ModuleOp module) {
  SmallVector<Operation *> accesses;
  module.walk([&](Operation *op) {
    if (isa<memref::LoadOp, memref::StoreOp, memref::DimOp>(op))
      accesses.push_back(op);
  });
  for (Operation *op : accesses)
    if (failed(lower(op)))
      return failure();
  for (auto global :
       llvm::make_early_inc_range(module.getOps<memref::GlobalOp>()))
    if (failed(lowerConstant(module, global)))
      return failure();
  // What made memory has no use left; anything else cannot be lowered.
  WalkResult left = module.walk<WalkOrder::PostOrder, ReverseIterator>(
      [&](Operation *op) -> WalkResult {
        bool makesMemory =
            isa<UnrealizedConversionCastOp>(op) ||
            isa<memref::MemRefDialect, bufferization::BufferizationDialect,
                tensor::TensorDialect, linalg::LinalgDialect,
                affine::AffineDialect>(op->getDialect());
        if (!makesMemory)
          return WalkResult::advance();
        if (op->use_empty() && op->getNumResults()) {
          op->erase();
          return WalkResult::advance();
        }
        refuse(op);
        return WalkResult::interrupt();
      });
  return failure(left.wasInterrupted());
}

} // namespace

LogicalResult adze::lowerRows(ModuleOp module, KernelOp kernel, Value rows) {
  PassManager loops(module.getContext());
  auto &each = loops.nest<func::FuncOp>();
  each.addPass(createCanonicalizerPass());
  each.addPass(createConvertLinalgToLoopsPass());
  loops.addPass(memref::createFoldMemRefAliasOpsPass());
  loops.addPass(createLowerAffinePass());
  loops.addPass(createCanonicalizerPass());
  loops.addPass(createCSEPass());
  if (failed(loops.run(module)))
    return kernel.emitOpError() << "cannot be brought to loops";
  return AccessLowering(kernel, rows).run(module);
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

/// Conversions between f32 and 16-bit floats by adze_kernel, which rounds to
/// nearest even on every variant alike and calls nothing.
static void lowerConversions(ModuleOp module) {
  module.walk([](Operation *op) {
    if (!isa<arith::ExtFOp, arith::TruncFOp>(op))
      return;
    OpBuilder b(op);
    Type f32 = b.getF32Type();
    Value x = op->getOperand(0);
    Type from = x.getType(), to = op->getResult(0).getType();
    auto isHalf = [](Type type) { return type.isF16() || type.isBF16(); };
    Value result;
    if (isHalf(from)) {
      result = kernel::ToF32Op::create(b, op->getLoc(), f32, x);
      if (!to.isF32())
        result = arith::ExtFOp::create(b, op->getLoc(), to, result);
    } else if (isHalf(to)) {
      if (!from.isF32())
        x = arith::TruncFOp::create(b, op->getLoc(), f32, x);
      result = kernel::FromF32Op::create(b, op->getLoc(), to, x, false);
    } else {
      return;
    }
    op->getResult(0).replaceAllUsesWith(result);
    op->erase();
  });
}

/// True for an op that some target turns into a call of a libm.
static bool wouldCall(Operation *op) {
  if (isa<arith::RemFOp>(op))
    return true;
  if (!isa_and_present<math::MathDialect>(op->getDialect()))
    return false;
  return !isa<math::SqrtOp, math::AbsFOp, math::FmaOp, math::FloorOp,
              math::CeilOp, math::TruncOp, math::RoundEvenOp, math::CopySignOp,
              math::AbsIOp, math::CountLeadingZerosOp,
              math::CountTrailingZerosOp, math::CtPopOp, math::IsNaNOp,
              math::IsInfOp, math::IsFiniteOp, math::IsNormalOp>(op);
}

LogicalResult adze::lowerRowMath(ModuleOp module, KernelOp kernel) {
  PassManager passes(module.getContext());
  math::MathExtendToSupportedTypesOptions wide;
  auto &each = passes.nest<func::FuncOp>();
  each.addPass(math::createMathExtendToSupportedTypes(wide));
  arith::ArithEmulateUnsupportedFloatsOptions emulated;
  emulated.sourceTypeStrs = {"bf16", "f16"};
  passes.addPass(arith::createArithEmulateUnsupportedFloats(emulated));
  passes.addPass(arith::createArithExpandOpsPass());
  if (failed(passes.run(module)))
    return kernel.emitOpError() << "has arithmetic that cannot be lowered";
  lowerConversions(module);
  RewritePatternSet patterns(module.getContext());
  populateMathExpansionPatterns(patterns);
  walkAndApplyPatterns(module, std::move(patterns));
  WalkResult calls =
      module.walk([&](Operation *op) {
        if (!wouldCall(op))
          return WalkResult::advance();
        kernel.emitOpError()
            << "holds " << op->getName() << " on "
            << op->getOperand(0).getType()
            << ", which only a math library has, and emitted code calls none; "
               "compute in f32, or write it with arith and other math ops";
        return WalkResult::interrupt();
      });
  return failure(calls.wasInterrupted());
}
