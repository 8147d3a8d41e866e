// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ops of a function as launches of kernels, and the barriers between.

#include "FunctionScheduler.h"
#include "GenericOutline.h"
#include "RowAccess.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace adze;
using namespace adze::schedule;

//===-- barriers ----------------------------------------------------------===//

void FunctionScheduler::barrier(bool ofOneRow) {
  auto op = BarrierOp::create(builder, source.getLoc(), frame);
  if (!ofOneRow)
    op->setAttr(kSeveralAttrName, builder.getUnitAttr());
  since = Touched();
  if (ofOneRow)
    sinceOfOne = Touched();
}

void FunctionScheduler::waitFor(ArrayRef<Buffer> reads, ArrayRef<Buffer> writes,
                                bool readsCache, bool writesCache) {
  // Arguments of the entry are apart from each other and from the arena.
  auto overlap = [](const Buffer &a, const Buffer &b) {
    if (!a.span || !b.span)
      return a.handle == b.handle;
    return a.rows == b.rows && a.span->overlaps(*b.span);
  };
  auto meets = [&](ArrayRef<Buffer> some, ArrayRef<Buffer> others) {
    for (const Buffer &b : some)
      for (const Buffer &other : others)
        if (overlap(b, other))
          return true;
    return false;
  };
  auto mustWait = [&](const Touched &t, ArrayRef<Buffer> reads,
                      ArrayRef<Buffer> writes) {
    return meets(reads, t.written) || meets(writes, t.written) ||
           meets(writes, t.read) || (readsCache && t.cacheWritten) ||
           (writesCache && t.cacheRead);
  };
  auto touch = [&](Touched &t, ArrayRef<Buffer> reads,
                   ArrayRef<Buffer> writes) {
    llvm::append_range(t.read, reads);
    llvm::append_range(t.written, writes);
    t.cacheRead |= readsCache;
    t.cacheWritten |= writesCache;
  };
  // In a step of one row nobody else touches what is a thread's own.
  auto shared = [](ArrayRef<Buffer> buffers) {
    SmallVector<Buffer> list;
    llvm::copy_if(buffers, std::back_inserter(list),
                  [](const Buffer &b) { return !b.own; });
    return list;
  };
  SmallVector<Buffer> sharedReads = shared(reads),
                      sharedWrites = shared(writes);
  if (mustWait(sinceOfOne, sharedReads, sharedWrites))
    barrier();
  else if (mustWait(since, reads, writes))
    barrier(/*ofOneRow=*/false);
  touch(since, reads, writes);
  touch(sinceOfOne, sharedReads, sharedWrites);
}

//===-- launches ----------------------------------------------------------===//

void FunctionScheduler::launch(Operation *op, KernelFamily family,
                               ArrayRef<NamedAttribute> given, Region *region,
                               Domain domain, ArrayRef<Buffer> reads,
                               ArrayRef<Buffer> writes, ArrayRef<Value> order,
                               ArrayRef<Attribute> weights,
                               FlatSymbolRefAttr cache, Value layerIndex,
                               ArrayRef<int64_t> sizes, int64_t extent,
                               int64_t unit) {
  SmallVector<NamedAttribute> params(given);
  if (op->hasAttr(kGenericAttrName)) { // the same launch, cut by rows
    family = KernelFamily::Generic;
    domain = Domain::Tokens;
    params.push_back(builder.getNamedAttr(
        "origin", builder.getStringAttr(op->getName().getStringRef())));
  }
  bool appends = cache && !isa<AttentionOp>(op);
  waitFor(reads, writes, cache && !appends, appends);
  FlatSymbolRefAttr kernel = pass.kernels->get(
      op->getLoc(), family, builder.getDictionaryAttr(params), region);
  Rows rows = writes.empty() ? reads.front().rows : writes.front().rows;
  Domain rowDomain = rows == Rows::Tokens ? Domain::Tokens : Domain::LogitRows;
  if (domain == Domain::Tokens)
    domain = rowDomain;
  auto made = LaunchOp::create(
      builder, op->getLoc(), kernel, domainAttr(domain),
      builder.getI64IntegerAttr(extent), builder.getI64IntegerAttr(unit),
      domainAttr(rowDomain), frame, order,
      weights.empty() ? ArrayAttr() : builder.getArrayAttr(weights), cache,
      layerIndex ? layer : Value(), builder.getDenseI64ArrayAttr(sizes));
  if (!writes.empty() && writes.front().own)
    made->setAttr(kRepeatedAttrName, builder.getUnitAttr());
}

