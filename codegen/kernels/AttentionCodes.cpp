// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Codes of queries and weights, and the tiles that multiply them with the codes
// of the cache.

#include "AttentionCodes.h"
#include "adze/Dialect/AdzeKernel/AdzeKernel.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace adze;

using Values = KernelEmitter::Values;

TileShapes adze::codeTileShapes(const KernelTarget &target) {
  // Two accumulators per output. 32 registers: 4 rows of 3 panels; fewer rows
  // where a dot of bytes takes several instructions and their registers. 16
  // registers of half the width: one row of one panel.
  if (target.registers >= 32)
    return target.hasByteDot ? TileShapes{{4, 3}, {2, 4}, {1, 4}}
                             : TileShapes{{2, 2}, {1, 2}};
  return {{1, 1}};
}

//===-- codes -------------------------------------------------------------===//

/// x rounded to the nearest integer, even ones first.
static Value toCodes(KernelEmitter &e, Value x) {
  return arith::FPToSIOp::create(e.b, e.loc, e.vi32,
                                 math::RoundEvenOp::create(e.b, e.loc, x));
}

static void storeBytes(KernelEmitter &e, Value codes, Value place) {
  e.store(
      arith::TruncIOp::create(e.b, e.loc, e.lanesOf(e.b.getI8Type()), codes),
      place, 1);
}

/// most > 0 ? top / most : 0
static Value inverseOf(KernelEmitter &e, Value most, double top) {
  Value zero = e.constantF32(0);
  Value none =
      arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OEQ, most, zero);
  return e.select(none, zero, e.divf(e.constantF32(top), most));
}

void adze::storeQueryCodes(KernelEmitter &e, const AttentionPlan &plan,
                           Value from, Value to, Value scale, Value start) {
  int64_t bytes = KernelEmitter::bytesOf(plan.q);
  auto lanesAt = [&](int64_t d) {
    return e.loadLanes(plan.q, e.at(from, d * bytes), plan.headDim - d);
  };
  Value magnitudes = e.splatI32(0);
  for (int64_t d = 0; d < plan.headDim; d += kLanes)
    magnitudes = largerMagnitude(e, lanesAt(d), magnitudes);
  Value most = largestMagnitude(e, magnitudes);
  Value inverse = e.broadcast(inverseOf(e, most, double(kQueryCodes)));
  Value sum = e.splatI32(0);
  for (int64_t d = 0; d < plan.headDim; d += kLanes) {
    Value codes = toCodes(e, e.mulf(lanesAt(d), inverse));
    sum = arith::AddIOp::create(e.b, e.loc, sum, codes);
    // high * 128 + low with low in -64 .. 63
    Value seven = e.splatI32(7);
    Value high = arith::ShRSIOp::create(
        e.b, e.loc, arith::AddIOp::create(e.b, e.loc, codes, e.splatI32(64)),
        seven);
    Value low = arith::SubIOp::create(
        e.b, e.loc, codes, arith::ShLIOp::create(e.b, e.loc, high, seven));
    storeBytes(e, high, e.at(to, d));
    storeBytes(e, low, e.at(to, plan.codeBytes() + d));
  }
  Value ofCodes = e.divf(most, e.constantF32(double(kQueryCodes)));
  e.store(e.mulf(ofCodes, e.constantF32(plan.scale * kLog2e)), scale, 4);
  // Key codes are 128 above what they stand for.
  Value total =
      vector::ReductionOp::create(e.b, e.loc, vector::CombiningKind::ADD, sum);
  e.store(arith::MulIOp::create(e.b, e.loc, total, e.constantI32(-128)), start,
          4);
}

