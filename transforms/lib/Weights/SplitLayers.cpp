// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-split-layers: a layer kind whose layers are to have different formats
// becomes a kind for each combination. Types say what a layer is, so layers of
// one kind have one format in each place.

#include "adze/Dialect/Adze/FormatName.h"
#include "adze/Transforms/Parts.h"
#include "adze/Transforms/Passes.h"
#include "adze/Transforms/Remark.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringMap.h"

namespace adze {
#define GEN_PASS_DEF_SPLITLAYERS
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;

namespace {

constexpr llvm::StringLiteral kPass = "adze-split-layers";

struct SplitLayers : adze::impl::SplitLayersBase<SplitLayers> {
  using SplitLayersBase::SplitLayersBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto parsed = parseFormatRules(format, &getContext());
    if (!parsed) {
      module.emitError() << kPass << ": "
                         << llvm::toString(parsed.takeError());
      return signalPassFailure();
    }
    rules = std::move(*parsed);
    SymbolTable table(module);
    symbols = &table;
    kindOf.clear();
    llvm::MapVector<StringAttr, llvm::SetVector<int64_t>> layersOf;
    module.walk([&](RepeatOp repeat) {
      auto &layers = layersOf[repeat.getCalleeAttr().getAttr()];
      int64_t first = repeat.getFirst();
      for (int64_t l : llvm::seq(first, first + int64_t(repeat.getCount())))
        layers.insert(l);
    });
    llvm::SetVector<Operation *> replaced;
    for (auto &[name, layers] : layersOf)
      split(table.lookup<func::FuncOp>(name), layers.getArrayRef(), replaced);
    if (kindOf.empty())
      return;
    SmallVector<RepeatOp> repeats;
    module.walk([&](RepeatOp repeat) { repeats.push_back(repeat); });
    for (RepeatOp repeat : repeats)
      if (kindOf.contains(repeat.getCallee()))
        rewrite(repeat);
    for (auto &entry : kindOf)
      table.erase(table.lookup(entry.getKey()));
    eraseUnused(replaced);
  }

private:
  /// The weights per layer that `op` and what is in it reads, and what those
  /// are made of.
  void collect(Operation *op, llvm::SetVector<Operation *> &weights) {
    op->walk([&](Operation *inner) {
      inner->getAttrDictionary().walk([&](FlatSymbolRefAttr name) {
        auto weight = symbols->lookup<WeightOp>(name.getAttr());
        if (weight && weight.isPerLayer() && weights.insert(weight))
          collect(weight, weights);
      });
    });
  }

  /// What the rules say of the weight's tensors in `layer`.
  void addFormats(WeightOp weight, int64_t layer, llvm::raw_ostream &os) {
    if (weight.getWeightType().isVector())
      return;
    for (const std::string &source : sourcesOf(weight)) {
      std::string tensor = nameOfLayer(source, layer);
      auto rule = llvm::find_if(
          rules, [&](const FormatRule &r) { return r.matches(tensor); });
      os << (rule == rules.end() ? "-" : rule->format.getFormatName()) << ' ';
    }
  }

  /// Makes the kinds that take the place of `kind`, if its layers differ.
  void split(func::FuncOp kind, ArrayRef<int64_t> layers,
             llvm::SetVector<Operation *> &replaced) {
    llvm::SetVector<Operation *> weights;
    collect(kind, weights);
    llvm::MapVector<StringAttr, SmallVector<int64_t>> groups; // by formats
    for (int64_t layer : layers) {
      std::string formats;
      llvm::raw_string_ostream os(formats);
      for (Operation *op : weights)
        addFormats(cast<WeightOp>(op), layer, os);
      groups[StringAttr::get(&getContext(), formats)].push_back(layer);
    }
    if (groups.size() < 2)
      return;
    replaced.insert_range(weights);
    auto &kinds = kindOf[kind.getName()];
    int64_t number = 0;
    for (auto &[formats, group] : groups) {
      std::string suffix = "." + std::to_string(number++);
      llvm::sort(group);
      llvm::DenseMap<StringAttr, StringAttr> renamed;
      for (Operation *op : weights)
        renamed[cast<WeightOp>(op).getSymNameAttr()] =
            copyFor(cast<WeightOp>(op), group, suffix);
      func::FuncOp copy = kind.clone();
      copy.setName((kind.getName() + suffix).str());
      symbols->insert(copy, Block::iterator(kind));
      for (auto &[from, to] : renamed) {
        (void)SymbolTable::replaceAllSymbolUses(from, to, copy);
        auto weight = symbols->lookup<WeightOp>(to);
        for (auto &[inner, made] : renamed)
          (void)SymbolTable::replaceAllSymbolUses(inner, made,
                                                  &weight.getBody());
      }
      for (int64_t layer : group)
        kinds[layer] = copy.getSymNameAttr();
    }
    reportFired(kind, kPass,
                (Twine(layers.size()) + " layers become " +
                 Twine(groups.size()) + " kinds")
                    .str());
  }

  /// The same weight of some layers; gives its name.
  StringAttr copyFor(WeightOp weight, ArrayRef<int64_t> layers,
                     StringRef suffix) {
    WeightOp copy = weight.clone();
    copy.setName((weight.getSymName() + suffix).str());
    copy.removeCountAttr();
    copy.setLayersAttr(
        DenseI64ArrayAttr::get(weight.getContext(), layers));
    return symbols->insert(copy, Block::iterator(weight));
  }

  /// Runs of layers of one kind, one after the other.
  void rewrite(RepeatOp repeat) {
    auto &kinds = kindOf[repeat.getCallee()];
    OpBuilder builder(repeat);
    SmallVector<Value> args(repeat.getArgs());
    int64_t first = repeat.getFirst(), end = first + int64_t(repeat.getCount());
    for (int64_t layer = first; layer < end;) {
      int64_t next = layer;
      StringAttr kind = kinds.lookup(layer);
      while (next < end && kinds.lookup(next) == kind)
        ++next;
      args.front() =
          RepeatOp::create(builder, repeat.getLoc(), repeat.getType(),
                           next - layer, layer, kind.getValue(), args)
              .getResult();
      layer = next;
    }
    repeat.getResult().replaceAllUsesWith(args.front());
    repeat.erase();
  }

  /// Drops those weights that nothing reads now.
  void eraseUnused(llvm::SetVector<Operation *> &weights) {
    for (bool erased = true; erased;) {
      erased = false;
      llvm::DenseSet<StringAttr> read;
      getOperation().walk([&](Operation *op) {
        op->getAttrDictionary().walk(
            [&](FlatSymbolRefAttr name) { read.insert(name.getAttr()); });
      });
      weights.remove_if([&](Operation *op) {
        if (read.contains(cast<WeightOp>(op).getSymNameAttr()))
          return false;
        symbols->erase(op);
        return erased = true;
      });
    }
  }

  std::vector<FormatRule> rules;
  SymbolTable *symbols = nullptr;
  /// The kind of each layer of a kind that was split.
  llvm::StringMap<llvm::DenseMap<int64_t, StringAttr>> kindOf;
};

} // namespace
