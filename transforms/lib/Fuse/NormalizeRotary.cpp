// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-normalize-rotary: rotary over adjacent pairs -> over halves, by
// permuting the rows of the q and k projections. Attention only sees q . k,
// which keeps its value when both are permuted alike.

#include "adze/Transforms/Passes.h"
#include "adze/Transforms/Remark.h"
#include "adze/Transforms/WeightExpr.h"
#include "llvm/ADT/MapVector.h"

namespace adze {
#define GEN_PASS_DEF_NORMALIZEROTARY
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;

namespace {

constexpr llvm::StringLiteral kPass = "adze-normalize-rotary";

/// The attention ops that use one cache.
struct CacheUsers {
  SmallVector<AttentionOp> rotated; // those with an interleaved q or k
  bool permutable = true;
};

struct NormalizeRotary : adze::impl::NormalizeRotaryBase<NormalizeRotary> {
  void runOnOperation() override {
    // Keys stay in the cache for others to read: all that use a cache are
    // permuted, or none.
    llvm::MapVector<StringAttr, CacheUsers> caches;
    getOperation().walk([&](Operation *op) {
      if (auto append = dyn_cast<KVAppendOp>(op)) {
        if (interleaved(append.getK()))
          caches[append.getCacheAttr().getAttr()].permutable = false;
        return;
      }
      auto attention = dyn_cast<AttentionOp>(op);
      if (!attention)
        return;
      RotaryOp q = interleaved(attention.getQ()),
               k = interleaved(attention.getK());
      if (!q && !k)
        return;
      CacheUsers &users = caches[attention.getCacheAttr().getAttr()];
      users.rotated.push_back(attention);
      users.permutable &= q && k && q->hasOneUse() && k->hasOneUse() &&
                          projection(q) && projection(k) &&
                          q.getHeads() == attention.getHeads() &&
                          k.getHeads() == attention.getKvHeads();
    });
    for (auto &[cache, users] : caches)
      for (AttentionOp op : users.rotated) {
        if (!users.permutable) {
          reportMissed(op, kPass,
                       "q and k of every attention that uses the cache are "
                       "not all the rotated result of a linear in rows that "
                       "nothing else uses");
          continue;
        }
        for (RotaryOp rotary :
             {interleaved(op.getQ()), interleaved(op.getK())}) {
          permute(projection(rotary), rotary.getHeads());
          rotary.setPairing(RotaryPairing::Half);
        }
        reportFired(op, kPass, "rows of q and k permuted to halves");
      }
  }

  static RotaryOp interleaved(Value v) {
    auto op = v ? v.getDefiningOp<RotaryOp>() : RotaryOp();
    return op && op.getPairing() == RotaryPairing::Interleaved ? op
                                                               : RotaryOp();
  }

  static LinearOp projection(RotaryOp rotary) {
    auto op = rotary.getX().getDefiningOp<LinearOp>();
    return op && op->hasOneUse() && !op.getSink() && op.getBody().empty() &&
                   !isPacked(op)
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
