// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-extract-part: the embedding, one layer or the head of a model as an
// entry of its own. A part is the backward slice of its result, cut where the
// part before ended; what the layers share (the rotary table) is computed in
// each part again, from the batch.

#include "adze/Transforms/Parts.h"
#include "adze/Transforms/Passes.h"
#include "mlir/IR/IRMapping.h"

namespace adze {
#define GEN_PASS_DEF_EXTRACTPART
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;

static constexpr llvm::StringLiteral kArgName = "adze.name";

//===-- what there is -----------------------------------------------------===//

RepeatOp ModelParts::repeatOf(int64_t layer) {
  for (RepeatOp repeat : repeats)
    if (layer >= int64_t(repeat.getFirst()) &&
        layer < int64_t(repeat.getFirst() + repeat.getCount()))
      return repeat;
  return {};
}

SmallVector<TapOp> ModelParts::headTaps() {
  SmallVector<TapOp> taps;
  for (Operation *op = repeats.back()->getNextNode(); op;
       op = op->getNextNode())
    if (auto tap = dyn_cast<TapOp>(op))
      taps.push_back(tap);
  return taps;
}

static SmallVector<RepeatOp> layersOf(func::FuncOp entry) {
  SmallVector<RepeatOp> repeats;
  if (!entry.isExternal())
    for (RepeatOp repeat : entry.getBody().front().getOps<RepeatOp>())
      if (repeat.getCount())
        repeats.push_back(repeat);
  return repeats;
}

FailureOr<ModelParts> adze::findParts(ModuleOp module, StringRef name) {
  ModelParts parts;
  auto take = [&](func::FuncOp entry) {
    parts.entry = entry;
    parts.repeats = layersOf(entry);
    return !parts.repeats.empty();
  };
  auto named = module.lookupSymbol<func::FuncOp>(name.empty() ? "step" : name);
  if (!name.empty() && !named)
    return module.emitError() << "has no function @" << name;
  if (named)
    take(named);
  if (name.empty() && parts.repeats.empty())
    for (auto func : module.getOps<func::FuncOp>())
      if (func->hasAttr(kEntryAttrName) && take(func))
        break;
  if (parts.repeats.empty())
    return module.emitError()
           << "has no entry with layers: expected a function that applies them "
              "with adze.repeat";
  for (RepeatOp repeat : parts.repeats) {
    if (int64_t(repeat.getFirst()) != parts.layers)
      return repeat.emitOpError()
             << "runs layers from " << repeat.getFirst() << ", expected from "
             << parts.layers << ": layers must follow each other";
    parts.layers += repeat.getCount();
  }
  return parts;
}

//===-- one part ----------------------------------------------------------===//

namespace {

/// Copies backward slices into a new function, whose arguments are what of the
/// old one's they read, and `x` where they reach the cut.
class PartBuilder {
public:
  PartBuilder(ModuleOp module, ModelParts &parts);

  /// From here on, `value` is what the part before gave.
  void cutAt(Value value);
  /// The value in the part that `value` is; null after a diagnostic.
  Value take(Value value);
  /// Copies the taps of values that the part has.
  void takeTaps();
  /// Makes `value` the result.
  void finish(Value value);

  OpBuilder builder;

private:
  Value addArgument(Type type, DictionaryAttr attributes, Location loc);

  ModelParts &parts;
  func::FuncOp part;
  IRMapping map;
};

} // namespace

PartBuilder::PartBuilder(ModuleOp module, ModelParts &parts)
    : builder(OpBuilder::atBlockEnd(module.getBody())), parts(parts) {
  part = func::FuncOp::create(builder, parts.entry.getLoc(), kPartEntry,
                              builder.getFunctionType({}, {}));
  part->setAttr(kEntryAttrName, builder.getUnitAttr());
  builder.setInsertionPointToEnd(part.addEntryBlock());
}

void PartBuilder::cutAt(Value value) {
  auto name = builder.getNamedAttr(kArgName, builder.getStringAttr("x"));
  map.map(value, addArgument(value.getType(), builder.getDictionaryAttr(name),
                             value.getLoc()));
}

Value PartBuilder::addArgument(Type type, DictionaryAttr attributes,
                               Location loc) {
  unsigned at = part.getNumArguments();
  (void)part.insertArgument(at, type, attributes, loc);
  return part.getArgument(at);
}

Value PartBuilder::take(Value value) {
  if (Value known = map.lookupOrNull(value))
    return known;
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    map.map(value,
            addArgument(value.getType(),
                        parts.entry.getArgAttrDict(argument.getArgNumber()),
                        value.getLoc()));
    return map.lookup(value);
  }
  Operation *op = value.getDefiningOp();
  if (isa<RepeatOp>(op)) {
    op->emitOpError() << "is read by more than the next part: a model whose "
                         "layers reach further back cannot run in parts";
    return {};
  }
  for (Value operand : op->getOperands())
    if (!take(operand))
      return {};
  builder.clone(*op, map);
  return map.lookup(value);
}

