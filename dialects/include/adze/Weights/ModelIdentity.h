// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a model's weights are, as a hash: statistics belong to one model.
#ifndef ADZE_WEIGHTS_MODELIDENTITY_H
#define ADZE_WEIGHTS_MODELIDENTITY_H

#include "adze/Weights/WeightSource.h"
#include "mlir/IR/BuiltinOps.h"

namespace adze {

/// The module attribute that keeps the identity of the model as it was imported
/// once a pass has made other sources of its weights.
inline constexpr llvm::StringLiteral kModelAttrName = "adze.model";

/// A hash, in hexadecimal, of every source tensor that a weight of `module`
/// names: name, type, shape and bytes, in the order of the names. Where the
/// files lie does not count. `module` as it is imported: passes may drop
/// weights.
llvm::Expected<std::string> modelIdentity(mlir::ModuleOp module,
                                          WeightSource &source);

} // namespace adze

#endif // ADZE_WEIGHTS_MODELIDENTITY_H
