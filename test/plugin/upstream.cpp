// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A plug-in as mlir-opt takes it: the tools of Adze take it too.

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Tools/Plugins/PassPlugin.h"

namespace {
struct Mark : mlir::PassWrapper<Mark, mlir::OperationPass<mlir::ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(Mark)
  llvm::StringRef getArgument() const final { return "test-mark"; }
  void runOnOperation() final {
    getOperation()->setAttr("test.marked", mlir::UnitAttr::get(&getContext()));
  }
};
} // namespace

extern "C" mlir::PassPluginLibraryInfo mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "upstream", "1.0",
          [] { mlir::PassRegistration<Mark>(); }};
}
