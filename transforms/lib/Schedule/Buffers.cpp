// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Values and memory of a function that is scheduled: what each value is stored
// as and where, by liveness.

#include "FunctionScheduler.h"
#include "GenericOutline.h"
#include "RowAccess.h"
#include "mlir/IR/AffineExpr.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace mlir;
using namespace adze;
using namespace adze::schedule;

int64_t schedule::columns(Value v) {
  RankedTensorType type = rowsType(v);
  return ShapedType::getNumElements(
      type.getShape().drop_front(type.isDynamicDim(0) ? 1 : 0));
}
Value schedule::rowsTaken(Operation *op) {
  if (auto take = dyn_cast<TakeRowsOp>(op))
    return take.getRows();
  if (auto generic = dyn_cast<GenericOp>(op);
      generic && generic.getOrigin() == TakeRowsOp::getOperationName())
    return generic.getInputs().front();
  return {};
}
static bool multipliesBF16(Operation *user, Value v, Type element) {
  auto isBF16 = [](FormatAttrInterface format) {
    auto f = dyn_cast<FloatFormatAttr>(Attribute(elementFormat(format)));
    return f && f.getElementType().isBF16();
  };
  if (auto linear = dyn_cast<LinearOp>(user))
    return linear.getX() == v && !llvm::is_contained(linear.getCaptures(), v) &&
           isBF16(lookupWeight(linear, linear.getWeightAttr())
                      .getWeightType()
                      .getFormat());
  if (auto attention = dyn_cast<AttentionOp>(user))
    return attention.getQ() == v && !attention->hasAttr(kGenericAttrName) &&
           lookupState(attention, attention.getCacheAttr())
               .getKVType()
               .getElementType()
               .isBF16();
  return false;
}

/// Codes with scales, and sums as fine as the finest blocks that a reader of
/// the codes goes by; 128 where that is the row. A group of 0 is the row.
static BufferType quantizedType(QuantizeOp op) {
  int64_t cols = columns(op.getResult()), group = op.getGroup(), sums = group;
  for (Operation *user : op->getUsers()) {
    auto linear = cast<LinearOp>(user);
    FormatAttrInterface format = lookupWeight(linear, linear.getWeightAttr())
                                     .getWeightType()
                                     .getFormat();
    sums = std::gcd(
        sums, cast<IntegerFormatAttrInterface>(Attribute(elementFormat(format)))
                  .getGroup());
    if (isa<BlocksFormatAttr>(Attribute(format)))
      sums = std::gcd(sums, BlocksFormatAttr::kBlockColumns);
  }
  if (!sums)
    sums = 128;
  if (!group)
    group = llvm::alignTo(cols, sums);
  return BufferType::get(op.getContext(), cols,
                         IntegerType::get(op.getContext(), 8), group, sums);
}

BufferType FunctionScheduler::storageOf(Value v) {
  if (auto quantize = v.getDefiningOp<QuantizeOp>())
    return quantizedType(quantize);
  return BufferType::get(builder.getContext(), columns(v), elementOf(v));
}

/// A value that only dots of bf16 pairs read is rounded where it is made.
Type FunctionScheduler::elementOf(Value v) {
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
      if (elementOf(take.getResult()) == f32)
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

Buffer FunctionScheduler::arenaBuffer(ArenaSpan span, Rows rows,
                                      BufferType type,
                                      std::optional<ArenaSpan> own) {
  AffineExpr t = builder.getAffineDimExpr(0), r = builder.getAffineDimExpr(1);
  auto map = AffineMap::get(
      2, 0, rows == Rows::Tokens ? t * span.begin : r * span.begin);
  auto op = ArenaOp::create(builder, source.getLoc(), type, frame,
                            AffineMapAttr::get(map));
  if (own)
    op->setAttr(kOwnAttrName, builder.getI64IntegerAttr(own->begin));
  if (rows == Rows::LogitRows)
    arenaOps.push_back(op);
  Buffer buffer;
  buffer.handle = op;
  buffer.rows = rows;
  buffer.span = span;
  buffer.own = own;
  return buffer;
}

Buffer FunctionScheduler::frameBuffer(int64_t index, int64_t cols, Type element,
                                      Rows rows) {
  Buffer buffer;
  buffer.rows = rows;
  buffer.handle =
      FrameArgOp::create(builder, source.getLoc(),
                         BufferType::get(builder.getContext(), cols, element),
                         frame, builder.getI64IntegerAttr(index));
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

/// Cheap work over rows, which every thread may do for itself where there is
/// but one. Not that of the generic path: it may be anything.
static bool isRepeatable(Operation *op) {
  return isa<RmsNormOp, QuantizeOp, TakeRowsOp, MapOp, RotaryOp>(op) &&
         !op->hasAttr(kGenericAttrName);
}

void FunctionScheduler::defineResult(Operation *op, Value result) {
  Rows rows = rowsOf(op);
  if (auto it = preassigned.find(result);
      it != preassigned.end() && it->second.rows == rows &&
      !(it->second.span && isOccupied(*it->second.span, op))) {
    buffers[result] = it->second;
    return;
  }
  BufferType type = storageOf(result);
  // Take over the bytes of an operand that is read element by element and dies.
  ValueRange sameElement;
  if (auto linear = dyn_cast<LinearOp>(op))
    sameElement = linear.getCaptures();
  else if (auto map = dyn_cast<MapOp>(op))
    sameElement = map.getInputs();
  for (Value operand : sameElement) {
    Buffer &from = bufferOf(operand);
    bool alsoX = isa<LinearOp>(op) && cast<LinearOp>(op).getX() == operand;
    // Threads write parts of what a linear gives: into what they share.
    bool isApart = isa<LinearOp>(op) && from.own;
    if (from.span && from.type() == type && diesAt(operand, op) && !alsoX &&
        !isApart) {
      Buffer taken = from;
      from.owned = false;
      buffers[result] = taken;
      return;
    }
  }
  ArenaPlan &plan = rows == Rows::Tokens ? tokenPlan : rowPlan;
  std::optional<ArenaSpan> own;
  if (isRepeatable(op))
    own = ownPlan.allocate(type.getRowBytes());
  Buffer buffer =
      arenaBuffer(plan.allocate(type.getRowBytes()), rows, type, own);
  buffer.owned = true;
  buffers[result] = buffer;
}

void FunctionScheduler::release(const Buffer &buffer) {
  (buffer.rows == Rows::Tokens ? tokenPlan : rowPlan).release(*buffer.span);
  if (buffer.own)
    ownPlan.release(*buffer.own);
}

void FunctionScheduler::releaseDead(Operation *op) {
  auto releaseIfDead = [&](Value v) {
    auto it = buffers.find(v);
    if (it == buffers.end() || !it->second.owned || !diesAt(v, op))
      return;
    release(it->second);
    it->second.owned = false;
  };
  for (Value operand : op->getOperands())
    releaseIfDead(operand);
  for (Value result : op->getResults())
    releaseIfDead(result);
}
