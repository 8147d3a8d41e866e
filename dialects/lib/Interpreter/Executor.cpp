// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Calls, dispatch and helpers of the executor.

#include "Executor.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace adze;
using namespace adze::interpreter;

static constexpr unsigned kMaxCallDepth = 64;

FailureOr<std::vector<Slot>>
Executor::call(func::FuncOp function, std::vector<Slot> args, unsigned depth) {
  if (function.isExternal())
    return function.emitOpError() << "has no body to interpret";
  if (!function.getBody().hasOneBlock())
    return function.emitOpError() << "has several blocks; the interpreter runs "
                                     "straight-line functions";
  if (depth > kMaxCallDepth)
    return function.emitOpError() << "is called recursively";
  Frame frame;
  frame.depth = depth;
  Block &block = function.getBody().front();
  for (auto [arg, slot] : llvm::zip_equal(block.getArguments(), args))
    frame.slots[arg] = std::move(slot);
  for (Operation &op : block.without_terminator())
    if (failed(run(&op, frame)))
      return failure();
  std::vector<Slot> results;
  for (Value value : block.getTerminator()->getOperands())
    results.push_back(frame.slots.lookup(value));
  return results;
}

LogicalResult Executor::runCall(Operation *op, StringRef callee,
                                std::vector<Slot> args, Frame &frame) {
  auto function = module.lookupSymbol<func::FuncOp>(callee);
  if (!function)
    return op->emitOpError()
           << "calls @" << callee << ", which is no function of the module";
  auto results = call(function, std::move(args), frame.depth + 1);
  if (failed(results))
    return failure();
  for (auto [value, slot] : llvm::zip_equal(op->getResults(), *results))
    frame.slots[value] = slot;
  return success();
}

LogicalResult Executor::run(Operation *op, Frame &frame) {
  Attribute constant;
  if (matchPattern(op, m_Constant(&constant)))
    return runConstant(op, constant, frame);
  if (auto call = dyn_cast<func::CallOp>(op)) {
    std::vector<Slot> args;
    for (Value operand : op->getOperands())
      args.push_back(frame.slots.lookup(operand));
    return runCall(op, call.getCallee(), std::move(args), frame);
  }
  if (ScalarOp scalar = findScalarOp(op); scalar.fn)
    return runElementwise(op, scalar, frame);
  if (isa<linalg::LinalgOp>(op))
    return runStructured(op, frame);
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case<EmbedOp, LinearOp, RmsNormOp, QuantizeOp, RotaryTableOp, RotaryOp,
            AttentionOp, KVAppendOp, TakeRowsOp, MapOp, RepeatOp, TapOp,
            WeightTensorOp, PositionsOp, PermuteOp>(
          [&](auto typed) { return run(typed, frame); })
      .Default([&](Operation *other) { return runTensorOp(other, frame); });
}

FailureOr<HostTensor> Executor::allocate(Operation *op, Type type,
                                         ArrayRef<int64_t> shape) {
  int64_t elements = 1;
  for (int64_t dim : shape)
    if (dim < 0 || (dim && elements > kMaxElements / dim))
      return op->emitOpError() << "makes a tensor that is too large for the "
                                  "interpreter";
    else
      elements *= dim;
  HostTensor tensor;
  tensor.shape.assign(shape.begin(), shape.end());
  tensor.isFloat = isFloatLike(type);
  if (tensor.isFloat)
    tensor.floats.resize(elements);
  else
    tensor.ints.resize(elements);
  return tensor;
}

FailureOr<std::vector<float>> Executor::readWeight(Operation *op,
                                                   WeightOp weight,
                                                   int64_t layer, int64_t row,
                                                   int64_t count) {
  WeightType type = weight.getWeightType();
  int64_t columns = type.isVector() ? 1 : type.getCols();
  if (count > kMaxElements / columns)
    return op->emitOpError() << "reads more of @" << weight.getSymName()
                             << " than the interpreter holds";
  std::vector<float> values(count * columns);
  if (!weight.isPerLayer())
    layer = 0;
  if (llvm::Error error =
          weights.readRows(weight, layer, row, count, values.data()))
    return op->emitOpError() << llvm::toString(std::move(error));
  return values;
}

LogicalResult Executor::expectBatchRows(Operation *op,
                                        const HostTensor &tensor) {
  assert(batch && "a call without a batch gives none to its function");
  if (tensor.shape[0] != int64_t(batch->positions.size()))
    return op->emitOpError()
           << "expects a row for each of the " << batch->positions.size()
           << " rows of the batch, got " << tensor.shape[0];
  return success();
}

LogicalResult Executor::applyRegion(Operation *op, Region &region,
                                    ArrayRef<const HostTensor *> inputs,
                                    HostTensor &result, Type type,
                                    Frame &frame) {
  auto program =
      ScalarProgram::compile(region.front(), options.precision, &frame);
  if (failed(program))
    return failure();
  for (const HostTensor *input : inputs)
    if (input->shape != result.shape)
      return op->emitOpError() << "expects inputs of one shape";
  Rounding round = rounding(type);
  SmallVector<Scalar> args(inputs.size());
  for (int64_t i = 0, e = result.numElements(); i < e; ++i) {
    for (auto [arg, input] : llvm::zip_equal(args, inputs))
      arg.f = input->floats[i];
    Scalar value;
    if (!program->run(args.data(), {}, &value))
      return op->emitOpError() << "reads out of bounds in its region";
    result.floats[i] = round(value.f);
  }
  return success();
}
