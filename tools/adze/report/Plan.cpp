// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "Plan.h"
#include "llvm/ADT/StringRef.h"
#include <algorithm>

using namespace adze;
using namespace adze::tools;
namespace json = llvm::json;

Result<void> WeightTable::read(const Model &model) {
  for (size_t i = 0; i < adze_model_weight_count(model.c()); ++i) {
    adze_weight_info w = {};
    w.size = sizeof w;
    if (adze_model_weight(model.c(), i, &w))
      return lastError();
    rows[{w.name, w.layer == ~0u ? -1 : int64_t(w.layer)}] = {w.format, w.rows,
                                                              w.bytes};
    bytes += w.bytes;
    parameters += w.rows * w.cols;
  }
  return {};
}

const WeightTable::Row *WeightTable::find(const std::string &name,
                                          int64_t layer) const {
  auto it = rows.find({name, layer});
  if (it == rows.end())
    it = rows.find({name, -1});
  return it == rows.end() ? nullptr : &it->second;
}

json::Array WeightTable::formats() const {
  std::map<std::string, std::pair<int64_t, int64_t>> totals;
  for (const auto &[key, row] : rows) {
    auto &[count, sum] = totals[row.format];
    ++count;
    sum += int64_t(row.bytes);
  }
  std::vector<std::pair<int64_t, std::string>> order;
  for (const auto &[format, total] : totals)
    order.emplace_back(-total.second, format);
  std::sort(order.begin(), order.end());
  json::Array list;
  for (const auto &[bytes, format] : order)
    list.push_back(json::Object{{"format", format},
                                {"tensors", totals[format].first},
                                {"bytes", -bytes}});
  return list;
}

/// Adds a launch in a layer to a phase.
static void add(const json::Object &launch, const WeightTable &weights,
                Phase &phase) {
  llvm::StringRef op = launch.getString("op").value_or("");
  if (op == "linear")
    phase.kind = PhaseClass::Matrices;
  if (op == "attention") {
    ++phase.attentions;
    if (phase.kind == PhaseClass::Rest)
      phase.kind = PhaseClass::Attention;
  }
  const json::Array *names = launch.getArray("weights");
  for (size_t i = 0; names && i < names->size(); ++i) {
    auto name = (*names)[i].getAsString();
    const WeightTable::Row *row =
        name ? weights.find(name->str(), phase.layer) : nullptr;
    if (!row)
      continue;
    // A token takes one row of an embedding.
    phase.bytes +=
        op == "embed" && row->rows ? row->bytes / row->rows : row->bytes;
    if (op == "linear")
      phase.formats.insert(llvm::StringRef(row->format).split('/').first.str());
  }
}

Result<std::vector<Phase>> adze::tools::phasesOf(const json::Object &plan,
                                                 const WeightTable &weights,
                                                 const std::string &artefact) {
  constexpr int64_t kMostLayers = 65536;
  Error malformed{ADZE_BAD_ARTEFACT,
                  artefact + ": its table SCHEDULE is not one that this "
                             "compiler writes",
                  "compile the model again"};
  std::vector<Phase> phases;
  const json::Array *parts = plan.getArray("parts");
  if (!parts)
    return malformed;
  bool open = false;
  int64_t layers = 0;
  for (size_t p = 0; p < parts->size(); ++p) {
    const json::Object *part = (*parts)[p].getAsObject();
    const json::Array *launches = part ? part->getArray("launches") : nullptr;
    if (!launches)
      return malformed;
    bool isLayers = part->get("first") != nullptr;
    int64_t first = part->getInteger("first").value_or(-1),
            count = isLayers ? part->getInteger("count").value_or(-1) : 1;
    if (count < 0 || (isLayers && first < 0) || first > kMostLayers ||
        (layers += count) > kMostLayers)
      return malformed;
    for (int64_t i = 0; i < count; ++i) {
      for (size_t l = 0; l < launches->size(); ++l) {
        const json::Object *launch = (*launches)[l].getAsObject();
        if (!launch)
          return malformed;
        if (!open) {
          phases.emplace_back();
          phases.back().part = p;
          phases.back().layer = isLayers ? first + i : -1;
          phases.back().begin = l;
        }
        phases.back().end = std::max(l + 1, phases.back().begin + 1);
        add(*launch, weights, phases.back());
        open = !launch->getBoolean("barrier").value_or(false);
      }
    }
  }
  return phases;
}
