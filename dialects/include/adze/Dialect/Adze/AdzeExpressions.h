// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The weight expressions that import makes: slice, offset, rotary_spread.
#ifndef ADZE_DIALECT_ADZE_ADZEEXPRESSIONS_H
#define ADZE_DIALECT_ADZE_ADZEEXPRESSIONS_H

#include "adze/Dialect/Adze/Adze.h"

#define GET_OP_CLASSES
#include "adze/Dialect/Adze/AdzeExpressionOps.h.inc"

#endif // ADZE_DIALECT_ADZE_ADZEEXPRESSIONS_H
