// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Blocks that share all scales are a run: their exact sums begin with what the
// zero code takes off all of them, which is one vector for 16 rows whatever the
// column, and are scaled once. With more than one line of rows a run passes
// twice, for 8 columns of the panel each time, as there are registers for the
// sums of so many; the second time the rows that it meets are in L1. Sums of
// floats wait in the tile's memory, a column's rows beside each other, until
// the panel ends.

#include "SparseTallTile.h"
#include "adze/Dialect/AdzeKernel/AdzeKernel.h"

using namespace mlir;
using namespace adze;

namespace {

/// Bytes of a block's codes, unpacked: lines of four codes of each column.
constexpr int64_t kCodesBytes = TransposedRows::kQuads * kLineBytes;
/// The most blocks of a run that are unpacked together.
constexpr int64_t kMostUnpacked = 8;

/// Whether codes are bytes in the panel, as dots read them.
bool isBytes(const SparseTile &tile) {
  return tile.format.getTileBytes() == kCodesBytes;
}

class TallTileEmitter {
public:
  TallTileEmitter(KernelEmitter &e, const SparseTile &tile, int64_t lines)
      : e(e), tile(tile), codes(tile.codes()), transposed(transposedRows(tile)),
        lines(lines), stride(lines * kLineBytes),
        columns(lines == 1 ? kLanes : kLanes / 2),
        bytes(VectorType::get({kLineBytes}, e.b.getI8Type())) {}

  void emit(ValueRange args);

private:
  using Values = KernelEmitter::Values;

  Value word(Value at) {
    return arith::IndexCastUIOp::create(e.b, e.loc, e.index,
                                        e.load(e.b.getI16Type(), at, 2));
  }
  /// The index at a place of the list.
  Value indexAt(Value place) {
    return word(e.at(here, e.add(e.mul(place, 2), 2)));
  }
  Value elementsAt(Value place) {
    return e.at(e.at(here, header), e.mul(place, tile.format.getTileBytes()));
  }
  Value rowsOf(Value index) {
    return e.at(x, e.mul(index, TransposedRows::kBlockLines * stride));
  }

  void panel(Value index);
  void unpack(Value place, Value slot);
  void prefetch(Value place);
  void run(Value begin, Value end, Value index);
  Values dots(Value rows, Value weights, Values acc);
  void scaleAndAdd(ArrayRef<Value> acc, Value index, Value first);
  void clear(Value memory, int64_t lines);
  void copyOut();

  KernelEmitter &e;
  const SparseTile &tile;
  IntegerFormatAttrInterface codes;
  TransposedRows transposed;
  int64_t lines;   // of rows
  int64_t stride;  // bytes of a quad, a start or a scale of all rows
  int64_t columns; // that are multiplied together
  Type bytes;

