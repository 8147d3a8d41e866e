// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifiers and effects of model-level and fused-level ops.

#include "Verifiers.h"
#include "adze/Dialect/Adze/ScalarRegion.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace adze;

namespace {

int64_t columns(Value v) {
  return cast<RankedTensorType>(v.getType()).getDimSize(1);
}

LogicalResult expectVector(Operation *op, WeightOp weight, int64_t n,
                           StringRef what, StringRef constraint) {
  WeightType type = weight.getWeightType();
  if (type.isVector() && type.getShape()[0] == n)
    return success();
  auto diag = op->emitOpError() << "expects a " << what << " of " << n
                                << " elements, got " << type << constraint;
  diag.attachNote(weight.getLoc()) << "declared here";
  return diag;
}

/// Adds the effect of reading or writing a KV cache. The cache is a symbol, so
/// the effect is on the whole resource.
struct CacheResource : SideEffects::Resource::Base<CacheResource> {
  StringRef getName() final { return "adze.kv_cache"; }
};

} // namespace

//===-- symbols and layers ------------------------------------------------===//

WeightOp adze::checkedWeight(Operation *op, FlatSymbolRefAttr name,
                             bool hasLayer, StringRef constraint) {
  WeightOp weight = lookupWeight(op, name);
  if (!weight) {
    op->emitOpError() << "refers to " << name
                      << ", which is no weight of the module";
    return {};
  }
  // Inside a layer kind, a weight of the whole model may be read beside those
  // of the layer: then the index only serves the others.
  if (weight.isPerLayer() && !hasLayer) {
    auto diag = op->emitOpError() << "expects a layer index, since " << name
                                  << " is one weight per layer" << constraint;
    diag.attachNote(weight.getLoc()) << "declared here";
    return {};
  }
  return weight;
}

StateOp adze::checkedState(Operation *op, FlatSymbolRefAttr name, bool hasLayer,
                           StringRef constraint) {
  StateOp state = lookupState(op, name);
  if (!state) {
    op->emitOpError() << "refers to " << name
                      << ", which is no state of the module" << constraint;
    return {};
  }
  if (state.getCount() && !hasLayer) {
    op->emitOpError() << "expects a layer index, since " << name
                      << " is one cache per layer" << constraint;
    return {};
  }
  return state;
}

LogicalResult adze::verifyLayers(Operation *op, func::FuncOp callee,
                                 int64_t first, int64_t count,
                                 StringRef rangeConstraint,
                                 StringRef layerConstraint) {
  if (first < 0 || count < 0 || first > kMaxLayers ||
      count > kMaxLayers - first)
    return op->emitOpError()
           << "expects layers within 0 to " << kMaxLayers << ", got " << count
           << " from " << first << rangeConstraint;
  int64_t end = first + count;
  auto missing = [&](FlatSymbolRefAttr name, Location declared, int64_t layer) {
    auto diag = op->emitOpError()
                << "runs layers up to " << end - 1 << ", but " << name
                << " has none for layer " << layer << layerConstraint;
    diag.attachNote(declared) << "declared here";
    return WalkResult::interrupt();
  };
  auto check = [&](Operation *user, FlatSymbolRefAttr name) -> WalkResult {
    if (StateOp state = lookupState(user, name);
        state && state.getCount() && state.getLayers() < end)
      return missing(name, state.getLoc(), std::max(first, state.getLayers()));
    WeightOp weight = lookupWeight(user, name);
    if (!weight || !weight.isPerLayer())
      return WalkResult::advance();
    for (int64_t layer : llvm::seq(first, end))
      if (!weight.hasLayer(layer))
        return missing(name, weight.getLoc(), layer);
    return WalkResult::advance();
  };
  if (count == 0)
    return success();
  // Names stand in attributes of attributes, too: the norm of a head.
  WalkResult walk = callee.walk([&](Operation *user) {
    return user->getAttrDictionary().walk(
        [&](FlatSymbolRefAttr name) { return check(user, name); });
  });
  return failure(walk.wasInterrupted());
}

//===-- scalar regions ----------------------------------------------------===//

bool adze::isScalarRegionOp(Operation *op) {
  return isMemoryEffectFree(op) && op->getNumRegions() == 0 &&
         op->getNumResults() == 1 &&
         (OpTrait::hasElementwiseMappableTraits(op) ||
          op->hasTrait<OpTrait::ConstantLike>());
}

