// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-fuse-head-sinks: what happens to the heads of q, k and v moves into the
// linear that makes them.
//
//   %q = linear %n, @q                   %q = linear %n, @q
//   %qn = rms_norm %q, @qn heads 8   ->        sink #adze.heads<64,
//   %qr = rotary %qn, %t heads 8 half            [<8, norm = @qn, rotary,
//   store>]>
//   ... attention %qr                    ... attention %q

#include "adze/Dialect/Adze/Adze.h"
#include "adze/Transforms/Passes.h"
#include "adze/Transforms/Remark.h"
#include "adze/Transforms/WeightExpr.h"

namespace adze {
#define GEN_PASS_DEF_FUSEHEADSINKS
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;

namespace {

constexpr llvm::StringLiteral kPass = "adze-fuse-head-sinks";

/// linear -> [rms_norm per head] -> [rotary] -> use, found from the use.
struct HeadPath {
  LinearOp linear;
  RmsNormOp norm;
  RotaryOp rotary;
};

/// The path that ends in `v`, or why there is none.
FailureOr<HeadPath> findPath(Value v, int64_t heads, StringRef &why) {
  HeadPath path;
  why = "the value has other uses";
  if (auto op = v.getDefiningOp<RotaryOp>()) {
    if (op.getPairing() != RotaryPairing::Half) {
      why = "the rotary pairs are interleaved";
      return failure();
    }
    if (int64_t(op.getHeads()) != heads) {
      why = "rotary and attention differ in heads";
      return failure();
    }
    if (!op->hasOneUse())
      return failure();
    path.rotary = op;
    v = op.getX();
  }
  if (auto op = v.getDefiningOp<RmsNormOp>();
      op && int64_t(op.getHeads()) == heads) {
    if (!op->hasOneUse())
      return failure();
    path.norm = op;
    v = op.getX();
  }
  path.linear = v.getDefiningOp<LinearOp>();
  if (!path.linear || path.linear.getSink() || !path.linear.getBody().empty()) {
    why = "it is not the plain result of a linear";
    return failure();
  }
  if (isPacked(path.linear)) {
    why = "the weight of its linear is packed already";
    return failure();
  }
  if (!path.linear->hasOneUse())
    return failure();
  if (path.norm && path.norm.getLayer() != path.linear.getLayer()) {
    why = "norm and projection are of different layers";
    return failure();
  }
  return path;
}

struct FuseHeadSinks : adze::impl::FuseHeadSinksBase<FuseHeadSinks> {
  void runOnOperation() override {
    SmallVector<Operation *> work;
    getOperation().walk([&](Operation *op) {
      if (isa<AttentionOp, KVAppendOp>(op))
        work.push_back(op);
    });
    for (Operation *op : work) {
      if (auto append = dyn_cast<KVAppendOp>(op))
        sinkAppend(append);
      else
        sinkQuery(cast<AttentionOp>(op));
    }
  }

  /// The linear of `path` again, at `at`, with a sink of one chain.
  LinearOp sink(HeadPath path, Operation *at, int64_t heads, HeadDest dest,
                Value batch, FlatSymbolRefAttr cache) {
    OpBuilder builder(at);
    LinearOp old = path.linear;
    auto type = cast<RankedTensorType>(old.getResult().getType());
    auto chain = HeadChainAttr::get(
        &getContext(), heads,
        path.norm ? path.norm.getWeightAttr() : FlatSymbolRefAttr(),
        path.norm ? path.norm.getEpsAttr() : FloatAttr(), bool(path.rotary),
        dest);
    auto fused = LinearOp::create(
        builder, builder.getFusedLoc({old.getLoc(), at->getLoc()}),
        dest == HeadDest::Store ? Type(type) : Type(), old.getX(),
        old.getWeightAttr(), old.getBiasAttr(), old.getLayer(), ValueRange(),
        path.rotary ? path.rotary.getTable() : Value(),
        dest == HeadDest::Store ? Value() : batch,
        dest == HeadDest::Store ? FlatSymbolRefAttr() : cache,
        HeadSinkAttr::get(&getContext(), type.getDimSize(1) / heads, {chain}),
        builder.getI64IntegerAttr(1));
    reportFired(fused, kPass,
                path.norm     ? "head norm, rotary and store as a sink"
                : path.rotary ? "rotary and store as a sink"
                              : "store as a sink");
    return fused;
  }

  static void erase(HeadPath path) {
    for (Operation *op : {path.rotary.getOperation(), path.norm.getOperation(),
                          path.linear.getOperation()})
      if (op && op->use_empty())
        op->erase();
  }

  void sinkQuery(AttentionOp op) {
    StringRef why;
    auto path = findPath(op.getQ(), op.getHeads(), why);
    if (failed(path))
      return reportMissed(op, kPass, ("q: " + why).str());
    // At the rotary (or norm): whatever uses the result comes later.
    Operation *at = op.getQ().getDefiningOp();
    LinearOp fused =
        sink(*path, at, op.getHeads(), HeadDest::Store, Value(), {});
    op.getQMutable().assign(fused.getResult());
    erase(*path);
  }

  void sinkAppend(KVAppendOp op) {
    StateOp state = lookupState(op, op.getCacheAttr());
    int64_t heads = state.getKVType().getHeads();
    StringRef why;
    auto k = findPath(op.getK(), heads, why);
    if (failed(k))
      return reportMissed(op, kPass, ("k: " + why).str());
    auto v = findPath(op.getV(), heads, why);
    if (failed(v))
      return reportMissed(op, kPass, ("v: " + why).str());
    if (k->linear.getLayer() != op.getLayer() ||
        v->linear.getLayer() != op.getLayer())
      return reportMissed(op, kPass,
                          "cache and projections are of different "
                          "layers");
    sink(*k, op, heads, HeadDest::Key, op.getBatch(), op.getCacheAttr());
    sink(*v, op, heads, HeadDest::Value, op.getBatch(), op.getCacheAttr());
    op.erase();
    erase(*k);
    erase(*v);
  }
};

} // namespace
