// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a model is made of, before it is compiled: for `adze inspect`.
#ifndef ADZE_CODEGEN_DRIVER_INSPECT_H
#define ADZE_CODEGEN_DRIVER_INSPECT_H

#include "adze/Compiler.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

namespace adze {

/// Imports `model` and describes it: the metadata, and `tensors`, one object
/// (name, format, shape, bytes, and layer where it has one) per tensor that the
/// model reads, in the order in which it is declared. With `zeros`, of each
/// matrix which zeros it has (`zeros`).
llvm::Expected<llvm::json::Object> inspectModel(const std::string &model,
                                                const CompileOptions &options,
                                                bool zeros = false);

struct KnownVariant {
  std::string name;
  uint64_t missing; // feature bits of adze/abi.h that this machine lacks
  bool isSlow;      // it runs, but is not taken where there is a weaker one
};
/// The variants of x86-64 there are, best first.
std::vector<KnownVariant> knownVariants();

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_INSPECT_H
