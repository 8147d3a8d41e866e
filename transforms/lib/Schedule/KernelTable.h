// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The kernels of a module: one `adze.kernel` per distinct family, params and
// region, whatever the number of launches.
#ifndef ADZE_TRANSFORMS_SCHEDULE_KERNELTABLE_H
#define ADZE_TRANSFORMS_SCHEDULE_KERNELTABLE_H

#include "adze/Dialect/Adze/Adze.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"

namespace adze {

class KernelTable {
public:
  explicit KernelTable(mlir::ModuleOp module) : module(module) {}

  /// The kernel with these params; `region` (may be null) is copied.
  mlir::FlatSymbolRefAttr get(mlir::Location loc, KernelFamily family,
                              mlir::DictionaryAttr params,
                              mlir::Region *region);

private:
  mlir::ModuleOp module;
  llvm::StringMap<mlir::FlatSymbolRefAttr> known;
  int next = 0;
};

} // namespace adze

#endif // ADZE_TRANSFORMS_SCHEDULE_KERNELTABLE_H
