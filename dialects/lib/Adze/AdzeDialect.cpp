// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Registration of the adze dialect and its generated definitions.

#include "adze/Dialect/Adze/Adze.h"
#include "adze/Dialect/Adze/AdzeExpressions.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace adze;

#include "adze/Dialect/Adze/AdzeDialect.cpp.inc"
#include "adze/Dialect/Adze/AdzeEnums.cpp.inc"

#include "adze/Dialect/Adze/AdzeAttrInterfaces.cpp.inc"
#include "adze/Dialect/Adze/AdzeOpInterfaces.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "adze/Dialect/Adze/AdzeAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "adze/Dialect/Adze/AdzeTypes.cpp.inc"

void AdzeDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "adze/Dialect/Adze/AdzeOps.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "adze/Dialect/Adze/AdzeExpressionOps.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "adze/Dialect/Adze/AdzeTypes.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "adze/Dialect/Adze/AdzeAttrs.cpp.inc"
      >();
}

/// What SymbolTable::lookupNearestSymbolFrom finds, if it is an `OpTy`. It is
/// asked for every op of every layer: names are compared as attributes, and
/// only those of such ops.
template <typename OpTy>
static OpTy lookupNearest(Operation *from, FlatSymbolRefAttr name) {
  Operation *table = name ? SymbolTable::getNearestSymbolTable(from) : nullptr;
  if (!table || table->getNumRegions() == 0 || table->getRegion(0).empty())
    return {};
  for (auto op : table->getRegion(0).front().getOps<OpTy>())
    if (op.getSymNameAttr() == name.getAttr())
      return op;
  return {};
}

WeightOp adze::lookupWeight(Operation *from, FlatSymbolRefAttr name) {
  return lookupNearest<WeightOp>(from, name);
}

StateOp adze::lookupState(Operation *from, FlatSymbolRefAttr name) {
  return lookupNearest<StateOp>(from, name);
}
