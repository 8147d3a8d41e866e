// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Costs of attention items, and the cut of their sum into equal parts.

#include "AttentionCut.h"

using namespace mlir;
using namespace adze;

/// Reading a page costs about as much as multiplying it with so many rows.
static constexpr int64_t kReadRows = 8;
static constexpr int64_t kTableEntryBytes = 32;

static constexpr auto kLess = arith::CmpIPredicate::slt;
static constexpr auto kGreater = arith::CmpIPredicate::sgt;

static Value both(KernelEmitter &e, Value x, Value y) {
  return e.b.createOrFold<arith::AndIOp>(e.loc, x, y);
}

Value AttentionCut::blocksOf(Value sequence) {
  Value rows =
      e.sub(batch.rowBegin(e.add(sequence, 1)), batch.rowBegin(sequence));
  return e.ceilDiv(rows, plan.blockTokens());
}

BlockShape AttentionCut::shapeOf(Value sequence, Value block) {
  BlockShape shape;
  shape.firstRow =
      e.add(batch.rowBegin(sequence), e.mul(block, plan.blockTokens()));
  shape.tokens =
      e.min(e.sub(batch.rowBegin(e.add(sequence, 1)), shape.firstRow),
            e.constant(plan.blockTokens()));
  shape.rows = e.mul(shape.tokens, plan.group);
  shape.firstPosition = batch.position(shape.firstRow);
  Value last = e.add(shape.firstPosition, e.sub(shape.tokens, 1));
  Value visible =
      e.max(e.constant(0), e.sub(shape.firstPosition, plan.window - 1));
  shape.begin = plan.window ? e.div(visible, kChunk) : e.constant(0);
  shape.end = e.add(e.div(last, kChunk), 1);
  Value pages =
      e.sub(e.add(e.div(last, kPage), 1), e.mul(shape.begin, kChunkPages));
  shape.weight = e.add(shape.rows, kReadRows);
  shape.cost = e.mul(pages, shape.weight);
  return shape;
}

/// Of one KV head of a sequence.
Value AttentionCut::costOf(Value sequence) {
  return e.loop(e.constant(0), blocksOf(sequence), 1, e.constant(0),
                [&](Value block, ValueRange carried) {
                  return KernelEmitter::Values{
                      e.add(carried[0], shapeOf(sequence, block).cost)};
                })[0];
}

/// The chunk edge next to `into` of the item's cost.
Value AttentionCut::chunkAt(const BlockShape &shape, Value into) {
  Value pages = e.div(into, shape.weight);
  return e.min(
      shape.end,
      e.add(shape.begin, e.div(e.add(pages, kChunkPages / 2), kChunkPages)));
}

//===-- table of splits ---------------------------------------------------===//

/// Notes the item at `place` if the cut at `into` falls between two of its
/// chunks and its partial results fit.
void AttentionCut::record(Value table, Value sequence, Value head, Value block,
                          Value place, const BlockShape &shape, Value into) {
  Value chunk = chunkAt(shape, into);
  Value count = e.loadI64(table);
  Value entry = e.at(table, e.add(e.mul(count, kTableEntryBytes), 8));
  Value fits = both(
      e, e.compare(arith::CmpIPredicate::sle, shape.rows, plan.splitRows()),
      e.compare(kLess, count, kMaxSplits));
  Value within = both(e, e.compare(kGreater, chunk, shape.begin),
                      e.compare(kLess, chunk, shape.end));
  e.ifThen(both(e, fits, within), [&] {
    Value known = e.ifElse(
        e.compare(kGreater, count, 0), {e.index},
        [&] {
          return KernelEmitter::Values{
              e.loadI64(e.at(entry, -kTableEntryBytes))};
        },
        [&] { return KernelEmitter::Values{e.constant(-1)}; })[0];
    e.ifThen(e.compare(arith::CmpIPredicate::ne, known, place), [&] {
      int64_t offset = 0;
      for (Value word : {place, sequence, head, block}) {
        e.store(arith::IndexCastOp::create(e.b, e.loc, e.i64, word),
                e.at(entry, offset), 8);
        offset += 8;
      }
      e.store(arith::IndexCastOp::create(e.b, e.loc, e.i64, e.add(count, 1)),
              table, 8);
    });
  });
}

