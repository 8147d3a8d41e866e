// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// An op of one's own, from insertion to code:
//
//   softcap-logits{cap=30}   caps what the entry `step` returns (after-import)
//   softcap-lower            softcap.cap -> arith and math (before-codegen)
//
// Between the two, Adze's passes move the op where it is cheapest: into the
// region of the linear that makes the logits.

#include "adze/Dialect/Adze/Adze.h"
#include "adze/Plugin.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/OpImplementation.h"

#include "SoftcapOpsDialect.h.inc"
#define GET_OP_CLASSES
#include "SoftcapOps.h.inc"

#include "SoftcapOpsDialect.cpp.inc"
#define GET_OP_CLASSES
#include "SoftcapOps.cpp.inc"

using namespace mlir;

void softcap::SoftcapDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "SoftcapOps.cpp.inc"
      >();
}

namespace {

struct CapLogits : PassWrapper<CapLogits, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(CapLogits)

  CapLogits() = default;
  CapLogits(const CapLogits &other) : PassWrapper(other) {}

  StringRef getArgument() const final { return "softcap-logits"; }
  StringRef getDescription() const final { return "Cap the logits of a step"; }
  void getDependentDialects(DialectRegistry &registry) const final {
    registry.insert<softcap::SoftcapDialect>();
  }

  void runOnOperation() final {
    auto step = getOperation().lookupSymbol<func::FuncOp>("step");
    if (!step || step.isExternal()) {
      getOperation().emitError() << "softcap-logits: expected an entry @step";
      return signalPassFailure();
    }
    if (!(cap > 0)) {
      getOperation().emitError() << "softcap-logits: cap must be positive";
      return signalPassFailure();
    }
    Operation *end = step.getBody().front().getTerminator();
    OpBuilder b(end);
    Value logits = end->getOperand(0);
    end->setOperand(0,
                    softcap::CapOp::create(b, end->getLoc(), logits.getType(),
                                           logits, b.getF32FloatAttr(cap)));
  }

  Option<float> cap{*this, "cap", llvm::cl::init(30.0f),
                    llvm::cl::desc("bound of the logits")};
};

/// cap * tanh(x / cap) on a scalar.
Value lowerScalar(OpBuilder &b, Location loc, Value x, FloatAttr cap) {
  Value c = arith::ConstantOp::create(b, loc, cap);
  Value ratio = arith::DivFOp::create(b, loc, x, c);
  Value curve = math::TanhOp::create(b, loc, ratio);
  return arith::MulFOp::create(b, loc, curve, c);
}

struct LowerSoftcap : PassWrapper<LowerSoftcap, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LowerSoftcap)

  StringRef getArgument() const final { return "softcap-lower"; }
  StringRef getDescription() const final {
    return "Lower softcap.cap to arith and math";
  }
  void getDependentDialects(DialectRegistry &registry) const final {
    registry
        .insert<adze::AdzeDialect, arith::ArithDialect, math::MathDialect>();
  }

  void runOnOperation() final {
    getOperation().walk([](softcap::CapOp op) {
      OpBuilder b(op);
      Location loc = op.getLoc();
      Value result;
      if (op.getType().isF32()) { // inside a region
        result = lowerScalar(b, loc, op.getX(), op.getCapAttr());
      } else { // on rows: a region of its own
        auto map = adze::MapOp::create(b, loc, op.getType(), op.getX());
        Block *body = b.createBlock(&map.getBody());
        Value x = body->addArgument(b.getF32Type(), loc);
        adze::YieldOp::create(b, loc, lowerScalar(b, loc, x, op.getCapAttr()));
        result = map.getResult();
      }
      op.replaceAllUsesWith(result);
      op.erase();
    });
  }
};

} // namespace

ADZE_PLUGIN(softcap, "1.0") {
  registry.dialect<softcap::SoftcapDialect>();
  registry.pass<CapLogits>();
  registry.pass<LowerSoftcap>();
  registry.insert("after-import", "softcap-logits");
  registry.insert("before-codegen", "softcap-lower");
}