void adze::storeWeightCodes(KernelEmitter &e, Value from, Value vectors,
                            Value largest, Value to, Value factor) {
  Value most = largestMagnitude(e, largest);
  Value inverse = e.broadcast(inverseOf(e, most, 65535));
  e.store(e.divf(most, e.constantF32(65535)), factor, 4);
  e.loop(e.constant(0), vectors, 1, [&](Value i) {
    Value w = e.loadLanes(e.f32, e.at(from, e.mul(i, kLineBytes)));
    // Beside 2^23, the low bits are a number rounded to the nearest integer.
    Value codes = arith::BitcastOp::create(e.b, e.loc, e.vi32,
                                           e.fma(w, inverse, e.splat(8388608)));
    Value place = e.at(to, e.mul(i, kLanes));
    storeBytes(e, arith::ShRUIOp::create(e.b, e.loc, codes, e.splatI32(8)),
               place);
    storeBytes(e, codes, e.at(place, kChunk));
  });
}

//===-- tiles -------------------------------------------------------------===//

namespace {

/// Accumulators of a tile: high and low sums per row and panel.
class CodeTile {
public:
  CodeTile(KernelEmitter &e, int64_t rows, int64_t panels)
      : e(e), rows(rows), panels(panels),
        bytes(VectorType::get({4 * kLanes}, e.b.getI8Type())) {}

  Values zeros() { return Values(2 * rows * panels, e.splatI32(0)); }
  /// Pointers to `count` things `stride` apart.
  Values pointers(Value first, Value stride, int64_t count) {
    Values all;
    for (int64_t i = 0; i < count; ++i)
      all.push_back(e.at(first, e.mul(stride, i)));
    return all;
  }
  /// Words `word` .. word + count - 1 of the rows times as many lines.
  Values words(ArrayRef<Value> x, Value low, ArrayRef<Value> lines, Ahead ahead,
               Value word, int64_t count, bool panelsAreCodes,
               ValueRange carried);
  Value combine(ArrayRef<Value> sums, int64_t row, int64_t panel,
                int64_t shift) {
    size_t at = 2 * (row * panels + panel);
    Value high = arith::ShLIOp::create(e.b, e.loc, sums[at], e.splatI32(shift));
    return arith::AddIOp::create(e.b, e.loc, high, sums[at + 1]);
  }
  Value toFloat(Value sum) {
    return arith::SIToFPOp::create(e.b, e.loc, e.vf32, sum);
  }

private:
  KernelEmitter &e;
  int64_t rows, panels;
  VectorType bytes;
};

Values CodeTile::words(ArrayRef<Value> x, Value low, ArrayRef<Value> lines,
                       Ahead ahead, Value word, int64_t count,
                       bool panelsAreCodes, ValueRange carried) {
  Values sums(carried);
  Value line = e.mul(word, kLineBytes), inRow = e.mul(word, 4);
  Value later =
      e.at(ahead.first, e.mul(e.mul(word, int64_t(lines.size())), ahead.step));
  for (int64_t i = 0; i < count; ++i) {
    Values panel;
    for (Value p : lines)
      panel.push_back(
          e.load(bytes, e.at(e.at(p, line), i * kLineBytes), kLineBytes));
    for (int64_t p = 0; p < panels; ++p)
      e.prefetch(e.at(later, (i * panels + p) * kLineBytes));
    for (int64_t r = 0; r < rows; ++r)
      for (bool isLow : {false, true}) {
        Value place = e.at(e.at(x[r], inRow), i * 4);
        if (isLow)
          place = e.at(place, low);
        Value quad = vector::BitCastOp::create(
            e.b, e.loc, bytes, e.broadcast(e.load(e.i32, place, 4)));
        for (int64_t p = 0; p < panels; ++p) {
          Value &sum = sums[2 * (r * panels + p) + isLow];
          Value codes = panelsAreCodes ? panel[p] : quad;
          Value other = panelsAreCodes ? quad : panel[p];
          sum = kernel::DotCodesOp::create(e.b, e.loc, sum.getType(), sum,
                                           codes, other, 255);
        }
      }
  }
  return sums;
}

func::FuncOp getOrEmit(KernelEmitter &e, StringRef kind, int64_t rows,
                       int64_t panels, ArrayRef<Type> arguments,
                       ArrayRef<unsigned> apart,
                       function_ref<void(ValueRange)> body) {
  std::string name;
  llvm::raw_string_ostream(name)
      << "adze.tile.codes." << kind << "." << rows << "x" << panels;
  if (func::FuncOp known = e.lookup(name))
    return known;
  OpBuilder::InsertionGuard guard(e.b);
  func::FuncOp func = e.beginShared(name, arguments);
  // What a tile writes is nothing that it reads.
  for (unsigned i : apart)
    func.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(),
                    e.b.getUnitAttr());
  body(func.getArguments());
  e.ret();
  return func;
}

} // namespace

