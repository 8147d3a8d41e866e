// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// count-linears: remarks how many adze.linear the module has. It finds them
// only if the plug-in and the tool agree on the op's TypeID.
#include "adze/Dialect/Adze/Adze.h"
#include "adze/Plugin.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;

namespace {
struct CountLinears : PassWrapper<CountLinears, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(CountLinears)

  StringRef getArgument() const final { return "count-linears"; }
  StringRef getDescription() const final { return "Count the linear ops"; }
  void runOnOperation() final {
    unsigned count = 0;
    getOperation().walk([&](adze::LinearOp) { ++count; });
    getOperation().emitRemark() << count << " linears";
  }
};
} // namespace

ADZE_PLUGIN(count, "1.0") { registry.pass<CountLinears>(); }
