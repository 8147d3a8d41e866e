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
#include "adze/Frontend/StoredWeights.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/OwningOpRef.h"

namespace adze {

/// The MLIR type of a cache's elements; null for types that are none.
mlir::Type elementType(mlir::MLIRContext &context, DType type);

/// The symbols of a decoder's weights.
class DecoderSymbols {
public:
  DecoderSymbols(const ModelConfig &config, const TensorTable &table,
                 const StoredWeights &stored);

  /// The symbol of a role's weight in the layers of group `group`: `l.q`, or
  /// `l0.q`, `l1.q` where groups have weights of their own.
  std::string of(TensorRole role, size_t group = 0) const;
  /// The symbol of the order in which the columns of a role's weight are
  /// stored; empty: as x has them.
  std::string orderOf(TensorRole role, size_t group) const;
  /// Whether groups of layers have weights of their own for `spec`. Where
  /// groups differ at all, their matrices are apart: projections that are
  /// fused must be of the same layers.
  bool isSplit(const TensorSpec &spec) const;

  /// Layers that store their weights alike.
  const std::vector<std::vector<int64_t>> &groups() const { return layers; }
  size_t groupOf(int64_t layer) const;

  const ModelConfig &config;
  const TensorTable &table;
  const StoredWeights &stored;

private:
  std::vector<std::vector<int64_t>> layers;
};

/// The tensor of `table` that holds the weight of `role`, perhaps with others;
/// null where there is none.
const TensorSpec *holderOf(const TensorTable &table, TensorRole role);

/// The weights of all roles, at the insertion point of `builder`.
void addDecoderWeights(mlir::ImplicitLocOpBuilder &builder,
                       const DecoderSymbols &symbols);

/// The module without attributes. `stored` says how the weights of
/// `table.specs` are stored, all in formats of the dialect; the table has the
/// roles that `config` asks for.
mlir::OwningOpRef<mlir::ModuleOp> buildDecoder(mlir::MLIRContext &context,
                                               const ModelConfig &config,
                                               const TensorTable &table,
                                               const StoredWeights &stored,
                                               mlir::Type kvType);

} // namespace adze

#endif // ADZE_FRONTEND_LIB_DECODERBUILDER_H
