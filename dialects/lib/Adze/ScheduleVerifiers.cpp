// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifiers of the scheduled level: what lowering takes for granted, so that a
// pass of a plug-in that breaks it is told so.

#include "Verifiers.h"
#include "mlir/IR/AffineMap.h"

using namespace mlir;
using namespace adze;

/// Whether `expr` is a sum of dimensions times constants, and a constant.
static bool isLinear(AffineExpr expr) {
  if (isa<AffineDimExpr, AffineConstantExpr>(expr))
    return true;
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return false;
  if (binary.getKind() == AffineExprKind::Mul)
    return isLinear(binary.getLHS()) &&
           isa<AffineConstantExpr>(binary.getRHS());
  return binary.getKind() == AffineExprKind::Add && isLinear(binary.getLHS()) &&
         isLinear(binary.getRHS());
}

LogicalResult ArenaOp::verify() {
  AffineMap map = getOffset();
  if (map.getNumDims() != 2 || map.getNumSymbols() != 0 ||
      map.getNumResults() != 1 || !isLinear(map.getResult(0)))
    return emitOpError()
           << "expects an offset that is linear in T and R, such as "
              "affine_map<(T, R) -> (T * 256 + 64)>, got "
           << getOffsetAttr() << " (C1)";
  return success();
}

static LogicalResult verifyRows(Operation *op, Domain rows,
                                StringRef constraint) {
  if (rows == Domain::Tokens || rows == Domain::LogitRows)
    return success();
  return op->emitOpError() << "expects rows to be tokens or logit_rows, got "
                           << stringifyDomain(rows) << constraint;
}

LogicalResult LaunchOp::verify() {
  // They have defaults, but a pass may have taken them away.
  if (!getExtentAttr() || !getUnitAttr() || !getSizesAttr())
    return emitOpError() << "requires attributes 'extent', 'unit' and 'sizes'";
  if (failed(verifyRows(*this, getRows(), " (C3)")))
    return failure();
  int64_t extent = getExtent(), unit = getUnit();
  if (getDomain() == Domain::Panels && (extent < 1 || unit < 1))
    return emitOpError() << "expects a number of panels and a unit of at least "
                            "1, got "
                         << extent << " and " << unit << " (C3)";
  return success();
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (!symbols.lookupNearestSymbolFrom<KernelOp>(*this, getKernelAttr()))
    return emitOpError() << "refers to " << getKernelAttr()
                         << ", which is no kernel of the module (C1)";
  bool hasLayer = bool(getLayer());
  if (auto weights = getWeightsAttr())
    for (auto name : weights.getAsRange<FlatSymbolRefAttr>())
      if (!checkedWeight(*this, name, hasLayer, " (C2)"))
        return failure();
  if (getCacheAttr() && !checkedState(*this, getCacheAttr(), hasLayer, " (C2)"))
    return failure();
  return success();
}

LogicalResult TapBufferOp::verify() {
  return verifyRows(*this, getRows(), " (C1)");
}

LogicalResult CallLayersOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto callee =
      symbols.lookupNearestSymbolFrom<func::FuncOp>(*this, getCalleeAttr());
  if (!callee)
    return emitOpError() << "refers to " << getCalleeAttr()
                         << ", which is no function of the module (C1)";
  auto expected = FunctionType::get(
      getContext(), {IndexType::get(getContext()), getFrame().getType()}, {});
  if (callee.getFunctionType() != expected) {
    auto diag = emitOpError()
                << "expects a callee of type " << expected << ", got "
                << callee.getFunctionType() << " (C1)";
    diag.attachNote(callee.getLoc()) << "defined here";
    return diag;
  }
  return verifyLayers(*this, callee, getFirst(), getCount(), " (C2)", " (C3)");
}
