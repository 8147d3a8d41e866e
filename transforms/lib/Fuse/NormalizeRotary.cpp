// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-normalize-rotary: rotary over adjacent pairs -> over halves, by permuting
// the rows of the q and k projections. Attention only sees q . k, which keeps
// its value when both are permuted alike.

#include "adze/Transforms/Passes.h"
#include "adze/Transforms/Remark.h"
#include "adze/Transforms/WeightExpr.h"

namespace adze {
#define GEN_PASS_DEF_NORMALIZEROTARY
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;

namespace {

constexpr llvm::StringLiteral kPass = "adze-normalize-rotary";

struct NormalizeRotary : adze::impl::NormalizeRotaryBase<NormalizeRotary> {
  void runOnOperation() override {
    getOperation().walk([&](AttentionOp op) {
      auto q = interleaved(op.getQ()), k = interleaved(op.getK());
      if (!q && !k)
        return;
      if (!q || !k || !projection(q) || !projection(k))
        return reportMissed(op, kPass,
                            "q and k are not both the rotated result of a "
                            "linear that nothing else uses");
      for (RotaryOp rotary : {q, k}) {
        permute(projection(rotary), rotary.getHeads());
        rotary.setPairing(RotaryPairing::Half);
      }
      reportFired(op, kPass, "rows of q and k permuted to halves");
    });
  }

  static RotaryOp interleaved(Value v) {
    auto op = v ? v.getDefiningOp<RotaryOp>() : RotaryOp();
    return op && op.getPairing() == RotaryPairing::Interleaved && op->hasOneUse()
               ? op
               : RotaryOp();
  }

  static LinearOp projection(RotaryOp rotary) {
    auto op = rotary.getX().getDefiningOp<LinearOp>();
    return op && op->hasOneUse() && !op.getSink() && op.getBody().empty()
               ? op
               : LinearOp();
  }

  void permute(LinearOp op, int64_t heads) {
    op.setWeightAttr(permuted(op.getWeightAttr(), heads));
    if (op.getBiasAttr())
      op.setBiasAttr(permuted(op.getBiasAttr(), heads));
  }

  FlatSymbolRefAttr permuted(FlatSymbolRefAttr name, int64_t heads) {
    auto [it, isNew] = forms.try_emplace({name.getAttr(), heads});
    if (isNew) {
      WeightOp weight = lookupWeight(getOperation(), name);
      WeightOp made = buildWeightExpr(
          {weight}, (name.getValue() + ".halves").str(),
          [&](OpBuilder &b, ValueRange in) -> Value {
            return RotaryHalvesOp::create(b, weight.getLoc(), weight.getType(),
                                          in[0], b.getI64IntegerAttr(heads));
          });
      it->second = FlatSymbolRefAttr::get(&getContext(), made.getSymName());
    }
    return it->second;
  }

  llvm::DenseMap<std::pair<StringAttr, int64_t>, FlatSymbolRefAttr> forms;
};

} // namespace
