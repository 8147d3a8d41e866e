// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The one file of these tests that includes every dialect.

#include "TestModule.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"

using namespace adze::test;

TestModule::TestModule(llvm::StringRef text)
    : context(mlir::MLIRContext::Threading::DISABLED),
      handler(&context, [this](mlir::Diagnostic &diagnostic) {
        diagnostics += diagnostic.str() + "\n";
      }) {
  context.loadDialect<adze::AdzeDialect, mlir::arith::ArithDialect,
                      mlir::func::FuncDialect, mlir::linalg::LinalgDialect,
                      mlir::math::MathDialect, mlir::tensor::TensorDialect>();
  context.allowUnregisteredDialects();
  module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  EXPECT_TRUE(module) << diagnostics;
}
