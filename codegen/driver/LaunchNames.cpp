// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "LaunchNames.h"
#include "adze/Dialect/Adze/Adze.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace adze;

SmallVector<StringRef> adze::namesOf(Location loc) {
  SmallVector<StringRef> names;
  loc->walk([&](Location inner) {
    if (auto name = dyn_cast<NameLoc>(inner))
      if (!llvm::is_contained(names, name.getName().getValue()))
        names.push_back(name.getName().getValue());
    return WalkResult::advance();
  });
  SmallVector<StringRef> leaves;
  llvm::copy_if(names, std::back_inserter(leaves), [&](StringRef name) {
    return llvm::none_of(names, [&](StringRef other) {
      return other.starts_with(name) && other.substr(name.size(), 1) == ".";
    });
  });
  return leaves;
}

std::string adze::joinNames(ArrayRef<StringRef> names) {
  std::string text;
  StringRef last;
  for (StringRef name : names) {
    auto [folder, leaf] = name.rsplit('.');
    bool same =
        !leaf.empty() && !last.empty() && last.rsplit('.').first == folder;
    text += (text.empty() ? "" : ", ") + (same ? leaf : name).str();
    last = name;
  }
  return text;
}

func::FuncOp adze::mainEntry(ModuleOp module) {
  func::FuncOp entry;
  for (auto function : module.getOps<func::FuncOp>())
    if (function->hasAttr(kEntryAttrName) &&
        (!entry || function.getName() == "step"))
      entry = function;
  return entry;
}
