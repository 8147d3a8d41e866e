// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// compileFunction for those who build IR in C++ (adze/Function.h takes text).
//
//   auto model = adze::buildFunction([](mlir::OpBuilder &b) {
//     auto loc = b.getUnknownLoc();
//     auto rows = mlir::RankedTensorType::get({mlir::ShapedType::kDynamic, 64},
//                                             b.getF32Type());
//     auto f = mlir::func::FuncOp::create(
//         b, loc, "twice", b.getFunctionType({rows}, {rows}));
//     ...
//   }, options);
#ifndef ADZE_FUNCTIONBUILDER_H
#define ADZE_FUNCTIONBUILDER_H

#include "adze/Dialect/Adze/Adze.h"
#include "adze/Function.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

namespace adze {

/// `build` makes functions at the builder's insertion point, the end of a new
/// module in which the bound tensors are declared as weights already.
Result<Model> buildFunction(llvm::function_ref<void(mlir::OpBuilder &)> build,
                            const FunctionOptions &options = {});

} // namespace adze

#endif // ADZE_FUNCTIONBUILDER_H