void FunctionScheduler::copy(Location loc, Buffer from, Buffer to) {
  // An identity map: the only way to move rows, and hardly ever needed. Codes
  // stay where they are made: layers and entries hand on f32 rows.
  assert(!from.type().isQuantized() && !to.type().isQuantized());
  OpBuilder b(builder.getContext());
  Region region;
  Block *block = b.createBlock(&region, {}, {b.getF32Type()}, {loc});
  YieldOp::create(b, loc, block->getArgument(0));
  Type in = from.type().getElementType(), out = to.type().getElementType();
  waitFor({from}, {to}, false, false);
  FlatSymbolRefAttr kernel = pass.kernels->get(
      loc, KernelFamily::Map,
      b.getDictionaryAttr({b.getNamedAttr("in", b.getTypeArrayAttr({in})),
                           b.getNamedAttr("out", TypeAttr::get(out))}),
      &region);
  Domain domain = to.rows == Rows::Tokens ? Domain::Tokens : Domain::LogitRows;
  LaunchOp::create(
      builder, loc, kernel, domainAttr(domain), builder.getI64IntegerAttr(0),
      builder.getI64IntegerAttr(1), domainAttr(domain), frame,
      ValueRange{from.handle, to.handle}, ArrayAttr(), FlatSymbolRefAttr(),
      Value(), builder.getDenseI64ArrayAttr({to.type().getCols()}));
}

/// How kernels find the parts of a quantized row. A group of 0 is the row, so
/// that rows of all sizes share a kernel.
static SmallVector<NamedAttribute> codeParams(QuantizeOp op, BufferType type) {
  Builder b(op.getContext());
  return {b.getNamedAttr("group", op.getGroupAttr()),
          b.getNamedAttr("sums", b.getI64IntegerAttr(type.getSums()))};
}

/// What a kernel that writes the codes of `op` is given where their ranges are
/// fixed: the flag `name`, and the ranges as its last weight.
static void addRanges(QuantizeOp op, StringRef name,
                      SmallVectorImpl<NamedAttribute> &params,
                      SmallVectorImpl<Attribute> &weights) {
  if (!op.getRangesAttr())
    return;
  Builder b(op.getContext());
  params.push_back(b.getNamedAttr(name, b.getBoolAttr(true)));
  weights.push_back(op.getRangesAttr());
}

/// The op that rounds `v`, if nothing else reads it: its producer's kernel may
/// write the codes.
static QuantizeOp onlyRoundedBy(Value v) {
  return v && v.hasOneUse() ? dyn_cast<QuantizeOp>(*v.user_begin())
                            : QuantizeOp();
}

/// A linear writes codes where a unit of its domain is a whole group of them.
static QuantizeOp roundedInUnits(LinearOp op) {
  QuantizeOp quantize =
      op.getSink() ? QuantizeOp() : onlyRoundedBy(op.getResult());
  if (!quantize || !quantize.getGroup() ||
      columns(op.getResult()) % int64_t(quantize.getGroup()))
    return {};
  return quantize;
}

