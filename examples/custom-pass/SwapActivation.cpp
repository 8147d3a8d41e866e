// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A pass that changes the model: it puts another activation where the model has
// SiLU.
//
//   swap-activation{to=gelu}    to: gelu, or square: x * |x|

#include "adze/Dialect/Adze/Adze.h"
#include "adze/Plugin.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace {

struct SwapActivation : PassWrapper<SwapActivation, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(SwapActivation)

  SwapActivation() = default;
  SwapActivation(const SwapActivation &other) : PassWrapper(other) {}

  StringRef getArgument() const final { return "swap-activation"; }
  StringRef getDescription() const final {
    return "Put another activation where the model has SiLU";
  }
  void getDependentDialects(DialectRegistry &registry) const final {
    registry.insert<arith::ArithDialect, math::MathDialect>();
  }

  void runOnOperation() final {
    if (to != "gelu" && to != "square") {
      getOperation().emitError()
          << "swap-activation: to is \"" << to << "\"; expected gelu or square";
      return signalPassFailure();
    }
    getOperation().walk([&](adze::SiluOp silu) {
      OpBuilder b(silu);
      Location loc = silu.getLoc();
      Value x = silu.getX(), y;
      if (to == "gelu") {
        y = adze::GeluOp::create(b, loc, x.getType(), x);
      } else { // x * |x|: odd, smooth, and needs no constant
        Value size = math::AbsFOp::create(b, loc, x);
        y = arith::MulFOp::create(b, loc, x, size);
      }
      silu.replaceAllUsesWith(y);
      silu.erase();
    });
  }

  Option<std::string> to{*this, "to", llvm::cl::init("gelu"),
                         llvm::cl::desc("gelu or square")};
};

} // namespace

ADZE_PLUGIN(swap_activation, "1.0") {
  registry.pass<SwapActivation>();
  // Where it runs when the user does not say.
  registry.insert("after-import", "swap-activation");
}
