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

/// How one weight is stored.
struct StoredWeight {
  /// Of its values, as formats are called: `bf16`, `q4_k`.
  std::string format;

  bool operator==(const StoredWeight &other) const = default;
};

class StoredWeights {
public:
  StoredWeights() = default;
  /// One tensor per weight, as validateTensors has found them.
  StoredWeights(const Checkpoint &checkpoint, const TensorTable &table,
                int64_t layers);

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
  std::vector<std::vector<StoredWeight>> forms; ///< by entry, by layer
};

} // namespace adze

#endif // ADZE_FRONTEND_STOREDWEIGHTS_H