/// A norm that is only rounded writes codes itself.
void FunctionScheduler::scheduleNorm(RmsNormOp op) {
  Value result = op.getResult();
  SmallVector<NamedAttribute> params{
      builder.getNamedAttr("eps", op.getEpsAttr()),
      builder.getNamedAttr("heads", op.getHeadsAttr())};
  SmallVector<Attribute> weights{op.getWeightAttr()};
  Value layerIndex = op.getLayer();
  if (QuantizeOp quantize = onlyRoundedBy(result);
      quantize && op.getHeads() == 1) {
    result = quantize.getResult();
    params.append(codeParams(quantize, storageOf(result)));
    addRanges(quantize, "ranges", params, weights);
    if (!layerIndex)
      layerIndex = quantize.getLayer();
  }
  defineResult(op, result);
  Buffer x = bufferOf(op.getX()), out = bufferOf(result);
  params.push_back(
      builder.getNamedAttr("in", TypeAttr::get(x.type().getElementType())));
  params.push_back(
      builder.getNamedAttr("out", TypeAttr::get(out.type().getElementType())));
  launch(op, KernelFamily::RmsNorm, params, nullptr, Domain::Tokens, {x}, {out},
         {x.handle, out.handle}, weights, {}, layerIndex, {columns(op.getX())});
}

/// Merges what the attention launched before has split between threads, behind
/// a barrier of its own. It writes other rows of the result than the attention.
void FunctionScheduler::mergeAttention(Operation *op,
                                       ArrayRef<NamedAttribute> params,
                                       const Buffer &result) {
  FlatSymbolRefAttr kernel =
      pass.kernels->get(op->getLoc(), KernelFamily::AttentionMerge,
                        builder.getDictionaryAttr(params), nullptr);
  Domain rows =
      result.rows == Rows::Tokens ? Domain::Tokens : Domain::LogitRows;
  LaunchOp::create(builder, op->getLoc(), kernel, domainAttr(Domain::Attention),
                   builder.getI64IntegerAttr(0), builder.getI64IntegerAttr(1),
                   domainAttr(rows), frame, ValueRange{result.handle},
                   ArrayAttr(), FlatSymbolRefAttr(), Value(),
                   builder.getDenseI64ArrayAttr({}));
  since.merged = sinceOfOne.merged = true;
}

LogicalResult FunctionScheduler::scheduleLinear(LinearOp op) {
  auto named = [&](StringRef name, Attribute value) {
    return builder.getNamedAttr(name, value);
  };
  WeightOp weight = lookupWeight(op, op.getWeightAttr());
  WeightType type = weight.getWeightType();
  if (type.getLayout() != LayoutKind::Panels)
    return op.emitOpError() << "expects a packed weight, got " << type
                            << ": run adze-pack-weights before adze-schedule";
  Buffer x = bufferOf(op.getX());
  SmallVector<Buffer> reads{x}, writes;
  SmallVector<Value> order{x.handle};
  SmallVector<Type> captureTypes;
  for (Value capture : op.getCaptures()) {
    reads.push_back(bufferOf(capture));
    order.push_back(reads.back().handle);
    captureTypes.push_back(reads.back().type().getElementType());
  }
  Type out = builder.getF32Type();
  int64_t n = 0;
  QuantizeOp rounded = roundedInUnits(op);
  if (op.getResult()) {
    Value result = rounded ? rounded.getResult() : op.getResult();
    defineResult(op, result);
    writes.push_back(bufferOf(result));
    order.push_back(writes.back().handle);
    out = writes.back().type().getElementType();
    n = columns(op.getResult());
  }
  SmallVector<Attribute> weights{op.getWeightAttr()};
  if (op.getBiasAttr())
    weights.push_back(op.getBiasAttr());
  SmallVector<NamedAttribute> params{
      named("format", type.getFormat()),
      named("in", TypeAttr::get(x.type().getElementType())),
      named("out", TypeAttr::get(out)),
      named("streams", op.getStreamsAttr()),
      named("bias", builder.getBoolAttr(bool(op.getBiasAttr()))),
      named("captures", builder.getTypeArrayAttr(captureTypes))};
  if (x.type().isQuantized())
    llvm::append_range(
        params, codeParams(op.getX().getDefiningOp<QuantizeOp>(), x.type()));
  int64_t unit = op.getStreams();
  Value layerIndex = op.getLayer();
  if (rounded) {
    params.push_back(named("out_group", rounded.getGroupAttr()));
    params.push_back(named(
        "out_sums", builder.getI64IntegerAttr(writes[0].type().getSums())));
    unit *= int64_t(rounded.getGroup()) / kPanelRows;
    addRanges(rounded, "out_ranges", params, weights);
    if (!layerIndex)
      layerIndex = rounded.getLayer();
  }
  FlatSymbolRefAttr cache = op.getCacheAttr();
  if (auto sink = op.getSink()) {
    unit = llvm::divideCeil(sink->getHeadDim(), kPanelRows);
    // The kernel does not depend on the name of a norm: one name for all.
    SmallVector<HeadChainAttr> chains;
    auto norm = FlatSymbolRefAttr::get(builder.getContext(), "norm");
    for (HeadChainAttr chain : sink->getChains()) {
      if (chain.getNorm())
        weights.push_back(chain.getNorm());
      chains.push_back(HeadChainAttr::get(
          builder.getContext(), chain.getHeads(),
          chain.getNorm() ? norm : FlatSymbolRefAttr(), chain.getEps(),
          chain.getRotary(), chain.getDest()));
    }
    params.push_back(
        named("sink", HeadSinkAttr::get(builder.getContext(),
                                        sink->getHeadDim(), chains)));
    if (cache)
      params.push_back(named(
          "kv",
          TypeAttr::get(lookupState(op, cache).getKVType().getElementType())));
    if (op.getRope()) {
      reads.push_back(bufferOf(op.getRope()));
      order.push_back(reads.back().handle);
    }
  }
  launch(op, KernelFamily::Linear, params, &op.getBody(), Domain::Panels, reads,
         writes, order, weights, cache, layerIndex, {n, type.getCols()},
         llvm::divideCeil(type.getRows(), kPanelRows), unit);
  return success();
}

