// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What runs adze-choose-sparse where weights are not in a table on disk.
#ifndef ADZE_TRANSFORMS_CHOOSESPARSE_H
#define ADZE_TRANSFORMS_CHOOSESPARSE_H

#include "adze/Weights/WeightSource.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"

namespace adze {

/// The passes of `manager` that look at weights read those of `module` from
/// `source`, which outlives them. Where a pass before them gives the module
/// another weight table, they read that.
void lendWeights(mlir::OpPassManager &manager, mlir::ModuleOp module,
                 WeightSource &source);

} // namespace adze

#endif // ADZE_TRANSFORMS_CHOOSESPARSE_H