void PartBuilder::takeTaps() {
  for (TapOp tap : parts.entry.getBody().front().getOps<TapOp>())
    if (map.contains(tap.getX()))
      builder.clone(*tap, map);
}

void PartBuilder::finish(Value value) {
  func::ReturnOp::create(builder, value.getLoc(), value);
  part.setFunctionType(
      builder.getFunctionType(part.getArgumentTypes(), value.getType()));
  part.setResultAttr(0, kArgName, builder.getStringAttr("y"));
}

/// Drops what only other layers need: functions first, then the weights that
/// have no such layer.
static void keepOnly(ModuleOp module, std::optional<int64_t> layer,
                     StringRef callee) {
  OpBuilder builder(module.getContext());
  for (auto func : llvm::make_early_inc_range(module.getOps<func::FuncOp>()))
    if (func.getName() != kPartEntry && func.getName() != callee)
      func.erase();
  for (auto weight : llvm::make_early_inc_range(module.getOps<WeightOp>())) {
    if (!weight.isPerLayer())
      continue;
    if (!layer || !weight.hasLayer(*layer)) {
      weight.erase();
      continue;
    }
    weight.removeCountAttr();
    weight.setLayersAttr(builder.getDenseI64ArrayAttr(*layer));
  }
  if (!layer)
    return;
  module.walk(
      [&](TapOp tap) { tap.setName(nameOfLayer(tap.getName(), *layer)); });
}

LogicalResult adze::extractPart(ModuleOp module, ModelParts &parts,
                                PartKind kind, int64_t layer) {
  if (module.lookupSymbol(kPartEntry))
    return module.emitError() << "has a symbol @" << kPartEntry
                              << " already: expected a whole model";
  RepeatOp repeat = parts.repeatOf(layer);
  if (kind == PartKind::Layer && !repeat)
    return parts.entry.emitError()
           << "has no layer " << layer << "; it has " << parts.layers;
  if (kind == PartKind::Embedding) {
    PartBuilder part(module, parts);
    Value x = part.take(parts.repeats.front().getArgs()[0]);
    if (!x)
      return failure();
    part.takeTaps();
    part.finish(x);
    keepOnly(module, std::nullopt, "");
    return success();
  }
  if (kind == PartKind::Head) {
    SmallVector<TapOp> taps = parts.headTaps();
    if (taps.empty())
      return parts.entry.emitError()
             << "observes nothing after its layers: expected an adze.tap "
                "(adze-insert-observers makes one where a linear is)";
    PartBuilder part(module, parts);
    part.cutAt(parts.repeats.back().getResult());
    for (TapOp tap : taps)
      if (!part.take(tap.getX()))
        return failure();
    part.takeTaps();
    part.finish(part.take(taps.front().getX()));
    keepOnly(module, std::nullopt, "");
    return success();
  }

  // What comes in is the result of the layer before: of this repeat, or of the
  // one before, with what stands between them; or the embedding. What the
  // layers share is computed without it.
  PartBuilder part(module, parts);
  SmallVector<Value> args(1);
  for (Value invariant : repeat.getArgs().drop_front()) {
    args.push_back(part.take(invariant));
    if (!args.back())
      return failure();
  }
  bool between = layer == int64_t(repeat.getFirst()) && layer != 0;
  part.cutAt(between ? Value(parts.repeatOf(layer - 1).getResult())
                     : repeat.getArgs()[0]);
  args[0] = part.take(repeat.getArgs()[0]);
  if (!args[0])
    return failure();
  if (between)
    part.takeTaps();
  std::string callee = repeat.getCallee().str();
  auto one = RepeatOp::create(part.builder, repeat.getLoc(), repeat.getType(),
                              /*count=*/1, /*first=*/layer, callee, args);
  part.finish(one.getResult());
  keepOnly(module, layer, callee);
  return success();
}

//===-- the pass ----------------------------------------------------------===//

namespace {

struct ExtractPart : adze::impl::ExtractPartBase<ExtractPart> {
  using ExtractPartBase::ExtractPartBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    PartKind kind = PartKind::Layer;
    int64_t layer = 0;
    if (part == "embedding") {
      kind = PartKind::Embedding;
    } else if (part == "head") {
      kind = PartKind::Head;
    } else if (StringRef(part).getAsInteger(10, layer) || layer < 0) {
      module.emitError() << "adze-extract-part expects part to be embedding, "
                            "head or the number of a layer, got \""
                         << part << "\"";
      return signalPassFailure();
    }
    auto parts = findParts(module, entry);
    if (failed(parts) || failed(extractPart(module, *parts, kind, layer)))
      signalPassFailure();
  }
};

} // namespace
