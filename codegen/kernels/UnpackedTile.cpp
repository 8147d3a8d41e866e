// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// On most cores vector units do the dots, and all that is not a dot takes their
// time: codes to unpack, sums to scale. So a part of K is unpacked once for 48
// rows, which pass 6 at a time. That is not a loop of its own, which would wait
// for memory and keep the dots waiting: each turn over 32 codes of 6 rows also
// unpacks a few lines of the next part. All but rows and packed panels lies in
// the tile's memory, at constant distances from few pointers, since a dot's
// loop has no registers for more.

#include "UnpackedTile.h"
#include "adze/Dialect/AdzeKernel/AdzeKernel.h"

using namespace mlir;
using namespace adze;

namespace {

/// Rows and panels that are multiplied together: 24 sums in registers.
constexpr int64_t kRows = 6, kPanels = 4;
/// Rows of a tile.
constexpr int64_t kTall = 8 * kRows;
/// Codes that are unpacked together.
constexpr int64_t kPart = 128;
/// Codes of a step of IntegerFormatAttrInterface::emitCodes, and the lines that
/// it makes.
constexpr int64_t kStep = 8, kStepLines = 2;
/// Blocks that tables hold, a lane for each.
constexpr int64_t kTableBlocks = 16;

/// Where parts are of whole blocks, or all of K is one; tables begin where a
/// scale of the rows does; and codes are not bytes already: dots read those
/// where they are.
bool isUnpacked(const KernelTarget &target, const IntegerTile &tile) {
  constexpr int64_t kMany = 32 * kPart;
  if (!target.hasByteDot || target.lanes != kLanes ||
      unpacksInPlace(target, tile))
    return false;
  if (int64_t block = tile.block()) {
    int64_t shared = tile.rows.group / block;
    if (block < 16 || kPart % block ||
        (shared && kTableBlocks % shared && shared % kTableBlocks))
      return false;
  }
  auto format = cast<FormatAttrInterface>(Attribute(tile.format));
  return format.getPanelBytes(kMany) < kLanes * kMany;
}

class UnpackedTileEmitter {
public:
  UnpackedTileEmitter(KernelEmitter &e, const IntegerTile &tile)
      : e(e), tile(tile), block(tile.block()),
        turn(block ? std::min<int64_t>(block, 32) : 32) {}

  void emit(ValueRange args);

private:
  using Values = KernelEmitter::Values;

  // Memory of the tile.
  /// Of a table with a line of numbers, one for each block, for each row of the
  /// tile; and of one with a line for each panel of each block.
  Value rowTable(Value table, Value index, Value row) {
    return e.at(e.at(table, e.mul(row, kLineBytes)), e.mul(index, 4));
  }
  Value panelTable(Value table, Value index) {
    return e.at(table, e.mul(index, kPanels * kLineBytes));
  }
  /// The place of an unpacked line: those of four codes of all panels are
  /// together.
  Value lineOf(Value codes, Value step) {
    return e.at(codes, e.mul(step, kStepLines * kPanels * kLineBytes));
  }
  Value rowAt(Value row) { return e.at(x, e.mul(rowBytes, row)); }

  void unpackStep(Value panel, Value step, Value to);
  void unpackFirst();
  void unpackNext(Value slot);
  void fillTables(Value first);
  void part(Value index);
  void blocks(ValueRange row, Value top, Value size);
  void wholeK(ValueRange row, Value top, Value size);
  Values dots(ValueRange row, Value top, Value at, Value size, Values acc);
  void quad(ValueRange row, Value at, Value lines, Values &acc);
  void add(ValueRange dots, Value top, Value index, Value place);
  void finishWholeK();
  void copyOut();

  KernelEmitter &e;
  const IntegerTile &tile;
  int64_t block;
  int64_t turn; // codes of a turn of the loop of dots

  Value x, rowBytes, k, out, outBytes, ahead, aheadBytes;
  Values w; // packed panels
  std::optional<IntegerBlocks> ofBlocks;