LogicalResult adze::verifyScalarRegion(Operation *op, Region &region,
                                       unsigned arguments,
                                       StringRef constraint) {
  if (!region.hasOneBlock())
    return op->emitOpError() << "expects a region of one block" << constraint;
  Block &block = region.front();
  if (block.getNumArguments() != arguments)
    return op->emitOpError()
           << "expects a region of " << arguments << " arguments, got "
           << block.getNumArguments() << constraint;
  for (BlockArgument arg : block.getArguments())
    if (!arg.getType().isF32())
      return op->emitOpError() << "expects region arguments of type f32, got "
                               << arg.getType() << constraint;
  for (Operation &inner : block.without_terminator())
    if (!isScalarRegionOp(&inner)) {
      auto diag = op->emitOpError()
                  << "expects pure elementwise ops in its region, got '"
                  << inner.getName() << "'" << constraint;
      diag.attachNote(inner.getLoc()) << "this op";
      return diag;
    }
  auto yield = dyn_cast<YieldOp>(block.back());
  if (!yield || yield.getNumOperands() != 1 ||
      !yield.getOperand(0).getType().isF32())
    return op->emitOpError()
           << "expects a region that yields one f32" << constraint;
  return success();
}

//===-- embed, rms_norm, rotary -------------------------------------------===//

LogicalResult EmbedOp::verifySymbolUses(SymbolTableCollection &) {
  WeightOp table = checkedWeight(*this, getTableAttr(), false, "");
  if (!table)
    return failure();
  WeightType type = table.getWeightType();
  int64_t n = columns(getResult());
  if (type.isVector() || type.getCols() != n) {
    auto diag = emitOpError() << "expects a table of rows of " << n
                              << " elements, got " << type << " (C1)";
    diag.attachNote(table.getLoc()) << "declared here";
    return diag;
  }
  return success();
}

/// Attributes with a default are always there, unless a pass took one away:
/// asking for its value would crash.
static LogicalResult requireAttribute(Operation *op, Attribute attr,
                                      StringRef name) {
  if (attr)
    return success();
  return op->emitOpError() << "requires attribute '" << name << "'";
}

LogicalResult RmsNormOp::verifySymbolUses(SymbolTableCollection &) {
  if (failed(requireAttribute(*this, getHeadsAttr(), "heads")))
    return failure();
  WeightOp weight = checkedWeight(*this, getWeightAttr(), bool(getLayer()), "");
  if (!weight)
    return failure();
  int64_t n = columns(getX()), heads = getHeads();
  if (heads <= 0 || n % heads)
    return emitOpError() << "expects columns that are a multiple of heads, got "
                         << n << " and " << heads << " (C1)";
  return expectVector(*this, weight, n / heads, "weight", " (C1)");
}

LogicalResult QuantizeOp::verify() {
  if (failed(requireAttribute(*this, getGroupAttr(), "group")))
    return failure();
  if (int64_t(getGroup()) < 0 || getGroup() % 16 != 0)
    return emitOpError() << "expects a group of 0 or a multiple of 16, got "
                         << int64_t(getGroup()) << " (C1)";
  if (getLayer() && !getRangesAttr())
    return emitOpError() << "gives a layer, and no ranges (C2)";
  return success();
}

void QuantizeOp::build(OpBuilder &builder, OperationState &state, Value x,
                       int64_t group) {
  build(builder, state, x.getType(), x, builder.getI64IntegerAttr(group),
        FlatSymbolRefAttr(), Value());
}

int64_t QuantizeOp::getGroups() {
  return getGroup() ? llvm::divideCeil(columns(getX()), int64_t(getGroup()))
                    : 1;
}

LogicalResult QuantizeOp::verifySymbolUses(SymbolTableCollection &) {
  if (!getRangesAttr())
    return success();
  WeightOp ranges =
      checkedWeight(*this, getRangesAttr(), bool(getLayer()), " (C2)");
  if (!ranges)
    return failure();
  if (ranges.getWeightType().getFormat().getFormatName() != "f32") {
    auto diag = emitOpError() << "expects ranges in f32, got "
                              << ranges.getWeightType() << " (C2)";
    diag.attachNote(ranges.getLoc()) << "declared here";
    return diag;
  }
  return expectVector(*this, ranges, getGroups(), "vector of ranges", " (C2)");
}