LogicalResult FunctionScheduler::scheduleGeneric(GenericOp op) {
  defineResult(op, op.getResult());
  Buffer result = bufferOf(op.getResult());
  SmallVector<Buffer> reads;
  SmallVector<Value> order;
  for (auto [input, whole] : llvm::zip(op.getInputs(), op.getWhole())) {
    reads.push_back(bufferOf(input));
    order.push_back(reads.back().handle);
    if (!whole && reads.back().rows != result.rows)
      return op.emitOpError()
             << "computes " << op.getOrigin()
             << " from token rows and from the rows asked for: take the rows "
                "with adze.take_rows first";
    // A whole input has as many rows as the result, or nobody asks for them.
    bool isGather = op.getOrigin() == TakeRowsOp::getOperationName();
    if (whole && reads.back().rows != result.rows && !isGather)
      return op.emitOpError()
             << "computes " << op.getOrigin()
             << " for the rows asked for from all token rows; take the rows "
                "with adze.take_rows first";
  }
  order.push_back(result.handle);
  SmallVector<Attribute> weights, types;
  if (op.getWeights())
    llvm::append_range(weights, op.getWeightsAttr());
  for (Attribute name : weights)
    types.push_back(TypeAttr::get(
        lookupWeight(op, cast<FlatSymbolRefAttr>(name)).getWeightType()));
  launch(op, KernelFamily::Generic,
         {builder.getNamedAttr("origin", op.getOriginAttr()),
          builder.getNamedAttr("whole", op.getWholeAttr()),
          builder.getNamedAttr("weights", builder.getArrayAttr(types))},
         &op.getBody(), Domain::Tokens, reads, {result}, order, weights, {},
         op.getLayer(), {});
  return success();
}

