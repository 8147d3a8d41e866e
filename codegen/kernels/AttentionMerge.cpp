// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Items that were split between threads: what the threads leave, and the kernel
// that merges it. The first thread of an item merges its chunks as if it
// were alone and leaves the state of its rows; the others leave each chunk's
// own results; here they are merged in ascending order, by the same formula and
// hence with the same bits as without a split.

#include "AttentionCut.h"
#include "Builders.h"

using namespace mlir;
using namespace adze;

/// Leaves the state of the rows of a split item as its entry 0.
void adze::leaveSplitState(KernelEmitter &e, const AttentionPlan &plan,
                           Value scratch, Value split, const BlockShape &shape,
                           Value endChunk) {
  auto chunks = [&](Value end) {
    return arith::IndexCastOp::create(e.b, e.loc, e.i64,
                                      e.sub(end, shape.begin));
  };
  e.store(chunks(endChunk), split, 8);
  e.store(chunks(shape.end), e.at(split, 8), 8);
  Value first = e.at(split, kLineBytes), zero = e.constant(0);
  e.loop(zero, shape.rows, 1, [&](Value row) {
    Value place = e.mul(row, 4);
    auto copy = [&](int64_t to, int64_t from) {
      e.store(e.load(e.f32, e.at(e.at(scratch, from), place), 4),
              e.at(e.at(first, to), place), 4);
    };
    copy(0, plan.maximumOffset());
    copy(plan.entrySumOffset(), plan.sumOffset());
  });
  Value from = e.at(scratch, plan.outputOffset());
  Value to = e.at(first, plan.entryOutputOffset());
  e.loop(zero, e.mul(shape.rows, plan.outputRowBytes()), kLineBytes,
         [&](Value i) {
           e.storeLanes(e.loadLanes(e.f32, e.at(from, i)), e.f32, e.at(to, i));
         });
}

/// Merges one row of a split item and stores it. Entry 0 becomes the state.
static void mergeRow(KernelEmitter &e, const AttentionPlan &plan, Value split,
                     Value row, Value result, Value firstRow, Value column,
                     Value store) {
  Value first = e.loadI64(split), end = e.loadI64(e.at(split, 8));
  Value entries = e.at(split, kLineBytes);
  Value statistic = e.mul(row, 4);
  Value outputs = e.add(e.constant(plan.entryOutputOffset()),
                        e.mul(row, plan.outputRowBytes()));
  auto lanesAt = [&](Value entry, int64_t offset) {
    return e.broadcast(
        e.loadScalar(e.f32, e.at(e.at(entry, offset), statistic)));
  };
  Value state = e.at(entries, outputs);
  KernelEmitter::Values merged = e.loop(
      first, end, 1,
      ValueRange{lanesAt(entries, 0), lanesAt(entries, plan.entrySumOffset())},
      [&](Value chunk, ValueRange before) {
        Value entry = e.at(entries, e.mul(chunk, plan.entryBytes()));
        MergeFactors f =
            mergeFactors(e, before[0], before[1], lanesAt(entry, 0),
                         lanesAt(entry, plan.entrySumOffset()));
        // A chunk that none of the rows beside this one sees was left out.
        Value seen = e.compare(arith::CmpIPredicate::ne,
                               e.load(e.i32, e.at(entry, statistic), 4),
                               e.constantI32(kUnseenBits));
        return e.ifElse(
            seen, {e.vf32, e.vf32},
            [&] {
              mergeOutput(e, plan, state, e.at(entry, outputs), f.keep, f.take);
              return KernelEmitter::Values{f.maximum, f.sum};
            },
            [&] { return KernelEmitter::Values{before[0], before[1]}; });
      });
  e.callIndirect(store,
                 {state, vector::ExtractOp::create(e.b, e.loc, merged[1], 0),
                  result, firstRow, column});
}

/// (part, parts, scratch, batch, result, shared, M, store): the share of a
/// part.
static func::FuncOp getMerge(KernelEmitter &e, const AttentionPlan &plan,
                             KernelOp kernel, ArrayRef<Type> types) {
  std::string name = sharedAttentionName(kernel) + ".merge_split";
  if (func::FuncOp known = e.lookup(name))
    return known;
  OpBuilder::InsertionGuard guard(e.b);
  func::FuncOp func = e.beginShared(name, types);
  ValueRange args = func.getArguments();
  Value part = args[0], parts = args[1], table = args[2];
  AttentionCut cut(e, plan, args[3]);
  Value stride = splitBytes(e, plan, args[3]);
  // Rows go round the threads.
  Value zero = e.constant(0);
  e.loop(zero, e.loadI64(table), 1, zero, [&](Value i, ValueRange carried) {
    Value entry = e.at(table, e.add(e.mul(i, 32), 8));
    Value head = e.loadI64(e.at(entry, 16));
    BlockShape shape =
        cut.shapeOf(e.loadI64(e.at(entry, 8)), e.loadI64(e.at(entry, 24)));
    Value split = e.at(args[5], e.mul(i, stride));
    e.loop(zero, shape.rows, 1, [&](Value row) {
      Value mine = e.compare(arith::CmpIPredicate::eq,
                             e.rem(e.add(carried[0], row), parts), part);
      e.ifThen(mine, [&] {
        mergeRow(e, plan, split, row, args[4], shape.firstRow,
                 attentionColumn(e, plan, row, head), args[7]);
      });
    });
    return KernelEmitter::Values{e.add(carried[0], shape.rows)};
  });
  e.ret();
  return func;
}

FailureOr<func::FuncOp> adze::buildAttentionMerge(OpBuilder &builder,
                                                  KernelOp kernel,
                                                  const KernelTarget &target) {
  AttentionPlan plan(kernel, target);
  if (plan.params.failed())
    return failure();
  KernelEmitter e(builder, kernel.getLoc());
  func::FuncOp store = getAttentionStore(e, plan);
  SmallVector<Type> types(2, e.index);
  types.append(4, e.ptr);
  types.append({e.index, store.getFunctionType()});
  func::FuncOp shared = getMerge(e, plan, kernel, types);
  types.pop_back();
  return emitAttentionKernel(e, kernel, types, /*given=*/7, shared, store);
}
