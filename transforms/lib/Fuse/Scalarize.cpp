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
  // A region has f32 arguments, and only a splat is the same in every row.
  bool readsRows = false;
  for (Value operand : op->getOperands()) {
    auto tensor = dyn_cast<RankedTensorType>(operand.getType());
    if (!tensor || tensor.getShape() != type.getShape())
      return false;
    Operation *def = operand.getDefiningOp();
    if (def && def->hasTrait<OpTrait::ConstantLike>()) {
      DenseElementsAttr dense;
      if (!matchPattern(operand, m_Constant(&dense)) || !dense.isSplat())
        return false;
    } else if (tensor.getElementType().isF32()) {
      readsRows = true;
    } else {
      return false;
    }
  }
  return readsRows;
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
