// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention over KV pages. A work item is (sequence, KV head, block of tokens);
// its query rows are the tokens of the block times the heads that share the KV
// head. Positions are taken in chunks of ADZE_ATTENTION_CHUNK aligned to
// position 0; each chunk is softmaxed alone and merged in ascending order by
// one formula, so that what a row gives depends on nothing but its own query
// and the cache: not on other rows, on blocks or on threads, bit for bit.
//
// Items are cut between threads at chunks (AttentionCut.h). The first piece of
// a split item merges as a whole one does and leaves its state; later pieces
// leave each chunk as it is, for the merge (AttentionMerge.cpp).
//
// Weights are powers of 2 (the scale holds log2 e). A masked score is kMasked,
// finite: its weight is exactly 0 beside any score that is not, so a masked
// position adds exactly nothing, and a chunk in which a row has no position
// changes nothing.

#include "AttentionCodes.h"
#include "AttentionCut.h"
#include "Builders.h"

using namespace mlir;
using namespace adze;

namespace {

/// Arguments of the kernel function from scratch on, and of an item.
struct AttentionOperands {
  Value scratch, batch, q, result, shared, cache, layer;
  Value store; // function that stores a finished row
};

/// What an item is and which of its chunks are done.
struct AttentionItem {
  Value sequence, head, block;
  Value begin, end; // chunks
  Value split;      // number of the split item; -1: all chunks are done
};

class AttentionEmitter {
public:
  AttentionEmitter(KernelEmitter &e, const KernelTarget &target,
                   const AttentionPlan &plan, StringRef name,
                   const AttentionOperands &ops)
      : e(e), target(target), plan(plan), name(name), ops(ops),
        batch(e, ops.batch), cut(e, plan, ops.batch) {}

  /// The share of part `part` of `parts`; calls `item` for each piece.
  void pieces(Value part, Value parts, func::FuncOp table, func::FuncOp item);
  void item(const AttentionItem &item);

private:
  Value scratch(int64_t offset) { return e.at(ops.scratch, offset); }
  /// What softmax and merge pass on, a line each for the rows of a tile.
  enum Statistic { kPeaks, kSums, kKeep, kTake, kFactors };
  Value statistics(Statistic which) {
    return scratch(plan.statisticsOffset() + which * kLineBytes);
  }
  /// Calls a function of its own: what it keeps in vector registers is spilled
  /// by no call around it. `body` gets the emitter and the arguments inside.
  void part(StringRef suffix, ValueRange arguments,
            llvm::function_ref<void(AttentionEmitter &, ValueRange)> body);
  void loadQueries(Value firstRow, Value rows, Value head);
  void chunk(Value chunkIndex, const AttentionItem &item,
             const BlockShape &shape);
  void tile(Value height, Value row, Value chunkIndex, Value firstPosition);
  void multiply(Value height, Value row, Value chunkIndex, Value firstPosition,
                Value last);
  void multiplyKeys(int64_t height, int64_t panels, Value row, Value keys,
                    Value later, int64_t panel, Value to);
  void multiplyValues(int64_t height, int64_t panels, Value row, Value pages,
                      int64_t panel);
  void maskRow(Value tileRow, Value position, Value begin, Value vectors);
  void softmaxRows(Value tileRow, int64_t count, Value vectors, Value tables,
                   Value ahead, Value aheadOfRow);
  Value valueScalesAt(Value vector);
  void merge(Value row, Value height);
  /// Runs `body` for the shape of tiles of that height.
  void withShape(Value height, llvm::function_ref<void(TileShape)> body) {
    for (TileShape shape : plan.shapes)
      e.ifThen(e.compare(arith::CmpIPredicate::eq, height, shape.rows),
               [&] { body(shape); });
  }
  void storeRows(const AttentionItem &item, const BlockShape &shape);
  Value tablesOf(Value row);
  Value prefetches(Value row) {
    return e.compare(arith::CmpIPredicate::slt, row, prefetchingRows);
  }
  /// Lines of the panels of a page that a product reads.
  int64_t productLines(bool isKey) {
    const KVLayout &layout = plan.layout;
    int64_t bytes =
        isKey ? kPage / kLanes * layout.keyPanelBytes()
              : layout.valueColumns() / kLanes * layout.valuePanelBytes();
    return llvm::divideCeil(bytes, kLineBytes);
  }
  void sharePrefetches(Value rows);
  /// Where a tile begins to prefetch in what is ahead, and how much it does
  /// with each line that it reads, in bytes.
  struct Prefetch {
    Value offset, step;
  };
  Prefetch prefetchOf(bool isKey, int64_t height, Value row, int64_t panel);
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
  StringRef name; // of what is emitted, a prefix of its parts'
  const AttentionOperands &ops;
  BatchReader batch;
  AttentionCut cut;