  Value x, panels, panelBytes, k, out, outBytes;
  Value header, scales, ahead, aheadBytes;
  Value sums;      // f32, a stride for each column
  Value starts;    // of a run
  Value unpacked;  // codes of a run, where they are not bytes in the panel
  Value factors;   // scales of a run, one for each column
  Value rowScales; // all of them
  Value here, panelOut, aheadHere;
  Value linesEach; // of what is prefetched with each block, in bytes
};

/// The codes of the block at a place of the list, as bytes.
void TallTileEmitter::unpack(Value place, Value slot) {
  Value to = e.at(unpacked, e.mul(slot, kCodesBytes));
  for (int64_t step = 0; step < TransposedRows::kQuads / 2; ++step)
    for (auto [quad, line] : llvm::enumerate(codes.emitCodes(
             e.b, e.loc, elementsAt(place), k, e.constant(step))))
      e.store(line, e.at(to, (2 * step + int64_t(quad)) * kLineBytes),
              kLineBytes);
}

/// What this panel brings of those that come next, a part with each block: all
/// at once would keep the rows waiting. Where no rows follow, the next panel:
/// its block at that place, and a line of what is there beside blocks.
void TallTileEmitter::prefetch(Value place) {
  Value line = e.mul(place, kLineBytes);
  auto nextPanel = [&] {
    Value next = e.at(here, panelBytes);
    int64_t size = tile.format.getTileBytes();
    Value block = e.at(e.at(next, header), e.mul(place, size));
    for (int64_t offset = 0; offset < size; offset += kLineBytes)
      e.prefetch(e.at(block, offset));
    for (Value offset :
         {e.min(line, e.sub(header, kLineBytes)),
          e.min(e.add(scales, line), e.sub(panelBytes, kLineBytes))})
      e.prefetch(e.at(next, offset));
  };
  auto part = [&] {
    Value begin = e.min(e.mul(place, linesEach), aheadBytes);
    Value end = e.min(e.add(begin, linesEach), aheadBytes);
    e.loop(begin, end, kLineBytes,
           [&](Value at) { e.prefetch(e.at(aheadHere, at)); });
  };
  e.ifElse(e.compare(arith::CmpIPredicate::eq, aheadBytes, int64_t(0)),
           nextPanel, part);
}

/// Adds a block to integer sums. `weights` points to its half of the columns.
TallTileEmitter::Values TallTileEmitter::dots(Value rows, Value weights,
                                              Values acc) {
  constexpr int64_t kTogether = 2;
  return e.loop(
      e.constant(0), e.constant(TransposedRows::kQuads), kTogether, acc,
      [&](Value quad, ValueRange carried) {
        Values next(carried);
        Value from = e.at(rows, e.mul(quad, stride));
        Value fours = e.at(weights, e.mul(quad, kLineBytes));
        for (int64_t q = 0; q < kTogether; ++q) {
          Values line;
          for (int64_t l = 0; l < lines; ++l)
            line.push_back(e.load(
                bytes, e.at(from, q * stride + l * kLineBytes), kLineBytes));
          for (int64_t c = 0; c < columns; ++c) {
            Value four = vector::BitCastOp::create(
                e.b, e.loc, bytes,
                e.broadcast(
                    e.load(e.i32, e.at(fours, q * kLineBytes + 4 * c), 4)));
            for (int64_t l = 0; l < lines; ++l) {
              Value &sum = next[c * lines + l];
              sum = kernel::DotCodesOp::create(e.b, e.loc, e.vi32, sum, four,
                                               line[l],
                                               uint64_t(codes.getMaxCode()));
            }
          }
        }
        return next;
      });
}

/// Adds a run, of which `index` is a block, to the sums of columns from `first`
/// on.
void TallTileEmitter::scaleAndAdd(ArrayRef<Value> acc, Value index,
                                  Value first) {
  Value group = tile.rows.group
                    ? e.div(index, tile.rows.group / TransposedRows::kBlock)
                    : e.constant(0);
  Values xScales;
  for (int64_t l = 0; l < lines && !tile.rowScalesLast(); ++l)
    xScales.push_back(e.load(
        e.vf32, e.at(e.at(rowScales, e.mul(group, stride)), l * kLineBytes),
        kLineBytes));
  Value places = e.at(sums, e.mul(first, stride));
  Value ofColumns = factors ? e.at(factors, e.mul(first, 4)) : Value();
  for (int64_t c = 0; c < columns; ++c) {
    Value ofColumn;
    if (factors)
      ofColumn = e.broadcast(e.load(e.f32, e.at(ofColumns, 4 * c), 4));
    for (int64_t l = 0; l < lines; ++l) {
      Value place = e.at(places, c * stride + l * kLineBytes);
      Value value =
          arith::SIToFPOp::create(e.b, e.loc, e.vf32, acc[c * lines + l]);
      Value sum = e.load(e.vf32, place, kLineBytes);
      Value factor = ofColumn;
      if (!xScales.empty())
        factor = ofColumn ? e.mulf(ofColumn, xScales[l]) : xScales[l];
      e.store(e.fma(value, factor, sum), place, kLineBytes);
    }
  }
}

/// The blocks begin .. end of the list, of which the last has this index.
void TallTileEmitter::run(Value begin, Value end, Value index) {
  if (factors)
    e.store(tile.format.emitScale(e.b, e.loc, e.at(here, scales), e.sub(end, 1),
                                  index),
            factors, kLineBytes);
  e.loop(e.constant(0), e.constant(kLanes), columns, [&](Value first) {
    Values acc;
    for (int64_t l = 0; l < lines; ++l)
      acc.push_back(e.load(e.vi32, e.at(starts, l * kLineBytes), kLineBytes));
    for (int64_t i = lines; i < columns * lines; ++i)
      acc.push_back(acc[i - lines]);
    acc = e.loop(begin, end, 1, acc, [&](Value place, ValueRange carried) {
      Value weights =
          isBytes(tile)
              ? elementsAt(place)
              : e.at(unpacked, e.mul(e.sub(place, begin), kCodesBytes));
      return dots(rowsOf(indexAt(place)), e.at(weights, e.mul(first, 4)),
                  Values(carried));
    });
    scaleAndAdd(acc, index, first);
  });
}

void TallTileEmitter::clear(Value memory, int64_t lines) {
  e.loop(e.constant(0), e.constant(lines * kLineBytes), kLineBytes,
         [&](Value i) { e.store(e.splat(0), e.at(memory, i), kLineBytes); });
}

/// Puts the sums to rows of `out`, times the scales of the channels or of the
/// rows if these come last.
void TallTileEmitter::copyOut() {
  Value factor;
  if (tile.scalesLast())
    factor = tile.format.emitScale(e.b, e.loc, e.at(here, scales),
                                   e.constant(0), e.constant(0));
  e.loop(e.constant(0), e.constant(lines * kLanes), 4, [&](Value row) {
    Value from = e.at(sums, e.mul(row, 4));
    Value to = e.at(panelOut, e.mul(outBytes, row));
    for (auto [i, line] :
         llvm::enumerate(emitTransposedQuads(e, from, e.constant(stride)))) {
      Value sum = arith::BitcastOp::create(e.b, e.loc, e.vf32, line);
      if (tile.rowScalesLast())
        factor = e.broadcast(
            e.load(e.f32, e.at(e.at(rowScales, e.mul(row, 4)), 4 * i), 4));
      e.store(factor ? e.mulf(sum, factor) : sum,
              e.at(to, e.mul(outBytes, int64_t(i))), kLineBytes);
    }
  });
}

void TallTileEmitter::panel(Value index) {
  here = e.at(panels, e.mul(panelBytes, index));
  aheadHere = e.at(ahead, e.mul(panelBytes, index));
  panelOut = e.at(out, e.mul(index, kLineBytes));
  Value count = word(here), zero = e.constant(0);
  Value aheadLines = e.ceilDiv(aheadBytes, kLineBytes);
  Value most = e.max(count, e.constant(1));
  linesEach = e.mul(e.div(e.add(aheadLines, e.sub(most, 1)), most), kLineBytes);
  clear(sums, kLanes * lines);
  clear(starts, lines);
  int64_t inGroup = tile.groupBlocks();
  // Carries the first block of the run.
  e.loop(zero, count, 1, zero, [&](Value place, ValueRange begin) {
    Value index = indexAt(place), after = e.add(place, 1);
    Value more = e.at(rowsOf(index), TransposedRows::kQuads * stride);
    for (int64_t offset = 0; offset < stride; offset += kLineBytes) {
      Value start = e.load(e.vi32, e.at(more, offset), kLineBytes);
      if (inGroup != 1)
        start = arith::AddIOp::create(
            e.b, e.loc, start,
            e.load(e.vi32, e.at(starts, offset), kLineBytes));
      e.store(start, e.at(starts, offset), kLineBytes);
    }
    prefetch(place);
    if (!isBytes(tile))
      unpack(place, e.sub(place, begin[0]));
    if (inGroup == 1) {
      run(place, after, index);
      return Values{after};
    }
    Value ends = e.compare(arith::CmpIPredicate::eq, after, count);
    if (inGroup)
      ends = arith::OrIOp::create(e.b, e.loc, ends,
                                  e.compare(arith::CmpIPredicate::ne,
                                            e.div(indexAt(after), inGroup),
                                            e.div(index, inGroup)));
    return e.ifElse(
        ends, {e.index},
        [&] {
          run(begin[0], after, index);
          clear(starts, lines);
          return Values{after};
        },
        [&] { return Values{begin[0]}; });
  });
  copyOut();
}

void TallTileEmitter::emit(ValueRange args) {
  x = args[0], panels = args[2], panelBytes = args[3], k = args[4];
  out = args[5], outBytes = args[6], header = args[8], scales = args[9];
  ahead = args[12], aheadBytes = args[13];
  rowScales = e.at(x, e.mul(transposed.blocksBytes(e, k), lines));
  sums = e.stackLines(kLanes * lines);
  starts = e.stackLines(lines);
  if (!isBytes(tile))
    unpacked = e.stackLines(tile.groupBlocks() * kCodesBytes / kLineBytes);
  if (!tile.scalesLast())
    factors = e.stackLines(1);
  e.loop(e.constant(0), args[7], 1, [&](Value index) { panel(index); });
}

} // namespace

