// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "Remarks.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/StringExtras.h"
#include <mutex>

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

std::string adze::placeOf(Location loc) {
  if (auto line = loc->findInstanceOf<FileLineColLoc>())
    return (line.getFilename().getValue() + ":" + llvm::Twine(line.getLine()) +
            ":" + llvm::Twine(line.getColumn()))
        .str();
  return llvm::join(namesOf(loc), ", ");
}

namespace {
class RemarkCollector : public remark::detail::MLIRRemarkStreamerBase {
public:
  explicit RemarkCollector(std::vector<PassRemark> &all) : all(all) {}

  void streamOptimizationRemark(const remark::detail::Remark &r) override {
    std::string text;
    for (const auto &arg : r.getArgs())
      text += (text.empty() ? "" : " ") + arg.val;
    PassRemark remark{r.getRemarkType() == llvm::remarks::Type::Passed,
                      r.getCategoryName().str(), text,
                      namesOf(r.getLocation())};
    std::lock_guard<std::mutex> lock(mutex);
    all.push_back(std::move(remark));
  }

private:
  std::mutex mutex;
  std::vector<PassRemark> &all;
};
} // namespace

LogicalResult adze::collectRemarks(MLIRContext &context,
                                   std::vector<PassRemark> &all) {
  remark::RemarkCategories categories;
  categories.passed = categories.missed = ".*";
  return remark::enableOptimizationRemarks(
      context, std::make_unique<RemarkCollector>(all),
      std::make_unique<remark::RemarkEmittingPolicyAll>(), categories);
}
