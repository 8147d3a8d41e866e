// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "PruneSelection.h"
#include "adze/Transforms/Parts.h"
#include "adze/Transforms/Rounding.h"
#include "adze/Transforms/WeightExpr.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace adze;
using namespace adze::detail;

LogicalResult PruneSelection::read(StringRef text) {
  auto parsed = parsePruneRules(text);
  if (!parsed)
    return module.emitError()
           << pass << ": " << llvm::toString(parsed.takeError());
  rules = std::move(*parsed);
  std::vector<bool> hits(rules.size());
  for (auto weight : module.getOps<WeightOp>()) {
    if (weight.getWeightType().isVector())
      continue;
    for (const std::string &source : sourcesOf(weight))
      for (int64_t layer : weight.getLayerIndices())
        for (auto [i, rule] : llvm::enumerate(rules))
          if (!hits[i])
            hits[i] = rule.matches(nameOfLayer(source, layer));
  }
  for (auto [rule, hit] : llvm::zip_equal(rules, hits))
    if (!hit && !rule.isForAll())
      return module.emitError()
             << pass << ": \"" << rule.text << "\" matches no matrix"
             << namedMatrices(module);
  return success();
}

bool PruneSelection::asksForZeros() const {
  return llvm::any_of(
      rules, [](const PruneRule &rule) { return rule.zeros.amount > 0; });
}

const PruneRule *PruneSelection::find(WeightOp weight, StringRef tensor) {
  auto rule = llvm::find_if(
      rules, [&](const PruneRule &rule) { return rule.matches(tensor); });
  bool isMeant = rule != rules.end() && rule->zeros.amount > 0 &&
                 (!rule->isForAll() || weight.isPerLayer());
  return isMeant ? &*rule : nullptr;
}

FailureOr<const ZerosPattern *> PruneSelection::choose(WeightOp weight) {
  const PruneRule *chosen = nullptr;
  std::string chosenFor;
  for (const std::string &source : sourcesOf(weight))
    for (int64_t layer : weight.getLayerIndices()) {
      std::string tensor = nameOfLayer(source, layer);
      const PruneRule *rule = find(weight, tensor);
      if (chosenFor.empty()) {
        chosen = rule;
        chosenFor = tensor;
        continue;
      }
      if (rule == chosen)
        continue;
      auto name = [](const PruneRule *rule) {
        return rule ? "\"" + rule->text + "\"" : std::string("no rule");
      };
      return weight.emitError()
             << pass << ": " << name(rule) << " is for \"" << tensor
             << "\", and " << name(chosen) << " for \"" << chosenFor
             << "\": the layers of a weight, and the tensors that it is made "
                "of, are pruned alike; use a pattern that all of them match";
    }
  if (!chosen)
    return nullptr;
  const ZerosPattern &zeros = chosen->zeros;
  int64_t columns = weight.getWeightType().getCols();
  if (zeros.kind == ZerosKind::NofM && columns % zeros.of != 0) {
    std::string source = sourcesOf(weight).front();
    auto [before, after] = StringRef(source).split("{}");
    StringRef rest = weight.isPerLayer() ? after : before;
    rest.consume_back(".weight");
    return weight.emitError()
           << pass << ": tensor \"" << chosenFor << "\": its " << columns
           << " columns are no whole groups of " << zeros.of << ", as \""
           << zeros.text << "\" needs; leave it out by a rule before, \""
           << (weight.isPerLayer() ? "*" : "") << rest
           << "=0\", or choose another pattern";
  }
  return &zeros;
}

//===-- the module's report -----------------------------------------------===//

/// The report that is there; null if it is none of these passes'.
static llvm::json::Value reportOf(ModuleOp module) {
  auto text = module->getAttrOfType<StringAttr>(kPruningAttrName);
  auto parsed = llvm::json::parse(text ? text.getValue() : StringRef("null"));
  if (!parsed) {
    llvm::consumeError(parsed.takeError());
    return nullptr;
  }
  llvm::json::Object *object = parsed->getAsObject();
  return object && object->getArray("weights") ? std::move(*parsed) : nullptr;
}

llvm::StringSet<> adze::detail::prunedBefore(ModuleOp module) {
  llvm::StringSet<> names;
  llvm::json::Value report = reportOf(module);
  if (const llvm::json::Object *object = report.getAsObject())
    for (const llvm::json::Value &weight : *object->getArray("weights"))
      if (const llvm::json::Object *entry = weight.getAsObject())
        names.insert(entry->getString("tensor").value_or(""));
  return names;
}

void adze::detail::addPruning(ModuleOp module, const CompressReport &report) {
  llvm::json::Value before = reportOf(module), now = report.whole();
  if (llvm::json::Object *object = before.getAsObject()) {
    llvm::json::Array &all = *now.getAsObject()->getArray("weights");
    auto key = [](const llvm::json::Value &weight) {
      const llvm::json::Object *entry = weight.getAsObject();
      auto field = [&](StringRef name) {
        return entry ? entry->getString(name).value_or("").str() : "";
      };
      return field("tensor") + "\n" + field("file");
    };
    llvm::StringSet<> added;
    for (const llvm::json::Value &weight : all)
      added.insert(key(weight));
    // What came out the same again is one entry.
    for (llvm::json::Value &weight : *object->getArray("weights"))
      if (!added.contains(key(weight)))
        all.push_back(std::move(weight));
  }
  std::string text;
  llvm::raw_string_ostream(text) << now;
  module->setAttr(kPruningAttrName, StringAttr::get(module.getContext(), text));
}
