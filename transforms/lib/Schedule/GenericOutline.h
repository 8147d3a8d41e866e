// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The generic path before scheduling: what no kernel builder claims becomes
// adze.generic, one op with its inputs as operands, so that buffers, barriers
// and launches follow as for any other op.
#ifndef ADZE_TRANSFORMS_SCHEDULE_GENERICOUTLINE_H
#define ADZE_TRANSFORMS_SCHEDULE_GENERICOUTLINE_H

#include "adze/Dialect/Adze/Adze.h"
#include "mlir/IR/BuiltinOps.h"

namespace adze {

/// On an attention or a kv_append: plain loops in place of its kernel.
inline constexpr llvm::StringLiteral kGenericAttrName = "adze.generic";

/// Outlines, in all functions of `module`, the ops that `names` lists ("all":
/// every op that has a kernel), ops that no kernel is for, and clusters of
/// upstream ops on rows. What cannot be computed row by row is a diagnostic.
llvm::LogicalResult outlineGeneric(mlir::ModuleOp module,
                                   llvm::ArrayRef<std::string> names);

} // namespace adze

#endif // ADZE_TRANSFORMS_SCHEDULE_GENERICOUTLINE_H
