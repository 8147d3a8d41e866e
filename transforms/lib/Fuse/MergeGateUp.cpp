// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-merge-gate-up: mul(f(linear x, G), linear x, U) -> one linear with two
// streams over the interleaved weights. Panels of gate and up alternate, so a
// tile holds both accumulators of a channel and the product never leaves the
// registers.

#include "adze/Transforms/Passes.h"
#include "adze/Transforms/Remark.h"
#include "adze/Transforms/Scalarize.h"
#include "adze/Transforms/WeightExpr.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/MathExtras.h"

namespace adze {
#define GEN_PASS_DEF_MERGEGATEUP
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;

namespace {

constexpr llvm::StringLiteral kPass = "adze-merge-gate-up";

bool isPlain(LinearOp op) {
  return op && op->hasOneUse() && !op.getSink() && op.getBody().empty();
}

/// The linear at the end of a chain of elementwise ops with one tensor operand
/// that is no constant, each used once; the chain is returned innermost first.
LinearOp throughChain(Value v, SmallVectorImpl<Operation *> &chain) {
  while (Operation *op = v.getDefiningOp()) {
    if (auto linear = dyn_cast<LinearOp>(op)) {
      std::reverse(chain.begin(), chain.end());
      return linear;
    }
    if (!isElementwiseOnRows(op) || !op->hasOneUse())
      return {};
    Value next;
    for (Value operand : op->getOperands()) {
      if (operand.getDefiningOp() &&
          operand.getDefiningOp()->hasTrait<OpTrait::ConstantLike>())
        continue;
      if (next && next != operand)
        return {};
      next = operand;
    }
    if (!next)
      return {};
    chain.push_back(op);
    v = next;
  }
  return {};
}

struct MergeGateUp : adze::impl::MergeGateUpBase<MergeGateUp> {
  void runOnOperation() override {
    SmallVector<arith::MulFOp> work;
    getOperation().walk([&](arith::MulFOp op) {
      if (isElementwiseOnRows(op))
        work.push_back(op);
    });
    for (arith::MulFOp op : work) {
      for (auto [gate, up] : {std::pair(op.getLhs(), op.getRhs()),
                              std::pair(op.getRhs(), op.getLhs())}) {
        SmallVector<Operation *> chain;
        LinearOp g = throughChain(gate, chain);
        auto u = up.getDefiningOp<LinearOp>();
        if (!g || !u || g == u || chain.empty())
          continue;
        StringRef why = refusal(g, u, chain);
        if (!why.empty())
          reportMissed(op, kPass, why);
        else
          merge(op, g, u, chain);
        break;
      }
    }
  }

  static StringRef refusal(LinearOp g, LinearOp u,
                           ArrayRef<Operation *> chain) {
    bool gateUsedOnce = llvm::all_of(
        g->getUsers(), [&](Operation *user) { return user == chain.front(); });
    if (!gateUsedOnce || !isPlain(u) || g.getSink() || !g.getBody().empty())
      return "a projection has other uses";
    if (g.getX() != u.getX() || g.getLayer() != u.getLayer())
      return "the projections read different inputs";
    if (isPacked(g) || isPacked(u))
      return "a weight is packed already";
    if (bool(g.getBiasAttr()) != bool(u.getBiasAttr()))
      return "only one of the projections has a bias";
    if (lookupWeight(g, g.getWeightAttr()).getType() !=
        lookupWeight(u, u.getWeightAttr()).getType())
      return "the weights differ in format";
    if (!lookupWeight(g, g.getWeightAttr())
             .hasSameLayers(lookupWeight(u, u.getWeightAttr())))
      return "the weights differ in their layers";
    if (g.getBiasAttr() && lookupWeight(g, g.getBiasAttr()).getType() !=
                               lookupWeight(u, u.getBiasAttr()).getType())
      return "the biases differ in format";
    return "";
  }

  FlatSymbolRefAttr interleave(LinearOp g, LinearOp u, bool bias) {
    WeightOp a = lookupWeight(g, bias ? g.getBiasAttr() : g.getWeightAttr());
    WeightOp b = lookupWeight(u, bias ? u.getBiasAttr() : u.getWeightAttr());
    WeightType type = a.getWeightType();
    StringRef second = b.getSymName();
    std::string name =
        (a.getSymName() + "_" + second.substr(second.rfind('.') + 1)).str();
    WeightOp made = buildWeightExpr(
        {a, b}, name, [&](OpBuilder &builder, ValueRange in) -> Value {
          return InterleaveOp::create(
              builder, g.getLoc(),
              withRows(type, 2 * llvm::alignTo(type.getRows(), kPanelRows)),
              in[0], in[1]);
        });
    return FlatSymbolRefAttr::get(&getContext(), made.getSymName());
  }

  void merge(arith::MulFOp op, LinearOp g, LinearOp u,
             ArrayRef<Operation *> chain) {
    OpBuilder builder(op);
    auto merged = LinearOp::create(
        builder, builder.getFusedLoc({g.getLoc(), u.getLoc(), op.getLoc()}),
        op.getType(), g.getX(), interleave(g, u, false),
        g.getBiasAttr() ? interleave(g, u, true) : FlatSymbolRefAttr(),
        g.getLayer(), ValueRange(), Value(), Value(), FlatSymbolRefAttr(),
        HeadSinkAttr(), builder.getI64IntegerAttr(2));
    Type f32 = builder.getF32Type();
    Block *body = builder.createBlock(&merged.getBody(), {}, {f32, f32},
                                      {g.getLoc(), u.getLoc()});
    IRMapping mapping;
    mapping.map(g.getResult(), body->getArgument(0));
    mapping.map(u.getResult(), body->getArgument(1));
    for (Operation *inner : chain)
      cloneOnScalars(builder, inner, mapping);
    Value product = cloneOnScalars(builder, op, mapping);
    YieldOp::create(builder, op.getLoc(), product);

    op.getResult().replaceAllUsesWith(merged.getResult());
    op.erase();
    for (Operation *inner : llvm::reverse(chain))
      inner->erase();
    g.erase();
    u.erase();
    reportFired(merged, kPass, "gate and up merged into one linear");
  }
};

} // namespace