void AttentionCut::emitTableBody(Value parts, Value table) {
  Value zero = e.constant(0);
  Value total = e.mul(e.loop(zero, batch.sequences(), 1, zero,
                             [&](Value sequence, ValueRange carried) {
                               return KernelEmitter::Values{
                                   e.add(carried[0], costOf(sequence))};
                             })[0],
                      plan.kvHeads);
  e.store(arith::ConstantIntOp::create(e.b, e.loc, e.i64, 0), table, 8);
  Value several =
      both(e, e.compare(kGreater, parts, 1), e.compare(kGreater, total, 0));
  e.ifThen(several, [&] {
    auto divUp = [&](Value x, Value y) {
      return e.div(e.add(x, e.sub(y, 1)), y);
    };
    e.loop(zero, batch.sequences(), 1, zero,
           [&](Value sequence, ValueRange carried) {
             Value base = carried[0], cost = costOf(sequence);
             Value end = e.add(base, e.mul(cost, plan.kvHeads));
             // Cuts that fall inside: base < total * k / parts < end.
             Value first = divUp(e.mul(e.add(base, 1), parts), total);
             Value last = e.min(parts, divUp(e.mul(end, parts), total));
             e.loop(first, last, 1, [&](Value k) {
               Value into = e.sub(e.div(e.mul(total, k), parts), base);
               Value head = e.div(into, cost), inHead = e.rem(into, cost);
               KernelEmitter::Values found = e.loop(
                   zero, blocksOf(sequence), 1, ValueRange{zero, zero, zero},
                   [&](Value block, ValueRange c) {
                     // Cost so far, block found, cost before it.
                     Value next = e.add(c[0], shapeOf(sequence, block).cost);
                     Value before =
                         e.compare(arith::CmpIPredicate::sle, c[0], inHead);
                     return KernelEmitter::Values{next,
                                                  e.select(before, block, c[1]),
                                                  e.select(before, c[0], c[2])};
                   });
               Value place = e.add(e.add(base, e.mul(head, cost)), found[2]);
               record(table, sequence, head, found[1], place,
                      shapeOf(sequence, found[1]), e.sub(inHead, found[2]));
             });
             return KernelEmitter::Values{end};
           });
  });
  e.ret(total);
}

func::FuncOp AttentionCut::emitTable(KernelEmitter &e,
                                     const AttentionPlan &plan,
                                     StringRef name) {
  OpBuilder::InsertionGuard guard(e.b);
  func::FuncOp func = e.beginShared(name, {e.index, e.ptr, e.ptr}, {e.index});
  ValueRange args = func.getArguments();
  AttentionCut(e, plan, args[1]).emitTableBody(args[0], args[2]);
  return func;
}

//===-- pieces ------------------------------------------------------------===//

/// Number of the split item at `place`; -1 if it is none.
Value AttentionCut::splitOf(Value table, Value place) {
  return e.loop(e.constant(0), e.loadI64(table), 1, e.constant(-1),
                [&](Value i, ValueRange carried) {
                  Value known = e.loadI64(
                      e.at(table, e.add(e.mul(i, kTableEntryBytes), 8)));
                  Value same =
                      e.compare(arith::CmpIPredicate::eq, known, place);
                  return KernelEmitter::Values{e.select(same, i, carried[0])};
                })[0];
}

/// The chunk at which the cut at cost `at` cuts the item at `place`; an item
/// that is not split is cut at the edge that is nearer.
Value AttentionCut::cutAt(const BlockShape &shape, Value place, Value split,
                          Value at) {
  Value into = e.min(shape.cost, e.max(e.constant(0), e.sub(at, place)));
  Value nearer = e.select(e.compare(kLess, e.mul(into, 2), shape.cost),
                          shape.begin, shape.end);
  Value chunk =
      e.select(e.compare(kLess, split, 0), nearer, chunkAt(shape, into));
  // The last page of an item may be the only one of its chunk.
  return e.select(e.compare(arith::CmpIPredicate::eq, into, shape.cost),
                  shape.end, chunk);
}

void AttentionCut::pieces(Value part, Value parts, Value total, Value table,
                          function_ref<void(const Piece &)> body) {
  Value zero = e.constant(0);
  Value from = e.div(e.mul(total, part), parts);
  Value to = e.div(e.mul(total, e.add(part, 1)), parts);
  auto overlaps = [&](Value base, Value end) {
    return both(e, e.compare(kLess, base, to), e.compare(kGreater, end, from));
  };
  auto overBlocks = [&](Value sequence, Value head, Value base) {
    e.loop(zero, blocksOf(sequence), 1, base,
           [&](Value block, ValueRange carried) {
             Value place = carried[0];
             BlockShape shape = shapeOf(sequence, block);
             Value end = e.add(place, shape.cost);
             e.ifThen(overlaps(place, end), [&] {
               Value split = splitOf(table, place);
               Piece piece{sequence,
                           head,
                           block,
                           cutAt(shape, place, split, from),
                           cutAt(shape, place, split, to),
                           split};
               e.ifThen(e.compare(kLess, piece.begin, piece.end),
                        [&] { body(piece); });
             });
             return KernelEmitter::Values{end};
           });
  };
  e.loop(zero, batch.sequences(), 1, zero,
         [&](Value sequence, ValueRange carried) {
           Value base = carried[0], cost = costOf(sequence);
           Value end = e.add(base, e.mul(cost, plan.kvHeads));
           e.ifThen(overlaps(base, end), [&] {
             e.loop(zero, e.constant(plan.kvHeads), 1, [&](Value head) {
               Value first = e.add(base, e.mul(head, cost));
               e.ifThen(overlaps(first, e.add(first, cost)),
                        [&] { overBlocks(sequence, head, first); });
             });
           });
           return KernelEmitter::Values{end};
         });
}
