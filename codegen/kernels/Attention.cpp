// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention over KV pages. A work item is (sequence, KV head, block of tokens);
// its query rows are the tokens of the block times the heads that share the KV
// head. Positions are taken in chunks of ADZE_ATTENTION_CHUNK aligned to
// position 0; each chunk is softmaxed alone and merged in ascending order by
// one formula, so that what a row gives depends on nothing but its own query
// and the cache: not on other rows, on blocks or on threads, bit for bit.
//
// Weights are powers of 2 (the scale holds log2 e). A masked score is kMasked,
// finite: its weight is exactly 0 beside any score that is not, so a masked
// position adds exactly nothing, and a chunk in which a row has no position
// changes nothing.

#include "BatchReader.h"
#include "Builders.h"
#include "KernelParams.h"
#include "MicroTile.h"
#include "adze/abi.h"

using namespace mlir;
using namespace adze;

static constexpr int64_t kPage = ADZE_KV_PAGE_POSITIONS;
static constexpr int64_t kChunk = ADZE_ATTENTION_CHUNK;
static constexpr int64_t kChunkPages = kChunk / kPage;
static constexpr double kMasked = -1e30;
/// Query rows of one work item, about: a chunk of keys and values is read from
/// L2 for so many rows.
static constexpr int64_t kBlockRows = 64;

namespace {

struct AttentionPlan {
  AttentionPlan(KernelOp kernel, const KernelTarget &target) : params(kernel) {
    heads = params.integer("heads");
    kvHeads = params.integer("kv_heads");
    headDim = params.integer("head_dim");
    scale = params.real("scale");
    window = params.integer("window", 0);
    q = params.elementType("q");
    out = params.elementType("out");
    layout = {headDim, params.elementType("kv")};
    if (headDim < 1)
      params.wrong("head_dim", "at least 1");
    if (!(scale > 0))
      params.wrong("scale", "positive");
    if (kvHeads < 1 || heads < 1 || heads % kvHeads)
      params.wrong("heads", "a multiple of kv_heads");
    if (window < 0)
      params.wrong("window", "0 (none) or a number of positions");
    group = params.failed() ? 1 : heads / kvHeads;
    bool dots = target.hasBF16Dot && layout.element.isBF16();
    Type f32 = Float32Type::get(kernel.getContext());
    types = {dots ? layout.element : f32, layout.element};
    shapes = tileShapes(target, types);
  }

  KernelParams params;
  int64_t heads, kvHeads, headDim, group, window;
  double scale;
  Type q, out;
  KVLayout layout;
  /// Operands of both products: rows are queries, then probabilities.
  TileTypes types;
  TileShapes shapes;

  int64_t blockTokens() const {
    return std::max<int64_t>(1, kBlockRows / group);
  }
  int64_t blockRows() const { return blockTokens() * group; }
  int64_t rowBytes() const { return KernelEmitter::bytesOf(types.rowType); }

  // Scratch: queries, running output, running maximum and sum of all rows of
  // the item; scores, probabilities and output of one chunk and tile; pages.
  int64_t queryRowBytes() const {
    return llvm::alignTo(layout.keyColumns() * rowBytes(), kLineBytes);
  }
  int64_t outputRowBytes() const { return layout.valueColumns() * 4; }
  int64_t queryOffset() const { return 0; }
  int64_t outputOffset() const { return blockRows() * queryRowBytes(); }
  int64_t maximumOffset() const {
    return outputOffset() + blockRows() * outputRowBytes();
  }
  int64_t sumOffset() const {
    return maximumOffset() + llvm::alignTo(blockRows() * 4, kLineBytes);
  }
  int64_t scoreOffset() const {
    return sumOffset() + llvm::alignTo(blockRows() * 4, kLineBytes);
  }
  int64_t scoreRowBytes() const { return kChunk * 4; }
  int64_t weightOffset() const {
    return scoreOffset() + kMaxTileRows * scoreRowBytes();
  }
  int64_t weightRowBytes() const { return kChunk * rowBytes(); }
  int64_t chunkOutputOffset() const {
    return weightOffset() + kMaxTileRows * weightRowBytes();
  }
  int64_t statisticsOffset() const {
    return chunkOutputOffset() + kMaxTileRows * outputRowBytes();
  }
  int64_t pagesOffset() const { return statisticsOffset() + 4 * kLineBytes; }
  int64_t scratchBytes() const { return pagesOffset() + 2 * kLineBytes; }
};

/// Arguments of the kernel function from scratch on, and of an item.
struct AttentionOperands {
  Value scratch, batch, q, result, cache, layer;
};

class AttentionEmitter {
public:
  AttentionEmitter(KernelEmitter &e, const KernelTarget &target,
                   const AttentionPlan &plan, const AttentionOperands &ops)
      : e(e), target(target), plan(plan), ops(ops), batch(e, ops.batch) {}

