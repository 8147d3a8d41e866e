// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Declarations of all passes of transforms/.
#ifndef ADZE_TRANSFORMS_PASSES_H
#define ADZE_TRANSFORMS_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include <memory>

namespace adze {

#define GEN_PASS_DECL
#include "adze/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "adze/Transforms/Passes.h.inc"

} // namespace adze

#endif // ADZE_TRANSFORMS_PASSES_H
