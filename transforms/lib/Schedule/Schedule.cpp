// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-schedule: values -> buffers, ops -> launches, and barriers between.
//
//   %n = adze.rms_norm %x, @n1[%l]           %n = adze.arena %f at (T * 256)
//   %q = adze.linear %n, @q[%l]        ->    adze.launch @k0 over tokens (%x, %n)
//                                            adze.barrier %f
//                                            adze.launch @k1 over panels (%n, %q)
//
// Memory. Each layer kind has its arguments and its own buffers at fixed places
// at the start of the arena, shared by all layers; an entry's buffers come after
// them. A result takes over the bytes of a captured operand that dies with it:
// the residual stream stays in one buffer.
//
// Barriers. A launch waits when it reads bytes written, or writes bytes read or
// written, since the last barrier.
//
// It does not choose kernels or tiles: that is code generation's.

#include "ArenaPlan.h"
#include "GenericOutline.h"
#include "KernelTable.h"
#include "RowAccess.h"
#include "adze/Transforms/Passes.h"
#include "adze/Transforms/Remark.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/AffineExpr.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

namespace adze {
#define GEN_PASS_DEF_SCHEDULE
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;

namespace {

/// Which symbol counts the rows of a buffer.
enum class Rows { Tokens, LogitRows };

/// A value in memory.
struct Buffer {
  Value handle; // !adze.buffer in the scheduled function
  Rows rows = Rows::Tokens;
  std::optional<ArenaSpan> span; // none: an argument of the entry
  bool owned = false;            // its span is released when it dies

  BufferType type() const { return cast<BufferType>(handle.getType()); }
};

/// Places that outlive one function: the arguments of a layer kind.
struct LayerFrame {
  SmallVector<ArenaSpan> args; // of the tensor arguments; 0 is carried
  int64_t localEnd = 0;
};

RankedTensorType rowsType(Value v) {
  return dyn_cast<RankedTensorType>(v.getType());
}
/// Elements of a row; of a tensor without rows, all.
int64_t columns(Value v) {
  RankedTensorType type = rowsType(v);
  return ShapedType::getNumElements(
      type.getShape().drop_front(type.isDynamicDim(0) ? 1 : 0));
}
int64_t rowBytes(int64_t cols, Type element) {
  unsigned bits = element.isIndex() ? 64 : element.getIntOrFloatBitWidth();
  return cols * llvm::divideCeil(bits, 8);
}
/// The argument that says which rows `op` takes, if that is what it does.
Value rowsTaken(Operation *op) {
  if (auto take = dyn_cast<TakeRowsOp>(op))
    return take.getRows();
  if (auto generic = dyn_cast<GenericOp>(op);
      generic && generic.getOrigin() == TakeRowsOp::getOperationName())
    return generic.getInputs().front();
  return {};
}

struct Schedule;

/// Schedules one function.
class FunctionScheduler {
public:
  FunctionScheduler(Schedule &pass, func::FuncOp source, int64_t planBase)
      : pass(pass), source(source), tokenPlan(planBase), rowPlan(0) {}

  LogicalResult runOnLayer(LayerFrame &frame);
  LogicalResult runOnEntry();

private:
  // Values.
  Type storageType(Value v);
  Rows rowsOf(Operation *op);
  Buffer &bufferOf(Value v) { return buffers.find(v)->second; }
  Buffer arenaBuffer(ArenaSpan span, Rows rows, int64_t cols, Type element);
  Buffer frameBuffer(int64_t index, int64_t cols, Type element, Rows rows);
  void defineResult(Operation *op, Value result);
  bool isOccupied(ArenaSpan span, Operation *op);
  void releaseDead(Operation *op);
  bool diesAt(Value v, Operation *op);