  // Of the item: its partial results, and whether chunks are left there.
  Value partials, leaves;
  // Of the chunk: how many rows prefetch; of each page ahead, bytes while one
  // of the products is made; of these, with a line that a row is multiplied
  // with.
  Value prefetchingRows, productBytes, keyShare, valueShare;
  // Of the chunk and tile: where its results go.
  Value entry, peaks, sums, chunkOutput;
};

void AttentionEmitter::pieces(Value part, Value parts, func::FuncOp table,
                              func::FuncOp item) {
  Value total = func::CallOp::create(e.b, e.loc, table,
                                     ValueRange{parts, ops.batch, ops.scratch})
                    .getResult(0);
  cut.pieces(
      part, parts, total, ops.scratch, [&](const AttentionCut::Piece &piece) {
        e.call(item, {piece.sequence, piece.head, piece.block, piece.begin,
                      piece.end, piece.split, ops.scratch, ops.batch, ops.q,
                      ops.result, ops.shared, ops.cache, ops.layer, ops.store});
      });
}

void AttentionEmitter::part(
    StringRef suffix, ValueRange arguments,
    function_ref<void(AttentionEmitter &, ValueRange)> body) {
  std::string symbol = (name + suffix).str();
  SmallVector<Value> all{ops.scratch, ops.batch};
  llvm::append_range(all, arguments);
  func::FuncOp func = e.lookup(symbol);
  if (!func) {
    OpBuilder::InsertionGuard guard(e.b);
    func = e.beginShared(symbol, ValueRange(all).getTypes());
    ValueRange args = func.getArguments();
    AttentionOperands inside;
    inside.scratch = args[0], inside.batch = args[1];
    AttentionEmitter emitter(e, target, plan, name, inside);
    body(emitter, args.drop_front(2));
    e.ret();
  }
  e.call(func, all);
}

/// Copies the queries of the item to scratch, in the type of the dot.
void AttentionEmitter::loadQueries(Value firstRow, Value rows, Value head) {
  int64_t qBytes = KernelEmitter::bytesOf(plan.q);
  Value base = e.at(ops.q, e.mul(firstRow, plan.heads * plan.headDim * qBytes));
  Value queries = scratch(plan.queryOffset());
  e.loop(e.constant(0), rows, 1, [&](Value row) {
    Value from = e.at(base, e.mul(attentionColumn(e, plan, row, head), qBytes));
    Value to = e.at(queries, e.mul(row, plan.queryRowBytes()));
    if (plan.hasCodes())
      storeQueryCodes(e, plan, from, to,
                      e.at(scratch(plan.queryScaleOffset()), e.mul(row, 4)),
                      e.at(scratch(plan.queryStartOffset()), e.mul(row, 4)));
    for (int64_t d = 0; d < plan.headDim && !plan.hasCodes(); d += kLanes)
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

void AttentionEmitter::item(const AttentionItem &item) {
  BlockShape shape = cut.shapeOf(item.sequence, item.block);
  auto isLess = [&](Value x, Value y) {
    return e.compare(arith::CmpIPredicate::slt, x, y);
  };
  partials = e.at(ops.shared, e.mul(e.max(item.split, e.constant(0)),
                                    splitBytes(e, plan, ops.batch)));
  leaves = isLess(shape.begin, item.begin);
  loadQueries(shape.firstRow, shape.rows, item.head);
  e.loop(item.begin, item.end, 1, [&](Value c) { chunk(c, item, shape); });
  Value ends = isLess(item.end, shape.end);
  e.ifElse(
      leaves, {}, [] { return KernelEmitter::Values(); },
      [&] {
        e.ifElse(
            ends, {},
            [&] {
              leaveSplitState(e, plan, ops.scratch, partials, shape, item.end);
              return KernelEmitter::Values();
            },
            [&] {
              storeRows(item, shape);
              return KernelEmitter::Values();
            });
        return KernelEmitter::Values();
      });
}

void AttentionEmitter::chunk(Value c, const AttentionItem &item,
                             const BlockShape &shape) {
  Value rows = shape.rows, firstPosition = shape.firstPosition;
  entry = e.at(partials, e.add(e.mul(e.sub(c, shape.begin), plan.entryBytes()),
                               kLineBytes));
  // The pages of the chunk that the item's last row reaches, twice, and the
  // pages of what is prefetched meanwhile: of the next chunk, or after the last
  // one of the next head's first.
  Value lastPosition = positionOf(firstPosition, e.sub(rows, 1));
  Value lastPage = e.div(lastPosition, kPage);
  Value firstPage = e.mul(c, kChunkPages);
  Value nextPage = e.add(firstPage, kChunkPages);
  Value endPage = e.min(nextPage, e.add(lastPage, 1));
  Value goesOn = e.compare(arith::CmpIPredicate::sle, nextPage, lastPage);
  Value laterPage = e.select(goesOn, nextPage, e.mul(shape.begin, kChunkPages));
  Value laterHead =
      e.select(goesOn, item.head,
               e.min(e.add(item.head, 1), e.constant(plan.kvHeads - 1)));
  e.loop(firstPage, endPage, 1, [&](Value page) {
    Value inChunk = e.sub(page, firstPage);
    Value place = e.at(scratch(plan.pagesOffset()), e.mul(inChunk, 8));
    auto pointer = [&](Value index, Value head) {
      return headPage(e, batch, plan.layout, ops.cache, ops.layer,
                      item.sequence, index, head);
    };
    Value here = pointer(page, item.head);
    e.store(here, place, 8);
    e.store(here, e.at(place, kMaxSegments * 8), 8);
    e.store(pointer(e.min(e.add(laterPage, inChunk), lastPage), laterHead),
            e.at(place, 2 * kMaxSegments * 8), 8);
  });
  sharePrefetches(rows);
  // Tiles of falling height, of which only the products know the shape.
  Value tiles = e.constant(0), rest = rows;
  for (TileShape tileShape : plan.shapes) {
    tiles = e.add(tiles, e.div(rest, tileShape.rows));
    rest = e.rem(rest, tileShape.rows);
  }
  Value zero = e.constant(0);
  e.loop(zero, tiles, 1, zero, [&](Value, ValueRange carried) {
    Value row = carried[0], left = e.sub(rows, row), height = e.constant(1);
    for (TileShape tileShape : llvm::reverse(plan.shapes))
      height =
          e.select(e.compare(arith::CmpIPredicate::sge, left, tileShape.rows),
                   e.constant(tileShape.rows), height);
    tile(height, row, c, firstPosition);
    return KernelEmitter::Values{e.add(row, height)};
  });
}

/// One chunk for `height` query rows.
void AttentionEmitter::tile(Value height, Value row, Value c,
                            Value firstPosition) {
  Value begin = e.mul(c, kChunk);
  Value last = positionOf(firstPosition, e.sub(e.add(row, height), 1));
  Value reaches = e.compare(arith::CmpIPredicate::sge, last, begin);
  if (plan.window) {
    Value visible = firstVisible(positionOf(firstPosition, row));
    Value above =
        e.compare(arith::CmpIPredicate::slt, visible, e.add(begin, kChunk));
    reaches = arith::AndIOp::create(e.b, e.loc, reaches, above);
  }
  auto nothing = [] { return KernelEmitter::Values(); };
  e.ifElse(
      reaches, {},
      [&] {
        multiply(height, row, c, firstPosition, last);
        e.ifElse(leaves, {}, nothing, [&] {
          part(".merge", {row, height},
               [](AttentionEmitter &inside, ValueRange a) {
                 inside.merge(a[0], a[1]);
               });
          return nothing();
        });
        return nothing();
      },
      [&] {
        e.ifThen(leaves, [&] {
          e.loop(e.constant(0), height, 1, [&](Value r) {
            e.store(e.constantI32(kUnseenBits),
                    e.at(entry, e.mul(e.add(row, r), 4)), 4);
          });
        });
        return nothing();
      });
}

/// Maxima, sums and output of one chunk that some of the rows see.
void AttentionEmitter::multiply(Value height, Value row, Value c,
                                Value firstPosition, Value last) {
  Value begin = e.mul(c, kChunk);
  auto place = [&](int64_t inEntry, int64_t rowBytes, Value own) {
    return e.select(leaves, e.at(e.at(entry, inEntry), e.mul(row, rowBytes)),
                    own);
  };
  peaks = place(0, 4, statistics(kPeaks));
  sums = place(plan.entrySumOffset(), 4, statistics(kSums));
  chunkOutput = place(plan.entryOutputOffset(), plan.outputRowBytes(),
                      scratch(plan.chunkOutputOffset()));
  Value pages = e.min(e.constant(kChunkPages),
                      e.add(e.div(e.sub(last, begin), kPage), 1));
  Value zero = e.constant(0);
  Value scores = scratch(plan.scoreOffset());
  Value bases = scratch(plan.pagesOffset());
  e.loop(zero, pages, 1, [&](Value page) {
    Value place = e.at(bases, e.mul(page, 8));
    Value keys = e.loadPtr(place);
    Value later =
        e.loadPtr(e.at(tablesOf(row), e.add(e.mul(page, 8), kMaxSegments * 8)));
    Value to = e.at(scores, e.mul(page, kPage * 4));
    withShape(height, [&](TileShape shape) {
      int64_t panel = 0;
      for (int64_t piece : splitPanels(kPage / kLanes, shape.panels)) {
        multiplyKeys(shape.rows, piece, row, keys, later, panel,
                     e.at(to, panel * kLineBytes));
        panel += piece;
      }
    });
  });
  Value vectors = e.mul(pages, kPage / kLanes);
  Value hides = e.compare(arith::CmpIPredicate::sgt,
                          e.add(begin, e.sub(e.mul(vectors, kLanes), 1)),
                          positionOf(firstPosition, row));
  if (plan.window)
    hides = arith::OrIOp::create(
        e.b, e.loc, hides,
        e.compare(arith::CmpIPredicate::sgt, firstVisible(last), begin));
  e.ifThen(hides, [&] {
    e.loop(zero, height, 1, [&](Value r) {
      part(".mask",
           {r, positionOf(firstPosition, e.add(row, r)), begin, vectors},
           [](AttentionEmitter &inside, ValueRange a) {
             inside.maskRow(a[0], a[1], a[2], a[3]);
           });
    });
  });
  constexpr int64_t softmaxAhead = kPage / kLanes * kLineBytes;
  auto softmax = [&](StringRef suffix, Value r, int64_t count) {
    Value absolute = e.add(row, r), rowBytes = e.constant(softmaxAhead);
    Value first = e.add(e.mul(productBytes, 2), e.mul(absolute, rowBytes));
    Value ahead = prefetches(absolute);
    part(suffix,
         {r, vectors, peaks, sums, tablesOf(absolute),
          e.select(ahead, first, zero), e.select(ahead, rowBytes, zero)},
         [&](AttentionEmitter &inside, ValueRange a) {
           inside.peaks = a[2], inside.sums = a[3];
           inside.softmaxRows(a[0], count, a[1], a[4], a[5], a[6]);
         });
  };
  Value single = zero;
  if (int64_t together = 4; target.registers >= 32) {
    single = e.mul(e.div(height, together), together);
    e.loop(zero, single, together,
           [&](Value r) { softmax(".softmax4", r, together); });
  }
  e.loop(single, height, 1, [&](Value r) { softmax(".softmax1", r, 1); });
  withShape(height, [&](TileShape shape) {
    int64_t panel = 0;
    for (int64_t piece :
         splitPanels(plan.layout.valueColumns() / kLanes, shape.panels)) {
      multiplyValues(shape.rows, piece, row, pages, panel);
      panel += piece;
    }
  });
}

/// Tables of the pages of a chunk and of what is prefetched meanwhile; where
/// rows prefetch nothing, of the same pages.
Value AttentionEmitter::tablesOf(Value row) {
  Value tables = scratch(plan.pagesOffset());
  return e.select(prefetches(row), e.at(tables, kMaxSegments * 8), tables);
}

/// The first rows of an item share what is ahead, and a row prefetches its part
/// while it is worked on: in each page first what goes with keys, then with
/// values, and the end in softmax, a line with each vector. So memory is asked
/// for lines at all times and never for many at once: all of them wait in the
/// same few buffers, and so do loads from L2.
void AttentionEmitter::sharePrefetches(Value rows) {
  prefetchingRows = e.min(rows, e.constant(kMaxTileRows));
  productBytes =
      e.div(e.sub(e.constant(plan.layout.headBytes()),
                  e.mul(prefetchingRows, kPage / kLanes * kLineBytes)),
            2);
  auto share = [&](bool isKey) {
    Value lines = e.mul(prefetchingRows, productLines(isKey));
    return e.div(e.add(productBytes, e.sub(lines, 1)), lines);
  };
  keyShare = share(true), valueShare = share(false);
}

AttentionEmitter::Prefetch AttentionEmitter::prefetchOf(bool isKey,
                                                        int64_t height,
                                                        Value row,
                                                        int64_t panel) {
  const KVLayout &layout = plan.layout;
  int64_t inPanel = llvm::divideCeil(
      isKey ? layout.keyPanelBytes() : layout.valuePanelBytes(), kLineBytes);
  Value share =
      e.select(prefetches(row), isKey ? keyShare : valueShare, e.constant(0));
  Value before =
      e.add(e.mul(row, productLines(isKey)), panel * height * inPanel);
  Value start = isKey ? e.constant(0) : productBytes;
  return {e.add(start, e.mul(before, share)), e.mul(share, height)};
}

/// Scores of `height` rows from `row` on with the keys of `panels` panels.
void AttentionEmitter::multiplyKeys(int64_t height, int64_t panels, Value row,
                                    Value keys, Value later, int64_t panel,
                                    Value to) {
  const KVLayout &layout = plan.layout;
  Value queries =
      e.at(scratch(plan.queryOffset()), e.mul(row, plan.queryRowBytes()));
  Value rowBytes = e.constant(plan.queryRowBytes());
  Value panelBytes = e.constant(layout.keyPanelBytes());
  Value first = e.at(keys, panel * layout.keyPanelBytes());
  Value outBytes = e.constant(plan.scoreRowBytes());
  Prefetch ahead = prefetchOf(/*isKey=*/true, height, row, panel);
  later = e.at(later, ahead.offset);
  if (!plan.hasCodes()) {
    e.call(getPrefetchingTile(e, target, plan.types, height, panels),
           {queries, rowBytes, first, panelBytes,
            e.constant(layout.keyColumns()), to, outBytes, later, ahead.step});
    return;
  }
  e.call(getKeyCodeTile(e, target, height, panels),
         {queries, rowBytes, e.constant(plan.codeBytes()), first, panelBytes,
          e.constant(layout.keyColumns() / layout.depth()),
          e.at(keys, layout.scalesOffset(true) + panel * kLineBytes),
          e.at(scratch(plan.queryScaleOffset()), e.mul(row, 4)),
          e.at(scratch(plan.queryStartOffset()), e.mul(row, 4)), to, outBytes,
          later, ahead.step});
}

/// Output of `height` rows of weights in the channels of `panels` panels.
void AttentionEmitter::multiplyValues(int64_t height, int64_t panels, Value row,
                                      Value pages, int64_t panel) {
  const KVLayout &layout = plan.layout;
  Value weights = scratch(plan.weightOffset());
  Value rowBytes = e.constant(plan.weightRowBytes());
  Value bases = tablesOf(row);
  Value offset =
      e.constant(layout.keyBytes() + panel * layout.valuePanelBytes());
  Value panelBytes = e.constant(layout.valuePanelBytes());
  Value to = e.at(chunkOutput, panel * kLineBytes);
  Value outBytes = e.constant(plan.outputRowBytes());
  Prefetch ahead = prefetchOf(/*isKey=*/false, height, row, panel);
  if (!plan.hasCodes()) {
    e.call(getSegmentedTile(e, target, plan.types, height, panels),
           {weights, rowBytes, bases, pages, offset, panelBytes,
            e.constant(kPage), to, outBytes, ahead.offset, ahead.step});
    return;
  }
  e.call(getValueCodeTile(e, target, height, panels),
         {weights, rowBytes, bases, pages, offset, panelBytes,
          statistics(kFactors), to, outBytes, ahead.offset, ahead.step});
}

/// Masks the scores of one row: what it does not see becomes kMasked.
void AttentionEmitter::maskRow(Value tileRow, Value position, Value begin,
                               Value vectors) {
  Value scores =
      e.at(scratch(plan.scoreOffset()), e.mul(tileRow, plan.scoreRowBytes()));
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
    Value at = arith::AddIOp::create(e.b, e.loc, e.iota(),
                                     e.broadcast(e.toI32(e.mul(i, kLanes))));
    Value visible =
        arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::sle, at, last);
    s = e.select(visible, s, masked);
    if (first) {
      visible = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::sge, at,
                                      first);
      s = e.select(visible, s, masked);
    }
    e.storeLanes(s, e.f32, place);
  });
}

