// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What passes say of what they did and of what they could have done and did
// not, kept while a model is compiled.
#ifndef ADZE_CODEGEN_DRIVER_REMARKS_H
#define ADZE_CODEGEN_DRIVER_REMARKS_H

#include "mlir/IR/Location.h"
#include "mlir/IR/MLIRContext.h"
#include <string>
#include <vector>

namespace adze {

struct PassRemark {
  bool fired;
  std::string pass, text;
  llvm::SmallVector<llvm::StringRef> names; ///< where; the context owns them
};

/// The names in a location, each once, in order; without those that only hold
/// another one (`a.b` where there is `a.b.q`).
llvm::SmallVector<llvm::StringRef> namesOf(mlir::Location loc);

/// Where a diagnostic is from, as a user knows it: a line of a file, else names
/// of tensors. Empty where it is only known to the compiler.
std::string placeOf(mlir::Location loc);

/// From now on, appends to `all`, which must live as long as the context, what
/// passes that run in the context say: from one thread at a time, in no
/// particular order where passes run on several.
llvm::LogicalResult collectRemarks(mlir::MLIRContext &context,
                                   std::vector<PassRemark> &all);

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_REMARKS_H
