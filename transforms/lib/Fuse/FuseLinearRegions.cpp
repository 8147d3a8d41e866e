// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-fuse-linear-regions: linear -> elementwise op becomes a linear whose
// region holds the op on scalars; the op's other operands are captured.
// Repeated until no elementwise op follows a linear that only it uses.

#include "adze/Dialect/Adze/Adze.h"
#include "adze/Transforms/Passes.h"
#include "adze/Transforms/Remark.h"
#include "adze/Transforms/Scalarize.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

namespace adze {
#define GEN_PASS_DEF_FUSELINEARREGIONS
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;

namespace {

constexpr llvm::StringLiteral kPass = "adze-fuse-linear-regions";

struct FuseLinearRegions
    : adze::impl::FuseLinearRegionsBase<FuseLinearRegions> {
  void runOnOperation() override {
    SmallVector<LinearOp> work;
    getOperation().walk([&](LinearOp op) {
      if (!op.getSink())
        work.push_back(op);
    });
    while (!work.empty()) {
      LinearOp op = work.pop_back_val();
      SmallPtrSet<Operation *, 2> users(op->user_begin(), op->user_end());
      if (users.size() != 1) {
        if (llvm::any_of(users, isElementwiseOnRows))
          reportMissed(op, kPass, "the result has other uses");
        continue;
      }
      Operation *user = *users.begin();
      if (isElementwiseOnRows(user) && user->getBlock() == op->getBlock())
        work.push_back(fuse(op, user));
    }
  }

  LinearOp fuse(LinearOp op, Operation *user) {
    OpBuilder builder(user);
    // Captures: those the linear has, then the new ones.
    SmallVector<Value> captures(op.getCaptures());
    unsigned old = captures.size();
    for (Value operand : user->getOperands()) {
      if (operand == op.getResult() || llvm::is_contained(captures, operand))
        continue;
      Operation *def = operand.getDefiningOp();
      if (!(def && def->hasTrait<OpTrait::ConstantLike>()))
        captures.push_back(operand);
    }
    auto fused = LinearOp::create(
        builder, builder.getFusedLoc({op.getLoc(), user->getLoc()}),
        user->getResult(0).getType(), op.getX(), op.getWeightAttr(),
        op.getBiasAttr(), op.getLayer(), captures, Value(), Value(),
        FlatSymbolRefAttr(), HeadSinkAttr(), op.getStreamsAttr());

    IRMapping mapping;
    if (op.getBody().empty()) {
      builder.createBlock(&fused.getBody());
      for (int64_t i = 0; i < int64_t(op.getStreams()); ++i)
        fused.getBody().addArgument(builder.getF32Type(), op.getLoc());
      mapping.map(op.getResult(), fused.getBody().getArgument(0));
    } else {
      fused.getBody().takeBody(op.getBody());
      Operation *yield = fused.getBody().front().getTerminator();
      mapping.map(op.getResult(), yield->getOperand(0));
      yield->erase();
    }
    Block &body = fused.getBody().front();
    for (unsigned i = old; i < captures.size(); ++i)
      body.addArgument(builder.getF32Type(), captures[i].getLoc());
    for (auto [i, capture] : llvm::enumerate(captures))
      mapping.map(capture, body.getArgument(op.getStreams() + i));

    builder.setInsertionPointToEnd(&body);
    Value result = cloneOnScalars(builder, user, mapping);
    YieldOp::create(builder, user->getLoc(), result);
    reportFired(fused, kPass,
                ("took in " + user->getName().getStringRef()).str());
    user->getResult(0).replaceAllUsesWith(fused.getResult());
    user->erase();
    op.erase();
    return fused;
  }
};

} // namespace
