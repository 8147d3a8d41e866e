// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "SparseTile.h"
#include "AmxTile.h"
#include "adze/Dialect/AdzeKernel/AdzeKernel.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include <numeric>

using namespace mlir;
using namespace adze;

static constexpr int64_t kBlock = BlocksFormatAttr::kBlockColumns;
/// Steps of 8 k in a block.
static constexpr int64_t kSteps = kBlock / 8;

IntegerFormatAttrInterface SparseTile::codes() const {
  return dyn_cast<IntegerFormatAttrInterface>(Attribute(format.getElement()));
}

int64_t SparseTile::groupBlocks() const {
  return codes().hasMinimum()
             ? 1
             : std::gcd(codes().getGroup(), rows.group) / kBlock;
}

static FloatFormatAttr floatsOf(const SparseTile &tile) {
  return dyn_cast<FloatFormatAttr>(Attribute(tile.format.getElement()));
}

static TileTypes typesOf(const SparseTile &tile) {
  return {tile.rowType, floatsOf(tile).getElementType()};
}

/// A block of pairs of bf16 is what a register of AMX holds of a panel.
static bool usesTileRegisters(const KernelTarget &target,
                              const SparseTile &tile) {
  return !tile.multipliesCodes() && floatsOf(tile) &&
         amxMultiplies(target, typesOf(tile));
}

TileShapes adze::sparseTileShapes(const KernelTarget &target,
                                  const SparseTile &tile) {
  // A lane vector is so many registers.
  int64_t parts = kLanes / target.lanes;
  auto shapes = [](std::initializer_list<int64_t> heights) {
    TileShapes list;
    for (int64_t rows : heights)
      list.push_back({rows, 2});
    return list;
  };
  if (!tile.multipliesCodes()) {
    if (usesTileRegisters(target, tile))
      return shapes({2 * kAmxRows, kAmxRows, 8, 4, 2, 1});
    if (target.registers >= 32)
      return parts == 1 ? shapes({8, 4, 2, 1}) : shapes({4, 2, 1});
    return shapes({4, 2, 1});
  }
  if (target.registers >= 32 && parts == 1)
    return target.hasByteDot ? shapes({12, 8, 4, 2, 1}) : shapes({8, 4, 2, 1});
  if (target.registers < 32 && !target.hasByteDot &&
      (tile.codes().getMaxCode() > 128 || tile.codes().hasMinimum()))
    return shapes({2, 1});
  return shapes({4, 2, 1});
}

namespace {

/// Emits the body of one tile function.
class SparseTileEmitter {
public:
  SparseTileEmitter(KernelEmitter &e, const KernelTarget &target,
                    const SparseTile &tile, int64_t rows)
      : e(e), target(target), tile(tile), codes(tile.codes()), rows(rows),
        inMemory(sumsInMemory(target, tile, rows)) {}

  void emit(ValueRange args);

  /// As in IntegerTile.cpp: f32 sums wait in `out`, which is in L1, where
  /// registers are for the integer sums.
  static bool sumsInMemory(const KernelTarget &target, const SparseTile &tile,
                           int64_t rows) {
    if (!tile.multipliesCodes())
      return false;
    int64_t parts = kLanes / target.lanes;
    int64_t others = tile.codes().hasMinimum() ? 10 : 6;
    return 2 * rows * parts + others * std::min<int64_t>(parts, 2) >
           target.registers;
  }

private:
  using Values = KernelEmitter::Values;

  /// A block: where its elements are, its place in the list, its index.
  struct Block {
    Value tile, place, index;
  };

  void panel(Value index, Value left);
  Value word(Value at) {
    return arith::IndexCastUIOp::create(e.b, e.loc, e.index,
                                        e.load(e.b.getI16Type(), at, 2));
  }
  /// The index at a place of the list.
  Value indexAt(Value place) {
    return word(e.at(here, e.add(e.mul(place, 2), 2)));
  }
  Values rowPointers(Value first);

  // Rows of codes.
  void addCodes(Value i, Value count, const Block &block, Values &carried);
  Values dots(const Block &block, Values acc);
  void scaleAndAdd(const Block &block, ArrayRef<Value> acc, Values &sums);
  Value sumOf(Value sums);
  Values sumPointers(const Block &block);
  // Rows of floats.
  void addFloats(const Block &block, bool isLast, Values &sums);
  void step(const Block &block, Value first, bool isLast, Values &sums);
  Values floatLines(const Block &block, Value step);
  Value element(Value row, Value first, int64_t i, bool isLast);
  Value pair(Value row, Value first, int64_t i, bool isLast);
  FloatFormatAttr floats() const { return floatsOf(tile); }
  bool usesDot() const { return floats() && typesOf(tile).usesDot(target); }
  // In tile registers.
  void multiplyTiles(Value whole, Value hasRest);

