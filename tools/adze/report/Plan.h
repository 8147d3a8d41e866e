// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The plan of the entry of an artefact as it runs: its launches layer after
// layer, the bytes that each reads, and the phases between barriers.
#ifndef ADZE_TOOLS_ADZE_REPORT_PLAN_H
#define ADZE_TOOLS_ADZE_REPORT_PLAN_H

#include "../Console.h"
#include "llvm/Support/JSON.h"
#include <map>
#include <set>

namespace adze::tools {

/// The packed weights of an artefact, by name and layer.
class WeightTable {
public:
  struct Row {
    std::string format;
    uint64_t rows = 0, bytes = 0;
  };
  Result<void> read(const Model &model);
  /// That of the layer, or the one that all layers share; null without any.
  const Row *find(const std::string &name, int64_t layer) const;

  llvm::json::Array formats() const; ///< format, tensors, bytes
  uint64_t bytes = 0, parameters = 0;

private:
  std::map<std::pair<std::string, int64_t>, Row> rows; // -1: of no layer
};

enum class PhaseClass { Matrices, Attention, Rest };

/// What lies between two barriers.
struct Phase {
  size_t part = 0;           ///< index in the plan's parts
  int64_t layer = -1;        ///< -1: before or after the layers
  size_t begin = 0, end = 0; ///< launches of the part
  PhaseClass kind = PhaseClass::Rest;
  uint64_t bytes = 0; ///< of weights, for one token
  unsigned attentions = 0;
  std::set<std::string> formats;
};

/// Phases in the order in which a step passes them. An error where the plan is
/// none that a compiler writes.
Result<std::vector<Phase>> phasesOf(const llvm::json::Object &plan,
                                    const WeightTable &weights,
                                    const std::string &artefact);

} // namespace adze::tools

#endif // ADZE_TOOLS_ADZE_REPORT_PLAN_H
