// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-eliminate-dead-weights: symbols that nothing refers to. Weights refer to
// weights, so removal is repeated until nothing changes.

#include "adze/Dialect/Adze/Adze.h"
#include "adze/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace adze {
#define GEN_PASS_DEF_ELIMINATEDEADWEIGHTS
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;

namespace {

struct EliminateDeadWeights
    : adze::impl::EliminateDeadWeightsBase<EliminateDeadWeights> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    for (bool changed = true; changed;) {
      changed = false;
      llvm::DenseSet<StringAttr> used;
      for (Operation &op : module.getOps())
        op.walk([&](Operation *inner) {
          inner->getAttrDictionary().walk(
              [&](SymbolRefAttr ref) { used.insert(ref.getRootReference()); });
        });
      for (Operation &op : llvm::make_early_inc_range(module.getOps())) {
        auto func = dyn_cast<func::FuncOp>(op);
        if (!isa<WeightOp, StateOp>(op) && !(func && func.isPrivate()))
          continue;
        if (used.contains(SymbolTable::getSymbolName(&op)))
          continue;
        op.erase();
        changed = true;
      }
    }
  }
};

} // namespace