LogicalResult RotaryTableOp::verify() {
  if (failed(requireAttribute(*this, getScaleAttr(), "scale")))
    return failure();
  int64_t expected = 2 * int64_t(getFreqs().size());
  if (columns(getResult()) != expected)
    return emitOpError() << "expects " << expected
                         << " columns, twice the frequencies, got "
                         << columns(getResult()) << " (C1)";
  return success();
}

LogicalResult RotaryOp::verify() {
  int64_t n = columns(getX()), heads = getHeads();
  if (heads <= 0 || n % (2 * heads))
    return emitOpError() << "expects columns that are a multiple of 2 * heads, "
                            "got "
                         << n << " and " << heads << " heads (C1)";
  if (columns(getTable()) != n / heads)
    return emitOpError() << "expects a table of " << n / heads
                         << " columns, the head size, got "
                         << columns(getTable()) << " (C1)";
  return success();
}

//===-- linear ------------------------------------------------------------===//

void LinearOp::build(OpBuilder &builder, OperationState &state, Type result,
                     Value x, StringRef weight, StringRef bias, Value layer) {
  build(builder, state, result, x,
        FlatSymbolRefAttr::get(builder.getContext(), weight),
        bias.empty() ? FlatSymbolRefAttr()
                     : FlatSymbolRefAttr::get(builder.getContext(), bias),
        layer, ValueRange(), Value(), Value(), FlatSymbolRefAttr(),
        HeadSinkAttr(), builder.getI64IntegerAttr(1));
}

LogicalResult LinearOp::verify() {
  if (failed(requireAttribute(*this, getStreamsAttr(), "streams")))
    return failure();
  if (getStreams() != 1 && getStreams() != 2)
    return emitOpError() << "expects one or two streams, got " << getStreams();
  if (getStreams() == 2 && getBody().empty())
    return emitOpError() << "expects a region that joins its two streams (C3)";
  if (getSink() && (!getBody().empty() || getStreams() == 2))
    return emitOpError() << "expects either a sink or a region, got both";
  if (!getCaptures().empty() && getBody().empty())
    return emitOpError() << "expects a region that uses its captures (C3)";
  if (!getResult() && !getSink())
    return emitOpError() << "expects a result, since it has no sink (C2)";
  if (getResult())
    for (Value capture : getCaptures())
      if (columns(capture) != columns(getResult()))
        return emitOpError() << "expects captures of " << columns(getResult())
                             << " columns, got " << columns(capture) << " (C3)";
  if (!getSink())
    return success();
  bool rotary = false, appends = false;
  int64_t stored = 0;
  for (HeadChainAttr chain : getSink()->getChains()) {
    rotary |= chain.getRotary();
    appends |= chain.getDest() != HeadDest::Store;
    if (chain.getDest() == HeadDest::Store)
      stored += chain.getHeads() * getSink()->getHeadDim();
  }
  if (rotary && (!getRope() || columns(getRope()) != getSink()->getHeadDim()))
    return emitOpError() << "expects a rotary table of "
                         << getSink()->getHeadDim()
                         << " columns for a sink that rotates (C5)";
  if (appends && (!getCacheAttr() || !getBatch()))
    return emitOpError()
           << "expects a cache and a batch for a sink that appends (C5)";
  if (bool(getResult()) != bool(stored) ||
      (stored && columns(getResult()) != stored))
    return emitOpError() << "expects a result of " << stored
                         << " columns, the heads stored (C2)";
  return success();
}

LogicalResult LinearOp::verifyRegions() {
  if (getBody().empty())
    return success();
  return verifyScalarRegion(*this, getBody(),
                            getStreams() + getCaptures().size(), " (C3)");
}

