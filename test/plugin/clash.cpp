// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A plug-in that takes a name which is taken: MLIR itself would abort.

#include "adze/Plugin.h"
#include "mlir/IR/BuiltinOps.h"

namespace {
struct Mine : mlir::PassWrapper<Mine, mlir::OperationPass<mlir::ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(Mine)
  llvm::StringRef getArgument() const final { return "cse"; }
  void runOnOperation() final {}
};
struct MyArith : mlir::Dialect {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(MyArith)
  explicit MyArith(mlir::MLIRContext *context)
      : Dialect("arith", context, mlir::TypeID::get<MyArith>()) {}
  static constexpr llvm::StringLiteral getDialectNamespace() { return "arith"; }
};
} // namespace

ADZE_PLUGIN(clash, "1.0") {
  registry.pass<Mine>();
  registry.dialect<MyArith>();
  registry.insert("after-lunch", "cse");
}
