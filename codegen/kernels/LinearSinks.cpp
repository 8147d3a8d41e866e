// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What happens to finished tiles of a linear: bias, scalar region and store; or
// head chains {norm, rotary, store or append}, each head while it is in L1.

#include "BatchReader.h"
#include "Linear.h"
#include "RegionEmitter.h"
#include "adze/abi.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace adze;

namespace {

class Finisher {
public:
  Finisher(KernelEmitter &e, const LinearPlan &plan, KernelOp kernel,
           const LinearOperands &ops, Value rowsAhead)
      : e(e), plan(plan), kernel(kernel), ops(ops), rowsAhead(rowsAhead) {}

  LogicalResult columns(Value row, Value tile, Value unit);
  LogicalResult quantizedColumns(Value row, Value tile, Value unit);
  void head(Value row, Value tile, Value unit);

private:
  Value accumulator(Value tile, Value first, int64_t panel);
  LogicalResult block(Value row, Value tile, Value index, ColumnStream output);
  ColumnStream rowOf(Value base, Type element, Value row);
  void prefetch(Value row, Value index);
  void chain(size_t which, Value row, Value tile, Value head);
  void normalise(Value tile, Value weight, double eps);
  void rotate(Value row, Value tile);
  void storeHead(Value row, Value tile, Value column);
  void append(bool isKey, Value row, Value tile, Value head);
  int64_t lanesAt(int64_t channel) const {
    return std::min(kLanes, plan.sink.getHeadDim() - channel);
  }