func::FuncOp adze::getKeyCodeTile(KernelEmitter &e, const KernelTarget &target,
                                  int64_t rows, int64_t panels) {
  Type ptr = e.ptr, index = e.index;
  return getOrEmit(
      e, "k", rows, panels,
      {ptr, index, index, ptr, index, index, ptr, ptr, ptr, ptr, index, ptr,
       index},
      {0, 3, 6, 9}, [&](ValueRange a) {
        CodeTile tile(e, rows, panels);
        Values x = tile.pointers(a[0], a[1], rows);
        Values lines = tile.pointers(a[3], a[4], panels);
        Ahead ahead{a[11], a[12]};
        Value zero = e.constant(0), count = a[5];
        Value even = e.mul(e.div(count, 4), 4);
        Values sums = e.loop(
            zero, even, 4, tile.zeros(), [&](Value word, ValueRange carried) {
              return tile.words(x, a[2], lines, ahead, word, 4, true, carried);
            });
        sums =
            e.loop(even, count, 1, sums, [&](Value word, ValueRange carried) {
              return tile.words(x, a[2], lines, ahead, word, 1, true, carried);
            });
        for (int64_t r = 0; r < rows; ++r) {
          Value start = e.broadcast(e.load(e.i32, e.at(a[8], r * 4), 4));
          Value rowScale = e.broadcast(e.loadScalar(e.f32, e.at(a[7], r * 4)));
          Value out = e.at(a[9], e.mul(a[10], r));
          for (int64_t p = 0; p < panels; ++p) {
            Value sum = arith::AddIOp::create(e.b, e.loc, start,
                                              tile.combine(sums, r, p, 7));
            Value scale = e.mulf(e.loadLanes(e.f32, e.at(a[6], p * kLineBytes)),
                                 rowScale);
            e.storeLanes(e.mulf(tile.toFloat(sum), scale), e.f32,
                         e.at(out, p * kLineBytes));
          }
        }
      });
}

func::FuncOp adze::getValueCodeTile(KernelEmitter &e,
                                    const KernelTarget &target, int64_t rows,
                                    int64_t panels) {
  Type ptr = e.ptr, index = e.index;
  return getOrEmit(
      e, "v", rows, panels,
      {ptr, index, ptr, index, index, index, ptr, ptr, index, index, index},
      {0, 2, 7}, [&](ValueRange a) {
        CodeTile tile(e, rows, panels);
        Values x = tile.pointers(a[0], a[1], rows);
        Value low = e.constant(kChunk), bases = a[2];
        Values sums = e.loop(
            e.constant(0), a[3], 1, tile.zeros(),
            [&](Value segment, ValueRange carried) {
              auto page = [&](int64_t table) {
                return e.loadPtr(e.at(e.at(bases, table), e.mul(segment, 8)));
              };
              Values lines = tile.pointers(e.at(page(0), a[4]), a[5], panels);
              Ahead ahead{e.at(page(kMaxSegments * 8), a[9]), a[10]};
              Values xs;
              for (Value p : x)
                xs.push_back(e.at(p, e.mul(segment, kPage)));
              return e.loop(e.constant(0), e.constant(kPage / 4), 4, carried,
                            [&](Value word, ValueRange carried) {
                              return tile.words(xs, low, lines, ahead, word, 4,
                                                false, carried);
                            });
            });
        for (int64_t r = 0; r < rows; ++r) {
          Value factor = e.broadcast(e.loadScalar(e.f32, e.at(a[6], r * 4)));
          Value out = e.at(a[7], e.mul(a[8], r));
          for (int64_t p = 0; p < panels; ++p)
            e.storeLanes(
                e.mulf(tile.toFloat(tile.combine(sums, r, p, 8)), factor),
                e.f32, e.at(out, p * kLineBytes));
        }
      });
}
