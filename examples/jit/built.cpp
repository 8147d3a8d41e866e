// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A function built in C++ instead of text: y = W x + x.

#include "adze/FunctionBuilder.h"

#include <cmath>
#include <cstdio>

using namespace mlir;

static void buildResidual(OpBuilder &b) {
  Location loc = b.getUnknownLoc();
  Type rows = RankedTensorType::get({ShapedType::kDynamic, 3}, b.getF32Type());
  auto f = func::FuncOp::create(b, loc, "residual",
                                b.getFunctionType({rows}, {rows}));
  b.setInsertionPointToStart(f.addEntryBlock());
  Value x = f.getArgument(0);
  auto wx = adze::LinearOp::create(b, loc, rows, x, "w", "", Value());
  Value y = arith::AddFOp::create(b, loc, wx.getResult(), x);
  func::ReturnOp::create(b, loc, y);
}

int main() {
  try {
    float w[9] = {0, 1, 0, 0, 0, 1, 1, 0, 0}; // turns (a, b, c) into (b, c, a)
    float x[6] = {1, 2, 3, 10, 20, 30};
    adze::FunctionOptions options;
    options.bind("w", adze::Tensor::view(w, {3, 3}));
    auto model = adze::buildFunction(buildResidual, options).or_throw();
    auto residual = model.entry("residual").or_throw();
    auto y = residual.call(adze::Tensor::view(x, {2, 3})).or_throw()[0];
    for (int i = 0; i < 6; ++i)
      std::printf("%g ", y.data<float>()[i]);
    std::printf("\n"); // 3 5 4 30 50 40
  } catch (const std::exception &problem) {
    return std::fprintf(stderr, "%s\n", problem.what()), 1;
  }
}