  /// The part [lo, hi) of all items; calls `item` for each.
  void items(Value lo, Value hi, func::FuncOp item);
  /// One item.
  void item(Value sequence, Value head, Value block);

private:
  Value scratch(int64_t offset) { return e.at(ops.scratch, offset); }
  /// What softmax and merge pass on, a line each for the rows of a tile.
  enum Statistic { kPeaks, kSums, kKeep, kTake };
  Value statistic(Statistic which, Value tileRow) {
    return e.at(scratch(plan.statisticsOffset() + which * kLineBytes),
                e.mul(tileRow, 4));
  }
  void loadQueries(Value firstRow, Value rows, Value head);
  void chunk(Value chunkIndex, Value sequence, Value head, Value firstPosition,
             Value rows);
  void tile(int64_t height, Value row, Value chunkIndex, Value firstPosition);
  void maskRow(Value tileRow, Value position, Value begin, Value vectors);
  void softmaxRows(Value tileRow, int64_t count, Value vectors);
  void merge(Value row, int64_t height);
  void storeRows(Value firstRow, Value rows, Value head);
  Value resultColumn(Value row, Value head);
  /// Position of query row `row` of the item.
  Value positionOf(Value firstPosition, Value row) {
    return e.add(firstPosition, e.div(row, plan.group));
  }
  Value firstVisible(Value position) {
    return e.max(e.constant(0), e.sub(position, plan.window - 1));
  }