  KernelEmitter &e;
  const LinearPlan &plan;
  KernelOp kernel;
  const LinearOperands &ops;
  Value rowsAhead; // to what is finished next, or null
};

/// One panel of a finished tile, which begins at panel `first` of the weight,
/// with the bias.
Value Finisher::accumulator(Value tile, Value first, int64_t panel) {
  Value sum = e.loadLanes(e.f32, e.at(tile, panel * kLineBytes));
  if (!plan.bias)
    return sum;
  Value place = e.mul(e.add(first, panel), kLineBytes);
  return e.addf(sum, e.loadLanes(e.f32, e.at(ops.bias, place)));
}

ColumnStream Finisher::rowOf(Value base, Type element, Value row) {
  int64_t bytes = KernelEmitter::bytesOf(element);
  return {e.at(base, e.mul(e.mul(row, ops.columns), bytes)), element};
}

/// Brings what block `index` of 16 columns reads and writes of a row, or is
/// written over: the tile that comes next has time to wait for it, and a finish
/// has not.
void Finisher::prefetch(Value row, Value index) {
  auto bring = [&](Value base, Type element) {
    ColumnStream stream = rowOf(base, element, row);
    int64_t bytes = KernelEmitter::bytesOf(element);
    e.prefetch(e.at(stream.row, e.mul(index, kLanes * bytes)));
  };
  for (auto [base, element] : llvm::zip(ops.captures, plan.captures))
    bring(base, element);
  if (plan.captures.empty() && !plan.quantizes())
    bring(ops.result, plan.out);
}

LogicalResult Finisher::columns(Value row, Value tile, Value unit) {
  return block(row, tile, unit, rowOf(ops.result, plan.out, row));
}

/// A unit is a group of the result: its values, then their codes.
LogicalResult Finisher::quantizedColumns(Value row, Value tile, Value unit) {
  LogicalResult done = success();
  Value values = e.at(ops.scratch, plan.valuesOffset());
  Value before = e.mul(unit, plan.outRows.group);
  // Where the row would begin whose columns from `before` on are the values.
  ColumnStream output = {e.at(values, e.mul(before, -4)), e.f32};
  e.loop(e.constant(0), e.constant(plan.unitBlocks()), 1, [&](Value i) {
    done = block(row, e.at(tile, e.mul(i, plan.streams * kLineBytes)),
                 e.add(e.mul(unit, plan.unitBlocks()), i), output);
  });
  Value result =
      e.at(ops.result, e.mul(row, plan.outRows.rowBytes(e, ops.columns)));
  e.ifThen(e.compare(arith::CmpIPredicate::eq, unit, 0),
           [&] { emitRowPadding(e, plan.outRows, result, ops.columns); });
  if (failed(done))
    return failure();
  return emitQuantizedGroups(
      e, plan.outRows, result, ops.columns, unit, e.add(unit, 1), ops.ranges,
      [&](Value column) -> FailureOr<Value> {
        return e.loadLanes(e.f32,
                           e.at(values, e.mul(e.sub(column, before), 4)));
      });
}

/// Block `index` of 16 columns of the result: bias, region, store.
LogicalResult Finisher::block(Value row, Value tile, Value index,
                              ColumnStream output) {
  SmallVector<ColumnStream> inputs;
  if (rowsAhead)
    prefetch(e.add(row, rowsAhead), index);
  for (auto [base, element] : llvm::zip(ops.captures, plan.captures))
    inputs.push_back(rowOf(base, element, row));
  Value staging = e.at(ops.scratch, plan.stagingOffset());
  Value first = e.mul(index, plan.streams);
  return emitColumns(e, e.mul(index, kLanes), ops.columns, inputs, output,
                     staging, [&](ValueRange captured) -> FailureOr<Value> {
                       SmallVector<Value> arguments;
                       for (int64_t s = 0; s < plan.streams; ++s)
                         arguments.push_back(accumulator(tile, first, s));
                       if (!plan.hasRegion)
                         return arguments.front();
                       llvm::append_range(arguments, captured);
                       return emitRegion(e, kernel.getBody(), arguments);
                     });
}

/// Root mean square norm of a head in place. Channels beyond the head are zero.
void Finisher::normalise(Value tile, Value weight, double eps) {
  Value squares = e.splat(0);
  for (int64_t p = 0; p < plan.unitPanels; ++p) {
    Value v = e.loadLanes(e.f32, e.at(tile, p * kLineBytes));
    squares = e.fma(v, v, squares);
  }
  Value mean = e.divf(e.reduceAdd(squares),
                      e.constantF32(double(plan.sink.getHeadDim())));
  Value root =
      math::SqrtOp::create(e.b, e.loc, e.addf(mean, e.constantF32(eps)));
  Value factor = e.broadcast(e.divf(e.constantF32(1), root));
  for (int64_t p = 0; p < plan.unitPanels; ++p) {
    Value place = e.at(tile, p * kLineBytes);
    Value w =
        e.loadLanes(e.f32, e.at(weight, p * kLineBytes), lanesAt(p * kLanes));
    e.storeLanes(e.mulf(e.mulf(e.loadLanes(e.f32, place), factor), w), e.f32,
                 place);
  }
}

/// Rotates the pairs (i, i + D/2) of a head in place.
void Finisher::rotate(Value row, Value tile) {
  int64_t headDim = plan.sink.getHeadDim(), half = headDim / 2;
  Value table = e.at(ops.rope, e.mul(row, headDim * 4));
  for (int64_t i = 0; i < half; i += kLanes) {
    int64_t count = std::min(kLanes, half - i);
    Value lowPlace = e.at(tile, i * 4), highPlace = e.at(tile, (half + i) * 4);
    Value low = e.loadLanes(e.f32, lowPlace);
    Value high = e.loadLanes(e.f32, highPlace);
    Value cosine = e.loadLanes(e.f32, e.at(table, i * 4), count);
    Value sine = e.loadLanes(e.f32, e.at(table, (half + i) * 4), count);
    Value newLow = e.subf(e.mulf(low, cosine), e.mulf(high, sine));
    Value newHigh = e.addf(e.mulf(high, cosine), e.mulf(low, sine));
    e.storeLanes(newLow, e.f32, lowPlace, count);
    e.storeLanes(newHigh, e.f32, highPlace, count);
  }
}

void Finisher::storeHead(Value row, Value tile, Value column) {
  int64_t bytes = KernelEmitter::bytesOf(plan.out);
  Value place = e.add(e.mul(row, plan.storedColumns()), column);
  Value to = e.at(ops.result, e.mul(place, bytes));
  for (int64_t p = 0; p < plan.unitPanels; ++p)
    e.storeLanes(e.loadLanes(e.f32, e.at(tile, p * kLineBytes)), plan.out,
                 e.at(to, p * kLanes * bytes), lanesAt(p * kLanes));
}

void Finisher::append(bool isKey, Value row, Value tile, Value head) {
  KVLayout layout{plan.sink.getHeadDim(), plan.kv};
  BatchReader batch(e, ops.batch);
  Value position = batch.position(row);
  Value page = e.div(position, ADZE_KV_PAGE_POSITIONS);
  Value at = headPage(e, batch, layout, ops.cache, ops.layer,
                      batch.sequence(row), page, head);
  appendHead(e, layout, isKey, at, e.rem(position, ADZE_KV_PAGE_POSITIONS),
             tile, e.at(ops.scratch, plan.headOffset()));
}

/// Chain `which` on head `head` (counted from the chain's first).
void Finisher::chain(size_t which, Value row, Value tile, Value head) {
  ArrayRef<HeadChainAttr> chains = plan.sink.getChains();
  HeadChainAttr chain = chains[which];
  int64_t norm = 0, column = 0;
  for (HeadChainAttr before : chains.take_front(which)) {
    norm += bool(before.getNorm());
    if (before.getDest() == HeadDest::Store)
      column += before.getHeads() * plan.sink.getHeadDim();
  }
  if (chain.getNorm())
    normalise(tile, ops.norms[norm],
              chain.getEps() ? chain.getEps().getValueAsDouble() : 0);
  if (chain.getRotary())
    rotate(row, tile);
  if (chain.getDest() != HeadDest::Store)
    return append(chain.getDest() == HeadDest::Key, row, tile, head);
  storeHead(row, tile, e.add(e.mul(head, plan.sink.getHeadDim()), column));
}

void Finisher::head(Value row, Value tile, Value unit) {
  if (plan.bias)
    for (int64_t p = 0; p < plan.unitPanels; ++p)
      e.storeLanes(accumulator(tile, e.mul(unit, plan.unitPanels), p), e.f32,
                   e.at(tile, p * kLineBytes));
  int64_t first = 0;
  ArrayRef<HeadChainAttr> chains = plan.sink.getChains();
  for (size_t i = 0; i < chains.size(); ++i) {
    int64_t end = first + chains[i].getHeads();
    Value within = arith::AndIOp::create(
        e.b, e.loc, e.compare(arith::CmpIPredicate::sge, unit, first),
        e.compare(arith::CmpIPredicate::slt, unit, end));
    e.ifThen(within, [&] { chain(i, row, tile, e.sub(unit, first)); });
    first = end;
  }
}

} // namespace

LogicalResult adze::emitFinish(KernelEmitter &e, const LinearPlan &plan,
                               KernelOp kernel, const LinearOperands &operands,
                               Value row, Value unit, Value tileRow,
                               Value tileUnit, Value rowsAhead) {
  Finisher finisher(e, plan, kernel, operands, rowsAhead);
  Value offset = e.add(e.mul(tileRow, plan.tileRowBytes()),
                       e.mul(tileUnit, plan.unitPanels * kLineBytes));
  Value tile = e.at(e.at(operands.scratch, plan.tilesOffset()), offset);
  if (plan.quantizes())
    return finisher.quantizedColumns(row, tile, unit);
  if (!plan.sink)
    return finisher.columns(row, tile, unit);
  finisher.head(row, tile, unit);
  return success();
}