  /// Tiles of few rows are bound by memory, and panels are too short for the
  /// processor to notice that they are read in order.
  bool streams() const { return rows <= 8; }
  void prefetchBlock(Value i);
  void prefetchNext(Value i);
  void prefetchPart(Value i);

  Value outPlace(int64_t r) { return e.at(panelOut, e.mul(outBytes, r)); }

  KernelEmitter &e;
  const KernelTarget &target;
  const SparseTile &tile;
  IntegerFormatAttrInterface codes;
  int64_t rows;
  bool inMemory;

  Value x, rowBytes, panels, panelBytes, k, out, outBytes;
  Value header, scales, zeros, ahead, aheadBytes;
  Value here, next, nextCount, panelOut, aheadHere;
  Value bytesEach; // of what is prefetched with a block by tiles of many rows
};

/// Pointers to all rows, three of which share a base: the others are addressed
/// by it and the length of a row, once or twice, which takes few registers.
SparseTileEmitter::Values SparseTileEmitter::rowPointers(Value first) {
  Values pointers;
  Value base;
  for (int64_t r = 0; r < rows; ++r) {
    if (r % 3 == 0)
      base = e.opaque(r ? e.at(base, e.mul(rowBytes, 3)) : first);
    pointers.push_back(e.at(base, e.mul(rowBytes, r % 3)));
  }
  return pointers;
}

//===-- rows of codes -----------------------------------------------------===//

/// The sum of x in a block, from the pointer to the first of its runs.
Value SparseTileEmitter::sumOf(Value sums) {
  Value all = e.load(e.i32, sums, 4);
  for (int64_t i = 1; i < kBlock / tile.rows.sums; ++i)
    all = arith::AddIOp::create(e.b, e.loc, all,
                                e.load(e.i32, e.at(sums, 4 * i), 4));
  return all;
}

/// Pointers to the sums of a block of each row.
SparseTileEmitter::Values SparseTileEmitter::sumPointers(const Block &block) {
  Value run = e.mul(block.index, kBlock / tile.rows.sums);
  return rowPointers(e.at(x, e.add(tile.rows.sumsOffset(e, k), e.mul(run, 4))));
}

/// Adds a block to integer sums, with what the zero code takes off: sums of x
/// fit 16 bits, and one dot more multiplies them.
SparseTileEmitter::Values SparseTileEmitter::dots(const Block &block,
                                                  Values acc) {
  auto words = VectorType::get({2 * kLanes}, e.b.getI16Type());
  Value zero = vector::BitCastOp::create(
      e.b, e.loc, words, e.splatI32(-codes.getZeroCode() & 0xffff));
  for (auto [r, sums] : llvm::enumerate(sumPointers(block)))
    acc[r] = kernel::DotWordsOp::create(
        e.b, e.loc, acc[r].getType(), acc[r], zero,
        vector::BitCastOp::create(e.b, e.loc, words, e.broadcast(sumOf(sums))));
  Values at = rowPointers(e.at(x, e.mul(block.index, kBlock)));
  auto step = [&](Value step, Values &sums) {
    for (auto [quad, w] :
         llvm::enumerate(codes.emitCodes(e.b, e.loc, block.tile, k, step)))
      for (int64_t r = 0; r < rows; ++r) {
        Value place = e.at(e.at(at[r], e.mul(step, 8)), 4 * int64_t(quad));
        Value four = e.broadcast(e.load(e.i32, place, 4));
        sums[r] = kernel::DotCodesOp::create(
            e.b, e.loc, sums[r].getType(), sums[r], w,
            vector::BitCastOp::create(e.b, e.loc, w.getType(), four),
            uint64_t(codes.getMaxCode()));
      }
  };
  if (rows <= 4) {
    for (int64_t i = 0; i < kSteps; ++i)
      step(e.constant(i), acc);
    return acc;
  }
  // Not unrolled: LLVM would put the dots of a row one behind the other, which
  // their latency forbids.
  return e.loop(e.constant(0), e.constant(kSteps), 1, acc,
                [&](Value i, ValueRange carried) {
                  Values inner(carried);
                  step(i, inner);
                  return inner;
                });
}

/// Adds what a group of blocks, of which `block` is one, gave to the sums.
void SparseTileEmitter::scaleAndAdd(const Block &block, ArrayRef<Value> acc,
                                    Values &sums) {
  Value scale, minimum;
  if (!tile.scalesLast())
    scale = tile.format.emitScale(e.b, e.loc, e.at(here, scales), block.place,
                                  block.index);
  Values sumAt;
  if (codes.hasMinimum()) {
    minimum =
        tile.format.emitMinimum(e.b, e.loc, e.at(here, scales),
                                e.at(here, zeros), block.place, block.index);
    sumAt = sumPointers(block);
  }
  Value group = tile.rows.group ? e.div(block.index, tile.rows.group / kBlock)
                                : e.constant(0);
  Values scaleAt = rowPointers(
      e.at(x, e.add(tile.rows.scalesOffset(e, k), e.mul(group, 4))));
  for (int64_t r = 0; r < rows; ++r) {
    Value xScale, factor = scale;
    if (!tile.rowScalesLast()) {
      xScale = e.load(e.f32, scaleAt[r], 4);
      factor = e.broadcast(xScale);
      if (scale)
        factor = e.mulf(scale, factor);
    }
    Value sum = inMemory ? e.load(e.vf32, outPlace(r), kLineBytes) : sums[r];
    sum =
        e.fma(arith::SIToFPOp::create(e.b, e.loc, e.vf32, acc[r]), factor, sum);
    if (minimum) {
      Value shift = arith::SIToFPOp::create(e.b, e.loc, e.f32, sumOf(sumAt[r]));
      if (xScale)
        shift = e.mulf(xScale, shift);
      sum = e.fma(e.broadcast(shift), minimum, sum);
    }
    if (inMemory)
      e.store(sum, outPlace(r), kLineBytes);
    else
      sums[r] = sum;
  }
}

/// Block i of `count`. `carried` are the integer sums of its group so far, if
/// groups have several blocks, and the sums.
void SparseTileEmitter::addCodes(Value i, Value count, const Block &block,
                                 Values &carried) {
  Values none(rows, e.splatI32(0));
  int64_t inGroup = tile.groupBlocks();
  if (inGroup == 1)
    return scaleAndAdd(block, dots(block, none), carried);
  Values acc(ArrayRef(carried).take_front(rows));
  Values sums(ArrayRef(carried).drop_front(rows));
  acc = dots(block, acc);
  Value after = e.add(i, 1);
  Value ends = e.compare(arith::CmpIPredicate::eq, after, count);
  if (inGroup)
    ends = arith::OrIOp::create(e.b, e.loc, ends,
                                e.compare(arith::CmpIPredicate::ne,
                                          e.div(indexAt(after), inGroup),
                                          e.div(block.index, inGroup)));
  Values before(acc);
  llvm::append_range(before, sums);
  carried = e.ifElse(
      ends, TypeRange(ValueRange(before)),
      [&] {
        Values after(none);
        scaleAndAdd(block, acc, sums);
        llvm::append_range(after, sums);
        return after;
      },
      [&] { return before; });
}

//===-- rows of floats ----------------------------------------------------===//

/// Element `first` + i of a row, to which `row` points; for the last block,
/// `row` is the row's start, and what is behind its end is zero.
Value SparseTileEmitter::element(Value row, Value first, int64_t i,
                                 bool isLast) {
  int64_t bytes = KernelEmitter::bytesOf(tile.rowType);
  if (!isLast)
    return e.loadScalar(tile.rowType, e.at(row, i * bytes));
  Value at = e.add(first, i), end = e.sub(k, 1);
  Value value =
      e.loadScalar(tile.rowType, e.at(row, e.mul(e.min(at, end), bytes)));
  return e.select(e.compare(arith::CmpIPredicate::slt, at, k), value,
                  e.constantF32(0));
}

/// Such elements i and i + 1, of bf16, as 32 bits.
Value SparseTileEmitter::pair(Value row, Value first, int64_t i, bool isLast) {
  if (!isLast)
    return e.load(e.i32, e.at(row, 2 * i), 2);
  Type i16 = e.b.getI16Type();
  Value end = e.sub(k, 1), both;
  for (int64_t half : {0, 1}) {
    Value at = e.add(first, i + half);
    Value bits = arith::ExtUIOp::create(
        e.b, e.loc, e.i32, e.load(i16, e.at(row, e.mul(e.min(at, end), 2)), 2));
    bits = e.select(e.compare(arith::CmpIPredicate::slt, at, k), bits,
                    e.constantI32(0));
    both =
        half ? Value(arith::OrIOp::create(
                   e.b, e.loc, both,
                   arith::ShLIOp::create(e.b, e.loc, bits, e.constantI32(16))))
             : bits;
  }
  return both;
}

/// The weights of the 8 k of a step of a block, as f32.
SparseTileEmitter::Values SparseTileEmitter::floatLines(const Block &block,
                                                        Value step) {
  Values lines;
  if (floats()) {
    Type element = floats().getElementType();
    TileTypes types = typesOf(tile);
    int64_t depth = types.depth(), bytes = types.lineBytes();
    Value at = e.at(block.tile, e.mul(step, 8 / depth * bytes));
    for (int64_t i = 0; i < 8 / depth; ++i) {
      Value place = e.at(at, i * bytes);
      if (depth == 1) {
        lines.push_back(
            e.toF32(e.load(e.lanesOf(element), place, unsigned(bytes))));
        continue;
      }
      Value line = e.load(e.vi32, place, kLineBytes);
      lines.push_back(arith::BitcastOp::create(
          e.b, e.loc, e.vf32,
          arith::ShLIOp::create(e.b, e.loc, line, e.splatI32(16))));
      lines.push_back(arith::BitcastOp::create(
          e.b, e.loc, e.vf32,
          arith::AndIOp::create(e.b, e.loc, line, e.splatI32(-65536))));
    }
    return lines;
  }
  Value scale = tile.format.emitScale(e.b, e.loc, e.at(here, scales),
                                      block.place, block.index);
  Value minimum;
  if (codes.hasMinimum())
    minimum =
        tile.format.emitMinimum(e.b, e.loc, e.at(here, scales),
                                e.at(here, zeros), block.place, block.index);
  Value zero = e.splatI32(codes.getZeroCode());
  for (Value quads : codes.emitCodes(e.b, e.loc, block.tile, k, step)) {
    Value lanes = vector::BitCastOp::create(e.b, e.loc, e.vi32, quads);
    for (int64_t byte = 0; byte < 4; ++byte) {
      Value code = arith::AndIOp::create(
          e.b, e.loc,
          arith::ShRUIOp::create(e.b, e.loc, lanes, e.splatI32(8 * byte)),
          e.splatI32(255));
      Value value = arith::SIToFPOp::create(
          e.b, e.loc, e.vf32, arith::SubIOp::create(e.b, e.loc, code, zero));
      lines.push_back(minimum ? e.fma(scale, value, minimum)
                              : e.mulf(scale, value));
    }
  }
  return lines;
}

/// 8 k, of which `first` is the first.
void SparseTileEmitter::step(const Block &block, Value step, bool isLast,
                             Values &sums) {
  Value first = e.add(e.mul(block.index, kBlock), e.mul(step, 8));
  int64_t bytes = KernelEmitter::bytesOf(tile.rowType);
  Values at = rowPointers(isLast ? x : e.at(x, e.mul(first, bytes)));
  if (usesDot()) {
    auto pairs = VectorType::get({2 * kLanes}, tile.rowType);
    Value lines = e.at(block.tile, e.mul(step, 4 * kLineBytes));
    for (int64_t i = 0; i < 4; ++i) {
      Value w = e.load(pairs, e.at(lines, i * kLineBytes), kLineBytes);
      for (int64_t r = 0; r < rows; ++r) {
        Value both = e.broadcast(pair(at[r], first, 2 * i, isLast));
        sums[r] = kernel::DotOp::create(
            e.b, e.loc, e.vf32, sums[r], w,
            vector::BitCastOp::create(e.b, e.loc, pairs, both));
      }
    }
    return;
  }
  for (auto [i, w] : llvm::enumerate(floatLines(block, step)))
    for (int64_t r = 0; r < rows; ++r)
      sums[r] = e.fma(e.broadcast(element(at[r], first, int64_t(i), isLast)), w,
                      sums[r]);
}

void SparseTileEmitter::addFloats(const Block &block, bool isLast,
                                  Values &sums) {
  sums = e.loop(e.constant(0), e.constant(kSteps), 1, sums,
                [&](Value s, ValueRange carried) {
                  Values inner(carried);
                  step(block, s, isLast, inner);
                  return inner;
                });
}

/// All blocks of a panel, as getAmxTile has them: what does not fill a register
/// at the end of K, if the list ends with it, is added behind.
void SparseTileEmitter::multiplyTiles(Value whole, Value hasRest) {
  AmxTiles tiles(e, AmxTiles::kBF16Dot, rows, /*panels=*/1);
  int64_t bytes = tile.format.getTileBytes();
  auto tileAt = [&](Value i) {
    return e.at(e.at(here, header), e.mul(i, bytes));
  };
  auto rowsAt = [&](Value i) { return e.at(x, e.mul(indexAt(i), kBlock * 2)); };
  Values acc = e.loop(e.constant(0), whole, 1, tiles.zeros(),
                      [&](Value i, ValueRange carried) {
                        Values next(carried);
                        prefetchBlock(i);
                        tiles.multiply(rowsAt(i), rowBytes, tileAt(i), next);
                        return next;
                      });
  tiles.store(acc, panelOut, outBytes);
  int64_t height = std::min(rows, kMaxTileRows);
  func::FuncOp rest = getContinuingTile(e, target, typesOf(tile), height, 1);
  e.ifThen(hasRest, [&] {
    Value left = e.sub(k, e.mul(indexAt(whole), kBlock));
    e.loop(e.constant(0), e.constant(rows), height, [&](Value r) {
      e.call(rest,
             {e.at(rowsAt(whole), e.mul(rowBytes, r)), rowBytes, tileAt(whole),
              panelBytes, left, e.at(panelOut, e.mul(outBytes, r)), outBytes,
              e.constant(1)});
    });
  });
}

//===-- panels ------------------------------------------------------------===//

/// Brings with block i of a panel what comes next.
void SparseTileEmitter::prefetchBlock(Value i) {
  if (streams())
    return prefetchNext(i);
  e.ifElse(
      e.compare(arith::CmpIPredicate::eq, aheadBytes, int64_t(0)),
      [&] { prefetchNext(i); }, [&] { prefetchPart(i); });
}

/// The block at that place of the next panel, and a line of what is there
/// beside blocks: for tiles of few rows, and those that no rows follow.
void SparseTileEmitter::prefetchNext(Value i) {
  int64_t bytes = tile.format.getTileBytes();
  Value place = e.min(i, e.max(e.sub(nextCount, 1), e.constant(0)));
  Value block = e.at(e.at(next, header), e.mul(place, bytes));
  for (int64_t line = 0; line < bytes; line += kLineBytes)
    e.prefetch(e.at(block, line));
  Value line = e.mul(i, kLineBytes);
  e.prefetch(e.at(next, e.min(line, e.sub(header, kLineBytes))));
  if (codes)
    e.prefetch(
        e.at(next, e.min(e.add(scales, line), e.sub(panelBytes, kLineBytes))));
}

/// Of the panels behind these, the tile's part that goes with the block.
void SparseTileEmitter::prefetchPart(Value i) {
  Value from = e.at(aheadHere, e.mul(i, bytesEach));
  e.loop(e.constant(0), bytesEach, kLineBytes,
         [&](Value line) { e.prefetch(e.at(from, line)); });
}

/// Panel `index` of those that the tile is called for, of which `left` exist.
void SparseTileEmitter::panel(Value index, Value left) {
  auto at = [&](int64_t later) {
    Value place = e.min(e.add(index, later), e.sub(left, 1));
    return e.at(panels, e.mul(panelBytes, later ? place : index));
  };
  here = at(0);
  aheadHere = e.at(ahead, e.mul(panelBytes, index));
  panelOut = e.at(out, e.mul(index, kLineBytes));
  Value count = word(here), zero = e.constant(0);
  next = at(1);
  nextCount = word(next);
  if (streams()) {
    e.prefetch(at(2));
  } else {
    bytesEach = e.mul(
        e.ceilDiv(e.div(aheadBytes, e.max(count, e.constant(1))), kLineBytes),
        kLineBytes);
  }

  auto blockAt = [&](Value i) {
    int64_t bytes = tile.format.getTileBytes();
    return Block{e.at(e.at(here, header), e.mul(i, bytes)), i, indexAt(i)};
  };
  // Rows of floats end with K: a last block that does, too, is for itself. An
  // empty list's last word is its length, 0.
  Value whole = count, hasRest;
  if (!tile.multipliesCodes()) {
    Value end = e.mul(e.add(word(e.at(here, e.mul(count, 2))), 1), kBlock);
    hasRest = arith::AndIOp::create(
        e.b, e.loc, e.compare(arith::CmpIPredicate::sgt, end, k),
        e.compare(arith::CmpIPredicate::sgt, count, 0));
    whole = e.select(hasRest, e.sub(count, 1), count);
  }
  if (usesTileRegisters(target, tile))
    return multiplyTiles(whole, hasRest);
  Values sums;
  if (inMemory)
    for (int64_t r = 0; r < rows; ++r)
      e.store(e.splat(0), outPlace(r), kLineBytes);
  else
    sums.assign(rows, e.splat(0));
  bool carriesCodes = tile.multipliesCodes() && tile.groupBlocks() != 1;
  if (carriesCodes)
    sums.insert(sums.begin(), rows, e.splatI32(0));
  sums = e.loop(zero, whole, 1, sums, [&](Value i, ValueRange carried) {
    Values inner(carried);
    prefetchBlock(i);
    if (tile.multipliesCodes())
      addCodes(i, count, blockAt(i), inner);
    else
      addFloats(blockAt(i), /*isLast=*/false, inner);
    return inner;
  });
  if (carriesCodes)
    sums.erase(sums.begin(), sums.begin() + rows);
  if (hasRest) {
    SmallVector<Type> types(rows, e.vf32);
    sums = e.ifElse(
        hasRest, types,
        [&] {
          Values inner(sums);
          addFloats(blockAt(whole), /*isLast=*/true, inner);
          return inner;
        },
        [&] { return sums; });
  }
  if (inMemory && !tile.scalesLast() && !tile.rowScalesLast())
    return;
  // One of both is left, or none.
  Values ofRows;
  if (tile.rowScalesLast())
    ofRows = rowPointers(e.at(x, tile.rows.scalesOffset(e, k)));
  Value factor;
  if (tile.scalesLast())
    factor = tile.format.emitScale(e.b, e.loc, e.at(here, scales), zero, zero);
  for (int64_t r = 0; r < rows; ++r) {
    Value sum = inMemory ? e.load(e.vf32, outPlace(r), kLineBytes) : sums[r];
    if (!ofRows.empty())
      factor = e.broadcast(e.load(e.f32, ofRows[r], 4));
    e.store(factor ? e.mulf(sum, factor) : sum, outPlace(r), kLineBytes);
  }
}

void SparseTileEmitter::emit(ValueRange args) {
  x = args[0], rowBytes = args[1], panels = args[2], panelBytes = args[3];
  k = args[4], out = args[5], outBytes = args[6];
  header = args[8], scales = args[9], zeros = args[10];
  ahead = args[12], aheadBytes = args[13];
  e.loop(e.constant(0), args[7], 1,
         [&](Value index) { panel(index, args[11]); });
}

} // namespace