/// Turns `count` rows of scores, together for the sake of latency, into weights
/// exp2(scale * s - max). Maxima and sums go to the statistics of the tile.
void AttentionEmitter::softmaxRows(Value tileRow, int64_t count, Value vectors,
                                   Value tables, Value ahead,
                                   Value aheadOfRow) {
  KernelEmitter::Values scores, weights;
  for (int64_t r = 0; r < count; ++r) {
    Value row = e.add(tileRow, r);
    scores.push_back(
        e.at(scratch(plan.scoreOffset()), e.mul(row, plan.scoreRowBytes())));
    weights.push_back(
        e.at(scratch(plan.weightOffset()), e.mul(row, plan.weightRowBytes())));
  }
  Value zero = e.constant(0);
  // The scale is positive: the maximum can be scaled instead of the scores.
  // With codes, that of the query has it.
  Value scale = e.splat(plan.scale * kLog2e);
  bool codes = plan.hasCodes(), apart = codes && target.registers < 32;
  auto scaled = [&](Value s) { return codes ? s : e.mulf(s, scale); };
  KernelEmitter::Values maxima =
      e.loop(zero, vectors, 1, KernelEmitter::Values(count, e.splat(kMasked)),
             [&](Value i, ValueRange carried) {
               KernelEmitter::Values next;
               for (int64_t r = 0; r < count; ++r)
                 next.push_back(e.maxf(
                     e.loadLanes(e.f32, e.at(scores[r], e.mul(i, kLineBytes))),
                     carried[r]));
               return next;
             });
  KernelEmitter::Values highest;
  for (int64_t r = 0; r < count; ++r) {
    highest.push_back(scaled(e.broadcast(e.reduceMax(maxima[r]))));
    Value peak = vector::ExtractOp::create(e.b, e.loc, highest[r], 0);
    e.store(peak, e.at(peaks, e.mul(e.add(tileRow, r), 4)), 4);
  }
  // Sums, and with codes the largest weights: in a loop of their own where
  // registers are few.
  auto weigh = [&](Value i, KernelEmitter::Values &next,
                   ArrayRef<Value> exponentials) {
    Value valueScales = valueScalesAt(i);
    for (int64_t r = 0; r < count; ++r) {
      Value place = e.at(scores[r], e.mul(i, kLineBytes));
      Value weight = e.mulf(exponentials.empty() ? e.loadLanes(e.f32, place)
                                                 : exponentials[r],
                            valueScales);
      e.storeLanes(weight, e.f32, place);
      Value &largest = next[next.size() - count + r];
      // Nothing is negative: the bits are in order.
      largest = arith::MaxUIOp::create(
          e.b, e.loc, arith::BitcastOp::create(e.b, e.loc, e.vi32, weight),
          largest);
    }
  };
  KernelEmitter::Values none(count, e.splatI32(0));
  KernelEmitter::Values totals(count, e.splat(0));
  if (codes && !apart)
    llvm::append_range(totals, none);
  constexpr int64_t kVectors = kPage / kLanes;
  totals = e.loop(zero, vectors, 1, totals, [&](Value i, ValueRange carried) {
    KernelEmitter::Values next(carried), exponentials;
    Value later = e.loadPtr(
        e.at(e.at(tables, kMaxSegments * 8), e.mul(e.div(i, kVectors), 8)));
    later = e.at(e.at(later, ahead), e.mul(e.rem(i, kVectors), kLineBytes));
    for (int64_t r = 0; r < count; ++r) {
      Value place = e.at(scores[r], e.mul(i, kLineBytes));
      e.prefetch(e.at(later, e.mul(aheadOfRow, r)));
      Value s = e.loadLanes(e.f32, place);
      Value p = e.exp2(e.subf(scaled(s), highest[r]));
      next[r] = e.addf(carried[r], p);
      exponentials.push_back(p);
      if (apart)
        e.storeLanes(p, e.f32, place);
      else if (!codes)
        e.store(e.fromF32(p, plan.types.rowType, /*flush=*/true),
                e.at(weights[r], e.mul(i, kLanes * plan.rowBytes())),
                plan.rowBytes());
    }
    if (codes && !apart)
      weigh(i, next, exponentials);
    return next;
  });
  if (apart)
    llvm::append_range(totals, e.loop(zero, vectors, 1, none,
                                      [&](Value i, ValueRange carried) {
                                        KernelEmitter::Values next(carried);
                                        weigh(i, next, {});
                                        return next;
                                      }));
  for (int64_t r = 0; r < count; ++r) {
    Value place = e.mul(e.add(tileRow, r), 4);
    e.store(e.reduceAdd(totals[r]), e.at(sums, place), 4);
    if (codes)
      storeWeightCodes(e, scores[r], vectors, totals[count + r], weights[r],
                       e.at(statistics(kFactors), place));
  }
}