  KernelEmitter &e;
  const KernelTarget &target;
  const AttentionPlan &plan;
  const AttentionOperands &ops;
  BatchReader batch;
};

/// Blocks of a sequence.
Value blocksOf(KernelEmitter &e, const AttentionPlan &plan, BatchReader &batch,
               Value sequence) {
  Value rows = e.sub(batch.rowBegin(e.add(sequence, 1)),
                     batch.rowBegin(sequence));
  return e.ceilDiv(rows, plan.blockTokens());
}

void AttentionEmitter::items(Value lo, Value hi, func::FuncOp item) {
  Value zero = e.constant(0);
  // Every thread walks all sequences; item numbers are sequence-major, then KV
  // head, then block.
  e.loop(zero, batch.sequences(), 1, ValueRange{zero},
         [&](Value sequence, ValueRange carried) {
           Value base = carried[0];
           Value blocks = blocksOf(e, plan, batch, sequence);
           Value end = e.add(base, e.mul(blocks, plan.kvHeads));
           Value from = e.max(lo, base), to = e.min(hi, end);
           e.loop(from, to, 1, [&](Value i) {
             Value number = e.sub(i, base);
             Value head = e.div(number, blocks), b = e.rem(number, blocks);
             // Late blocks see more positions: take early and late in turn, so
             // that any run of items costs about as much as another.
             Value half = e.div(b, 2);
             Value odd = e.compare(arith::CmpIPredicate::ne, e.rem(b, 2), 0);
             Value block =
                 e.select(odd, e.sub(e.sub(blocks, 1), half), half);
             e.call(item, {sequence, head, block, ops.scratch, ops.batch,
                           ops.q, ops.result, ops.cache, ops.layer});
           });
           return KernelEmitter::Values{end};
         });
}

/// Bytes / elements of a query row in q and result: token t, head h.
Value AttentionEmitter::resultColumn(Value row, Value head) {
  Value token = e.div(row, plan.group), g = e.rem(row, plan.group);
  Value h = e.add(e.mul(head, plan.group), g);
  return e.add(e.mul(token, plan.heads * plan.headDim),
               e.mul(h, plan.headDim));
}

/// Copies the queries of the item to scratch, in the type of the dot.
void AttentionEmitter::loadQueries(Value firstRow, Value rows, Value head) {
  int64_t qBytes = KernelEmitter::bytesOf(plan.q);
  Value base = e.at(ops.q, e.mul(firstRow, plan.heads * plan.headDim * qBytes));
  Value queries = scratch(plan.queryOffset());
  e.loop(e.constant(0), rows, 1, [&](Value row) {
    Value from = e.at(base, e.mul(resultColumn(row, head), qBytes));
    Value to = e.at(queries, e.mul(row, plan.queryRowBytes()));
    for (int64_t d = 0; d < plan.headDim; d += kLanes)
      e.storeLanes(
          e.loadLanes(plan.q, e.at(from, d * qBytes), plan.headDim - d),
          plan.types.rowType, e.at(to, d * plan.rowBytes()),
          plan.layout.keyColumns() - d);
    Value output =
        e.at(scratch(plan.outputOffset()), e.mul(row, plan.outputRowBytes()));
    for (int64_t d = 0; d < plan.headDim; d += kLanes)
      e.storeLanes(e.splat(0), e.f32, e.at(output, d * 4));
    e.store(e.constantF32(kMasked),
            e.at(scratch(plan.maximumOffset()), e.mul(row, 4)), 4);
    e.store(e.constantF32(0), e.at(scratch(plan.sumOffset()), e.mul(row, 4)),
            4);
  });
}

void AttentionEmitter::item(Value sequence, Value head, Value block) {
  Value firstToken = e.mul(block, plan.blockTokens());
  Value firstRow = e.add(batch.rowBegin(sequence), firstToken);
  Value tokens =
      e.min(e.sub(batch.rowBegin(e.add(sequence, 1)), firstRow),
            e.constant(plan.blockTokens()));
  Value rows = e.mul(tokens, plan.group);
  Value firstPosition = batch.position(firstRow);
  loadQueries(firstRow, rows, head);

  Value zero = e.constant(0);
  Value lastPosition = e.add(firstPosition, e.sub(tokens, 1));
  Value begin = plan.window
                    ? e.div(firstVisible(firstPosition), kChunk)
                    : zero;
  Value end = e.add(e.div(lastPosition, kChunk), 1);
  e.loop(begin, end, 1, [&](Value c) {
    chunk(c, sequence, head, firstPosition, rows);
  });
  storeRows(firstRow, rows, head);
}

void AttentionEmitter::chunk(Value c, Value sequence, Value head,
                             Value firstPosition, Value rows) {
  // The pages of the chunk that the item's last row reaches.
  Value lastPosition = positionOf(firstPosition, e.sub(rows, 1));
  Value firstPage = e.mul(c, kChunkPages);
  Value endPage = e.min(e.add(firstPage, kChunkPages),
                        e.add(e.div(lastPosition, kPage), 1));
  e.loop(firstPage, endPage, 1, [&](Value page) {
    auto pointer = [&](Value index) {
      return headPage(e, batch, plan.layout, ops.cache, ops.layer, sequence,
                      index, head);
    };
    Value place = e.at(scratch(plan.pagesOffset()),
                       e.mul(e.sub(page, firstPage), 8));
    e.store(pointer(page), place, 8);
    // While values are read, keys of the next chunk are prefetched: the value
    // block's offset in this page shall be the key block's in that one.
    Value later = e.min(e.add(page, kChunkPages), e.div(lastPosition, kPage));
    e.store(e.at(pointer(later), -plan.layout.keyBytes()),
            e.at(place, kMaxSegments * 8), 8);
  });
  Value row = e.constant(0);
  for (int64_t height : plan.shapes.rowSteps) {
    Value end = e.add(row, e.mul(e.div(e.sub(rows, row), height), height));
    e.loop(row, end, height,
           [&](Value r) { tile(height, r, c, firstPosition); });
    row = end;
  }
}

/// One chunk for `height` query rows.
void AttentionEmitter::tile(int64_t height, Value row, Value c,
                            Value firstPosition) {
  Value begin = e.mul(c, kChunk);
  Value last = positionOf(firstPosition, e.add(row, height - 1));
  Value reaches = e.compare(arith::CmpIPredicate::sge, last, begin);
  if (plan.window) {
    Value visible = firstVisible(positionOf(firstPosition, row));
    Value above = e.compare(arith::CmpIPredicate::slt, visible,
                            e.add(begin, kChunk));
    reaches = arith::AndIOp::create(e.b, e.loc, reaches, above);
  }
  e.ifThen(reaches, [&] {
    bool small = height <= plan.shapes.smallRows;
    int64_t width = small ? plan.shapes.smallPanels : plan.shapes.panels;
    Value pages = e.min(e.constant(kChunkPages),
                        e.add(e.div(e.sub(last, begin), kPage), 1));
    Value zero = e.constant(0);
    Value queries = e.at(scratch(plan.queryOffset()),
                         e.mul(row, plan.queryRowBytes()));
    Value scores = scratch(plan.scoreOffset());
    Value bases = scratch(plan.pagesOffset());
    e.loop(zero, pages, 1, [&](Value page) {
      Value keys = e.loadPtr(e.at(bases, e.mul(page, 8)));
      Value to = e.at(scores, e.mul(page, kPage * 4));
      int64_t panel = 0;
      for (int64_t piece : splitPanels(kPage / kLanes, width)) {
        // While keys are read, values of the same page are prefetched.
        e.call(getPrefetchingTile(e, target, plan.types, height, piece),
               {queries, e.constant(plan.queryRowBytes()),
                e.at(keys, panel * plan.layout.keyPanelBytes()),
                e.constant(plan.layout.keyPanelBytes()),
                e.constant(plan.layout.keyColumns()),
                e.at(to, panel * kLineBytes),
                e.constant(plan.scoreRowBytes()),
                e.at(keys, plan.layout.keyBytes() +
                               panel * plan.layout.keyPanelBytes())});
        panel += piece;
      }
    });
    Value vectors = e.mul(pages, kPage / kLanes);
    Value hides = e.compare(
        arith::CmpIPredicate::sgt,
        e.add(begin, e.sub(e.mul(vectors, kLanes), 1)),
        positionOf(firstPosition, row));
    if (plan.window)
      hides = arith::OrIOp::create(
          e.b, e.loc, hides,
          e.compare(arith::CmpIPredicate::sgt, firstVisible(last), begin));
    e.ifThen(hides, [&] {
      e.loop(zero, e.constant(height), 1, [&](Value r) {
        maskRow(r, positionOf(firstPosition, e.add(row, r)), begin, vectors);
      });
    });
    int64_t together =
        target.registers >= 32 ? std::min<int64_t>(height, 4) : 1;
    e.loop(zero, e.constant(height), together,
           [&](Value r) { softmaxRows(r, together, vectors); });
    int64_t panel = 0;
    for (int64_t piece :
         splitPanels(plan.layout.valueColumns() / kLanes, width)) {
      int64_t offset =
          plan.layout.keyBytes() + panel * plan.layout.valuePanelBytes();
      e.call(getSegmentedTile(e, target, plan.types, height, piece),
             {scratch(plan.weightOffset()),
              e.constant(plan.weightRowBytes()), bases, pages,
              e.constant(offset), e.constant(plan.layout.valuePanelBytes()),
              e.constant(kPage),
              e.at(scratch(plan.chunkOutputOffset()), panel * kLineBytes),
              e.constant(plan.outputRowBytes())});
      panel += piece;
    }
    merge(row, height);
  });
}

/// Masks the scores of one row: what it does not see becomes kMasked.
void AttentionEmitter::maskRow(Value tileRow, Value position, Value begin,
                               Value vectors) {
  Value scores = e.at(scratch(plan.scoreOffset()),
                      e.mul(tileRow, plan.scoreRowBytes()));
  Value masked = e.splat(kMasked);
  // Visible places of the chunk: first .. last. They fit 32 bits.
  auto relative = [&](Value p) {
    return e.broadcast(e.toI32(e.sub(p, begin)));
  };
  Value last = relative(position);
  Value first = plan.window ? relative(firstVisible(position)) : Value();
  e.loop(e.constant(0), vectors, 1, [&](Value i) {
    Value place = e.at(scores, e.mul(i, kLineBytes));
    Value s = e.loadLanes(e.f32, place);
    Value at = arith::AddIOp::create(
        e.b, e.loc, e.iota(), e.broadcast(e.toI32(e.mul(i, kLanes))));
    Value visible = arith::CmpIOp::create(
        e.b, e.loc, arith::CmpIPredicate::sle, at, last);
    s = e.select(visible, s, masked);
    if (first) {
      visible = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::sge,
                                      at, first);
      s = e.select(visible, s, masked);
    }
    e.storeLanes(s, e.f32, place);
  });
}

