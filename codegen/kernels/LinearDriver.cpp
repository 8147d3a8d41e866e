// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Blocks of rows outside, groups of panels inside, tiles of rows within: a
// block's rows and a group's panels stay in L2, where the next group's are
// brought meanwhile. Each tile is accumulated in registers over the whole of K,
// put into scratch and finished there.

#include "LinearDriver.h"
#include "PanelDecoder.h"

using namespace mlir;
using namespace adze;

namespace {

/// Bytes of a group's panels where many rows pass over it: they shall stay in
/// L2 beside LinearPlan::kRowsBytes, and the panels that are prefetched.
constexpr int64_t kGroupBytes = 256 << 10;
/// With fewer panels, transposing rows takes longer than tall tiles gain: it is
/// what two panels take of which half the blocks are zero.
constexpr int64_t kLeastPanels = 8;
/// Rows that do not hide how long memory takes.
constexpr int64_t kFewRows = 48;

/// The arguments of the main loop, in this order. Values of one call are those
/// of the caller; inside, the function's.
struct LoopArguments {
  Value lo, hi; // units
  Value scratch, batch, x, panels;
  Value sums; // the tiles' place in scratch
  Value rows, k;
  Value stride, panelBytes;              // bytes of a row of x, of a panel
  Value unitPanels, fewUnits, manyUnits; // as in LinearPlan
  Value tileRowBytes;
  Value finish;
  Value kBlocks;               // with codes: parts of K that share scales
  Value header, scales, zeros; // sparse: where the parts of a panel begin
  // Sparse with tall tiles: where their rows are transposed, bytes of 16 of
  // them, and what does it.
  Value transposed, transposedBytes, transposer;
  Value lines, partBytes; // with decoded panels: where, and how long one is
  Value elementBytes;     // and those of x
  Value decoder;
  SmallVector<Value> tiles;   // a function for each shape
  SmallVector<Value> spreads; // and for few rows of masked floats

  template <typename Visit> void each(const LinearPlan &plan, Visit visit) {
    for (Value *value : {&lo, &hi, &scratch, &batch, &x, &panels, &sums, &rows,
                         &k, &stride, &panelBytes, &unitPanels, &fewUnits,
                         &manyUnits, &tileRowBytes, &finish})
      visit(*value);
    if (plan.isSparse())
      for (Value *value : {&header, &scales, &zeros})
        visit(*value);
    else if (plan.multipliesCodes())
      visit(kBlocks);
    if (plan.tallShapes)
      for (Value *value : {&transposed, &transposedBytes, &transposer})
        visit(*value);
    if (plan.decoded)
      for (Value *value : {&lines, &partBytes, &elementBytes, &decoder})
        visit(*value);
    tiles.resize(plan.shapes.size());
    for (Value &tile : tiles)
      visit(tile);
    spreads.resize(plan.spreads ? plan.shapes.size() : 0);
    for (Value &tile : spreads)
      visit(tile);
  }
};

class LoopEmitter {
public:
  LoopEmitter(KernelEmitter &e, const LinearPlan &plan, LoopArguments &a)
      : e(e), plan(plan), a(a) {}

  void emit();

private:
  void transpose(Value begin, Value end);
  Value transposedAt(Value begin, Value row) {
    return e.at(a.transposed,
                e.mul(e.div(e.sub(row, begin), kLanes), a.transposedBytes));
  }
  void emitGroups(Value begin, Value end);
  void emitRows(Value unit, Value units, Value begin, Value end);
  void emitWholeRows(Value unit, Value units, Value begin, Value end);
  void emitDecodedRows(Value unit, Value units, Value begin, Value end);
  void sparseTile(size_t shape, Value row, Value unit, Value units, Value begin,
                  Value end);
  void tiles(size_t shape, Value function, Value x, Value panels,
             Value panelBytes, Value k, Value out, Value count, Value turn,
             Value turns);
  void callFinish(Value row, Value rows, Value unit, Value units);
  Value panelsOf(Value unit) {
    return e.at(a.panels, e.mul(e.mul(unit, a.unitPanels), a.panelBytes));
  }
  /// The end of the whole tiles of so many rows among begin .. end.
  Value wholeTiles(Value begin, Value end, int64_t rows) {
    return e.add(begin, e.mul(e.div(e.sub(end, begin), rows), rows));
  }

