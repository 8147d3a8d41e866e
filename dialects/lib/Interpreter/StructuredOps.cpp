// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// linalg ops, generic and named: loops over the iteration space in row-major
// order, the body run as a scalar program.

#include "Executor.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;
using namespace adze;
using namespace adze::interpreter;

namespace {

/// One operand of a structured op: a scalar, or a tensor read through a map.
struct Access {
  const HostTensor *tensor = nullptr;
  Scalar scalar;
  AffineMap map;
  /// Elements per step of each loop, when the map picks loops.
  SmallVector<int64_t> strides;
  bool isLinear = true;

  /// The element that the loops stand at; -1 if out of bounds.
  int64_t at(ArrayRef<int64_t> loops) const {
    int64_t result = 0;
    if (isLinear) {
      for (auto [loop, stride] : llvm::zip_equal(loops, strides))
        result += loop * stride;
      return result;
    }
    SmallVector<int64_t, 4> index = map.compose(loops);
    for (auto [dim, i] : llvm::zip_equal(tensor->shape, index)) {
      if (i < 0 || i >= dim)
        return -1;
      result = result * dim + i;
    }
    return result;
  }
};

/// Fills in `extents` from operands whose map picks a loop, and checks that
/// all agree.
LogicalResult bindLoops(Operation *op, MutableArrayRef<Access> accesses,
                        SmallVectorImpl<int64_t> &extents) {
  for (Access &access : accesses) {
    if (!access.tensor)
      continue;
    access.strides.assign(extents.size(), 0);
    int64_t stride = 1;
    for (int64_t d = access.tensor->shape.size() - 1; d >= 0; --d) {
      int64_t size = access.tensor->shape[d];
      if (auto loop = dyn_cast<AffineDimExpr>(access.map.getResult(d))) {
        int64_t &extent = extents[loop.getPosition()];
        if (extent >= 0 && extent != size)
          return op->emitOpError() << "has operands of different sizes, "
                                   << extent << " and " << size;
        extent = size;
        access.strides[loop.getPosition()] += stride;
      } else {
        access.isLinear = false;
      }
      stride *= size;
    }
  }
  for (int64_t extent : extents)
    if (extent < 0)
      return op->emitOpError() << "has a loop that no operand bounds";
  return success();
}

} // namespace

LogicalResult Executor::runStructured(Operation *op, Frame &frame) {
  auto structured = cast<linalg::LinalgOp>(op);
  if (!structured.hasPureTensorSemantics())
    return emitUnknownOp(op);
  SmallVector<AffineMap> maps = structured.getIndexingMapsArray();
  unsigned inputs = structured.getNumDpsInputs();
  SmallVector<HostTensor> outputs;
  for (Value init : structured.getDpsInits())
    outputs.push_back(frame.tensor(init));

  SmallVector<Access> accesses(maps.size());
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    if (i >= accesses.size())
      return emitUnknownOp(op);
    accesses[i].map = maps[i];
    if (i >= inputs)
      accesses[i].tensor = &outputs[i - inputs];
    else if (const HostTensor *tensor = frame.outerTensor(operand))
      accesses[i].tensor = tensor;
    else if (const Scalar *scalar = frame.outerScalar(operand))
      accesses[i].scalar = *scalar;
    else
      return emitUnknownOp(op);
  }
  SmallVector<int64_t> extents(structured.getNumLoops(), -1);
  if (failed(bindLoops(op, accesses, extents)))
    return failure();
  auto program =
      ScalarProgram::compile(*structured.getBlock(), options.precision, &frame);
  if (failed(program))
    return failure();
  if (program->numArgs() != accesses.size() ||
      program->numResults() != outputs.size())
    return emitUnknownOp(op);

  bool empty = llvm::is_contained(extents, 0);
  SmallVector<int64_t> loops(extents.size(), 0);
  SmallVector<Scalar> args(accesses.size()), results(outputs.size());
  SmallVector<int64_t> places(accesses.size());
  auto outOfBounds = [&]() -> LogicalResult {
    return op->emitOpError() << "reads or writes out of bounds";
  };
  while (!empty) {
    for (auto [i, access] : llvm::enumerate(accesses)) {
      args[i] = access.scalar;
      if (!access.tensor)
        continue;
      places[i] = access.at(loops);
      if (places[i] < 0)
        return outOfBounds();
      if (access.tensor->isFloat)
        args[i].f = access.tensor->floats[places[i]];
      else
        args[i].i = access.tensor->ints[places[i]];
    }
    if (!program->run(args.data(), loops, results.data()))
      return outOfBounds();
    for (auto [i, output] : llvm::enumerate(outputs))
      if (output.isFloat)
        output.floats[places[inputs + i]] = results[i].f;
      else
        output.ints[places[inputs + i]] = results[i].i;
    int64_t d = loops.size() - 1;
    for (; d >= 0 && ++loops[d] == extents[d]; --d)
      loops[d] = 0;
    if (d < 0)
      break;
  }
  for (auto [result, output] : llvm::zip_equal(op->getResults(), outputs))
    frame.set(result, std::move(output));
  return success();
}
