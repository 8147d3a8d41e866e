// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Expressions that few files know: slice, offset, scale_columns, scale_rows,
// rotary_spread, unpack, unpack_order; and permute.
#ifndef ADZE_DIALECT_ADZE_ADZEEXPRESSIONS_H
#define ADZE_DIALECT_ADZE_ADZEEXPRESSIONS_H

#include "adze/Dialect/Adze/Adze.h"

#define GET_OP_CLASSES
#include "adze/Dialect/Adze/AdzeExpressionOps.h.inc"

namespace adze {

/// The adze.unpack that a weight is the result of, or null.
UnpackOp getUnpack(WeightOp weight);

} // namespace adze

#endif // ADZE_DIALECT_ADZE_ADZEEXPRESSIONS_H
