// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-convert-weights: every matrix that ops read in the format that a rule
// gives its tensor. The old symbol keeps its name and becomes a cast, so no op
// has to change; expressions of other weights go on reading what they read.

#include "adze/Dialect/Adze/AdzeExpressions.h"
#include "adze/Dialect/Adze/FormatName.h"
#include "adze/Transforms/Passes.h"
#include "adze/Transforms/Remark.h"
#include "adze/Transforms/WeightExpr.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/ADT/StringSet.h"

namespace adze {
#define GEN_PASS_DEF_CONVERTWEIGHTS
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;

namespace {

struct ConvertWeights : adze::impl::ConvertWeightsBase<ConvertWeights> {
  using ConvertWeightsBase::ConvertWeightsBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto parsed = parseFormatRules(format, &getContext());
    if (!parsed) {
      module.emitError() << "adze-convert-weights: "
                         << llvm::toString(parsed.takeError());
      return signalPassFailure();
    }
    rules = std::move(*parsed);
    hits.assign(rules.size(), false);
    findReaders();
    SmallVector<std::pair<WeightOp, FormatAttrInterface>> changes;
    for (auto weight : module.getOps<WeightOp>()) {
      if (!isCandidate(weight))
        continue;
      FailureOr<FormatAttrInterface> wanted = choose(weight);
      if (failed(wanted))
        return signalPassFailure();
      if (!*wanted || weight.getWeightType().getFormat() == *wanted ||
          !suits(weight, *wanted))
        continue;
      changes.push_back({weight, *wanted});
    }
    for (auto [rule, hit] : llvm::zip(rules, hits))
      if (!hit && rule.pattern != "*") {
        module.emitError() << "adze-convert-weights: \"" << rule.text
                           << "\" matches no matrix" << namedMatrices(module);
        return signalPassFailure();
      }
    for (auto [weight, wanted] : changes)
      convert(weight, wanted);
  }

  /// What reads each weight: ops, others of them than linears and embeddings,
  /// weights.
  void findReaders() {
    readByOps.clear(), readByWeights.clear();
    elsewhere = readElsewhere(getOperation());
    getOperation().walk([&](Operation *op) {
      if (auto ref = dyn_cast<RefOp>(op)) {
        readByWeights.insert(ref.getWeight());
        return;
      }
      op->getAttrDictionary().walk(
          [&](FlatSymbolRefAttr name) { readByOps.insert(name.getValue()); });
    });
  }

  /// What only other weights read is converted where the result is.
  bool isCandidate(WeightOp weight) {
    return !weight.getWeightType().isVector() &&
           !weight->hasAttr(kExactAttrName) &&
           (readByOps.contains(weight.getSymName()) ||
            !readByWeights.contains(weight.getSymName()));
  }

  /// The source tensors of a weight, with {} for the layer.
  void findSources(WeightOp weight, llvm::SetVector<Operation *> &sources) {
    if (weight.isSource() || getUnpack(weight)) {
      sources.insert(weight);
      return;
    }
    weight.walk([&](RefOp ref) {
      if (WeightOp target = lookupWeight(weight, ref.getWeightAttr()))
        if (target != weight && visited.insert(target).second)
          findSources(target, sources);
    });
  }

  /// The format of the first rule that matches; null if none does. Rules that
  /// split the layers of a weight, or the sources of one, are errors.
  FailureOr<FormatAttrInterface> choose(WeightOp weight) {
    llvm::SetVector<Operation *> sources;
    visited.clear();
    findSources(weight, sources);
    FormatAttrInterface chosen;
    std::string chosenBy, chosenFor;
    for (Operation *op : sources) {
      auto source = cast<WeightOp>(op);
      for (int64_t layer : source.getLayerIndices()) {
        UnpackOp unpack = getUnpack(source);
        std::string tensor = unpack ? unpack.getSourceName(layer) + ".weight"
                                    : source.getSourceName(layer);
        FormatAttrInterface format;
        std::string by = "no rule";
        for (auto [i, rule] : llvm::enumerate(rules)) {
          if (!rule.matches(tensor))
            continue;
          hits[i] = true;
          if (!format) {
            format = rule.format;
            by = "\"" + rule.text + "\"";
          }
        }
        if (chosenFor.empty()) {
          chosen = format;
          chosenBy = by;
          chosenFor = tensor;
        } else if (format != chosen) {
          InFlightDiagnostic diagnostic =
              weight.emitError()
              << "adze-convert-weights: " << by << " gives \"" << tensor
              << "\" another format than " << chosenBy << " gives \""
              << chosenFor << "\"";
          if (op == sources.front() && source.isPerLayer())
            diagnostic << "; the layers of a weight have one format: use a "
                          "pattern that all of \""
                       << (unpack ? unpack.getSource() : *source.getSource())
                       << "\" match";
          else
            diagnostic << ", and they are parts of one weight";
          return failure();
        }
      }
    }
    return chosen;
  }

  /// Integer formats are for what linears and embeddings read, in rows that are
  /// not much shorter than a group: elsewhere their scales cost what they save.
  bool suits(WeightOp weight, FormatAttrInterface wanted) {
    if (!isa<IntegerFormatAttrInterface>(Attribute(wanted)))
      return true;
    StringRef why = whyNotInteger(weight, elsewhere);
    if (!why.empty())
      reportMissed(weight, "adze-convert-weights", why);
    return why.empty();
  }

  void convert(WeightOp source, FormatAttrInterface wanted) {
    std::string name = source.getSymName().str();
    // Uses keep the name: rename the source first, then take its old name.
    std::string sourceName = name + ".source";
    while (SymbolTable::lookupSymbolIn(getOperation(), sourceName))
      sourceName += "_";
    source.setSymName(sourceName);
    getOperation().walk([&](RefOp ref) {
      if (ref.getWeight() == name)
        ref.setWeight(sourceName);
    });
    buildWeightExpr(
        {source}, name,
        [&](OpBuilder &b, ValueRange in) -> Value {
          return CastOp::create(b, source.getLoc(),
                                withFormat(source.getWeightType(), wanted),
                                in[0]);
        },
        /*mayShare=*/false);
    reportFired(
        source, "adze-convert-weights",
        ("@" + Twine(name) + " becomes " + wanted.getFormatName()).str());
  }

  std::vector<FormatRule> rules;
  std::vector<bool> hits; // of each rule
  llvm::StringSet<> readByOps, elsewhere, readByWeights;
  llvm::SmallPtrSet<Operation *, 8> visited;
};

} // namespace