/// Turns `count` rows of scores, together for the sake of latency, into weights
/// exp2(scale * s - max). Maxima and sums go to the statistics of the tile.
void AttentionEmitter::softmaxRows(Value tileRow, int64_t count,
                                   Value vectors) {
  KernelEmitter::Values scores, weights;
  for (int64_t r = 0; r < count; ++r) {
    Value row = e.add(tileRow, r);
    scores.push_back(e.at(scratch(plan.scoreOffset()),
                          e.mul(row, plan.scoreRowBytes())));
    weights.push_back(e.at(scratch(plan.weightOffset()),
                           e.mul(row, plan.weightRowBytes())));
  }
  Value zero = e.constant(0);
  // The scale is positive: the maximum can be scaled instead of the scores.
  Value scale = e.splat(plan.scale * 1.4426950408889634);
  KernelEmitter::Values maxima = e.loop(
      zero, vectors, 1, KernelEmitter::Values(count, e.splat(kMasked)),
      [&](Value i, ValueRange carried) {
        KernelEmitter::Values next;
        for (int64_t r = 0; r < count; ++r)
          next.push_back(e.maxf(
              e.loadLanes(e.f32, e.at(scores[r], e.mul(i, kLineBytes))),
              carried[r]));
        return next;
      });
  KernelEmitter::Values peaks;
  for (int64_t r = 0; r < count; ++r) {
    peaks.push_back(e.mulf(e.broadcast(e.reduceMax(maxima[r])), scale));
    Value peak = vector::ExtractOp::create(e.b, e.loc, peaks[r], 0);
    e.store(peak, statistic(kPeaks, e.add(tileRow, r)), 4);
  }
  KernelEmitter::Values sums = e.loop(
      zero, vectors, 1, KernelEmitter::Values(count, e.splat(0)),
      [&](Value i, ValueRange carried) {
        KernelEmitter::Values next;
        for (int64_t r = 0; r < count; ++r) {
          Value s =
              e.loadLanes(e.f32, e.at(scores[r], e.mul(i, kLineBytes)));
          Value p = e.exp2(e.subf(e.mulf(s, scale), peaks[r]));
          e.store(e.fromF32(p, plan.types.rowType, /*flush=*/true),
                  e.at(weights[r], e.mul(i, kLanes * plan.rowBytes())),
                  plan.rowBytes());
          next.push_back(e.addf(carried[r], p));
        }
        return next;
      });
  for (int64_t r = 0; r < count; ++r)
    e.store(e.reduceAdd(sums[r]), statistic(kSums, e.add(tileRow, r)), 4);
}

