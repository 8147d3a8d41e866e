// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-lsp-server: editors' help for .mlir files with the adze dialects.

#include "adze/InitAll.h"
#include "adze/PluginLoader.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Support/LLVM.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"
#include "llvm/Support/raw_ostream.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  adze::registerAllDialects(registry);
  if (llvm::Error error = adze::loadPluginOptions(argc, argv, registry)) {
    llvm::errs() << "adze-lsp-server: error: "
                 << llvm::toString(std::move(error)) << '\n';
    return 1;
  }
  return mlir::failed(mlir::MlirLspServerMain(argc, argv, registry));
}
