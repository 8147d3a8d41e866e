// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Blocks that share all scales are a run: their exact sums begin with what the
// zero code takes off all of them, which is one vector for 16 rows whatever the
// column, and are scaled once. A run passes twice, for 8 columns of the panel
// each time, as there are registers for the sums of so many; the second time
// the rows that it meets are in L1. Sums of floats wait in the tile's memory, a
// column's rows beside each other, until the panel ends.

#include "SparseTallTile.h"
#include "adze/Dialect/AdzeKernel/AdzeKernel.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace adze;

namespace {

constexpr int64_t kLines = TransposedRows::kLines;
constexpr int64_t kStride = TransposedRows::kStride;
/// Columns that are multiplied together: with all rows, 24 sums.
constexpr int64_t kColumns = kLanes / 2;
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
  TallTileEmitter(KernelEmitter &e, const SparseTile &tile)
      : e(e), tile(tile), codes(tile.codes()), transposed(transposedRows(tile)),
        bytes(VectorType::get({kLineBytes}, e.b.getI8Type())) {}

  void emit(ValueRange args);

private:
  using Values = KernelEmitter::Values;

  Value buffer(int64_t lines) {
    Value size = e.constantI32(lines * kLineBytes);
    return e.opaque(LLVM::AllocaOp::create(e.b, e.loc, e.ptr, e.b.getI8Type(),
                                           size, kLineBytes));
  }
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
    return e.at(x, e.mul(index, TransposedRows::kBlockBytes));
  }

  void panel(Value index);
  void unpack(Value place, Value slot);
  void prefetch(Value place);
  void run(Value begin, Value end, Value index, ValueRange starts);
  Values dots(Value rows, Value weights, Values acc);
  void scaleAndAdd(ArrayRef<Value> acc, Value index, Value half);
  void copyOut();

  KernelEmitter &e;
  const SparseTile &tile;
  IntegerFormatAttrInterface codes;
  TransposedRows transposed;
  Type bytes;

  Value x, panels, panelBytes, k, out, outBytes;
  Value header, scales, ahead, aheadBytes;
  Value sums;      // f32, a stride for each column
  Value unpacked;  // codes of a run, where they are not bytes in the panel
  Value factors;   // scales of a run, one for each column
  Value rowScales; // all of them
  Value here, panelOut;
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
/// at once would keep the rows waiting.
void TallTileEmitter::prefetch(Value place) {
  Value begin = e.min(e.mul(place, linesEach), aheadBytes);
  Value end = e.min(e.add(begin, linesEach), aheadBytes);
  e.loop(begin, end, kLineBytes,
         [&](Value line) { e.prefetch(e.at(ahead, line)); });
}

/// Adds a block to integer sums. `weights` points to its half of the columns.
TallTileEmitter::Values TallTileEmitter::dots(Value rows, Value weights,
                                              Values acc) {
  constexpr int64_t kTogether = 2;
  return e.loop(
      e.constant(0), e.constant(TransposedRows::kQuads), kTogether, acc,
      [&](Value quad, ValueRange carried) {
        Values next(carried);
        Value lines = e.at(rows, e.mul(quad, kStride));
        Value fours = e.at(weights, e.mul(quad, kLineBytes));
        for (int64_t q = 0; q < kTogether; ++q) {
          Values line;
          for (int64_t g = 0; g < kLines; ++g)
            line.push_back(e.load(
                bytes, e.at(lines, q * kStride + g * kLineBytes), kLineBytes));
          for (int64_t c = 0; c < kColumns; ++c) {
            Value four = vector::BitCastOp::create(
                e.b, e.loc, bytes,
                e.broadcast(
                    e.load(e.i32, e.at(fours, q * kLineBytes + 4 * c), 4)));
            for (int64_t g = 0; g < kLines; ++g) {
              Value &sum = next[c * kLines + g];
              sum = kernel::DotCodesOp::create(e.b, e.loc, e.vi32, sum, four,
                                               line[g],
                                               uint64_t(codes.getMaxCode()));
            }
          }
        }
        return next;
      });
}

/// Adds a run, of which `index` is a block, to the sums of half the columns.
void TallTileEmitter::scaleAndAdd(ArrayRef<Value> acc, Value index,
                                  Value half) {
  Value group = tile.rows.group
                    ? e.div(index, tile.rows.group / TransposedRows::kBlock)
                    : e.constant(0);
  Value rowScale = e.at(rowScales, e.mul(group, kStride));
  Value places = e.at(sums, e.mul(half, kColumns * kStride));
  Value factor;
  for (int64_t c = 0; c < kColumns; ++c) {
    if (!tile.scalesLast())
      factor = e.broadcast(e.load(
          e.f32, e.at(factors, e.mul(e.add(e.mul(half, kColumns), c), 4)), 4));
    for (int64_t g = 0; g < kLines; ++g) {
      Value place = e.at(places, c * kStride + g * kLineBytes);
      Value xScale = e.load(e.vf32, e.at(rowScale, g * kLineBytes), kLineBytes);
      Value value =
          arith::SIToFPOp::create(e.b, e.loc, e.vf32, acc[c * kLines + g]);
      Value sum = e.load(e.vf32, place, kLineBytes);
      e.store(e.fma(value, factor ? e.mulf(factor, xScale) : xScale, sum),
              place, kLineBytes);
    }
  }
}