/// Merges the chunk of a tile into the running state of its rows: the factors
/// of all rows at once, then the output row by row.
void AttentionEmitter::merge(Value row, int64_t height) {
  Value zero = e.constant(0);
  Value maxPlace = e.at(scratch(plan.maximumOffset()), e.mul(row, 4));
  Value sumPlace = e.at(scratch(plan.sumOffset()), e.mul(row, 4));
  Value peak = e.loadLanes(e.f32, statistic(kPeaks, zero));
  Value sum = e.loadLanes(e.f32, statistic(kSums, zero));
  Value before = e.loadLanes(e.f32, maxPlace, height);
  Value both = e.maxf(peak, before);
  Value keep = e.exp2(e.subf(before, both));
  Value take = e.exp2(e.subf(peak, both));
  e.storeLanes(both, e.f32, maxPlace, height);
  e.storeLanes(e.addf(e.mulf(e.loadLanes(e.f32, sumPlace, height), keep),
                      e.mulf(sum, take)),
               e.f32, sumPlace, height);
  e.storeLanes(keep, e.f32, statistic(kKeep, zero));
  e.storeLanes(take, e.f32, statistic(kTake, zero));
  e.loop(zero, e.constant(height), 1, [&](Value r) {
    Value keepRow = e.broadcast(e.loadScalar(e.f32, statistic(kKeep, r)));
    Value takeRow = e.broadcast(e.loadScalar(e.f32, statistic(kTake, r)));
    Value output = e.at(scratch(plan.outputOffset()),
                        e.mul(e.add(row, r), plan.outputRowBytes()));
    Value chunk = e.at(scratch(plan.chunkOutputOffset()),
                       e.mul(r, plan.outputRowBytes()));
    e.loop(zero, e.constant(plan.outputRowBytes()), kLineBytes, [&](Value i) {
      Value place = e.at(output, i);
      Value old = e.mulf(e.loadLanes(e.f32, place), keepRow);
      Value add = e.mulf(e.loadLanes(e.f32, e.at(chunk, i)), takeRow);
      e.storeLanes(e.addf(old, add), e.f32, place);
    });
  });
}

