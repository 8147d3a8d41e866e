// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "LayerKinds.h"
#include "adze/Transforms/Remark.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace adze;
using namespace adze::detail;

llvm::MapVector<StringAttr, llvm::SetVector<int64_t>>
adze::detail::layersOfKinds(ModuleOp module) {
  llvm::MapVector<StringAttr, llvm::SetVector<int64_t>> layersOf;
  module.walk([&](RepeatOp repeat) {
    auto &layers = layersOf[repeat.getCalleeAttr().getAttr()];
    int64_t first = repeat.getFirst();
    for (int64_t l : llvm::seq(first, first + int64_t(repeat.getCount())))
      layers.insert(l);
  });
  return layersOf;
}

static void collect(SymbolTable &symbols, Operation *op,
                    llvm::SetVector<Operation *> &weights) {
  op->walk([&](Operation *inner) {
    inner->getAttrDictionary().walk([&](FlatSymbolRefAttr name) {
      auto weight = symbols.lookup<WeightOp>(name.getAttr());
      if (weight && weight.isPerLayer() && weights.insert(weight))
        collect(symbols, weight, weights);
    });
  });
}

llvm::SetVector<Operation *> adze::detail::weightsPerLayer(SymbolTable &symbols,
                                                           Operation *op) {
  llvm::SetVector<Operation *> weights;
  collect(symbols, op, weights);
  return weights;
}

void adze::detail::rewriteRepeat(
    RepeatOp repeat, llvm::function_ref<StringAttr(int64_t)> kindOf) {
  OpBuilder builder(repeat);
  SmallVector<Value> args(repeat.getArgs());
  int64_t first = repeat.getFirst(), end = first + int64_t(repeat.getCount());
  for (int64_t layer = first; layer < end;) {
    int64_t next = layer;
    StringAttr kind = kindOf(layer);
    while (next < end && kindOf(next) == kind)
      ++next;
    if (kind)
      args.front() =
          RepeatOp::create(builder, repeat.getLoc(), repeat.getType(),
                           next - layer, layer, kind.getValue(), args)
              .getResult();
    layer = next;
  }
  repeat.getResult().replaceAllUsesWith(args.front());
  repeat.erase();
}

void adze::detail::eraseUnused(ModuleOp module,
                               llvm::SetVector<Operation *> &weights) {
  for (bool erased = true; erased;) {
    erased = false;
    llvm::DenseSet<StringAttr> read;
    module.walk([&](Operation *op) {
      op->getAttrDictionary().walk(
          [&](FlatSymbolRefAttr name) { read.insert(name.getAttr()); });
    });
    weights.remove_if([&](Operation *op) {
      if (read.contains(cast<WeightOp>(op).getSymNameAttr()))
        return false;
      op->erase();
      return erased = true;
    });
  }
}

//===-- splitting ---------------------------------------------------------===//

namespace {

class Splitter {
public:
  Splitter(ModuleOp module, StringRef pass, LayerKey key)
      : module(module), pass(pass), key(key), symbols(module) {}

  bool run();

private:
  void split(func::FuncOp kind, ArrayRef<int64_t> layers);
  StringAttr copyFor(WeightOp weight, ArrayRef<int64_t> layers,
                     StringRef suffix);

  ModuleOp module;
  StringRef pass;
  LayerKey key;
  SymbolTable symbols;
  llvm::SetVector<Operation *> replaced;
  /// The kind of each layer of a kind that was split.
  llvm::StringMap<llvm::DenseMap<int64_t, StringAttr>> kindOf;
};

} // namespace

/// Makes the kinds that take the place of `kind`, if its layers differ.
void Splitter::split(func::FuncOp kind, ArrayRef<int64_t> layers) {
  llvm::SetVector<Operation *> weights = weightsPerLayer(symbols, kind);
  llvm::MapVector<StringAttr, SmallVector<int64_t>> groups; // by their keys
  for (int64_t layer : layers)
    groups[StringAttr::get(module.getContext(),
                           key(kind, weights.getArrayRef(), layer))]
        .push_back(layer);
  if (groups.size() < 2)
    return;
  replaced.insert_range(weights);
  auto &kinds = kindOf[kind.getName()];
  int64_t number = 0;
  for (auto &[text, group] : groups) {
    std::string suffix = "." + std::to_string(number++);
    llvm::sort(group);
    llvm::DenseMap<StringAttr, StringAttr> renamed;
    for (Operation *op : weights)
      renamed[cast<WeightOp>(op).getSymNameAttr()] =
          copyFor(cast<WeightOp>(op), group, suffix);
    func::FuncOp copy = kind.clone();
    copy.setName((kind.getName() + suffix).str());
    symbols.insert(copy, Block::iterator(kind));
    for (auto &[from, to] : renamed) {
      (void)SymbolTable::replaceAllSymbolUses(from, to, copy);
      auto weight = symbols.lookup<WeightOp>(to);
      for (auto &[inner, made] : renamed)
        (void)SymbolTable::replaceAllSymbolUses(inner, made, &weight.getBody());
    }
    for (int64_t layer : group)
      kinds[layer] = copy.getSymNameAttr();
  }
  reportFired(kind, pass,
              (Twine(layers.size()) + " layers become " + Twine(groups.size()) +
               " kinds")
                  .str());
}

/// The same weight of some layers; gives its name.
StringAttr Splitter::copyFor(WeightOp weight, ArrayRef<int64_t> layers,
                             StringRef suffix) {
  WeightOp copy = weight.clone();
  copy.setName((weight.getSymName() + suffix).str());
  copy.removeCountAttr();
  copy.setLayersAttr(DenseI64ArrayAttr::get(weight.getContext(), layers));
  return symbols.insert(copy, Block::iterator(weight));
}

bool Splitter::run() {
  for (auto &[name, layers] : layersOfKinds(module))
    split(symbols.lookup<func::FuncOp>(name), layers.getArrayRef());
  if (kindOf.empty())
    return false;
  SmallVector<RepeatOp> repeats;
  module.walk([&](RepeatOp repeat) { repeats.push_back(repeat); });
  for (RepeatOp repeat : repeats)
    if (kindOf.contains(repeat.getCallee())) {
      auto &kinds = kindOf[repeat.getCallee()];
      rewriteRepeat(repeat, [&](int64_t layer) { return kinds.lookup(layer); });
    }
  for (auto &entry : kindOf)
    symbols.erase(symbols.lookup(entry.getKey()));
  eraseUnused(module, replaced);
  return true;
}

bool adze::detail::splitKinds(ModuleOp module, StringRef pass, LayerKey key) {
  return Splitter(module, pass, key).run();
}