  KernelEmitter &e;
  const LinearPlan &plan; // only what all linears of this loop have in common
  LoopArguments &a;
  Value tallEnd; // of the rows of a block that tall tiles may take
};

/// The tiles of one height over `count` panels, in pass `turn` of `turns` over
/// them: each pass brings its part of the panels behind them.
void LoopEmitter::tiles(size_t shape, Value function, Value x, Value panels,
                        Value panelBytes, Value k, Value out, Value count,
                        Value turn, Value turns) {
  int64_t width = plan.shapes[shape].panels;
  // Where few rows pass over the panels, tiles bring as much as they read with
  // each step (aheadBytes = 0), whatever the turn.
  int64_t tall = plan.shapes.front().rows;
  int64_t fewTurns = std::max<int64_t>(1, kFewRows / tall);
  Value next, aheadBytes;
  if (plan.multipliesCodes()) {
    Value lines = e.ceilDiv(e.mul(panelBytes, width), kLineBytes);
    Value parts = e.mul(turns, a.kBlocks);
    aheadBytes = e.mul(e.div(e.add(lines, e.sub(parts, 1)), parts), kLineBytes);
    aheadBytes = e.select(e.compare(arith::CmpIPredicate::sgt, turns, fewTurns),
                          aheadBytes, e.constant(0));
    next = e.at(e.at(panels, e.mul(panelBytes, count)),
                e.mul(e.mul(turn, a.kBlocks), aheadBytes));
  }
  e.loop(e.constant(0), count, width, [&](Value panel) {
    Value offset = e.mul(panelBytes, panel);
    KernelEmitter::Values arguments = {x,
                                       a.stride,
                                       e.at(panels, offset),
                                       panelBytes,
                                       k,
                                       e.at(out, e.mul(panel, kLineBytes)),
                                       a.tileRowBytes,
                                       e.sub(count, panel)};
    if (next)
      arguments.append({e.at(next, offset), aheadBytes});
    e.callIndirect(function, arguments);
  });
}

/// The same for sparse panels, all of them in one call, and rows from `row` on
/// of begin .. end: its part of the panels is that of its rows.
void LoopEmitter::sparseTile(size_t shape, Value row, Value unit, Value units,
                             Value begin, Value end) {
  Value panels = panelsOf(unit), count = e.mul(units, a.unitPanels);
  int64_t height = plan.shapes[shape].rows;
  Value done = e.sub(row, begin), rows = e.sub(end, begin);
  auto linesOf = [&](Value rowsDone) {
    Value bytes = e.div(e.mul(a.panelBytes, rowsDone), rows);
    return e.mul(e.div(bytes, kLineBytes), kLineBytes);
  };
  Value from = linesOf(done);
  Value part = e.sub(linesOf(e.add(done, height)), from);
  part = e.select(e.compare(arith::CmpIPredicate::sgt, rows, height), part,
                  e.constant(0));
  Value ahead = e.at(e.at(panels, e.mul(a.panelBytes, count)), from);
  Value x = int64_t(shape) < plan.tallShapes ? transposedAt(begin, row)
                                             : e.at(a.x, e.mul(row, a.stride));
  e.callIndirect(a.tiles[shape],
                 {x, a.stride, panels, a.panelBytes, a.k, a.sums,
                  a.tileRowBytes, count, a.header, a.scales, a.zeros,
                  e.mul(e.sub(a.hi, unit), a.unitPanels), ahead, part});
}

/// As emitRows, with panels decoded: a part of K after the other for a block of
/// rows, whose sums wait in scratch.
void LoopEmitter::emitDecodedRows(Value unit, Value units, Value begin,
                                  Value end) {
  constexpr int64_t kPart = LinearPlan::kDecodedK;
  Value count = e.mul(units, a.unitPanels), zero = e.constant(0);
  Value first = panelsOf(unit);
  e.loop(begin, end, plan.decodedRows(), [&](Value top) {
    Value rows = e.min(e.sub(end, top), e.constant(plan.decodedRows()));
    e.loop(zero, e.mul(rows, a.tileRowBytes), kLineBytes,
           [&](Value i) { e.store(e.splat(0), e.at(a.sums, i), kLineBytes); });
    e.loop(zero, a.k, kPart, [&](Value part) {
      Value partEnd = e.min(e.add(part, kPart), a.k);
      e.loop(zero, count, 1, [&](Value p) {
        e.callIndirect(a.decoder,
                       {e.at(first, e.mul(a.panelBytes, p)), a.k, part, partEnd,
                        e.at(a.lines, e.mul(p, a.partBytes))});
      });
      Value x =
          e.at(e.at(a.x, e.mul(top, a.stride)), e.mul(part, a.elementBytes));
      Value row = zero;
      for (auto [i, shape] : llvm::enumerate(plan.shapes)) {
        Value last = wholeTiles(row, rows, shape.rows);
        size_t which = i;
        e.loop(row, last, shape.rows, [&](Value m) {
          tiles(which, a.tiles[which], e.at(x, e.mul(m, a.stride)), a.lines,
                a.partBytes, e.sub(partEnd, part),
                e.at(a.sums, e.mul(m, a.tileRowBytes)), count, zero, zero);
        });
        row = last;
      }
    });
    callFinish(top, rows, unit, units);
  });
}

/// Rows begin .. end of `units` units.
void LoopEmitter::emitRows(Value unit, Value units, Value begin, Value end) {
  if (!plan.decoded)
    return emitWholeRows(unit, units, begin, end);
  if (!plan.spreads)
    return emitDecodedRows(unit, units, begin, end);
  // Decoding once for many rows takes less than decoding for each tile.
  Value few = e.compare(arith::CmpIPredicate::sle, e.sub(end, begin),
                        LinearPlan::kSpreadRows);
  Value inSteps =
      e.compare(arith::CmpIPredicate::eq,
                e.rem(a.k, MaskedFormatAttr::kStepColumns), int64_t(0));
  e.ifElse(
      arith::AndIOp::create(e.b, e.loc, few, inSteps),
      [&] { emitWholeRows(unit, units, begin, end); },
      [&] { emitDecodedRows(unit, units, begin, end); });
}

/// The same over the whole of K, in tiles of falling height.
void LoopEmitter::emitWholeRows(Value unit, Value units, Value begin,
                                Value end) {
  Value first = panelsOf(unit), count = e.mul(units, a.unitPanels);
  int64_t tall = plan.shapes.front().rows;
  Value turns = e.ceilDiv(e.sub(end, begin), tall);
  Value row = begin;
  for (auto [i, shape] : llvm::enumerate(plan.shapes)) {
    Value last = wholeTiles(row, int64_t(i) < plan.tallShapes ? tallEnd : end,
                            shape.rows);
    size_t which = i;
    int64_t height = shape.rows;
    e.loop(row, last, height, [&](Value m) {
      if (plan.isSparse())
        sparseTile(which, m, unit, units, begin, end);
      else
        tiles(which, plan.spreads ? a.spreads[which] : a.tiles[which],
              e.at(a.x, e.mul(m, a.stride)), first, a.panelBytes, a.k, a.sums,
              count, e.div(e.sub(m, begin), tall), turns);
      callFinish(m, e.constant(height), unit, units);
    });
    row = last;
  }
}

/// Finishes `rows` rows from `row` on of `units` units from `unit` on.
void LoopEmitter::callFinish(Value row, Value rows, Value unit, Value units) {
  auto call = [&](Value row, Value unit, Value third, Value fourth) {
    e.callIndirect(a.finish, {row, unit, third, fourth, a.scratch, a.batch});
  };
  if (plan.finishLoops)
    return call(row, unit, rows, units);
  Value zero = e.constant(0);
  e.loop(zero, rows, 1, [&](Value r) {
    e.loop(zero, units, 1,
           [&](Value u) { call(e.add(row, r), e.add(unit, u), r, u); });
  });
}

/// Transposes the rows of begin .. end that tall tiles take.
void LoopEmitter::transpose(Value begin, Value end) {
  Value panels = e.mul(e.sub(a.hi, a.lo), a.unitPanels);
  tallEnd = e.select(e.compare(arith::CmpIPredicate::sge, panels, kLeastPanels),
                     end, begin);
  Value row = begin;
  for (TileShape shape : ArrayRef(plan.shapes).take_front(plan.tallShapes)) {
    Value last = wholeTiles(row, tallEnd, shape.rows);
    e.loop(row, last, shape.rows, [&](Value m) {
      e.callIndirect(a.transposer,
                     {e.at(a.x, e.mul(m, a.stride)), a.stride, a.k,
                      transposedAt(begin, m), e.constant(shape.rows / kLanes)});
    });
    row = last;
  }
}

/// Rows begin .. end of all units, a group of units after the other.
void LoopEmitter::emitGroups(Value begin, Value end) {
  Value bytes = e.mul(a.panelBytes, e.mul(a.manyUnits, a.unitPanels));
  Value fit = e.compare(arith::CmpIPredicate::sle, bytes, kGroupBytes);
  Value fewRows = e.compare(arith::CmpIPredicate::slt, a.rows,
                            plan.shapes[plan.tallShapes].rows);
  Value group = e.select(arith::OrIOp::create(e.b, e.loc, fit, fewRows),
                         a.manyUnits, a.fewUnits);
  Value groups = e.div(e.add(e.sub(a.hi, a.lo), e.sub(group, 1)), group);
  e.loop(e.constant(0), groups, 1, [&](Value g) {
    Value unit = e.add(a.lo, e.mul(g, group));
    emitRows(unit, e.min(group, e.sub(a.hi, unit)), begin, end);
  });
}

void LoopEmitter::emit() {
  // Blocks of rows of about one size, all but the last of whole tall tiles.
  Value blocks = e.max(e.constant(1), e.ceilDiv(e.mul(a.rows, a.stride),
                                                LinearPlan::kRowsBytes));
  int64_t tall = plan.shapes.front().rows;
  Value height = e.div(e.add(a.rows, e.sub(blocks, 1)), blocks);
  height = e.mul(e.ceilDiv(height, tall), tall);
  e.loop(e.constant(0), blocks, 1, [&](Value block) {
    Value begin = e.min(e.mul(block, height), a.rows);
    Value end = e.min(e.add(begin, height), a.rows);
    if (plan.tallShapes)
      transpose(begin, end);
    emitGroups(begin, end);
  });
}

} // namespace

