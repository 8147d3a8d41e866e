// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- StoredWeights.cpp - How a model's weights lie on disk --------------===//
//
// Which layers store their weights alike.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/StoredWeights.h"

#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace adze {

StoredWeights::StoredWeights(const Checkpoint &checkpoint,
                             const TensorTable &table, int64_t layers) {
  for (const TensorSpec &spec : table.specs) {
    std::vector<StoredWeight> &all = forms.emplace_back();
    int64_t count = isPerLayer(spec.role) ? layers : 1;
    for (int64_t layer = 0; layer < count; ++layer)
      all.push_back({dtypeName(checkpoint.find(spec.name(layer))->type).str()});
  }
}

bool StoredWeights::isUniform(size_t spec) const {
  return all_equal(forms[spec]);
}

std::vector<std::vector<int64_t>> StoredWeights::layerGroups() const {
  size_t layers = 0;
  for (const std::vector<StoredWeight> &all : forms)
    layers = std::max(layers, all.size());
  auto alike = [&](int64_t a, int64_t b) {
    for (size_t spec = 0; spec < forms.size(); ++spec)
      if (!(of(spec, a) == of(spec, b)))
        return false;
    return true;
  };
  std::vector<std::vector<int64_t>> groups;
  for (int64_t layer = 0; layer < int64_t(layers); ++layer) {
    auto group = find_if(groups, [&](const std::vector<int64_t> &other) {
      return alike(other.front(), layer);
    });
    if (group == groups.end())
      groups.push_back({layer});
    else
      group->push_back(layer);
  }
  return groups;
}

} // namespace adze
