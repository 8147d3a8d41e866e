// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-opt: mlir-opt with the adze dialects and passes, and with plug-ins whose
// load failures are errors.

#include "adze/InitAll.h"
#include "adze/PluginLoader.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/raw_ostream.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  mlir::registerAllPasses();
  adze::registerAllDialects(registry);
  adze::registerAllPasses();
  if (llvm::Error error = adze::loadPluginOptions(argc, argv, registry)) {
    llvm::errs() << "adze-opt: error: " << llvm::toString(std::move(error))
                 << '\n';
    return 1;
  }
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "Adze optimizer\n", registry));
}
