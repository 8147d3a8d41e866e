// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-hoist-take-rows: take_rows(f(x)) -> f(take_rows(x)) for ops that work
// row by row, so that the output head multiplies the rows asked for only. It
// stops at the repeat: layers need every row.

#include "adze/Dialect/Adze/Adze.h"
#include "adze/Dialect/Adze/AdzeExpressions.h"
#include "adze/Transforms/Passes.h"
#include "adze/Transforms/Remark.h"
#include "adze/Transforms/Scalarize.h"

namespace adze {
#define GEN_PASS_DEF_HOISTTAKEROWS
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;

namespace {

constexpr llvm::StringLiteral kPass = "adze-hoist-take-rows";

bool worksRowByRow(Operation *op) {
  if (auto linear = dyn_cast<LinearOp>(op))
    return !linear.getSink();
  return isa<RmsNormOp, QuantizeOp, MapOp, PermuteOp>(op) ||
         isElementwiseOnRows(op);
}

struct HoistTakeRows : adze::impl::HoistTakeRowsBase<HoistTakeRows> {
  void runOnOperation() override {
    SmallVector<TakeRowsOp> work;
    getOperation().walk([&](TakeRowsOp op) { work.push_back(op); });
    while (!work.empty()) {
      TakeRowsOp take = work.pop_back_val();
      Operation *producer = take.getX().getDefiningOp();
      if (!producer || !worksRowByRow(producer))
        continue;
      if (!producer->hasOneUse()) {
        reportMissed(take, kPass, "the rows have other uses");
        continue;
      }
      hoist(take, producer, work);
    }
  }

  void hoist(TakeRowsOp take, Operation *producer,
             SmallVectorImpl<TakeRowsOp> &work) {
    OpBuilder builder(take);
    for (OpOperand &operand : producer->getOpOperands()) {
      if (!isa<RankedTensorType>(operand.get().getType()))
        continue;
      // A splat constant has no rows to choose from, but a shape to keep.
      auto rows =
          TakeRowsOp::create(builder, take.getLoc(), operand.get().getType(),
                             operand.get(), take.getRows());
      operand.set(rows);
      work.push_back(rows);
    }
    producer->moveBefore(take);
    take.replaceAllUsesWith(producer->getResult(0));
    reportFired(producer, kPass, "computes only the rows asked for");
    take.erase();
  }
};

} // namespace
