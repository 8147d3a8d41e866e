// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tall tiles of codes. A dot of tile registers takes 16 cycles; then they are
// stored, and vector units scale the sums and add them up, which takes as long
// again and hardly overlaps. So
//   - a part of K is unpacked to L1 once for all rows of the tile, as signed
//     bytes, which leaves nothing to take off the sums;
//   - the sums of several small blocks of K leave the registers together, so
//     that an f32 sum is read and written once for all of them.
// Rows pass 32 at a time, with their f32 sums in `out`.

#include "AmxTile.h"

using namespace mlir;
using namespace adze;

namespace {

/// How a tile goes along K.
struct Steps {
  explicit Steps(const IntegerTile &tile) : block(tile.block()) {
    depth = kLineBytes;
    while (block % depth)
      depth /= 2;
    together = block ? std::clamp<int64_t>(kLargestPart / 2 / block, 1, 4) : 1;
  }
  /// Codes that are unpacked at a time.
  static constexpr int64_t kLargestPart = 256;

  int64_t block;    // codes that share scales, or 0: all
  int64_t depth;    // codes of one dot
  int64_t together; // blocks whose sums leave the registers together
  /// Whether sums wait in memory between the parts of a block.
  bool inParts() const { return block == 0 || block > kLargestPart; }
  /// Codes that are unpacked together.
  int64_t part() const { return inParts() ? kLargestPart : block * together; }
};

/// Whether AMX is faster: where a dot takes a quarter of a register, 16 codes,
/// or a whole one where minima have to be added.
bool multiplies(const KernelTarget &target, const IntegerTile &tile) {
  int64_t zero = tile.format.getZeroCode();
  int64_t least = tile.format.hasMinimum() ? kLineBytes : 16;
  return target.hasAmx && tile.block() % least == 0 && zero <= 128 &&
         tile.format.getMaxCode() - zero <= 127;
}

class CodesEmitter {
public:
  CodesEmitter(KernelEmitter &e, const IntegerTile &tile, int64_t rows,
               int64_t panels)
      : e(e), tile(tile), rows(rows), panels(panels), steps(tile),
        height(std::min(rows, 2 * kAmxRows)),
        registers(e, "llvm.x86.tdpbssd.internal", height, panels, steps.depth) {
  }

  void emit(ValueRange args);

private:
  using Values = KernelEmitter::Values;

  /// Of a panel, from code `at` of the part on.
  Value codesOf(int64_t panel, Value at) {
    Value first = e.at(codes, panel * steps.part() * kLanes);
    return e.at(first, e.mul(at, kLanes));
  }
  Value outPlace(Value row, int64_t panel) {
    return e.at(e.at(out, e.mul(outBytes, row)), panel * kLineBytes);
  }
  void forEachOut(llvm::function_ref<void(Value, int64_t)> body) {
    e.loop(e.constant(0), e.constant(rows), 1, [&](Value r) {
      for (int64_t p = 0; p < panels; ++p)
        body(outPlace(r, p), p);
    });
  }
  /// Tops of 32 (or fewer) rows.
  void forEachTop(llvm::function_ref<void(Value)> body) {
    e.loop(e.constant(0), e.constant(rows), height, body);
  }

  void blocks(Value first, int64_t count, Value size);
  void unpack(Value begin, Value size);
  void dots(Value top, Value begin, Value at, Value size, bool goesOn,
            Value place, Value placeBytes);
  void finish(Value top, Value first, int64_t count, Value place);

