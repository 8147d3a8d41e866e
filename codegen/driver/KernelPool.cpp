// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "KernelPool.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace adze;

KernelPool::KernelPool(ArrayRef<const TargetVariant *> variants)
    : variants(variants), kernels(variants.size()) {}

std::string KernelPool::suffix(const TargetVariant &variant) {
  return ("." + variant.name).str();
}

size_t KernelPool::baseOf(KernelOp kernel, const TargetVariant &variant) const {
  KernelDots dots = kernelDots(kernel);
  for (size_t i = variants.size(); i-- > 0;)
    if (variant.sharesCode(*variants[i], dots))
      return i;
  llvm_unreachable("a variant shares its own code");
}

/// All that makes a kernel's code, as text.
static std::string contentsOf(KernelOp kernel) {
  KernelOp copy = kernel.clone();
  copy.setSymName("kernel");
  std::string text;
  llvm::raw_string_ostream os(text);
  copy->print(os, OpPrintingFlags().useLocalScope().printGenericOpForm());
  copy->erase();
  return text;
}

FailureOr<std::string> KernelPool::add(KernelOp kernel,
                                       const TargetVariant &variant) {
  size_t index = baseOf(kernel, variant);
  const TargetVariant &base = *variants[index];
  VariantKernels &of = kernels[index];
  std::string &symbol = of.symbolOf[contentsOf(kernel)];
  if (!symbol.empty())
    return symbol;

  bool isLinear = kernel.getFamily() == KernelFamily::Linear;
  OwningOpRef<ModuleOp> &module = isLinear ? of.linears : of.others;
  if (!module)
    module = ModuleOp::create(kernel.getLoc());
  // Two schedules may call different kernels by one name.
  std::string name = kernel.getSymName().str();
  for (int i = 2; !of.names.insert(name).second; ++i)
    name = (kernel.getSymName() + "_" + Twine(i)).str();
  OwningOpRef<KernelOp> named = kernel.clone();
  named->setSymName(name);
  OpBuilder builder = OpBuilder::atBlockEnd(module->getBody());
  if (failed(buildKernel(builder, *named, base.kernel)))
    return failure();
  symbol = name + suffix(base);
  return symbol;
}

std::vector<KernelPool::Unit> KernelPool::units() {
  std::vector<Unit> all;
  for (auto [variant, of] : llvm::zip(variants, kernels))
    for (auto *module : {&of.linears, &of.others})
      if (*module)
        all.push_back({variant, **module});
  return all;
}