FunctionType LinearDriver::finishType(KernelEmitter &e) {
  SmallVector<Type> types(4, e.index);
  types.append(2, e.ptr);
  return FunctionType::get(e.b.getContext(), types, {});
}

/// The main loop that takes such arguments.
func::FuncOp LinearDriver::function(ValueRange arguments) {
  std::string name = plan.isSparse()          ? "adze.linear.sparse"
                     : plan.multipliesCodes() ? "adze.linear.codes"
                     : plan.spreads           ? "adze.linear.spread"
                     : plan.masked            ? "adze.linear.masked"
                     : plan.decoded           ? "adze.linear.decoded"
                                              : "adze.linear.floats";
  llvm::raw_string_ostream os(name);
  for (TileShape shape : plan.shapes)
    os << '.' << shape.rows << 'x' << shape.panels;
  if (func::FuncOp known = e.lookup(name))
    return known;
  OpBuilder::InsertionGuard guard(e.b);
  func::FuncOp func = e.beginShared(name, arguments.getTypes());
  LoopArguments inside;
  size_t next = 0;
  inside.each(plan, [&](Value &value) { value = func.getArgument(next++); });
  LoopEmitter(e, plan, inside).emit();
  e.ret();
  return func;
}

void LinearDriver::call(Value lo, Value hi, const LinearOperands &operands,
                        func::FuncOp finish) {
  LoopArguments a;
  a.lo = lo, a.hi = hi;
  a.scratch = operands.scratch, a.batch = operands.batch;
  a.x = operands.x, a.panels = operands.panels;
  a.sums = e.at(operands.scratch, plan.tilesOffset());
  a.rows = operands.rows, a.k = operands.k;
  a.stride = plan.rowBytes(e, operands.k);
  a.panelBytes = plan.panelBytes(e, operands.k);
  a.unitPanels = e.constant(plan.unitPanels);
  a.fewUnits = e.constant(plan.fewUnits);
  a.manyUnits = e.constant(plan.manyUnits);
  a.tileRowBytes = e.constant(plan.tileRowBytes());
  a.finish = e.address(finish);
  if (plan.isSparse()) {
    a.header = e.constant(plan.sparse.format.getHeaderBytes());
    a.scales = e.constant(plan.sparse.format.getScalesOffset());
    a.zeros = plan.sparse.format.emitZerosOffset(e.b, e.loc, operands.k);
  } else if (plan.multipliesCodes()) {
    int64_t block = plan.codes.block();
    a.kBlocks = block ? e.ceilDiv(operands.k, block) : e.constant(1);
  }
  if (plan.tallShapes) {
    TransposedRows rows = transposedRows(plan.sparse);
    a.transposed = e.at(operands.scratch, plan.transposedOffset());
    a.transposedBytes = rows.lineBytes(e, operands.k);
    a.transposer = e.address(rows.getFunction(e));
  }
  if (plan.decoded) {
    a.lines = e.at(operands.scratch, plan.decodedOffset());
    a.partBytes = e.constant(plan.partBytes());
    a.elementBytes = e.constant(KernelEmitter::bytesOf(plan.types.rowType));
    a.decoder = e.address(getPanelDecoder(e, plan.decoded));
  }
  for (TileShape shape : plan.shapes)
    a.tiles.push_back(
        e.address(plan.tile(e, target, shape.rows, shape.panels)));
  for (TileShape shape : plan.spreads ? plan.shapes : TileShapes())
    a.spreads.push_back(
        e.address(plan.spreadTile(e, target, shape.rows, shape.panels)));
  SmallVector<Value> arguments;
  a.each(plan, [&](Value &value) { arguments.push_back(value); });
  e.call(function(arguments), arguments);
}