void AttentionEmitter::storeRows(Value firstRow, Value rows, Value head) {
  int64_t bytes = KernelEmitter::bytesOf(plan.out);
  Value base =
      e.at(ops.result, e.mul(firstRow, plan.heads * plan.headDim * bytes));
  e.loop(e.constant(0), rows, 1, [&](Value row) {
    Value sum = e.loadScalar(
        e.f32, e.at(scratch(plan.sumOffset()), e.mul(row, 4)));
    Value factor = e.broadcast(e.divf(e.constantF32(1), sum));
    Value from =
        e.at(scratch(plan.outputOffset()), e.mul(row, plan.outputRowBytes()));
    Value to = e.at(base, e.mul(resultColumn(row, head), bytes));
    for (int64_t d = 0; d < plan.headDim; d += kLanes)
      e.storeLanes(e.mulf(e.loadLanes(e.f32, e.at(from, d * 4)), factor),
                   plan.out, e.at(to, d * bytes), plan.headDim - d);
  });
}

} // namespace

FailureOr<func::FuncOp> adze::buildAttention(OpBuilder &builder,
                                             KernelOp kernel,
                                             const KernelTarget &target) {
  AttentionPlan plan(kernel, target);
  if (plan.params.failed())
    return failure();
  KernelEmitter e(builder, kernel.getLoc());
  std::string name = kernel.getSymName().str();
  // scratch, batch, q, result, cache, layer
  SmallVector<Type> operands(5, e.ptr);
  operands.push_back(e.index);
  auto read = [](ValueRange a) {
    return AttentionOperands{a[0], a[1], a[2], a[3], a[4], a[5]};
  };
  func::FuncOp item;
  {
    OpBuilder::InsertionGuard guard(builder);
    SmallVector<Type> types(3, e.index);
    llvm::append_range(types, operands);
    item = e.beginFunction(name + ".item", types, {}, false);
    ValueRange args = item.getArguments();
    AttentionOperands ops = read(args.drop_front(3));
    AttentionEmitter(e, target, plan, ops).item(args[0], args[1], args[2]);
    e.ret();
  }
  builder.setInsertionPointAfter(item);
  OpBuilder::InsertionGuard guard(builder);
  SmallVector<Type> types(2, e.index);
  llvm::append_range(types, operands);
  types.push_back(e.index); // M
  func::FuncOp func = e.beginFunction(name, types, {}, true);
  ValueRange args = func.getArguments();
  AttentionOperands ops = read(args.drop_front(2));
  AttentionEmitter(e, target, plan, ops).items(args[0], args[1], item);
  e.ret();
  return func;
}

func::FuncOp adze::buildAttentionItems(OpBuilder &builder, KernelOp kernel,
                                       const KernelTarget &target) {
  AttentionPlan plan(kernel, target);
  KernelEmitter e(builder, kernel.getLoc());
  OpBuilder::InsertionGuard guard(builder);
  func::FuncOp func = e.beginFunction(kernel.getSymName().str() + ".items",
                                      {e.ptr}, {e.index}, true);
  BatchReader batch(e, func.getArgument(0));
  Value zero = e.constant(0);
  KernelEmitter::Values total =
      e.loop(zero, batch.sequences(), 1, ValueRange{zero},
             [&](Value sequence, ValueRange carried) {
               Value blocks = blocksOf(e, plan, batch, sequence);
               return KernelEmitter::Values{
                   e.add(carried[0], e.mul(blocks, plan.kvHeads))};
             });
  e.ret(total);
  return func;
}

int64_t adze::attentionScratchBytes(KernelOp kernel,
                                    const KernelTarget &target) {
  return AttentionPlan(kernel, target).scratchBytes();
}
