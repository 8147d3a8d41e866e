// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- StoredWeights.h - How a model's weights lie on disk -----*- C++ -*-===//
//
// Between the table of tensors, which says what a model reads, and the IR: how
// each weight is stored, layer by layer. Layers that store all of theirs alike
// are one group, and each group becomes layer kinds of its own.
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_FRONTEND_STOREDWEIGHTS_H
#define ADZE_FRONTEND_STOREDWEIGHTS_H

#include "adze/Frontend/TensorTable.h"

namespace adze {

class Quantization; // adze/Frontend/Quantization.h

/// How one weight is stored.
struct StoredWeight {
  /// Of its values, as formats are called: `bf16`, `q4_k`, `int4:g128:f16`.
  std::string format;
  /// How several tensors make the weight, as adze.unpack calls it; empty where
  /// it is one tensor.
  std::string packing;
  /// Where columns are in an order of their own: what the names of the tensors
  /// that say so begin with, {} for the layer.
  std::string order;

  bool operator==(const StoredWeight &other) const = default;
};

class StoredWeights {
public:
  StoredWeights() = default;
  /// Finds the weights of `table`. Reports every missing, unexpected and
  /// misshapen tensor and every type that cannot be imported; only without
  /// errors is the result complete. `quantization` may be null.
  StoredWeights(const Checkpoint &checkpoint, const TensorTable &table,
                int64_t layers, const Quantization *quantization,
                Diagnostics &diags);

  /// Of the table's entry `spec`; `layer` counts where there is one per layer.
  const StoredWeight &of(size_t spec, int64_t layer = 0) const {
    const std::vector<StoredWeight> &all = forms[spec];
    return all[all.size() == 1 ? 0 : layer];
  }
  /// Whether all layers store this entry alike.
  bool isUniform(size_t spec) const;

  /// Ascending layers that store all of their weights alike; ordered by their
  /// first layers, every layer in one.
  std::vector<std::vector<int64_t>> layerGroups() const;

private:
  void shareOrders(const Checkpoint &checkpoint, const TensorTable &table);

  std::vector<std::vector<StoredWeight>> forms; ///< by entry, by layer
};

} // namespace adze

#endif // ADZE_FRONTEND_STOREDWEIGHTS_H
