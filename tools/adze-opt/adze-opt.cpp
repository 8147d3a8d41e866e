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
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/raw_ostream.h"
#include <vector>

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
  // An error about a module would print all of it.
  constexpr llvm::StringLiteral printOp = "--mlir-print-op-on-diagnostic";
  std::vector<char *> arguments(argv, argv + argc);
  bool isSaid = llvm::any_of(arguments, [&](llvm::StringRef argument) {
    return argument.starts_with(printOp) ||
           argument.starts_with(printOp.drop_front());
  });
  std::string quiet = (printOp + "=false").str();
  if (!isSaid && !arguments.empty())
    arguments.insert(arguments.begin() + 1, quiet.data());
  return mlir::asMainReturnCode(mlir::MlirOptMain(
      int(arguments.size()), arguments.data(), "Adze optimizer\n", registry));
}
