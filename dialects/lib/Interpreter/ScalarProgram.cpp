// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiles a block of scalar ops to calls over numbered slots and runs it.

#include "Scalar.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace adze;
using namespace adze::interpreter;

/// The value of a scalar constant.
static std::optional<Scalar> constantScalar(Operation *op) {
  Attribute attr;
  if (!matchPattern(op, m_Constant(&attr)))
    return std::nullopt;
  if (auto f = dyn_cast<FloatAttr>(attr)) {
    bool lost;
    APFloat value = f.getValue();
    value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
    return Scalar{value.convertToDouble(), 0};
  }
  if (auto i = dyn_cast<IntegerAttr>(attr))
    return Scalar{0, i.getType().isInteger(1)
                         ? int64_t(i.getValue().getBoolValue())
                         : i.getValue().getSExtValue()};
  return std::nullopt;
}

FailureOr<ScalarProgram> ScalarProgram::compile(Block &block,
                                                Precision precision,
                                                const OuterValues *outer) {
  ScalarProgram program;
  llvm::DenseMap<Value, uint32_t> slotOf;
  auto newSlot = [&](Value value, Scalar initial = {}) {
    program.slots.push_back(initial);
    return slotOf[value] = program.slots.size() - 1;
  };
  for (BlockArgument arg : block.getArguments())
    newSlot(arg);
  program.args = block.getNumArguments();

  // The slot of an operand; values from outside are copied in.
  auto use = [&](Operation *user, Value value) -> FailureOr<uint32_t> {
    if (auto it = slotOf.find(value); it != slotOf.end())
      return it->second;
    if (Operation *def = value.getDefiningOp())
      if (auto constant = constantScalar(def))
        return newSlot(value, *constant);
    if (const Scalar *scalar = outer ? outer->outerScalar(value) : nullptr)
      return newSlot(value, *scalar);
    return user->emitOpError() << "uses a value that is no scalar of the "
                                  "interpreter";
  };

  for (Operation &op : block.without_terminator()) {
    if (constantScalar(&op))
      continue;
    Instruction instruction;
    ValueRange operands = op.getOperands();
    if (auto index = dyn_cast<linalg::IndexOp>(op)) {
      instruction.kind = Instruction::Index;
      instruction.aux = index.getDim();
    } else if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
      instruction.kind = Instruction::Extract;
      instruction.tensor =
          outer ? outer->outerTensor(extract.getTensor()) : nullptr;
      if (!instruction.tensor)
        return op.emitOpError() << "reads a tensor that is made in its region";
      operands = operands.drop_front();
    } else {
      ScalarOp found = findScalarOp(&op);
      if (!found.fn)
        return emitUnknownOp(&op);
      instruction.fn = found.fn;
      instruction.aux = found.aux;
    }
    for (Value operand : operands) {
      FailureOr<uint32_t> slot = use(&op, operand);
      if (failed(slot))
        return failure();
      instruction.args.push_back(*slot);
    }
    instruction.rounding = roundingOf(op.getResult(0).getType(), precision);
    instruction.result = newSlot(op.getResult(0));
    program.code.push_back(std::move(instruction));
  }
  for (Value value : block.getTerminator()->getOperands()) {
    FailureOr<uint32_t> slot = use(block.getTerminator(), value);
    if (failed(slot))
      return failure();
    program.results.push_back(*slot);
  }
  return program;
}

bool ScalarProgram::run(const Scalar *in, ArrayRef<int64_t> loops,
                        Scalar *out) {
  std::copy_n(in, args, slots.begin());
  for (const Instruction &step : code) {
    Scalar value;
    switch (step.kind) {
    case Instruction::Call: {
      Scalar values[kMaxScalarArgs];
      for (unsigned i = 0; i < step.args.size(); ++i)
        values[i] = slots[step.args[i]];
      value = step.fn(values, step.aux);
      break;
    }
    case Instruction::Index:
      if (size_t(step.aux) >= loops.size())
        return false;
      value.i = loops[step.aux];
      break;
    case Instruction::Extract: {
      const HostTensor &tensor = *step.tensor;
      int64_t at = 0;
      for (auto [dim, arg] : llvm::zip_equal(tensor.shape, step.args)) {
        int64_t index = slots[arg].i;
        if (index < 0 || index >= dim)
          return false;
        at = at * dim + index;
      }
      if (tensor.isFloat)
        value.f = tensor.floats[at];
      else
        value.i = tensor.ints[at];
      break;
    }
    }
    slots[step.result] = step.rounding(value);
  }
  for (unsigned i = 0; i < results.size(); ++i)
    out[i] = slots[results[i]];
  return true;
}
