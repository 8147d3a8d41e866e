// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- DecoderBuilder.h - The IR of a decoder ------------------*- C++ -*-===//
//
// From a configuration and a table of tensors to a module: symbols, one
// function per layer kind, and the entries. Knows nothing of files.
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_FRONTEND_LIB_DECODERBUILDER_H
#define ADZE_FRONTEND_LIB_DECODERBUILDER_H

#include "adze/Frontend/ModelConfig.h"
#include "adze/Frontend/TensorTable.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/OwningOpRef.h"

namespace adze {

/// The MLIR type of a weight's elements; null for types that are no float
/// weights.
mlir::Type elementType(mlir::MLIRContext &context, DType type);

/// The symbol of a role's weight.
llvm::StringRef symbolOf(TensorRole role);

/// The weights of all roles, at the insertion point of `builder`.
void addDecoderWeights(mlir::ImplicitLocOpBuilder &builder,
                       const ModelConfig &config, const TensorTable &table,
                       llvm::ArrayRef<DType> types);

/// The module without attributes. `types` are the types of `table.specs`, all
/// float weights; the table has the roles that `config` asks for.
mlir::OwningOpRef<mlir::ModuleOp> buildDecoder(mlir::MLIRContext &context,
                                               const ModelConfig &config,
                                               const TensorTable &table,
                                               llvm::ArrayRef<DType> types,
                                               mlir::Type kvType);

} // namespace adze

#endif // ADZE_FRONTEND_LIB_DECODERBUILDER_H