func::FuncOp adze::beginSparseTile(KernelEmitter &e, StringRef name) {
  Type index = e.index, ptr = e.ptr;
  SmallVector<Type> types{ptr, index, ptr, index, index, ptr};
  types.append(6, index);
  types.append({ptr, index});
  return e.beginShared(name, types);
}

func::FuncOp adze::getSparseTile(KernelEmitter &e, const KernelTarget &target,
                                 const SparseTile &tile, int64_t rows) {
  std::string name;
  llvm::raw_string_ostream os(name);
  os << "adze.tile." << tile.format.getFormatName() << ".";
  if (tile.multipliesCodes())
    os << tile.rows.group << "." << tile.rows.sums;
  else
    os << tile.rowType;
  os << "." << rows << "x1";
  if (func::FuncOp known = e.lookup(name))
    return known;

  OpBuilder::InsertionGuard guard(e.b);
  func::FuncOp func = beginSparseTile(e, name);
  // Sums that are meant to stay in memory must not be promoted to registers.
  if (!SparseTileEmitter::sumsInMemory(target, tile, rows))
    for (unsigned i : {0u, 2u, 5u})
      func.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(),
                      e.b.getUnitAttr());
  SparseTileEmitter(e, target, tile, rows).emit(func.getArguments());
  e.ret();
  return func;
}