  KernelEmitter &e;
  const IntegerTile &tile;
  int64_t rows, panels;
  Steps steps;
  int64_t height;
  AmxTiles registers;
  Value x, rowBytes, k, out, outBytes, ahead, aheadBytes;
  Value sums;  // integer: rows of `panels` lines for each block
  Value codes; // of a part, signed
  Values w;
};

/// The codes begin .. begin + size of all panels, less the code for zero. Lines
/// behind the end of K stay what they are: rows are zero there.
void CodesEmitter::unpack(Value begin, Value size) {
  Type type = VectorType::get({kLineBytes}, e.b.getI8Type());
  Value zero = arith::ConstantOp::create(
      e.b, e.loc,
      DenseElementsAttr::get(
          cast<ShapedType>(type),
          e.b.getI8IntegerAttr(int8_t(tile.format.getZeroCode()))));
  Value first = e.div(begin, 8);
  e.loop(e.constant(0), e.ceilDiv(size, 8), 1, [&](Value i) {
    for (auto [p, panel] : llvm::enumerate(w))
      for (auto [quad, line] : llvm::enumerate(
               tile.format.emitCodes(e.b, e.loc, panel, k, e.add(first, i)))) {
        if (tile.format.getZeroCode())
          line = arith::SubIOp::create(e.b, e.loc, line, zero);
        Value to = codesOf(p, e.add(e.mul(i, 8), 4 * quad));
        e.store(line, to, kLineBytes);
      }
  });
}

/// The integer sums of rows from `top` on over `size` codes from `begin` on,
/// which are code `at` of what is unpacked, to `place`: added to what is there
/// if the block goes on.
void CodesEmitter::dots(Value top, Value begin, Value at, Value size,
                        bool goesOn, Value place, Value placeBytes) {
  Value line = e.at(e.at(x, e.mul(rowBytes, top)), begin);
  Values acc = goesOn ? registers.load(place, placeBytes) : registers.zeros();
  acc = e.loop(e.constant(0), size, steps.depth, acc,
               [&](Value i, ValueRange carried) {
                 Values next(carried), lines;
                 for (int64_t p = 0; p < panels; ++p)
                   lines.push_back(codesOf(p, e.add(at, i)));
                 registers.multiply(e.at(line, i), rowBytes, lines, next);
                 return next;
               });
  registers.store(acc, place, placeBytes);
}

/// Adds the integer sums of `count` blocks to `out`.
void CodesEmitter::finish(Value top, Value first, int64_t count, Value place) {
  IntegerBlocks blocks(e, tile, k);
  SmallVector<IntegerBlocks::Factors> factors;
  for (int64_t b = 0; b < count; ++b)
    factors.push_back(blocks.ofPanels(w, e.add(first, b)));
  Value next = e.mul(e.add(first, count), steps.block);
  e.loop(e.constant(0), e.constant(height), 1, [&](Value i) {
    Value r = e.add(top, i), row = e.at(x, e.mul(rowBytes, r));
    Value from = e.at(place, e.mul(i, count * panels * kLineBytes));
    // What the row has in the blocks that come next.
    for (int64_t at = 0; at < steps.part(); at += kLineBytes)
      e.prefetch(e.at(row, e.add(next, at)), /*level=*/1);
    Values sum;
    for (int64_t p = 0; p < panels; ++p)
      sum.push_back(e.load(e.vf32, outPlace(r, p), kLineBytes));
    for (auto [b, ofPanels] : llvm::enumerate(factors)) {
      IntegerBlocks::RowFactors ofRow = blocks.ofRow(row, e.add(first, b));
      for (int64_t p = 0; p < panels; ++p) {
        Value dot = e.load(e.vi32, e.at(from, (b * panels + p) * kLineBytes),
                           kLineBytes);
        sum[p] = blocks.add(dot, ofPanels, p, ofRow, sum[p]);
      }
    }
    for (int64_t p = 0; p < panels; ++p)
      e.store(sum[p], outPlace(r, p), kLineBytes);
  });
}

/// `count` blocks of `size` codes, the last of which may be short.
void CodesEmitter::blocks(Value first, int64_t count, Value size) {
  Value from = e.at(ahead, e.mul(first, aheadBytes));
  auto prefetch = [&](Value begin, Value bytes) {
    e.loop(begin, e.add(begin, bytes), kLineBytes,
           [&](Value i) { e.prefetch(e.at(from, i)); });
  };
  Value zero = e.constant(0), begin = e.mul(first, steps.block);
  Value placeBytes = e.constant(count * panels * kLineBytes);
  if (!steps.inParts()) {
    prefetch(zero, e.mul(aheadBytes, count));
    unpack(begin, e.mul(size, count));
    return forEachTop([&](Value top) {
      for (int64_t b = 0; b < count; ++b)
        dots(top, e.add(begin, b * steps.block), e.constant(b * steps.block),
             size, false, e.at(sums, b * panels * kLineBytes), placeBytes);
      finish(top, first, count, sums);
    });
  }
  auto place = [&](Value top) { return e.at(sums, e.mul(top, placeBytes)); };
  e.loop(zero, e.constant(rows * panels * kLineBytes), kLineBytes,
         [&](Value i) { e.store(e.splatI32(0), e.at(sums, i), kLineBytes); });
  // Many lines at once would keep the loads waiting.
  Value parts = e.max(e.ceilDiv(size, Steps::kLargestPart), e.constant(1));
  Value bytes =
      e.mul(e.div(e.add(aheadBytes, e.sub(e.mul(parts, kLineBytes), 1)),
                  e.mul(parts, kLineBytes)),
            kLineBytes);
  e.loop(zero, size, Steps::kLargestPart, [&](Value part) {
    prefetch(e.mul(e.div(part, Steps::kLargestPart), bytes), bytes);
    Value left = e.min(e.sub(size, part), e.constant(Steps::kLargestPart));
    unpack(e.add(begin, part), left);
    forEachTop([&](Value top) {
      dots(top, e.add(begin, part), zero, left, true, place(top), placeBytes);
    });
  });
  forEachTop([&](Value top) { finish(top, first, count, place(top)); });
}

void CodesEmitter::emit(ValueRange args) {
  x = args[0], rowBytes = args[1], k = args[4], out = args[5],
  outBytes = args[6];
  ahead = args[8], aheadBytes = args[9];
  w = registers.panelPointers(args[2], args[3], args[7], panels);
  sums = e.stackLines(steps.inParts() ? rows * panels
                                      : height * panels * steps.together);
  codes = e.stackLines(panels * steps.part() / 4);
  forEachOut(
      [&](Value place, int64_t) { e.store(e.splat(0), place, kLineBytes); });
  Value zero = e.constant(0);
  if (int64_t size = steps.block) {
    Value whole = e.constant(size), count = e.ceilDiv(k, size);
    Value many = e.mul(e.div(k, size * steps.together), steps.together);
    e.loop(zero, many, steps.together,
           [&](Value first) { blocks(first, steps.together, whole); });
    e.loop(many, count, 1, [&](Value first) {
      blocks(first, 1, e.min(whole, e.sub(k, e.mul(first, size))));
    });
  } else {
    blocks(zero, 1, k);
  }
  if (tile.rowScalesLast()) {
    IntegerBlocks blocks(e, tile, k);
    return e.loop(zero, e.constant(rows), 1, [&](Value r) {
      Value ofRow = blocks.lastOfRow(e.at(x, e.mul(rowBytes, r)));
      for (int64_t p = 0; p < panels; ++p) {
        Value sum = e.load(e.vf32, outPlace(r, p), kLineBytes);
        e.store(e.mulf(sum, ofRow), outPlace(r, p), kLineBytes);
      }
    });
  }
  if (!tile.scalesLast())
    return;
  Values factors;
  for (Value panel : w)
    factors.push_back(tile.format.emitScale(e.b, e.loc, panel, k, zero));
  forEachOut([&](Value place, int64_t p) {
    Value sum = e.load(e.vf32, place, kLineBytes);
    e.store(e.mulf(sum, factors[p]), place, kLineBytes);
  });
}

} // namespace

TileShapes adze::amxShapes(const KernelTarget &target, const IntegerTile &tile,
                           const TileShapes &others) {
  if (!multiplies(target, tile))
    return others;
  return withTall({{4 * kAmxRows, 2}, {2 * kAmxRows, 2}, {kAmxRows, 2}},
                  others);
}

func::FuncOp adze::getAmxTile(KernelEmitter &e, const KernelTarget &target,
                              const IntegerTile &tile, int64_t rows,
                              int64_t panels) {
  if (!multiplies(target, tile) || rows < kAmxRows)
    return nullptr;
  return integerTileFunction(
      e, "adze.tile.amx.", tile, rows, panels, [&](func::FuncOp func) {
        CodesEmitter(e, tile, rows, panels).emit(func.getArguments());
      });
}
