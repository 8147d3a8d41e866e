// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "RegionEmitter.h"
#include "adze/Codegen/MathExpansion.h"
#include "adze/Dialect/Adze/Adze.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace adze;

/// Ops of the math dialect that every target has as an instruction, or as a few
/// without a call.
static bool isNativeMath(Operation *op) {
  return isa<math::SqrtOp, math::AbsFOp, math::FmaOp, math::FloorOp,
             math::CeilOp, math::TruncOp, math::RoundEvenOp, math::CopySignOp,
             math::AbsIOp>(op);
}

static FailureOr<Value> emitOp(KernelEmitter &e, Operation *op,
                               ValueRange operands) {
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    auto type = e.lanesOf(constant.getType());
    return Value(arith::ConstantOp::create(
        e.b, e.loc,
        DenseElementsAttr::get(type,
                               ArrayRef<Attribute>(constant.getValue()))));
  }
  if (Value expanded = expandMath(e.b, op, operands))
    return expanded;
  bool isArith = isa_and_present<arith::ArithDialect>(op->getDialect());
  bool maps = op->hasTrait<OpTrait::Vectorizable>() &&
              op->hasTrait<OpTrait::Elementwise>();
  if (op->getNumResults() == 1 && maps && (isArith || isNativeMath(op))) {
    OperationState state(e.loc, op->getName(), operands,
                         {e.lanesOf(op->getResult(0).getType())},
                         op->getAttrs());
    return e.b.create(state)->getResult(0);
  }
  op->emitOpError() << "stands in the scalar region of a kernel, which can "
                       "only be built from arith and math ops; rewrite it to "
                       "those with a pass at before-codegen (an op of a "
                       "plug-in needs such a lowering)";
  return failure();
}

FailureOr<Value> adze::emitRegion(KernelEmitter &e, Region &region,
                                  ValueRange arguments) {
  Block &block = region.front();
  assert(block.getNumArguments() == arguments.size() && "verified before");
  IRMapping map;
  map.map(block.getArguments(), arguments);
  for (Operation &op : block) {
    SmallVector<Value> operands;
    for (Value operand : op.getOperands())
      operands.push_back(map.lookup(operand));
    if (isa<YieldOp>(op))
      return operands.front();
    FailureOr<Value> result = emitOp(e, &op, operands);
    if (failed(result))
      return failure();
    map.map(op.getResult(0), *result);
  }
  return failure();
}

LogicalResult
adze::emitColumns(KernelEmitter &e, Value column, Value columns,
                  ArrayRef<ColumnStream> inputs, ColumnStream output,
                  Value staging,
                  function_ref<FailureOr<Value>(ValueRange)> compute) {
  Value left = e.sub(columns, column);
  Value whole = e.compare(arith::CmpIPredicate::sge, left, kLanes);
  auto place = [&](const ColumnStream &stream) {
    return e.at(stream.row,
                e.mul(column, KernelEmitter::bytesOf(stream.element)));
  };
  auto stage = [&](size_t i) { return e.at(staging, i * kLineBytes); };

  // A short last part goes through scratch, element by element.
  SmallVector<Value> places;
  for (const ColumnStream &input : inputs)
    places.push_back(place(input));
  SmallVector<Type> types(inputs.size(), e.ptr);
  SmallVector<Value> sources;
  if (!inputs.empty())
    sources = e.ifElse(
        whole, types, [&] { return KernelEmitter::Values(places); },
        [&] {
          KernelEmitter::Values staged;
          for (size_t i = 0; i < inputs.size(); ++i) {
            e.copyElements(stage(i), places[i], left,
                           KernelEmitter::bytesOf(inputs[i].element));
            staged.push_back(stage(i));
          }
          return staged;
        });
  SmallVector<Value> lanes;
  for (size_t i = 0; i < inputs.size(); ++i)
    lanes.push_back(e.loadLanes(inputs[i].element, sources[i]));
  FailureOr<Value> result = compute(lanes);
  if (failed(result))
    return failure();

  Value to = place(output), stagedOut = stage(inputs.size());
  e.storeLanes(*result, output.element, e.select(whole, to, stagedOut));
  Value part = e.compare(arith::CmpIPredicate::slt, left, kLanes);
  e.ifThen(part, [&] {
    e.copyElements(to, stagedOut, left, KernelEmitter::bytesOf(output.element));
  });
  return success();
}
