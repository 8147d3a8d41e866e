// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The weight table of a module, for passes that read what weights hold.
#ifndef ADZE_LIB_WEIGHTS_MODULETABLE_H
#define ADZE_LIB_WEIGHTS_MODULETABLE_H

#include "adze/Weights/WeightTable.h"
#include "mlir/IR/BuiltinOps.h"

namespace adze::detail {

/// Whether the module names a table of its own.
bool namesTable(mlir::ModuleOp module);

/// Opens the table at `path` or, where that is empty, the one that the module
/// names (a module on disk names it as seen from its own folder). A pass that
/// has added weights names the table in its store by its whole path: that one
/// is opened whatever `path` says.
llvm::Expected<std::unique_ptr<WeightTable>>
openModuleTable(mlir::ModuleOp module, llvm::StringRef path);

} // namespace adze::detail

#endif // ADZE_LIB_WEIGHTS_MODULETABLE_H