  // Launches.
  LogicalResult scheduleBody(Block &block);
  LogicalResult scheduleOp(Operation *op);
  LogicalResult checkRows(Operation *op);
  LogicalResult scheduleLinear(LinearOp op);
  LogicalResult scheduleGeneric(GenericOp op);
  LogicalResult scheduleRepeat(RepeatOp op);
  void moveOut(ArenaSpan span, RepeatOp op, Value settled);
  void copy(Location loc, Buffer from, Buffer to);
  void launch(Operation *op, KernelFamily family,
              ArrayRef<NamedAttribute> params, Region *region, Domain domain,
              ArrayRef<Buffer> reads, ArrayRef<Buffer> writes,
              ArrayRef<Value> order, ArrayRef<Attribute> weights,
              FlatSymbolRefAttr cache, Value layer, ArrayRef<int64_t> sizes,
              int64_t extent = 0, int64_t unit = 1);
  DomainAttr domainAttr(Domain domain) {
    return DomainAttr::get(builder.getContext(), domain);
  }
  void waitFor(ArrayRef<Buffer> reads, ArrayRef<Buffer> writes, bool readsCache,
               bool writesCache);
  void barrier();

  Schedule &pass;
  func::FuncOp source;
  ArenaPlan tokenPlan, rowPlan;
  OpBuilder builder{source.getContext()};
  Value frame, layer;
  llvm::MapVector<Value, Buffer> buffers;
  /// Buffers decided before their value is defined: results of the function,
  /// arguments of layers.
  DenseMap<Value, Buffer> preassigned;
  SmallVector<Buffer> readSince, writtenSince;
  bool cacheReadSince = false, cacheWrittenSince = false;
  SmallVector<Operation *> arenaOps; // logit-row buffers, offsets patched last
};

struct Schedule : adze::impl::ScheduleBase<Schedule> {
  using ScheduleBase::ScheduleBase;

  void runOnOperation() override;
  LogicalResult planLayerFrames();