ArrayRef<int64_t> adze::sparseTallTiles(const KernelTarget &target,
                                        const SparseTile &tile) {
  static constexpr int64_t kHeights[] = {TransposedRows::kMostLines, 2, 1};
  if (!tile.format || !tile.multipliesCodes() || !target.hasByteDot ||
      target.lanes != kLanes || target.registers < 32 ||
      tile.codes().hasMinimum())
    return {};
  int64_t blocks = tile.groupBlocks();
  if (!isBytes(tile) && (blocks == 0 || blocks > kMostUnpacked))
    return {};
  return kHeights;
}

TransposedRows adze::transposedRows(const SparseTile &tile) {
  return {tile.rows, tile.codes().getZeroCode()};
}

func::FuncOp adze::getSparseTallTile(KernelEmitter &e, const SparseTile &tile,
                                     int64_t lines) {
  std::string name;
  llvm::raw_string_ostream(name)
      << "adze.tile.tall." << tile.format.getFormatName() << "."
      << tile.rows.group << "." << lines * kLanes << "x1";
  if (func::FuncOp known = e.lookup(name))
    return known;
  OpBuilder::InsertionGuard guard(e.b);
  func::FuncOp func = beginSparseTile(e, name);
  TallTileEmitter(e, tile, lines).emit(func.getArguments());
  e.ret();
  return func;
}