/// One row of a result needs one row of each operand.
LogicalResult FunctionScheduler::checkRows(Operation *op) {
  if (isa<TakeRowsOp, GenericOp>(op))
    return success();
  std::optional<Rows> rows;
  for (Value operand : op->getOperands()) {
    auto it = buffers.find(operand);
    if (it == buffers.end() || !isRowTensor(operand.getType()))
      continue;
    if (rows && *rows != it->second.rows)
      return op->emitOpError() << "reads token rows and rows asked for; apply "
                                  "adze.take_rows to all of its operands";
    rows = it->second.rows;
  }
  return success();
}

LogicalResult FunctionScheduler::scheduleOp(Operation *op) {
  auto named = [&](StringRef name, Attribute value) {
    return builder.getNamedAttr(name, value);
  };
  auto typeAttr = [](const Buffer &b) -> Attribute {
    return TypeAttr::get(b.type().getElementType());
  };
  // One result, row by row: the common shape of most families.
  auto rowWise = [&](KernelFamily family, ArrayRef<NamedAttribute> params,
                     ValueRange inputs, Region *region,
                     ArrayRef<Attribute> weights, Value layerIndex,
                     ArrayRef<int64_t> sizes) {
    Buffer result = bufferOf(op->getResult(0));
    SmallVector<Buffer> reads;
    SmallVector<Value> order;
    for (Value input : inputs) {
      reads.push_back(bufferOf(input));
      order.push_back(reads.back().handle);
    }
    order.push_back(result.handle);
    launch(op, family, params, region, Domain::Tokens, reads, {result}, order,
           weights, {}, layerIndex, sizes);
    return success();
  };

  if (failed(checkRows(op)))
    return failure();
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](LinearOp linear) { return scheduleLinear(linear); })
      .Case([&](RepeatOp repeat) { return scheduleRepeat(repeat); })
      .Case([&](GenericOp generic) { return scheduleGeneric(generic); })
      .Case([&](EmbedOp embed) {
        defineResult(op, embed.getResult());
        WeightType type =
            lookupWeight(op, embed.getTableAttr()).getWeightType();
        return rowWise(KernelFamily::Embed,
                       {named("format", type.getFormat()),
                        named("layout", LayoutKindAttr::get(op->getContext(),
                                                            type.getLayout())),
                        named("out", typeAttr(bufferOf(embed.getResult())))},
                       embed.getTokens(), nullptr, {embed.getTableAttr()},
                       Value(), {columns(embed.getResult())});
      })
      .Case([&](RmsNormOp norm) {
        scheduleNorm(norm);
        return success();
      })
      .Case([&](QuantizeOp quantize) {
        if (buffers.contains(quantize.getResult())) // its producer did it
          return success();
        defineResult(op, quantize.getResult());
        SmallVector<NamedAttribute> params =
            codeParams(quantize, bufferOf(quantize.getResult()).type());
        params.push_back(named("in", typeAttr(bufferOf(quantize.getX()))));
        SmallVector<Attribute> weights;
        addRanges(quantize, "ranges", params, weights);
        return rowWise(KernelFamily::Quantize, params, quantize.getX(), nullptr,
                       weights, quantize.getLayer(),
                       {columns(quantize.getX())});
      })
      .Case([&](RotaryTableOp table) {
        defineResult(op, table.getResult());
        SmallVector<double> turns;
        for (double f : table.getFreqs())
          turns.push_back(f / 6.283185307179586476925286766559);
        return rowWise(KernelFamily::RotaryTable,
                       {named("turns", builder.getDenseF64ArrayAttr(turns)),
                        named("scale", table.getScaleAttr())},
                       {}, nullptr, {}, Value(), {});
      })
      .Case([&](RotaryOp rotary) {
        defineResult(op, rotary.getResult());
        return rowWise(KernelFamily::Rotary,
                       {named("heads", rotary.getHeadsAttr()),
                        named("head_dim", builder.getI64IntegerAttr(
                                              columns(rotary.getX()) /
                                              int64_t(rotary.getHeads()))),
                        named("pairing", rotary.getPairingAttr())},
                       {rotary.getX(), rotary.getTable()}, nullptr, {}, Value(),
                       {columns(rotary.getX())});
      })
      .Case([&](KVAppendOp append) {
        KVType type = lookupState(op, append.getCacheAttr()).getKVType();
        Buffer k = bufferOf(append.getK()), v = bufferOf(append.getV());
        launch(op, KernelFamily::KVAppend,
               {named("heads", builder.getI64IntegerAttr(type.getHeads())),
                named("head_dim", builder.getI64IntegerAttr(type.getHeadDim())),
                named("kv", TypeAttr::get(type.getElementType()))},
               nullptr, Domain::Tokens, {k, v}, {}, {k.handle, v.handle}, {},
               append.getCacheAttr(), append.getLayer(), {});
        return success();
      })
      .Case([&](AttentionOp attention) -> LogicalResult {
        if (attention.getK())
          return op->emitOpError() << "still appends keys and values: run "
                                      "adze-split-attention first";
        KVType type = lookupState(op, attention.getCacheAttr()).getKVType();
        defineResult(op, attention.getResult());
        Buffer q = bufferOf(attention.getQ()),
               o = bufferOf(attention.getResult());
        SmallVector<NamedAttribute> params{
            named("heads", attention.getHeadsAttr()),
            named("kv_heads", attention.getKvHeadsAttr()),
            named("head_dim", builder.getI64IntegerAttr(type.getHeadDim())),
            named("scale", attention.getScaleAttr()),
            named("window",
                  builder.getI64IntegerAttr(attention.getMask().getWindow())),
            named("q", typeAttr(q)),
            named("out", typeAttr(o)),
            named("kv", TypeAttr::get(type.getElementType()))};
        bool isGeneric = op->hasAttr(kGenericAttrName);
        // Partial results that the merge before may still be reading.
        if (!isGeneric && (since.merged || sinceOfOne.merged))
          barrier();
        launch(op, KernelFamily::Attention, params, nullptr, Domain::Attention,
               {q}, {o}, {q.handle, o.handle}, {}, attention.getCacheAttr(),
               attention.getLayer(), {});
        if (!isGeneric)
          mergeAttention(op, params, o);
        return success();
      })
      .Case([&](TakeRowsOp take) {
        defineResult(op, take.getResult());
        Buffer x = bufferOf(take.getX()), rows = bufferOf(take.getRows()),
               result = bufferOf(take.getResult());
        launch(op, KernelFamily::TakeRows, {named("elem", typeAttr(result))},
               nullptr, Domain::Tokens, {x}, {result},
               {x.handle, rows.handle, result.handle}, {}, {}, Value(),
               {columns(take.getResult())});
        return success();
      })
      .Case([&](TapOp tap) {
        Buffer x = bufferOf(tap.getX());
        waitFor({x}, {}, false, false);
        TapBufferOp::create(builder, op->getLoc(), x.handle, tap.getNameAttr(),
                            domainAttr(x.rows == Rows::Tokens
                                           ? Domain::Tokens
                                           : Domain::LogitRows),
                            frame);
        return success();
      })
      .Case([&](MapOp map) {
        defineResult(op, map.getResult());
        SmallVector<Type> in;
        for (Value input : map.getInputs())
          in.push_back(bufferOf(input).type().getElementType());
        return rowWise(KernelFamily::Map,
                       {named("in", builder.getTypeArrayAttr(in)),
                        named("out", typeAttr(bufferOf(map.getResult())))},
                       map.getInputs(), &map.getBody(), {}, Value(),
                       {columns(map.getResult())});
      })
      .Default([&](Operation *other) -> LogicalResult {
        if (other->hasTrait<OpTrait::ConstantLike>() && other->use_empty())
          return success();
        return other->emitOpError()
               << "has no kernel: lower it to adze ops or to elementwise "
                  "arith before adze-schedule";
      });
}

LogicalResult FunctionScheduler::scheduleBody(Block &block) {
  for (Operation &op : block.without_terminator()) {
    if (failed(scheduleOp(&op)))
      return failure();
    releaseDead(&op);
  }
  return success();
}