  using ScheduleBase::bf16Dot;
  using ScheduleBase::generic;
  std::shared_ptr<KernelTable> kernels; // shared: passes are copied
  llvm::MapVector<StringAttr, LayerFrame> layerFrames;
  int64_t fixedEnd = 0, layersEnd = 0;
};

//===-- values ------------------------------------------------------------===//

bool multipliesBF16(Operation *user, Value v, Type element) {
  auto isBF16 = [](FormatAttrInterface format) {
    auto f = dyn_cast<FloatFormatAttr>(Attribute(format));
    return f && f.getElementType().isBF16();
  };
  if (auto linear = dyn_cast<LinearOp>(user))
    return linear.getX() == v && !llvm::is_contained(linear.getCaptures(), v) &&
           isBF16(lookupWeight(linear, linear.getWeightAttr())
                      .getWeightType()
                      .getFormat());
  if (auto attention = dyn_cast<AttentionOp>(user))
    return attention.getQ() == v &&
           lookupState(attention, attention.getCacheAttr())
               .getKVType()
               .getElementType()
               .isBF16();
  return false;
}

/// A value that only dots of bf16 pairs read is rounded where it is made.
Type FunctionScheduler::storageType(Value v) {
  Type f32 = builder.getF32Type();
  Operation *def = v.getDefiningOp();
  if (isa_and_present<GenericOp>(def))
    return rowsType(v).getElementType();
  if (!pass.bf16Dot || !def ||
      !isa<RmsNormOp, LinearOp, AttentionOp, MapOp, TakeRowsOp>(def) ||
      v.use_empty())
    return f32;
  for (Operation *user : v.getUsers()) {
    if (auto take = dyn_cast<TakeRowsOp>(user)) {
      if (storageType(take.getResult()) == f32)
        return f32;
    } else if (!multipliesBF16(user, v, f32)) {
      return f32;
    }
  }
  // take_rows copies: it can only be bf16 if what it copies is.
  if (auto take = dyn_cast<TakeRowsOp>(def))
    if (auto it = buffers.find(take.getX());
        it != buffers.end() && it->second.type().getElementType().isF32())
      return f32;
  return builder.getBF16Type();
}

Rows FunctionScheduler::rowsOf(Operation *op) {
  if (rowsTaken(op))
    return Rows::LogitRows;
  for (Value operand : op->getOperands())
    if (auto type = rowsType(operand); type && buffers.contains(operand))
      return bufferOf(operand).rows;
  return Rows::Tokens;
}

Buffer FunctionScheduler::arenaBuffer(ArenaSpan span, Rows rows, int64_t cols,
                                      Type element) {
  AffineExpr t = builder.getAffineDimExpr(0), r = builder.getAffineDimExpr(1);
  auto map = AffineMap::get(2, 0, rows == Rows::Tokens ? t * span.begin
                                                       : r * span.begin);
  auto op = ArenaOp::create(builder, source.getLoc(),
                            BufferType::get(builder.getContext(), cols, element),
                            frame, AffineMapAttr::get(map));
  if (rows == Rows::LogitRows)
    arenaOps.push_back(op);
  Buffer buffer;
  buffer.handle = op;
  buffer.rows = rows;
  buffer.span = span;
  return buffer;
}

Buffer FunctionScheduler::frameBuffer(int64_t index, int64_t cols, Type element,
                                      Rows rows) {
  Buffer buffer;
  buffer.rows = rows;
  buffer.handle = FrameArgOp::create(
      builder, source.getLoc(),
      BufferType::get(builder.getContext(), cols, element), frame,
      builder.getI64IntegerAttr(index));
  return buffer;
}

bool FunctionScheduler::diesAt(Value v, Operation *op) {
  return llvm::all_of(v.getUsers(), [&](Operation *user) {
    return user == op || user->isBeforeInBlock(op);
  });
}

/// True if writing `span` at `op` would destroy a value that is still needed.
/// An operand that `op` reads element by element may die in the same bytes.
bool FunctionScheduler::isOccupied(ArenaSpan span, Operation *op) {
  auto readByElement = [&](Value v) {
    if (auto linear = dyn_cast<LinearOp>(op))
      return linear.getX() != v && linear.getRope() != v;
    return isa<MapOp>(op);
  };
  for (auto &[value, buffer] : buffers) {
    if (!buffer.span || buffer.rows != Rows::Tokens ||
        !buffer.span->overlaps(span))
      continue;
    bool usedLater = false, usedHere = false;
    for (Operation *user : value.getUsers()) {
      usedHere |= user == op;
      usedLater |= op->isBeforeInBlock(user);
    }
    if (usedLater || (usedHere && !readByElement(value)))
      return true;
  }
  return false;
}

void FunctionScheduler::defineResult(Operation *op, Value result) {
  Rows rows = rowsOf(op);
  if (auto it = preassigned.find(result);
      it != preassigned.end() && it->second.rows == rows &&
      !(it->second.span && isOccupied(*it->second.span, op))) {
    buffers[result] = it->second;
    return;
  }
  Type element = storageType(result);
  int64_t cols = columns(result);
  // Take over the bytes of an operand that is read element by element and dies.
  ValueRange sameElement;
  if (auto linear = dyn_cast<LinearOp>(op))
    sameElement = linear.getCaptures();
  else if (auto map = dyn_cast<MapOp>(op))
    sameElement = map.getInputs();
  for (Value operand : sameElement) {
    Buffer &from = bufferOf(operand);
    bool alsoX = isa<LinearOp>(op) && cast<LinearOp>(op).getX() == operand;
    if (from.span && from.type().getElementType() == element &&
        diesAt(operand, op) && !alsoX) {
      Buffer taken = from;
      from.owned = false;
      buffers[result] = taken;
      return;
    }
  }
  ArenaPlan &plan = rows == Rows::Tokens ? tokenPlan : rowPlan;
  Buffer buffer = arenaBuffer(plan.allocate(rowBytes(cols, element)), rows,
                              cols, element);
  buffer.owned = true;
  buffers[result] = buffer;
}

void FunctionScheduler::releaseDead(Operation *op) {
  auto release = [&](Value v) {
    auto it = buffers.find(v);
    if (it == buffers.end() || !it->second.owned || !diesAt(v, op))
      return;
    (it->second.rows == Rows::Tokens ? tokenPlan : rowPlan)
        .release(*it->second.span);
    it->second.owned = false;
  };
  for (Value operand : op->getOperands())
    release(operand);
  for (Value result : op->getResults())
    release(result);
}

//===-- barriers ----------------------------------------------------------===//

void FunctionScheduler::barrier() {
  BarrierOp::create(builder, source.getLoc(), frame);
  readSince.clear();
  writtenSince.clear();
  cacheReadSince = cacheWrittenSince = false;
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
  if (meets(reads, writtenSince) || meets(writes, writtenSince) ||
      meets(writes, readSince) || (readsCache && cacheWrittenSince) ||
      (writesCache && cacheReadSince))
    barrier();
  llvm::append_range(readSince, reads);
  llvm::append_range(writtenSince, writes);
  cacheReadSince |= readsCache;
  cacheWrittenSince |= writesCache;
}

//===-- launches ----------------------------------------------------------===//

void FunctionScheduler::launch(
    Operation *op, KernelFamily family, ArrayRef<NamedAttribute> given,
    Region *region, Domain domain, ArrayRef<Buffer> reads,
    ArrayRef<Buffer> writes, ArrayRef<Value> order, ArrayRef<Attribute> weights,
    FlatSymbolRefAttr cache, Value layerIndex, ArrayRef<int64_t> sizes,
    int64_t extent, int64_t unit) {
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
  Domain rowDomain =
      rows == Rows::Tokens ? Domain::Tokens : Domain::LogitRows;
  if (domain == Domain::Tokens)
    domain = rowDomain;
  LaunchOp::create(
      builder, op->getLoc(), kernel, domainAttr(domain),
      builder.getI64IntegerAttr(extent), builder.getI64IntegerAttr(unit),
      domainAttr(rowDomain), frame, order,
      weights.empty() ? ArrayAttr() : builder.getArrayAttr(weights), cache,
      layerIndex ? layer : Value(), builder.getDenseI64ArrayAttr(sizes));
}

void FunctionScheduler::copy(Location loc, Buffer from, Buffer to) {
  // An identity map: the only way to move rows, and hardly ever needed.
  OpBuilder b(builder.getContext());
  Region region;
  Block *block = b.createBlock(&region, {}, {b.getF32Type()}, {loc});
  YieldOp::create(b, loc, block->getArgument(0));
  Type in = from.type().getElementType(), out = to.type().getElementType();
  waitFor({from}, {to}, false, false);
  FlatSymbolRefAttr kernel = pass.kernels->get(
      loc, KernelFamily::Map,
      b.getDictionaryAttr(
          {b.getNamedAttr("in", b.getTypeArrayAttr({in})),
           b.getNamedAttr("out", TypeAttr::get(out))}),
      &region);
  Domain domain =
      to.rows == Rows::Tokens ? Domain::Tokens : Domain::LogitRows;
  LaunchOp::create(builder, loc, kernel, domainAttr(domain),
                   builder.getI64IntegerAttr(0), builder.getI64IntegerAttr(1),
                   domainAttr(domain), frame,
                   ValueRange{from.handle, to.handle}, ArrayAttr(),
                   FlatSymbolRefAttr(), Value(),
                   builder.getDenseI64ArrayAttr({to.type().getCols()}));
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
  if (op.getResult()) {
    defineResult(op, op.getResult());
    writes.push_back(bufferOf(op.getResult()));
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
  int64_t unit = op.getStreams();
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
    params.push_back(named("sink", HeadSinkAttr::get(builder.getContext(),
                                                     sink->getHeadDim(),
                                                     chains)));
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
         writes, order, weights, cache, op.getLayer(), {n, type.getCols()},
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
        return rowWise(
            KernelFamily::Embed,
            {named("format", type.getFormat()),
             named("layout", LayoutKindAttr::get(op->getContext(),
                                                 type.getLayout())),
             named("out", typeAttr(bufferOf(embed.getResult())))},
            embed.getTokens(), nullptr, {embed.getTableAttr()}, Value(),
            {columns(embed.getResult())});
      })
      .Case([&](RmsNormOp norm) {
        defineResult(op, norm.getResult());
        return rowWise(KernelFamily::RmsNorm,
                       {named("eps", norm.getEpsAttr()),
                        named("heads", norm.getHeadsAttr()),
                        named("in", typeAttr(bufferOf(norm.getX()))),
                        named("out", typeAttr(bufferOf(norm.getResult())))},
                       norm.getX(), nullptr, {norm.getWeightAttr()},
                       norm.getLayer(), {columns(norm.getX())});
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
        return rowWise(
            KernelFamily::Rotary,
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
                named("head_dim",
                      builder.getI64IntegerAttr(type.getHeadDim())),
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
        launch(op, KernelFamily::Attention,
               {named("heads", attention.getHeadsAttr()),
                named("kv_heads", attention.getKvHeadsAttr()),
                named("head_dim",
                      builder.getI64IntegerAttr(type.getHeadDim())),
                named("scale", attention.getScaleAttr()),
                named("window", builder.getI64IntegerAttr(
                                    attention.getMask().getWindow())),
                named("q", typeAttr(q)), named("out", typeAttr(o)),
                named("kv", TypeAttr::get(type.getElementType()))},
               nullptr, Domain::Attention, {q}, {o}, {q.handle, o.handle}, {},
               attention.getCacheAttr(), attention.getLayer(), {});
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

//===-- layers ------------------------------------------------------------===//

/// `op` is about to overwrite `span`: values there that it or a later op reads
/// get buffers of their own, but for `settled`, the argument that is in place.
void FunctionScheduler::moveOut(ArenaSpan span, RepeatOp op, Value settled) {
  SmallVector<Value> endangered;
  for (auto &[value, buffer] : buffers) {
    if (!buffer.span || buffer.rows != Rows::Tokens ||
        !buffer.span->overlaps(span))
      continue;
    bool isRead = llvm::count(op.getArgs(), value) > (value == settled ? 1 : 0);
    if (isRead || !diesAt(value, op))
      endangered.push_back(value);
  }
  for (Value value : endangered) {
    Buffer from = bufferOf(value);
    Type element = from.type().getElementType();
    int64_t cols = from.type().getCols();
    Buffer kept = arenaBuffer(tokenPlan.allocate(rowBytes(cols, element)),
                              Rows::Tokens, cols, element);
    kept.owned = true;
    copy(op.getLoc(), from, kept);
    bufferOf(value) = kept;
  }
}

LogicalResult FunctionScheduler::scheduleRepeat(RepeatOp op) {
  auto callee = FlatSymbolRefAttr::get(op.getContext(), op.getCallee());
  LayerFrame &layers = pass.layerFrames[callee.getAttr()];
  // Arguments of layers lie at fixed places; the first is also overwritten.
  SmallVector<Value> args = llvm::to_vector(llvm::make_filter_range(
      op.getArgs(), [](Value arg) { return bool(rowsType(arg)); }));
  SmallVector<bool> inPlace;
  for (auto [arg, span] : llvm::zip(args, layers.args)) {
    const Buffer &have = bufferOf(arg);
    if (have.rows != Rows::Tokens)
      return op.emitOpError() << "runs layers on the rows asked for; layers "
                                 "take a row per token: apply adze.take_rows "
                                 "to their result";
    inPlace.push_back(have.span && have.span->begin == span.begin);
  }
  for (auto [i, span] : llvm::enumerate(layers.args))
    if (i == 0 || !inPlace[i])
      moveOut(span, op, inPlace[i] ? args[i] : Value());
  for (auto [i, span] : llvm::enumerate(layers.args))
    if (!inPlace[i])
      copy(op.getLoc(), bufferOf(args[i]),
           arenaBuffer(span, Rows::Tokens, columns(args[i]),
                       builder.getF32Type()));
  if (!readSince.empty() || !writtenSince.empty() || cacheReadSince ||
      cacheWrittenSince)
    barrier();
  CallLayersOp::create(builder, op.getLoc(), op.getCountAttr(),
                       op.getFirstAttr(), callee, frame);
  Buffer result = arenaBuffer(layers.args[0], Rows::Tokens,
                              columns(op.getResult()), builder.getF32Type());
  if (auto it = preassigned.find(op.getResult());
      it != preassigned.end() &&
      !(it->second.span && isOccupied(*it->second.span, op))) {
    // Either the carried place of a later repeat, or a result of the entry.
    bool samePlace = it->second.span &&
                     it->second.span->begin == result.span->begin;
    if (!samePlace) {
      copy(op.getLoc(), result, it->second);
      result = it->second;
    }
  }
  buffers[op.getResult()] = result;
  return success();
}

LogicalResult FunctionScheduler::runOnLayer(LayerFrame &layerFrame) {
  auto type = FunctionType::get(
      source.getContext(),
      {builder.getIndexType(), FrameType::get(source.getContext())}, {});
  builder.setInsertionPoint(source);
  auto made = func::FuncOp::create(builder, source.getLoc(), source.getName(),
                                   type);
  made.setPrivate();
  Block *entry = made.addEntryBlock();
  builder.setInsertionPointToStart(entry);
  layer = entry->getArgument(0);
  frame = entry->getArgument(1);
  unsigned index = 0;
  for (BlockArgument arg : source.getArguments())
    if (rowsType(arg))
      buffers[arg] = arenaBuffer(layerFrame.args[index++], Rows::Tokens,
                                 columns(arg), builder.getF32Type());
  Block &body = source.getBody().front();
  Value result = body.getTerminator()->getOperand(0);
  Value carried = source.getArgument(1);
  // The result goes where the carried argument is, if that is dead by then.
  Operation *def = result.getDefiningOp();
  bool carriedIsDead =
      def && llvm::all_of(carried.getUsers(), [&](Operation *user) {
        return user->isBeforeInBlock(def);
      });
  if (carriedIsDead)
    preassigned[result] = bufferOf(carried);
  if (failed(scheduleBody(body)))
    return failure();
  if (bufferOf(result).span->begin != layerFrame.args[0].begin)
    copy(source.getLoc(), bufferOf(result), bufferOf(carried));
  barrier();
  func::ReturnOp::create(builder, source.getLoc());
  layerFrame.localEnd = tokenPlan.highWater();
  source.erase();
  return success();
}

//===-- entries -----------------------------------------------------------===//

/// One argument of the entry, as adze/abi.h wants it.
Attribute abiArg(Builder &b, StringRef name, Type element,
                 ArrayRef<StringRef> symbols, ArrayRef<int64_t> constants) {
  return b.getDictionaryAttr({b.getNamedAttr("name", b.getStringAttr(name)),
                              b.getNamedAttr("type", TypeAttr::get(element)),
                              b.getNamedAttr("symbols",
                                             b.getStrArrayAttr(symbols)),
                              b.getNamedAttr("constants",
                                             b.getDenseI64ArrayAttr(constants))});
}

/// The same for a tensor; its first dimension, if dynamic, is `symbol`.
Attribute abiTensor(Builder &b, StringRef name, RankedTensorType type,
                    StringRef symbol) {
  SmallVector<StringRef> symbols;
  SmallVector<int64_t> constants;
  for (int64_t size : type.getShape()) {
    bool isDynamic = ShapedType::isDynamic(size);
    symbols.push_back(isDynamic ? symbol : "");
    constants.push_back(isDynamic ? -1 : size);
  }
  return abiArg(b, name, type.getElementType(), symbols, constants);
}

LogicalResult FunctionScheduler::runOnEntry() {
  MLIRContext *context = source.getContext();
  builder.setInsertionPoint(source);
  auto made = func::FuncOp::create(
      builder, source.getLoc(), source.getName(),
      FunctionType::get(context, {FrameType::get(context)}, {}));
  made->setAttr(kEntryAttrName, builder.getUnitAttr());
  Block *entry = made.addEntryBlock();
  builder.setInsertionPointToStart(entry);
  frame = entry->getArgument(0);

  SmallVector<Attribute> abi;
  Type i32 = builder.getI32Type(), f32 = builder.getF32Type();
  bool hasBatch = false, hasRows = false;
  auto nameOf = [&](unsigned i, bool isResult) {
    auto attr = isResult
                    ? source.getResultAttrOfType<StringAttr>(i, "adze.name")
                    : source.getArgAttrOfType<StringAttr>(i, "adze.name");
    return attr ? attr.str()
                : (Twine(isResult ? "result" : "arg") + Twine(i)).str();
  };
  for (BlockArgument arg : source.getArguments()) {
    if (isa<BatchType>(arg.getType())) {
      if (hasBatch)
        return source.emitError() << "expects one argument of type "
                                  << arg.getType() << ", got a second";
      hasBatch = true;
      abi.push_back(abiArg(builder, "positions", i32, {"T"}, {-1}));
      abi.push_back(abiArg(builder, "seqs", i32, {"T"}, {-1}));
      abi.push_back(abiArg(builder, "row_begin", i32, {"S1"}, {-1}));
      abi.push_back(abiArg(builder, "pages", i32, {"S", "P"}, {-1, -1}));
      continue;
    }
    auto type = dyn_cast<RankedTensorType>(arg.getType());
    if (!type || type.getRank() == 0 || type.getNumDynamicDims() > 1 ||
        llvm::is_contained(type.getShape().drop_front(), ShapedType::kDynamic))
      return source.emitError()
             << "expects entry arguments of type tensor<?xN>, tensor<?xi32>, a "
                "tensor of static shape or !adze.batch, got "
             << arg.getType() << " as argument " << arg.getArgNumber();
    bool isRows = type.getRank() == 1 &&
                  llvm::any_of(arg.getUsers(), [&](Operation *user) {
                    return rowsTaken(user) == arg;
                  });
    hasRows |= isRows;
    Rows rows = isRows ? Rows::LogitRows : Rows::Tokens;
    buffers[arg] = frameBuffer(abi.size(), columns(arg), type.getElementType(),
                               rows);
    abi.push_back(abiTensor(builder, nameOf(arg.getArgNumber(), false), type,
                            isRows ? "R" : "T"));
  }

  // Results are written in place by the op that makes them.
  Block &body = source.getBody().front();
  Operation *terminator = body.getTerminator();
  SmallVector<std::pair<Value, Buffer>> results;
  for (auto [i, result] : llvm::enumerate(terminator->getOperands())) {
    auto type = dyn_cast<RankedTensorType>(result.getType());
    bool byKernel = !isa_and_present<GenericOp>(result.getDefiningOp());
    if (!type || type.getRank() == 0 || !type.isDynamicDim(0) ||
        type.getNumDynamicDims() > 1 ||
        (byKernel && !type.getElementType().isF32()))
      return source.emitError()
             << "expects entry results of type tensor<?xNxf32>, got "
             << result.getType();
    // Which rows: walk to a take_rows or an argument.
    Rows rows = Rows::Tokens;
    SmallVector<Value> stack{result};
    DenseSet<Value> visited;
    while (!stack.empty()) {
      Value v = stack.pop_back_val();
      Operation *def = v.getDefiningOp();
      if (!def || !visited.insert(v).second)
        continue;
      if (rowsTaken(def)) {
        rows = Rows::LogitRows;
        break;
      }
      for (Value operand : def->getOperands())
        if (rowsType(operand))
          stack.push_back(operand);
    }
    Buffer buffer = frameBuffer(abi.size(), columns(result),
                                type.getElementType(), rows);
    abi.push_back(abiTensor(builder, nameOf(i, true), type,
                            rows == Rows::Tokens ? "T" : "R"));
    if (result.getDefiningOp() && !preassigned.contains(result))
      preassigned[result] = buffer;
    results.emplace_back(result, buffer);
  }
  // Arguments of layers are made where the layers expect them.
  for (Operation &op : body) {
    auto repeat = dyn_cast<RepeatOp>(op);
    if (!repeat)
      continue;
    LayerFrame &layers = pass.layerFrames[FlatSymbolRefAttr::get(
                                              context, repeat.getCallee())
                                              .getAttr()];
    unsigned index = 0;
    for (Value arg : repeat.getArgs()) {
      if (!rowsType(arg))
        continue;
      bool carried = index == 0;
      ArenaSpan span = layers.args[index++];
      if (!arg.getDefiningOp() || preassigned.contains(arg) ||
          (carried && !arg.hasOneUse()))
        continue;
      preassigned[arg] = arenaBuffer(span, Rows::Tokens, columns(arg), f32);
    }
  }

  if (failed(scheduleBody(body)))
    return failure();
  for (auto &[value, buffer] : results)
    if (bufferOf(value).handle != buffer.handle)
      copy(source.getLoc(), bufferOf(value), buffer);
  func::ReturnOp::create(builder, source.getLoc());

  // Logit-row buffers lie behind all token rows.
  int64_t tokenEnd = tokenPlan.highWater();
  for (Operation *op : arenaOps) {
    auto arena = cast<ArenaOp>(op);
    AffineExpr t = builder.getAffineDimExpr(0);
    arena.setOffsetAttr(AffineMapAttr::get(
        AffineMap::get(2, 0, arena.getOffset().getResult(0) + t * tokenEnd)));
  }
  SmallVector<StringRef> symbols{"T"};
  if (hasRows)
    symbols.push_back("R");
  if (hasBatch)
    symbols.append({"S", "S1", "P"});
  made->setAttr("adze.symbols", builder.getStrArrayAttr(symbols));
  made->setAttr("adze.abi", builder.getArrayAttr(abi));
  made->setAttr("adze.results",
                builder.getI64IntegerAttr(terminator->getNumOperands()));
  made->setAttr("adze.arena", builder.getDenseI64ArrayAttr(
                                  {tokenEnd, rowPlan.highWater()}));
  source.erase();
  return success();
}

//===-- the pass ----------------------------------------------------------===//

/// Fixed places of the arguments of layer kinds. The carried rows are shared by
/// all kinds of the same width: they hand them on to each other.
LogicalResult Schedule::planLayerFrames() {
  ArenaPlan plan;
  llvm::DenseMap<int64_t, ArenaSpan> carried;
  WalkResult walk = getOperation().walk([&](RepeatOp repeat) -> WalkResult {
    auto name = FlatSymbolRefAttr::get(&getContext(), repeat.getCallee());
    auto caller = repeat->getParentOfType<func::FuncOp>();
    if (!caller->hasAttr(kEntryAttrName))
      return repeat.emitOpError() << "stands in @" << caller.getName()
                                  << ", which is no entry; layers cannot "
                                     "repeat layers";
    if (layerFrames.contains(name.getAttr()))
      return WalkResult::advance();
    LayerFrame layers;
    for (Value arg : repeat.getArgs()) {
      RankedTensorType type = rowsType(arg);
      if (!type)
        continue;
      if (!isRowTensor(type) || type.getRank() != 2 ||
          !type.getElementType().isF32())
        return repeat.emitOpError()
               << "expects tensors of type tensor<?xNxf32>, got " << type;
      int64_t bytes = columns(arg) * 4;
      if (!layers.args.empty()) {
        layers.args.push_back(plan.allocate(bytes));
        continue;
      }
      auto [it, isNew] = carried.try_emplace(columns(arg));
      if (isNew)
        it->second = plan.allocate(bytes);
      layers.args.push_back(it->second);
    }
    layerFrames[name.getAttr()] = layers;
    return WalkResult::advance();
  });
  fixedEnd = layersEnd = plan.highWater();
  return failure(walk.wasInterrupted());
}

void Schedule::runOnOperation() {
  ModuleOp module = getOperation();
  kernels = std::make_shared<KernelTable>(module);
  layerFrames.clear();
  if (failed(outlineGeneric(module, llvm::to_vector(generic))))
    return signalPassFailure();
  if (failed(planLayerFrames()))
    return signalPassFailure();
  for (auto &[name, layers] : layerFrames) {
    auto func = module.lookupSymbol<func::FuncOp>(name);
    if (failed(FunctionScheduler(*this, func, fixedEnd).runOnLayer(layers)))
      return signalPassFailure();
    layersEnd = std::max(layersEnd, layers.localEnd);
  }
  SmallVector<func::FuncOp> entries;
  for (auto func : module.getOps<func::FuncOp>())
    if (func->hasAttr(kEntryAttrName))
      entries.push_back(func);
  for (func::FuncOp func : entries)
    if (failed(FunctionScheduler(*this, func, layersEnd).runOnEntry()))
      return signalPassFailure();
  module->setAttr(kLevelAttrName,
                  LevelAttr::get(&getContext(), Level::Scheduled));
}

} // namespace
