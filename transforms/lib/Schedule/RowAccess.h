// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which rows of its operands an upstream op needs for one row of its result.
#ifndef ADZE_TRANSFORMS_SCHEDULE_ROWACCESS_H
#define ADZE_TRANSFORMS_SCHEDULE_ROWACCESS_H

#include "mlir/IR/Operation.h"
#include "llvm/ADT/MapVector.h"
#include <string>

namespace adze {

/// A tensor whose first dimension, and no other, is dynamic.
bool isRowTensor(mlir::Type type);

/// What an op reads for one row of its results.
struct RowAccess {
  /// Per value of the op (operands, and values that its regions capture): true
  /// if any row may be read, false if only the row computed. Row tensors only.
  llvm::MapVector<mlir::Value, bool> whole;
  /// Why the op cannot be computed row by row; empty if it can.
  std::string problem;
};

RowAccess rowAccessOf(mlir::Operation *op);

} // namespace adze

#endif // ADZE_TRANSFORMS_SCHEDULE_ROWACCESS_H
