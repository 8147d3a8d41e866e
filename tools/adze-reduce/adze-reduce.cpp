// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-reduce: makes a module that shows a problem small (mlir-reduce with the
// adze dialects and passes).

#include "adze/InitAll.h"
#include "adze/PluginLoader.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-reduce/MlirReduceMain.h"
#include "llvm/Support/raw_ostream.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllPasses();
  adze::registerAllDialects(registry);
  adze::registerAllPasses();
  if (llvm::Error error = adze::loadPluginOptions(argc, argv, registry)) {
    llvm::errs() << "adze-reduce: error: " << llvm::toString(std::move(error))
                 << '\n';
    return 1;
  }
  mlir::MLIRContext context(registry);
  return mlir::failed(mlir::mlirReduceMain(argc, argv, context));
}