  Value sums;     // f32, a line for each row and panel
  Value integers; // the same, where all of K is a block
  Value starts, rowScales, shifts, scales, minima; // tables
  Value pointers; // of packed panels, to be looked up
  // Of the part that is multiplied.
  Value begin;       // of K
  Value codes, next; // what is unpacked, and where the next part goes
  Value tableIndex;  // of its first block
};

/// A step of a panel to `to`, where its first line goes.
void UnpackedTileEmitter::unpackStep(Value panel, Value step, Value to) {
  for (auto [quad, line] :
       llvm::enumerate(tile.format.emitCodes(e.b, e.loc, panel, k, step)))
    e.store(line, e.at(to, int64_t(quad) * kPanels * kLineBytes), kLineBytes);
}

void UnpackedTileEmitter::unpackFirst() {
  Value steps = e.min(e.constant(kPart / kStep), e.ceilDiv(k, kStep));
  e.loop(e.constant(0), steps, 1, [&](Value step) {
    for (auto [p, panel] : llvm::enumerate(w))
      unpackStep(panel, step, e.at(lineOf(codes, step), p * kLineBytes));
  });
}

/// What turn `slot` of the part's turns unpacks of the next part: one step of
/// as many panels as turns leave to each.
void UnpackedTileEmitter::unpackNext(Value slot) {
  constexpr int64_t kItems = kPanels * kPart / kStep;
  int64_t slots = kTall / kRows * (kPart / turn);
  int64_t width = kItems / slots, inStep = kPanels / width;
  Value step = e.div(slot, inStep), first = e.mul(e.rem(slot, inStep), width);
  Value global = e.add(e.div(e.add(begin, kPart), kStep), step);
  Value exists =
      e.compare(arith::CmpIPredicate::slt, global, e.ceilDiv(k, kStep));
  e.ifThen(exists, [&] {
    Value to = e.at(lineOf(next, step), e.mul(first, kLineBytes));
    Value from = e.at(pointers, e.mul(first, 8));
    for (int64_t i = 0; i < width; ++i)
      unpackStep(e.loadPtr(e.at(from, 8 * i)), global,
                 e.at(to, i * kLineBytes));
  });
}

/// What up to kTableBlocks blocks from `first` on are begun and scaled with.
void UnpackedTileEmitter::fillTables(Value first) {
  Value zero = e.constant(0), count = e.constant(1);
  if (block)
    count = e.min(e.constant(kTableBlocks), e.sub(e.ceilDiv(k, block), first));
  e.loop(zero, count, 1, [&](Value b) {
    auto factors = ofBlocks->ofPanels(w, e.add(first, b));
    for (auto [p, scale] : llvm::enumerate(factors.scales))
      e.store(scale, e.at(panelTable(scales, b), p * kLineBytes), kLineBytes);
    for (auto [p, minimum] : llvm::enumerate(factors.minima))
      e.store(minimum, e.at(panelTable(minima, b), p * kLineBytes), kLineBytes);
  });
  e.loop(zero, e.constant(kTall), 1, [&](Value r) {
    Value row = e.opaque(rowAt(r));
    IntegerBlocks::RowLines lines = ofBlocks->linesOf(row, first);
    if (lines.scale)
      e.store(lines.scale, rowTable(rowScales, zero, r), kLineBytes);
    if (lines.start)
      e.store(lines.start, rowTable(starts, zero, r), kLineBytes);
    if (lines.shift)
      e.store(lines.shift, rowTable(shifts, zero, r), kLineBytes);
  });
}

/// The products of `size` codes from `at` of the part on. Pointers of `row` are
/// to the part's first code.
UnpackedTileEmitter::Values UnpackedTileEmitter::dots(ValueRange row, Value top,
                                                      Value at, Value size,
                                                      Values acc) {
  auto quads = [&](Value i, ValueRange carried, int64_t count) {
    Values sums(carried);
    Value lines = e.at(codes, e.mul(i, kPanels * kLineBytes / 4));
    for (int64_t q = 0; q < count; ++q)
      quad(row, e.add(i, 4 * q), e.at(lines, q * kPanels * kLineBytes), sums);
    return sums;
  };
  Value end = e.add(at, size);
  Value whole = e.add(at, e.mul(e.div(size, turn), turn));
  acc = e.loop(at, whole, turn, acc, [&](Value i, ValueRange carried) {
    Value turns = e.mul(e.div(top, kRows), kPart / turn);
    unpackNext(e.add(turns, e.div(i, turn)));
    return quads(i, carried, turn / 4);
  });
  return e.loop(whole, end, 4, acc, [&](Value i, ValueRange carried) {
    return quads(i, carried, 1);
  });
}

void UnpackedTileEmitter::quad(ValueRange row, Value at, Value lines,
                               Values &acc) {
  Type bytes = VectorType::get({kLineBytes}, e.b.getI8Type());
  Values line;
  for (int64_t p = 0; p < kPanels; ++p)
    line.push_back(e.load(bytes, e.at(lines, p * kLineBytes), kLineBytes));
  for (int64_t r = 0; r < kRows; ++r) {
    Value four = e.broadcast(e.load(e.i32, e.at(row[r], at), 4));
    for (int64_t p = 0; p < kPanels; ++p) {
      Value &sum = acc[r * kPanels + p];
      sum = kernel::DotCodesOp::create(
          e.b, e.loc, sum.getType(), sum, line[p],
          vector::BitCastOp::create(e.b, e.loc, bytes, four),
          uint64_t(tile.format.getMaxCode()));
    }
  }
}

/// Adds a block, `index` of the tables, to the sums of rows from `top` on, at
/// `place`.
void UnpackedTileEmitter::add(ValueRange dots, Value top, Value index,
                              Value place) {
  auto linesOf = [&](Value table) {
    Values lines;
    for (int64_t p = 0; table && p < kPanels; ++p)
      lines.push_back(e.load(
          e.vf32, e.at(panelTable(table, index), p * kLineBytes), kLineBytes));
    return lines;
  };
  IntegerBlocks::Factors factors = {linesOf(scales), {}};
  Value rowScale = rowScales ? rowTable(rowScales, index, top) : Value();
  Value shift = shifts ? rowTable(shifts, index, top) : Value();
  for (int64_t r = 0; r < kRows; ++r) {
    IntegerBlocks::RowFactors ofRow;
    if (rowScale)
      ofRow.scale =
          e.broadcast(e.load(e.f32, e.at(rowScale, kLineBytes * r), 4));
    if (shift)
      ofRow.shift = e.broadcast(e.load(e.f32, e.at(shift, kLineBytes * r), 4));
    // Read again for each row: there are no registers for them.
    factors.minima = linesOf(minima);
    for (int64_t p = 0; p < kPanels; ++p) {
      int64_t i = r * kPanels + p;
      Value line = e.at(place, i * kLineBytes);
      Value sum = e.load(e.vf32, line, kLineBytes);
      e.store(ofBlocks->add(dots[i], factors, p, ofRow, sum), line, kLineBytes);
    }
  }
}

/// The blocks of a part for rows from `top` on.
void UnpackedTileEmitter::blocks(ValueRange row, Value top, Value size) {
  // A new pointer for each block: LLVM would keep the sums that it knows in
  // registers, which there are not enough of.
  Value place = e.opaque(e.at(sums, e.mul(top, kPanels * kLineBytes)));
  e.loop(e.constant(0), e.ceilDiv(size, block), 1, place,
         [&](Value b, ValueRange place) {
           Value index = e.add(tableIndex, b), at = e.mul(b, block);
           Values acc(kRows * kPanels, e.splatI32(0));
           if (starts) {
             Value start = rowTable(starts, index, top);
             for (auto [i, sum] : llvm::enumerate(acc))
               sum =
                   i % kPanels
                       ? acc[i - 1]
                       : e.broadcast(e.load(
                             e.i32, e.at(start, i / kPanels * kLineBytes), 4));
           }
           Value codes = e.min(e.constant(block), e.sub(size, at));
           add(dots(row, top, at, codes, acc), top, index, place[0]);
           return Values{e.opaque(place[0])};
         });
}

/// A part of the only block for rows from `top` on.
void UnpackedTileEmitter::wholeK(ValueRange row, Value top, Value size) {
  Value place = e.at(integers, e.mul(top, kPanels * kLineBytes));
  Values acc;
  for (int64_t i = 0; i < kRows * kPanels; ++i)
    acc.push_back(e.load(e.vi32, e.at(place, i * kLineBytes), kLineBytes));
  acc = dots(row, top, e.constant(0), size, acc);
  for (auto [i, sum] : llvm::enumerate(acc))
    e.store(sum, e.at(place, i * kLineBytes), kLineBytes);
}

void UnpackedTileEmitter::part(Value index) {
  Value zero = e.constant(0);
  begin = e.mul(index, kPart);
  tableIndex = zero;
  if (block) {
    Value first = e.mul(index, kPart / block);
    tableIndex = e.rem(first, kTableBlocks);
    e.ifThen(e.compare(arith::CmpIPredicate::eq, tableIndex, 0),
             [&] { fillTables(first); });
  }
  // What this part brings of the panels that come next, a top after the other.
  Value parts = e.ceilDiv(k, kPart);
  Value bytes = block ? e.mul(aheadBytes, kPart / block)
                      : e.div(e.add(aheadBytes, e.sub(parts, 1)), parts);
  Value topBytes =
      e.mul(e.ceilDiv(bytes, kTall / kRows * kLineBytes), kLineBytes);
  Value from = e.at(ahead, e.mul(bytes, index));
  Value size = e.min(e.constant(kPart), e.sub(k, begin));
  e.loop(zero, e.constant(kTall), kRows, [&](Value top) {
    Value lines = e.at(from, e.mul(topBytes, e.div(top, kRows)));
    e.loop(zero, topBytes, kLineBytes,
           [&](Value i) { e.prefetch(e.at(lines, i)); });
    Values row = {e.opaque(e.at(rowAt(top), begin))};
    while (row.size() < kRows)
      row.push_back(e.opaque(e.at(row.back(), rowBytes)));
    if (block)
      blocks(row, top, size);
    else
      wholeK(row, top, size);
  });
}

/// Adds the only block to the sums.
void UnpackedTileEmitter::finishWholeK() {
  Value zero = e.constant(0);
  e.loop(zero, e.constant(kTall), kRows, [&](Value top) {
    Value offset = e.mul(top, kPanels * kLineBytes);
    Value place = e.at(integers, offset);
    Values dots;
    for (int64_t i = 0; i < kRows * kPanels; ++i)
      dots.push_back(e.load(e.vi32, e.at(place, i * kLineBytes), kLineBytes));
    add(dots, top, zero, e.at(sums, offset));
  });
}

void UnpackedTileEmitter::copyOut() {
  Values factors(kPanels);
  for (int64_t p = 0; tile.scalesLast() && p < kPanels; ++p)
    factors[p] = tile.format.emitScale(e.b, e.loc, w[p], k, e.constant(0));
  e.loop(e.constant(0), e.constant(kTall), 1, [&](Value r) {
    Value from = e.at(sums, e.mul(r, kPanels * kLineBytes));
    Value to = e.at(out, e.mul(outBytes, r));
    Value ofRow = ofBlocks->lastOfRow(rowAt(r));
    for (int64_t p = 0; p < kPanels; ++p) {
      Value sum = e.load(e.vf32, e.at(from, p * kLineBytes), kLineBytes);
      Value factor = ofRow ? ofRow : factors[p];
      e.store(factor ? e.mulf(sum, factor) : sum, e.at(to, p * kLineBytes),
              kLineBytes);
    }
  });
}

void UnpackedTileEmitter::emit(ValueRange args) {
  x = args[0], rowBytes = args[1], k = args[4], out = args[5],
  outBytes = args[6], ahead = args[8], aheadBytes = args[9];
  Value zero = e.constant(0), last = e.sub(args[7], 1);
  pointers = e.stackLines(1);
  for (int64_t p = 0; p < kPanels; ++p) {
    w.push_back(
        e.at(args[2], e.mul(args[3], p ? e.min(e.constant(p), last) : zero)));
    e.store(w[p], e.at(pointers, 8 * p), 8);
  }
  ofBlocks.emplace(e, tile, k);
  int64_t inTables = block ? kTableBlocks : 1;
  auto rows = [&] { return e.stackLines(kTall); };
  auto panels = [&] { return e.stackLines(inTables * kPanels); };
  sums = e.stackLines(kTall * kPanels);
  if (!tile.rowScalesLast())
    rowScales = rows();
  if (tile.format.getZeroCode())
    starts = rows();
  if (!tile.scalesLast())
    scales = panels();
  if (tile.format.hasMinimum())
    shifts = rows(), minima = panels();
  constexpr int64_t kPartLines = kPart / 4 * kPanels;
  Value first = e.stackLines(kPartLines), second = e.stackLines(kPartLines);

  e.loop(zero, e.constant(kTall * kPanels * kLineBytes), kLineBytes,
         [&](Value i) { e.store(e.splat(0), e.at(sums, i), kLineBytes); });
  if (!block) {
    fillTables(zero);
    integers = e.stackLines(kTall * kPanels);
    e.loop(zero, e.constant(kTall), 1, [&](Value r) {
      Value start = e.splatI32(0);
      if (starts)
        start = e.broadcast(e.load(e.i32, rowTable(starts, zero, r), 4));
      Value place = e.at(integers, e.mul(r, kPanels * kLineBytes));
      for (int64_t p = 0; p < kPanels; ++p)
        e.store(start, e.at(place, p * kLineBytes), kLineBytes);
    });
  }
  codes = first;
  unpackFirst();
  e.loop(zero, e.ceilDiv(k, kPart), 1, {first, second},
         [&](Value index, ValueRange buffers) {
           codes = buffers[0], next = buffers[1];
           part(index);
           return Values{buffers[1], buffers[0]};
         });
  if (!block)
    finishWholeK();
  copyOut();
}

} // namespace

TileShapes adze::unpackedShapes(const KernelTarget &target,
                                const IntegerTile &tile,
                                const TileShapes &others) {
  if (!isUnpacked(target, tile))
    return others;
  TileShapes shapes = {{kTall, kPanels}};
  shapes.append(others);
  return shapes;
}

func::FuncOp adze::getUnpackedTile(KernelEmitter &e, const KernelTarget &target,
                                   const IntegerTile &tile, int64_t rows,
                                   int64_t panels) {
  if (rows != kTall || panels != kPanels || !isUnpacked(target, tile))
    return nullptr;
  return integerTileFunction(
      e, "adze.tile.unpacked.", tile, rows, panels, [&](func::FuncOp func) {
        UnpackedTileEmitter(e, tile).emit(func.getArguments());
      });
}
