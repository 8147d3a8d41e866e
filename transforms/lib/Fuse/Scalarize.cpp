// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Elementwise ops on rows as scalar ops; see the header.

#include "adze/Transforms/Scalarize.h"
#include "adze/Dialect/Adze/ScalarRegion.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace adze;

bool adze::isElementwiseOnRows(Operation *op) {
  if (!isScalarRegionOp(op) || op->hasTrait<OpTrait::ConstantLike>())
    return false;
  auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
  if (!type || type.getRank() != 2 || !type.getElementType().isF32())
    return false;
  return llvm::all_of(op->getOperandTypes(), [&](Type operand) {
    auto tensor = dyn_cast<RankedTensorType>(operand);
    return tensor && tensor.getShape() == type.getShape();
  });
}

Value adze::scalarOfSplat(OpBuilder &builder, Value value) {
  DenseElementsAttr dense;
  if (!matchPattern(value, m_Constant(&dense)) || !dense.isSplat())
    return {};
  return arith::ConstantOp::create(
      builder, value.getLoc(),
      cast<TypedAttr>(dense.getSplatValue<Attribute>()));
}

Value adze::cloneOnScalars(OpBuilder &builder, Operation *op,
                           IRMapping &mapping) {
  OperationState state(op->getLoc(), op->getName());
  for (Value operand : op->getOperands()) {
    if (!mapping.contains(operand))
      if (Value scalar = scalarOfSplat(builder, operand))
        mapping.map(operand, scalar);
    state.operands.push_back(mapping.lookup(operand));
  }
  for (Type type : op->getResultTypes())
    state.types.push_back(getElementTypeOrSelf(type));
  state.attributes = llvm::to_vector(op->getAttrs());
  Operation *clone = builder.create(state);
  mapping.map(op->getResults(), clone->getResults());
  return clone->getResult(0);
}
