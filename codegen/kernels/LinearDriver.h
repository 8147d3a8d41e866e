// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The main loop of linears. It is told at run time what linears of a module
// differ in (tile functions, sizes, finish), so that one serves many: all that
// multiply floats, all that multiply codes, all that decode panels first.
#ifndef ADZE_CODEGEN_KERNELS_LINEARDRIVER_H
#define ADZE_CODEGEN_KERNELS_LINEARDRIVER_H

#include "Linear.h"

namespace adze {

class LinearDriver {
public:
  LinearDriver(KernelEmitter &e, const KernelTarget &target,
               const LinearPlan &plan)
      : e(e), target(target), plan(plan) {}

  /// (row, unit, rows, units, scratch, batch): finishes rows row .. row + rows
  /// of the units from `unit` on, whose tiles are in scratch; or, where the
  /// finish does not loop, (row, unit, tileRow, tileUnit, scratch, batch) for
  /// one row of one unit at that place of the tiles.
  static mlir::FunctionType finishType(KernelEmitter &e);

  /// Calls the main loop for the units lo .. hi.
  void call(mlir::Value lo, mlir::Value hi, const LinearOperands &operands,
            mlir::func::FuncOp finish);

private:
  mlir::func::FuncOp function(mlir::ValueRange arguments);

  KernelEmitter &e;
  const KernelTarget &target;
  const LinearPlan &plan;
};

} // namespace adze

#endif // ADZE_CODEGEN_KERNELS_LINEARDRIVER_H
