// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Registration of dialects and passes.

#include "adze/InitAll.h"
#include "adze/Dialect/Adze/Adze.h"
#include "adze/Dialect/AdzeKernel/AdzeKernel.h"
#include "adze/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

void adze::registerAllDialects(mlir::DialectRegistry &registry) {
  registry.insert<AdzeDialect, kernel::AdzeKernelDialect,
                  mlir::arith::ArithDialect, mlir::func::FuncDialect,
                  mlir::linalg::LinalgDialect, mlir::math::MathDialect,
                  mlir::scf::SCFDialect, mlir::tensor::TensorDialect>();
}

void adze::registerAllPasses() {
  static const bool once = (registerTransformsPasses(), true);
  (void)once;
}