/// The blocks begin .. end of the list, of which the last has this index.
void TallTileEmitter::run(Value begin, Value end, Value index,
                          ValueRange starts) {
  if (!tile.scalesLast())
    e.store(tile.format.emitScale(e.b, e.loc, e.at(here, scales), e.sub(end, 1),
                                  index),
            factors, kLineBytes);
  e.loop(e.constant(0), e.constant(2), 1, [&](Value half) {
    Value column = e.mul(half, kColumns * 4);
    Values acc;
    for (int64_t c = 0; c < kColumns; ++c)
      acc.append(starts.begin(), starts.end());
    acc = e.loop(begin, end, 1, acc, [&](Value place, ValueRange carried) {
      Value weights =
          isBytes(tile)
              ? elementsAt(place)
              : e.at(unpacked, e.mul(e.sub(place, begin), kCodesBytes));
      return dots(rowsOf(indexAt(place)), e.at(weights, column),
                  Values(carried));
    });
    scaleAndAdd(acc, index, half);
  });
}

/// Puts the sums to rows of `out`, times the scales of the channels if these
/// come last.
void TallTileEmitter::copyOut() {
  Value factor;
  if (tile.scalesLast())
    factor = tile.format.emitScale(e.b, e.loc, e.at(here, scales),
                                   e.constant(0), e.constant(0));
  e.loop(e.constant(0), e.constant(TransposedRows::kRows), 4, [&](Value row) {
    Value lines = e.at(sums, e.mul(row, 4));
    Value to = e.at(panelOut, e.mul(outBytes, row));
    for (auto [i, line] :
         llvm::enumerate(emitTransposedQuads(e, lines, e.constant(kStride)))) {
      Value sum = arith::BitcastOp::create(e.b, e.loc, e.vf32, line);
      e.store(factor ? e.mulf(sum, factor) : sum,
              e.at(to, e.mul(outBytes, int64_t(i))), kLineBytes);
    }
  });
}

void TallTileEmitter::panel(Value index) {
  here = e.at(panels, e.mul(panelBytes, index));
  panelOut = e.at(out, e.mul(index, kLineBytes));
  Value count = word(here), zero = e.constant(0);
  Value lines = e.ceilDiv(aheadBytes, kLineBytes);
  Value most = e.max(count, e.constant(1));
  linesEach = e.mul(e.div(e.add(lines, e.sub(most, 1)), most), kLineBytes);
  e.loop(zero, e.constant(kLanes * kStride), kLineBytes,
         [&](Value i) { e.store(e.splat(0), e.at(sums, i), kLineBytes); });
  // The first block of the run, and what its sums start with.
  Values carried(1, zero);
  carried.append(kLines, e.splatI32(0));
  const Values none(ArrayRef(carried).drop_front());
  int64_t inGroup = tile.groupBlocks();
  e.loop(zero, count, 1, carried, [&](Value place, ValueRange before) {
    Value begin = before[0], index = indexAt(place);
    Value starts = e.at(rowsOf(index), TransposedRows::kStartsOffset);
    Values carried(1, begin);
    for (int64_t g = 0; g < kLines; ++g)
      carried.push_back(arith::AddIOp::create(
          e.b, e.loc, before[1 + g],
          e.load(e.vi32, e.at(starts, g * kLineBytes), kLineBytes)));
    prefetch(place);
    if (!isBytes(tile))
      unpack(place, e.sub(place, begin));
    Value after = e.add(place, 1);
    auto multiply = [&] {
      run(begin, after, index, ArrayRef(carried).drop_front());
      Values next(1, after);
      llvm::append_range(next, none);
      return next;
    };
    if (inGroup == 1)
      return multiply();
    Value ends = e.compare(arith::CmpIPredicate::eq, after, count);
    if (inGroup)
      ends = arith::OrIOp::create(e.b, e.loc, ends,
                                  e.compare(arith::CmpIPredicate::ne,
                                            e.div(indexAt(after), inGroup),
                                            e.div(index, inGroup)));
    return e.ifElse(ends, TypeRange(ValueRange(carried)), multiply,
                    [&] { return carried; });
  });
  copyOut();
}

void TallTileEmitter::emit(ValueRange args) {
  x = args[0], panels = args[2], panelBytes = args[3], k = args[4];
  out = args[5], outBytes = args[6], header = args[8], scales = args[9];
  ahead = args[12], aheadBytes = args[13];
  rowScales = e.at(x, transposed.scalesOffset(e, k));
  sums = buffer(kLanes * kLines);
  if (!isBytes(tile))
    unpacked = buffer(tile.groupBlocks() * kCodesBytes / kLineBytes);
  if (!tile.scalesLast())
    factors = buffer(1);
  e.loop(e.constant(0), args[7], 1, [&](Value index) { panel(index); });
}

} // namespace

bool adze::hasSparseTallTile(const KernelTarget &target,
                             const SparseTile &tile) {
  if (!tile.format || !tile.multipliesCodes() || !target.hasByteDot ||
      target.lanes != kLanes || target.registers < 32 ||
      tile.codes().hasMinimum())
    return false;
  int64_t blocks = tile.groupBlocks();
  return isBytes(tile) || (blocks > 0 && blocks <= kMostUnpacked);
}

TransposedRows adze::transposedRows(const SparseTile &tile) {
  return {tile.rows, tile.codes().getZeroCode()};
}

func::FuncOp adze::getSparseTallTile(KernelEmitter &e, const SparseTile &tile) {
  std::string name;
  llvm::raw_string_ostream(name)
      << "adze.tile.tall." << tile.format.getFormatName() << "."
      << tile.rows.group << "." << TransposedRows::kRows << "x1";
  if (func::FuncOp known = e.lookup(name))
    return known;
  OpBuilder::InsertionGuard guard(e.b);
  Type index = e.index, ptr = e.ptr;
  SmallVector<Type> types{ptr, index, ptr, index, index, ptr};
  types.append(6, index);
  types.append({ptr, index});
  func::FuncOp func = e.beginShared(name, types);
  TallTileEmitter(e, tile).emit(func.getArguments());
  e.ret();
  return func;
}
