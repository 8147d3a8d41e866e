// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The adze_kernel dialect and its verifiers.

#include "adze/Dialect/AdzeKernel/AdzeKernel.h"

using namespace mlir;
using namespace adze::kernel;

#include "adze/Dialect/AdzeKernel/AdzeKernelDialect.cpp.inc"
#define GET_OP_CLASSES
#include "adze/Dialect/AdzeKernel/AdzeKernelOps.cpp.inc"

void AdzeKernelDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "adze/Dialect/AdzeKernel/AdzeKernelOps.cpp.inc"
      >();
}

LogicalResult DotOp::verify() {
  auto acc = cast<VectorType>(getAcc().getType());
  auto a = cast<VectorType>(getA().getType());
  bool isFloat = acc.getElementType().isF32();
  if (isFloat != a.getElementType().isBF16())
    return emitOpError() << "expects bf16 operands for an f32 accumulator and "
                            "i8 operands for an i32 one, got "
                         << a << " and " << acc << " (C1)";
  int64_t depth = isFloat ? 2 : 4;
  if (a.getNumElements() != depth * acc.getNumElements())
    return emitOpError() << "expects operands of "
                         << depth * acc.getNumElements() << " elements for "
                         << acc << ", got " << a << " (C1)";
  return success();
}

LogicalResult DotCodesOp::verify() {
  auto acc = cast<VectorType>(getAcc().getType());
  auto codes = cast<VectorType>(getCodes().getType());
  if (codes.getNumElements() != 4 * acc.getNumElements())
    return emitOpError() << "expects operands of " << 4 * acc.getNumElements()
                         << " elements for " << acc << ", got " << codes
                         << " (C1)";
  return success();
}

LogicalResult DotWordsOp::verify() {
  auto acc = cast<VectorType>(getAcc().getType());
  auto a = cast<VectorType>(getA().getType());
  if (a.getNumElements() != 2 * acc.getNumElements())
    return emitOpError() << "expects operands of " << 2 * acc.getNumElements()
                         << " elements for " << acc << ", got " << a << " (C1)";
  return success();
}

/// A conversion keeps the number of elements.
static LogicalResult verifySameShape(Operation *op, Type from, Type to) {
  auto a = dyn_cast<VectorType>(from), b = dyn_cast<VectorType>(to);
  if (bool(a) != bool(b) || (a && a.getShape() != b.getShape()))
    return op->emitOpError() << "expects as many elements in as out, got "
                             << from << " and " << to;
  return success();
}
LogicalResult ToF32Op::verify() {
  return verifySameShape(*this, getX().getType(), getType());
}
LogicalResult FromF32Op::verify() {
  return verifySameShape(*this, getX().getType(), getType());
}
