// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-fuse-maps: the elementwise ops that no linear took in, as adze.map, and
// chains of maps as one.

#include "adze/Dialect/Adze/Adze.h"
#include "adze/Transforms/Passes.h"
#include "adze/Transforms/Remark.h"
#include "adze/Transforms/Scalarize.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace adze {
#define GEN_PASS_DEF_FUSEMAPS
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;

namespace {

constexpr llvm::StringLiteral kPass = "adze-fuse-maps";

struct FuseMaps : adze::impl::FuseMapsBase<FuseMaps> {
  using FuseMapsBase::FuseMapsBase;

  void runOnOperation() override {
    SmallVector<Operation *> work;
    for (auto func : getOperation().getOps<func::FuncOp>())
      for (Operation &op : func.getOps())
        if (isElementwiseOnRows(&op))
          work.push_back(&op);
    SmallVector<MapOp> maps;
    for (Operation *op : work)
      maps.push_back(toMap(op));
    if (!fuse)
      return;
    llvm::SmallPtrSet<Operation *, 16> absorbed;
    for (MapOp map : llvm::reverse(maps))
      if (!absorbed.contains(map))
        absorbProducers(map, absorbed);
  }

  MapOp toMap(Operation *op) {
    OpBuilder builder(op);
    SmallVector<Value> inputs;
    for (Value operand : op->getOperands()) {
      Operation *def = operand.getDefiningOp();
      bool isConstant = def && def->hasTrait<OpTrait::ConstantLike>();
      if (!isConstant && !llvm::is_contained(inputs, operand))
        inputs.push_back(operand);
    }
    auto map = MapOp::create(builder, op->getLoc(), op->getResult(0).getType(),
                             inputs);
    SmallVector<Type> types(inputs.size(), builder.getF32Type());
    SmallVector<Location> locs(inputs.size(), op->getLoc());
    Block *body = builder.createBlock(&map.getBody(), {}, types, locs);
    IRMapping mapping;
    mapping.map(inputs, body->getArguments());
    Value result = cloneOnScalars(builder, op, mapping);
    YieldOp::create(builder, op->getLoc(), result);
    op->getResult(0).replaceAllUsesWith(map.getResult());
    op->erase();
    return map;
  }

  /// Joins maps whose only use is `map` into it, nearest first.
  void absorbProducers(MapOp map,
                       llvm::SmallPtrSetImpl<Operation *> &absorbed) {
    for (unsigned i = 0; i < map.getInputs().size();) {
      auto producer = map.getInputs()[i].getDefiningOp<MapOp>();
      bool onlyUse = producer &&
                     llvm::all_of(producer->getUsers(),
                                  [&](Operation *user) { return user == map; });
      if (!onlyUse) {
        ++i;
        continue;
      }
      absorbed.insert(producer);
      absorb(map, producer, i);
      i = 0;
    }
  }

  void absorb(MapOp map, MapOp producer, unsigned position) {
    Block &body = map.getBody().front();
    SmallVector<Value> inputs(map.getInputs());
    IRMapping mapping;
    for (auto [value, arg] :
         llvm::zip(producer.getInputs(), producer.getBody().getArguments())) {
      auto it = llvm::find(inputs, value);
      unsigned index = it - inputs.begin();
      if (it == inputs.end()) {
        inputs.push_back(value);
        body.addArgument(arg.getType(), arg.getLoc());
      }
      mapping.map(arg, body.getArgument(index));
    }
    OpBuilder builder = OpBuilder::atBlockBegin(&body);
    for (Operation &op : producer.getBody().front().without_terminator())
      builder.clone(op, mapping);
    Value result = mapping.lookup(
        producer.getBody().front().getTerminator()->getOperand(0));
    body.getArgument(position).replaceAllUsesWith(result);
    body.eraseArgument(position);
    inputs.erase(inputs.begin() + position);
    map.getInputsMutable().assign(inputs);
    producer.erase();
    reportFired(map, kPass, "maps joined");
  }
};

} // namespace
