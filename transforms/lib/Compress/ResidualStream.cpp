// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "ResidualStream.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/SymbolTable.h"

using namespace mlir;
using namespace adze;
using namespace adze::detail;

bool ResidualStream::fail(Operation *op, std::string why) {
  failedAt = op;
  reason = std::move(why);
  return false;
}

/// What a layer is given and gives, wherever it is run: its weights change.
bool ResidualStream::followRepeat(RepeatOp repeat) {
  auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(
      repeat, repeat.getCalleeAttr());
  auto end = cast<func::ReturnOp>(callee.getBody().front().getTerminator());
  Value argument = callee.getArgument(1);
  if (ofLayers.insert(argument).second) {
    SmallVector<RepeatOp> others;
    repeat->getParentOfType<ModuleOp>().walk([&](RepeatOp other) {
      if (other.getCalleeAttr() == repeat.getCalleeAttr())
        others.push_back(other);
    });
    for (RepeatOp other : others)
      if (!follow(other.getResult()))
        return false;
  }
  return follow(repeat.getArgs()[0]) && follow(argument) &&
         follow(end.getOperand(0));
}

/// What stands for `value` once it is a value of the stream.
bool ResidualStream::follow(Value value) {
  if (!values.insert(value))
    return true;
  // What makes it: it began, or something was added to it.
  if (Operation *op = value.getDefiningOp()) {
    if (auto embed = dyn_cast<EmbedOp>(op)) {
      embeds.push_back(embed);
    } else if (auto linear = dyn_cast<LinearOp>(op)) {
      if (!linear.getBody().empty() || linear.getSinkAttr())
        return fail(op, "is fused with what follows");
      for (Operation *user : linear->getUsers())
        if (!isa<arith::AddFOp, TapOp>(user))
          return fail(
              op, ("is read by '" + user->getName().getStringRef() + "' too")
                      .str());
      writers.push_back(linear);
    } else if (auto add = dyn_cast<arith::AddFOp>(op)) {
      if (!follow(add.getLhs()) || !follow(add.getRhs()))
        return false;
    } else if (auto take = dyn_cast<TakeRowsOp>(op)) {
      if (!follow(take.getX()))
        return false;
    } else if (auto repeat = dyn_cast<RepeatOp>(op)) {
      if (!followRepeat(repeat))
        return false;
    } else {
      return fail(op, "is added to what layers pass on");
    }
  } else if (!ofLayers.contains(value)) {
    return fail(value.getParentBlock()->getParentOp(),
                "has an argument that is part of what layers pass on");
  }
  for (Operation *user : value.getUsers())
    if (!use(value, user))
      return false;
  return true;
}

bool ResidualStream::use(Value value, Operation *user) {
  if (isa<arith::AddFOp, TakeRowsOp>(user))
    return follow(user->getResult(0));
  if (auto norm = dyn_cast<RmsNormOp>(user)) {
    if (norm.getHeads() != 1)
      return fail(user, "is a norm of heads");
    (void)norms[user];
    return readNorm(norm, norm.getResult());
  }
  if (auto repeat = dyn_cast<RepeatOp>(user)) {
    if (llvm::count(repeat.getArgs(), value) != 1 ||
        repeat.getArgs()[0] != value)
      return fail(user, "gives layers what others pass on");
    return follow(repeat.getResult());
  }
  if (auto end = dyn_cast<func::ReturnOp>(user)) {
    auto func = cast<func::FuncOp>(end->getParentOp());
    if (func.isPrivate())
      return true; // a layer: its repeat is followed
    return fail(user, "returns what layers pass on");
  }
  if (isa<TapOp>(user))
    return true;
  return fail(user, "reads what layers pass on");
}

/// Linears that read a norm; rows may be taken between.
bool ResidualStream::readNorm(RmsNormOp norm, Value result) {
  for (Operation *user : result.getUsers()) {
    if (auto take = dyn_cast<TakeRowsOp>(user)) {
      if (!readNorm(norm, take.getResult()))
        return false;
    } else if (auto linear = dyn_cast<LinearOp>(user)) {
      if (!linear.getBody().empty() || linear.getSinkAttr())
        return fail(user, "is fused with what follows");
      norms[norm].push_back(linear);
    } else if (!isa<TapOp>(user)) {
      if (norm.getLayer())
        return fail(user, "reads a norm of a layer");
      shown.insert(norm);
    }
  }
  return true;
}

LogicalResult ResidualStream::find(ModuleOp module, Operation *&where,
                                   std::string &why) {
  SmallVector<EmbedOp> begins;
  module.walk([&](EmbedOp op) { begins.push_back(op); });
  bool isGood = !begins.empty() || fail(module, "has no embedding");
  for (EmbedOp op : begins) {
    int64_t n = cast<RankedTensorType>(op.getType()).getDimSize(1);
    if (columns && n != columns)
      isGood = fail(op, "is of another width than other embeddings");
    columns = n;
    isGood = isGood && follow(op.getResult());
  }
  where = failedAt;
  why = reason;
  return success(isGood);
}
