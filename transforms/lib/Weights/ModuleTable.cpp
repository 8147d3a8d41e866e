// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ModuleTable.h"
#include "adze/Dialect/Adze/Adze.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace adze;

bool adze::detail::namesTable(ModuleOp module) {
  return bool(module->getAttrOfType<StringAttr>(kTableAttrName));
}

llvm::Expected<std::unique_ptr<WeightTable>>
adze::detail::openModuleTable(ModuleOp module, StringRef option) {
  SmallString<256> path(option);
  auto named = module->getAttrOfType<StringAttr>(kTableAttrName);
  if (named && llvm::sys::path::is_absolute(named.getValue()))
    path.clear(); // a pass has added weights since
  if (path.empty()) {
    if (!namesTable(module))
      return llvm::createStringError("expects a weight table: the option "
                                     "table, or the module attribute \"" +
                                     kTableAttrName + "\"");
    auto name = module->getAttrOfType<StringAttr>(kTableAttrName);
    path = name.getValue();
    auto file = dyn_cast<FileLineColLoc>(module.getLoc());
    if (!llvm::sys::path::is_absolute(path) && file) {
      path = llvm::sys::path::parent_path(file.getFilename().getValue());
      llvm::sys::path::append(path, name.getValue());
    }
  }
  return WeightTable::open(path);
}