LogicalResult LinearOp::verifySymbolUses(SymbolTableCollection &) {
  bool hasLayer = bool(getLayer());
  WeightOp weight = checkedWeight(*this, getWeightAttr(), hasLayer, " (C4)");
  if (!weight)
    return failure();
  WeightType type = weight.getWeightType();
  if (type.isVector() || type.getCols() != columns(getX())) {
    auto diag = emitOpError() << "expects a weight of N x " << columns(getX())
                              << ", got " << type << " (C1)";
    diag.attachNote(weight.getLoc()) << "declared here";
    return diag;
  }
  // Rows a packed weight has for the result: heads and streams are padded to
  // whole panels.
  int64_t rows = type.getRows(), logical = 0, padded = 0;
  if (auto sink = getSink()) {
    for (HeadChainAttr chain : sink->getChains()) {
      logical += chain.getHeads() * sink->getHeadDim();
      padded +=
          chain.getHeads() * llvm::alignTo(sink->getHeadDim(), kPanelRows);
    }
  } else {
    int64_t n = columns(getResult());
    logical = getStreams() * n;
    padded = getStreams() == 2 ? 2 * int64_t(llvm::alignTo(n, kPanelRows)) : n;
  }
  if (rows != logical && rows != padded) {
    auto diag = emitOpError()
                << "expects a weight of " << padded
                << " rows for its result, got " << type << " (C2)";
    diag.attachNote(weight.getLoc()) << "declared here";
    return diag;
  }
  if (getBiasAttr()) {
    WeightOp bias = checkedWeight(*this, getBiasAttr(), hasLayer, " (C4)");
    if (!bias || failed(expectVector(*this, bias, rows, "bias", " (C1)")))
      return failure();
  }
  if (auto sink = getSink())
    for (HeadChainAttr chain : sink->getChains())
      if (chain.getNorm()) {
        WeightOp norm =
            checkedWeight(*this, chain.getNorm(), hasLayer, " (C4)");
        if (!norm || failed(expectVector(*this, norm, sink->getHeadDim(),
                                         "head norm", " (C1)")))
          return failure();
      }
  if (getCacheAttr() && !lookupState(*this, getCacheAttr()))
    return emitOpError() << "refers to " << getCacheAttr()
                         << ", which is no state of the module";
  return success();
}

void LinearOp::getEffects(
    SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  if (getCacheAttr())
    effects.emplace_back(MemoryEffects::Write::get(), CacheResource::get());
}

//===-- attention, kv_append ----------------------------------------------===//

LogicalResult AttentionOp::verify() {
  if (bool(getK()) != bool(getV()))
    return emitOpError() << "expects keys and values together";
  if (getKvHeads() <= 0 || getHeads() <= 0 || getHeads() % getKvHeads())
    return emitOpError()
           << "expects heads that are a multiple of kv_heads, got "
           << getHeads() << " and " << getKvHeads() << " (C2)";
  return success();
}

static LogicalResult checkCache(Operation *op, FlatSymbolRefAttr name,
                                bool hasLayer, int64_t kvHeads,
                                StateOp &state) {
  state = checkedState(op, name, hasLayer, "");
  if (!state)
    return failure();
  if (kvHeads && state.getKVType().getHeads() != kvHeads) {
    auto diag = op->emitOpError()
                << "expects a cache of " << kvHeads << " heads, got "
                << state.getKVType() << " (C2)";
    diag.attachNote(state.getLoc()) << "declared here";
    return diag;
  }
  return success();
}

LogicalResult AttentionOp::verifySymbolUses(SymbolTableCollection &) {
  StateOp state;
  if (failed(checkCache(*this, getCacheAttr(), bool(getLayer()), getKvHeads(),
                        state)))
    return failure();
  int64_t headDim = state.getKVType().getHeadDim();
  auto check = [&](Value v, int64_t heads, StringRef name) -> LogicalResult {
    if (!v || columns(v) == heads * headDim)
      return success();
    return emitOpError() << "expects " << name << " of " << heads * headDim
                         << " columns, " << heads << " heads of " << headDim
                         << ", got " << columns(v) << " (C1)";
  };
  if (failed(check(getQ(), getHeads(), "q")) ||
      failed(check(getK(), getKvHeads(), "k")) ||
      failed(check(getV(), getKvHeads(), "v")))
    return failure();
  return success();
}

void AttentionOp::getEffects(
    SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  effects.emplace_back(MemoryEffects::Read::get(), CacheResource::get());
  if (getK())
    effects.emplace_back(MemoryEffects::Write::get(), CacheResource::get());
}

LogicalResult KVAppendOp::verifySymbolUses(SymbolTableCollection &) {
  StateOp state;
  if (failed(checkCache(*this, getCacheAttr(), bool(getLayer()), 0, state)))
    return failure();
  KVType type = state.getKVType();
  for (Value v : {getK(), getV()})
    if (columns(v) != type.getHeads() * type.getHeadDim())
      return emitOpError() << "expects " << type.getHeads() * type.getHeadDim()
                           << " columns for " << type << ", got " << columns(v)
                           << " (C1)";
  return success();
}

void KVAppendOp::getEffects(
    SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  effects.emplace_back(MemoryEffects::Write::get(), CacheResource::get());
}

//===-- map, repeat, weight_tensor ----------------------------------------===//

