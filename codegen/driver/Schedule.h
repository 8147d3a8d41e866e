// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The launches of a scheduled module, and what passes said of each: what `adze
// explain` prints, and what an artefact carries in its table SCHEDULE.
#ifndef ADZE_CODEGEN_DRIVER_SCHEDULE_H
#define ADZE_CODEGEN_DRIVER_SCHEDULE_H

#include "Remarks.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

namespace adze {

/// `a.b.q` and `a.b.k` as "a.b.q, k".
std::string joinNames(llvm::ArrayRef<llvm::StringRef> names);

/// The entry that writes text, else the first one; null without entries.
mlir::func::FuncOp mainEntry(mlir::ModuleOp module);

/// {"entry", "parts", "remarks"}:
///
///   parts    in order: `part` (before, layers, after), for layers also `first`
///            and `count`, and `launches`
///   launch   source (names in the checkpoint, {} for the layer), op, kernel,
///            weights, weight_bytes (of one layer), format,
///            operations_per_token, operations_per_token_and_position
///            (attention), fired and missed (pass and text), `barrier` where
///            all threads meet behind it, `barrier_of_several` where they do in
///            steps of several rows only, and `repeated` where in a step of one
///            row every thread does it
///   remarks  what passes said that belongs to no launch
///
/// Equal for equal modules and remarks, in whatever order passes said them.
/// `layer` >= 0 keeps the part with that layer and puts its number in names.
llvm::json::Object describeSchedule(mlir::func::FuncOp entry,
                                    llvm::ArrayRef<PassRemark> remarks,
                                    int64_t layer = -1);

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_SCHEDULE_H
