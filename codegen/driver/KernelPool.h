// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The kernels of all variants of an artefact, each compiled once. A kernel that
// chooses nothing by what a variant adds to a weaker one (a norm; a linear of
// floats, where vnni is added) is compiled for the weaker one and called by
// both.
#ifndef ADZE_CODEGEN_DRIVER_KERNELPOOL_H
#define ADZE_CODEGEN_DRIVER_KERNELPOOL_H

#include "adze/Codegen/TargetVariants.h"
#include "adze/Dialect/Adze/Adze.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

#include <vector>

namespace adze {

class KernelPool {
public:
  /// `variants`, best first, outlive the pool.
  explicit KernelPool(llvm::ArrayRef<const TargetVariant *> variants);

  /// The symbol of the code of `kernel` for `variant`, which is built if no
  /// kernel of that code was added before. Errors are diagnostics on it.
  mlir::FailureOr<std::string> add(KernelOp kernel,
                                   const TargetVariant &variant);

  /// What is appended to a function's name in code for `variant`.
  static std::string suffix(const TargetVariant &variant);

  /// Kernels that are compiled together for one variant.
  struct Unit {
    const TargetVariant *variant;
    mlir::ModuleOp module;
  };
  /// All units that hold anything. They live as long as the pool.
  std::vector<Unit> units();

private:
  struct VariantKernels {
    // Linears share their tiles: one module; the others, another.
    mlir::OwningOpRef<mlir::ModuleOp> linears, others;
    llvm::StringMap<std::string> symbolOf; // by contents
    llvm::StringSet<> names;
  };

  /// The weakest variant whose code for `kernel` is that of `variant`.
  size_t baseOf(KernelOp kernel, const TargetVariant &variant) const;

  llvm::ArrayRef<const TargetVariant *> variants;
  std::vector<VariantKernels> kernels; // of each variant
};

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_KERNELPOOL_H
