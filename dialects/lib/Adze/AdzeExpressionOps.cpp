// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifiers of the weight expressions that import makes.

#include "adze/Dialect/Adze/AdzeExpressions.h"
#include <cmath>

using namespace mlir;
using namespace adze;

static LogicalResult expectType(Operation *op, WeightType expected,
                                WeightType got) {
  if (expected == got)
    return success();
  return op->emitOpError() << "expects a result of type " << expected
                           << ", got " << got << " (C1)";
}

static LogicalResult expectRowsLayout(Operation *op, WeightType type) {
  if (type.getLayout() == LayoutKind::Rows)
    return success();
  return op->emitOpError() << "expects an input in the layout rows, got "
                           << type << " (C1)";
}

LogicalResult SliceOp::verify() {
  auto in = cast<WeightType>(getInput().getType());
  int64_t first = getFirst(), rows = getType().getRows();
  if (first < 0 || rows > in.getRows() || first > in.getRows() - rows)
    return emitOpError() << "expects rows within 0 to " << in.getRows()
                         << ", got " << rows << " from " << first << " (C1)";
  if (failed(expectRowsLayout(*this, in)))
    return failure();
  SmallVector<int64_t> shape(in.getShape());
  shape[0] = rows;
  return expectType(
      *this,
      WeightType::get(getContext(), shape, in.getFormat(), in.getLayout()),
      getType());
}

LogicalResult OffsetOp::verify() {
  WeightType type = getInput().getType();
  if (type.getFormat().getFormatName() != "f32")
    return emitOpError() << "expects a weight in f32, got " << type << " (C1)";
  double by = getBy().convertToDouble();
  if (!std::isfinite(by) || double(float(by)) != by)
    return emitOpError() << "expects a finite number of f32, got " << by
                         << " (C1)";
  return expectRowsLayout(*this, type);
}

LogicalResult RotarySpreadOp::verify() {
  auto in = cast<WeightType>(getInput().getType());
  int64_t heads = getHeads(), rotated = getRotated();
  if (heads <= 0 || in.getRows() % (2 * heads))
    return emitOpError()
           << "expects rows that are a multiple of 2 * heads, got "
           << in.getRows() << " rows and " << heads << " heads (C1)";
  if (rotated <= 0 || rotated % 2 || rotated > in.getRows() / heads)
    return emitOpError() << "expects an even number of rotated rows of each "
                            "head of "
                         << in.getRows() / heads << ", got " << rotated
                         << " (C1)";
  if (failed(expectRowsLayout(*this, in)))
    return failure();
  return expectType(*this, in, getType());
}

#define GET_OP_CLASSES
#include "adze/Dialect/Adze/AdzeExpressionOps.cpp.inc"
