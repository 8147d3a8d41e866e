// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How a model is compiled, launch by launch: for `adze explain`.
#ifndef ADZE_CODEGEN_DRIVER_EXPLAIN_H
#define ADZE_CODEGEN_DRIVER_EXPLAIN_H

#include "adze/Compiler.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

namespace adze {

/// Compiles `model` for the best variant of the target up to the schedule, and
/// describes it:
///
///   model, architecture, variant, layers, weight_bytes
///   entry, parts, remarks   as in Schedule.h
///
/// `layer` >= 0 keeps the part with that layer and puts its number in names.
llvm::Expected<llvm::json::Object> explainModel(const std::string &model,
                                                const CompileOptions &options,
                                                int64_t layer = -1);

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_EXPLAIN_H
