// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-merge-qkv: linears with head sinks over the same input become one, with
// the weights concatenated and the chains one after the other.

#include "adze/Transforms/Passes.h"
#include "adze/Transforms/Remark.h"
#include "adze/Transforms/WeightExpr.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace adze {
#define GEN_PASS_DEF_MERGEQKV
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;

namespace {

constexpr llvm::StringLiteral kPass = "adze-merge-qkv";

/// "k" of "l0.k": what tells the weights of one layer apart.
std::string lastPart(StringRef name) {
  return name.substr(name.rfind('.') + 1).str();
}

struct MergeQKV : adze::impl::MergeQKVBase<MergeQKV> {
  void runOnOperation() override {
    for (auto func : getOperation().getOps<func::FuncOp>())
      for (Block &block : func.getBody()) {
        llvm::MapVector<Value, SmallVector<LinearOp>> groups;
        for (auto op : block.getOps<LinearOp>())
          if (op.getSink())
            groups[op.getX()].push_back(op);
        for (auto &[x, group] : groups)
          if (group.size() > 1)
            merge(group);
      }
  }

  /// Why the group cannot become one linear; empty if it can.
  static StringRef refusal(ArrayRef<LinearOp> group) {
    LinearOp first = group.front(), last = group.back();
    Value rope, batch;
    FlatSymbolRefAttr cache;
    int64_t stores = 0, keys = 0, values = 0;
    for (LinearOp op : group) {
      if (op.getLayer() != first.getLayer())
        return "the projections are of different layers";
      if (op.getSink()->getHeadDim() != first.getSink()->getHeadDim())
        return "the heads differ in size";
      if (isPacked(op))
        return "a weight is packed already";
      if (bool(op.getBiasAttr()) != bool(first.getBiasAttr()))
        return "only some of the projections have a bias";
      WeightOp a = lookupWeight(op, op.getWeightAttr()),
               b = lookupWeight(first, first.getWeightAttr());
      if (withRows(a.getWeightType(), 1) != withRows(b.getWeightType(), 1))
        return "the weights differ in format";
      if (!a.hasSameLayers(b))
        return "the weights differ in their layers";
      if (op.getRope() && rope && op.getRope() != rope)
        return "the projections use different rotary tables";
      if (op.getRope())
        rope = op.getRope();
      if ((op.getCacheAttr() && cache && op.getCacheAttr() != cache) ||
          (op.getBatch() && batch && op.getBatch() != batch))
        return "the projections append to different caches";
      if (op.getCacheAttr()) {
        cache = op.getCacheAttr();
        batch = op.getBatch();
      }
      for (HeadChainAttr chain : op.getSink()->getChains()) {
        keys += chain.getDest() == HeadDest::Key;
        values += chain.getDest() == HeadDest::Value;
      }
      if (keys > 1 || values > 1)
        return "more than one of the projections appends keys or values";
      if (!op.getResult())
        continue;
      if (++stores > 1)
        return "more than one of the projections has a result";
      for (Operation *user : op.getResult().getUsers())
        if (user->getBlock() != last->getBlock() || user->isBeforeInBlock(last))
          return "a result is used between the projections";
    }
    return "";
  }

  FlatSymbolRefAttr concat(ArrayRef<LinearOp> group, bool bias) {
    SmallVector<WeightOp> weights;
    int64_t rows = 0;
    for (LinearOp op : group) {
      weights.push_back(
          lookupWeight(op, bias ? op.getBiasAttr() : op.getWeightAttr()));
      rows += weights.back().getWeightType().getRows();
    }
    std::string name = weights.front().getSymName().str();
    for (WeightOp weight : ArrayRef(weights).drop_front())
      name += "_" + lastPart(weight.getSymName());
    WeightType type = withRows(weights.front().getWeightType(), rows);
    // Biases are added in f32: where their formats differ, nothing is lost in
    // it.
    if (llvm::any_of(weights, [&](WeightOp weight) {
          return withRows(weight.getWeightType(), rows) != type;
        }))
      type = withFormat(
          type,
          FloatFormatAttr::get(&getContext(), Float32Type::get(&getContext())));
    WeightOp made = buildWeightExpr(
        weights, name, [&](OpBuilder &b, ValueRange in) -> Value {
          SmallVector<Value> parts(in);
          for (Value &part : parts) {
            auto from = cast<WeightType>(part.getType());
            if (WeightType to = withFormat(from, type.getFormat()); to != from)
              part = CastOp::create(b, part.getLoc(), to, part);
          }
          return ConcatOp::create(b, in.front().getLoc(), type, parts);
        });
    return FlatSymbolRefAttr::get(&getContext(), made.getSymName());
  }

  void merge(SmallVector<LinearOp> &group) {
    StringRef why = refusal(group);
    if (!why.empty())
      return reportMissed(group.front(), kPass, why);
    Type result;
    Value rope, batch;
    FlatSymbolRefAttr cache;
    SmallVector<HeadChainAttr> chains;
    SmallVector<Location> locs;
    for (LinearOp op : group) {
      if (op.getResult())
        result = op.getResult().getType();
      rope = op.getRope() ? op.getRope() : rope;
      batch = op.getBatch() ? op.getBatch() : batch;
      cache = op.getCacheAttr() ? op.getCacheAttr() : cache;
      llvm::append_range(chains, op.getSink()->getChains());
      locs.push_back(op.getLoc());
    }
    LinearOp first = group.front(), last = group.back();
    OpBuilder builder(last);
    auto merged = LinearOp::create(
        builder, builder.getFusedLoc(locs), result, first.getX(),
        concat(group, false),
        first.getBiasAttr() ? concat(group, true) : FlatSymbolRefAttr(),
        first.getLayer(), ValueRange(), rope, batch, cache,
        HeadSinkAttr::get(&getContext(), first.getSink()->getHeadDim(), chains),
        builder.getI64IntegerAttr(1));
    for (LinearOp op : group) {
      if (op.getResult())
        op.getResult().replaceAllUsesWith(merged.getResult());
      op.erase();
    }
    reportFired(merged, kPass, "projections merged into one linear");
  }
};

} // namespace