LogicalResult MapOp::verify() {
  if (getInputs().empty())
    return emitOpError() << "expects at least one input (C1)";
  auto type = cast<RankedTensorType>(getType());
  for (Value input : getInputs())
    if (cast<RankedTensorType>(input.getType()).getShape() != type.getShape())
      return emitOpError() << "expects inputs of the shape of " << type
                           << ", got " << input.getType() << " (C1)";
  return success();
}

LogicalResult MapOp::verifyRegions() {
  return verifyScalarRegion(*this, getBody(), getInputs().size(), " (C2)");
}

/// A row has a fixed size: only the first dimension is dynamic.
static LogicalResult verifyRowsOf(GenericOp op, Type type) {
  auto tensor = cast<RankedTensorType>(type);
  if (tensor.getRank() > 0 && tensor.getNumDynamicDims() == 1 &&
      tensor.isDynamicDim(0))
    return success();
  return op.emitOpError() << "expects rows, a tensor whose first dimension "
                             "alone is dynamic, got "
                          << type << " (C2)";
}

LogicalResult GenericOp::verifyRegions() {
  int64_t weights = getWeights() ? getWeightsAttr().size() : 0;
  int64_t expected = getInputs().size() + weights + bool(getBatch());
  if (getWhole().size() != getInputs().size())
    return emitOpError() << "expects one flag of 'whole' per input, got "
                         << getWhole().size() << " for " << getInputs().size()
                         << " inputs (C2)";
  auto yield = getBody().empty() ? YieldOp()
                                 : dyn_cast<YieldOp>(getBody().front().back());
  if (getBody().getNumArguments() != expected || !yield ||
      yield.getValues().getTypes() != TypeRange(getType()))
    return emitOpError() << "expects a region of " << expected
                         << " arguments that yields " << getType() << " (C1)";
  SmallVector<Type> types(getInputs().getTypes());
  for (auto [input, isWhole] : llvm::zip(getInputs(), getWhole()))
    if (!isWhole && failed(verifyRowsOf(*this, input.getType())))
      return failure();
  if (failed(verifyRowsOf(*this, getType())))
    return failure();
  if (!llvm::is_sorted(getWhole()))
    return emitOpError() << "expects inputs read by row before those read "
                            "whole (C2)";
  if (weights)
    for (auto name : getWeightsAttr().getAsRange<FlatSymbolRefAttr>()) {
      WeightOp weight = checkedWeight(*this, name, bool(getLayer()), " (C1)");
      if (!weight)
        return failure();
      types.push_back(RankedTensorType::get(weight.getWeightType().getShape(),
                                            Float32Type::get(getContext())));
    }
  if (getBatch())
    types.push_back(getBatch().getType());
  for (auto [type, arg] : llvm::zip(types, getBody().getArguments()))
    if (type != arg.getType())
      return emitOpError() << "expects a region argument of type " << type
                           << ", got " << arg.getType() << " (C1)";
  return success();
}

LogicalResult RepeatOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (failed(requireAttribute(*this, getFirstAttr(), "first")))
    return failure();
  auto callee =
      symbols.lookupNearestSymbolFrom<func::FuncOp>(*this, getCalleeAttr());
  if (!callee)
    return emitOpError() << "refers to " << getCalleeAttr()
                         << ", which is no function of the module (C1)";
  SmallVector<Type> inputs{IndexType::get(getContext())};
  llvm::append_range(inputs, getArgs().getTypes());
  auto expected = FunctionType::get(getContext(), inputs, getType());
  if (getArgs().empty() || getArgs()[0].getType() != getType() ||
      callee.getFunctionType() != expected) {
    auto diag = emitOpError()
                << "expects a callee of type " << expected << ", got "
                << callee.getFunctionType() << " (C1)";
    diag.attachNote(callee.getLoc()) << "defined here";
    return diag;
  }
  return verifyLayers(*this, callee, getFirst(), getCount(), " (C3)", " (C2)");
}

LogicalResult WeightTensorOp::verifySymbolUses(SymbolTableCollection &) {
  WeightOp weight = checkedWeight(*this, getWeightAttr(), bool(getLayer()), "");
  if (!weight)
    return failure();
  auto type = cast<RankedTensorType>(getType());
  if (type.getShape() != weight.getWeightType().getShape())
    return emitOpError() << "expects a tensor of the shape of "
                         << weight.getWeightType() << ", got " << type;
  if (!isa<FloatType>(type.getElementType()))
    return emitOpError() << "expects a tensor of floats, got " << type;
  return success();
}
