// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels by what they compute; see the header.

#include "KernelTable.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace adze;

FlatSymbolRefAttr KernelTable::get(Location loc, KernelFamily family,
                                   DictionaryAttr params, Region *region) {
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  auto kernel = KernelOp::create(builder, loc, "kernel", family, params);
  if (region && !region->empty()) {
    IRMapping mapping;
    region->cloneInto(&kernel.getBody(), mapping);
  }
  // The printed form, under one name, is what makes kernels equal.
  std::string key;
  llvm::raw_string_ostream os(key);
  kernel->print(os, OpPrintingFlags().useLocalScope().enableDebugInfo(false));
  auto [it, isNew] = known.try_emplace(key);
  if (!isNew) {
    kernel.erase();
    return it->second;
  }
  std::string name =
      ("k" + llvm::Twine(next++) + "_" + stringifyKernelFamily(family)).str();
  kernel.setSymName(name);
  it->second = FlatSymbolRefAttr::get(builder.getContext(), name);
  return it->second;
}
