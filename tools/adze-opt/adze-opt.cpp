// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-opt: mlir-opt with the adze dialects and passes.

#include "adze/InitAll.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  mlir::registerAllPasses();
  adze::registerAllDialects(registry);
  adze::registerAllPasses();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "Adze optimizer\n", registry));
}