/// Scales of the values at positions 16 * i .. of the chunk.
Value AttentionEmitter::valueScalesAt(Value i) {
  constexpr int64_t kVectors = kPage / kLanes;
  Value page = e.loadPtr(
      e.at(scratch(plan.pagesOffset()), e.mul(e.div(i, kVectors), 8)));
  return e.loadLanes(e.f32, e.at(e.at(page, plan.layout.scalesOffset(false)),
                                 e.mul(e.rem(i, kVectors), kLineBytes)));
}

/// Merges the chunk of a tile into the running state of its rows: the factors
/// of all rows at once, then the output row by row.
void AttentionEmitter::merge(Value row, Value height) {
  Value zero = e.constant(0);
  Value maxPlace = e.at(scratch(plan.maximumOffset()), e.mul(row, 4));
  Value sumPlace = e.at(scratch(plan.sumOffset()), e.mul(row, 4));
  Value maximum = e.loadLanes(e.f32, maxPlace);
  Value sum = e.loadLanes(e.f32, sumPlace);
  MergeFactors f =
      mergeFactors(e, maximum, sum, e.loadLanes(e.f32, statistics(kPeaks)),
                   e.loadLanes(e.f32, statistics(kSums)));
  // Lanes behind the tile are of rows to come, or behind all rows.
  Value mine = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::slt,
                                     e.iota(), e.broadcast(e.toI32(height)));
  e.storeLanes(e.select(mine, f.maximum, maximum), e.f32, maxPlace);
  e.storeLanes(e.select(mine, f.sum, sum), e.f32, sumPlace);
  e.storeLanes(f.keep, e.f32, statistics(kKeep));
  e.storeLanes(f.take, e.f32, statistics(kTake));
  e.loop(zero, height, 1, [&](Value r) {
    auto factor = [&](Statistic which) {
      return e.broadcast(
          e.loadScalar(e.f32, e.at(statistics(which), e.mul(r, 4))));
    };
    mergeOutput(e, plan,
                e.at(scratch(plan.outputOffset()),
                     e.mul(e.add(row, r), plan.outputRowBytes())),
                e.at(scratch(plan.chunkOutputOffset()),
                     e.mul(r, plan.outputRowBytes())),
                factor(kKeep), factor(kTake));
  });
}

void AttentionEmitter::storeRows(const AttentionItem &item,
                                 const BlockShape &shape) {
  e.loop(e.constant(0), shape.rows, 1, [&](Value row) {
    Value sum =
        e.loadScalar(e.f32, e.at(scratch(plan.sumOffset()), e.mul(row, 4)));
    Value output =
        e.at(scratch(plan.outputOffset()), e.mul(row, plan.outputRowBytes()));
    e.callIndirect(ops.store, {output, sum, ops.result, shape.firstRow,
                               attentionColumn(e, plan, row, item.head)});
  });
}

AttentionOperands readOperands(ValueRange a) {
  return {a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]};
}

/// What the kernel calls with its store.
func::FuncOp getAttention(KernelEmitter &e, const KernelTarget &target,
                          const AttentionPlan &plan, KernelOp kernel,
                          ArrayRef<Type> operands) {
  std::string name = sharedAttentionName(kernel);
  if (func::FuncOp known = e.lookup(name))
    return known;
  OpBuilder::InsertionGuard guard(e.b);
  func::FuncOp table = AttentionCut::emitTable(e, plan, name + ".cut");
  SmallVector<Type> types(6, e.index);
  llvm::append_range(types, operands);
  func::FuncOp item = e.beginShared(name + ".item", types);
  ValueRange a = item.getArguments();
  AttentionOperands ops = readOperands(a.drop_front(6));
  AttentionEmitter(e, target, plan, name, ops)
      .item({a[0], a[1], a[2], a[3], a[4], a[5]});
  e.ret();
  types.assign(2, e.index);
  llvm::append_range(types, operands);
  func::FuncOp func = e.beginShared(name, types);
  a = func.getArguments();
  ops = readOperands(a.drop_front(2));
  AttentionEmitter(e, target, plan, name, ops).pieces(a[0], a[1], table, item);
  e.ret();
  return func;
}

} // namespace

FailureOr<func::FuncOp> adze::buildAttention(OpBuilder &builder,
                                             KernelOp kernel,
                                             const KernelTarget &target) {
  AttentionPlan plan(kernel, target);
  if (plan.params.failed())
    return failure();
  KernelEmitter e(builder, kernel.getLoc());
  func::FuncOp store = getAttentionStore(e, plan);
  // scratch, batch, q, result, shared, cache, layer, store
  SmallVector<Type> operands(6, e.ptr);
  operands.append({e.index, store.getFunctionType()});
  func::FuncOp shared = getAttention(e, target, plan, kernel, operands);
  // part, parts, scratch, batch, q, result, shared, cache, layer, M
  SmallVector<Type> types(2, e.index);
  types.append(6, e.ptr);
  types.append(2, e.index);
  return emitAttentionKernel(e, kernel, types, /*given=*/9, shared, store);
}
