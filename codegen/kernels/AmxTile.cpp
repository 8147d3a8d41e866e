// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tile registers are values of LLVM's x86_amx: its passes assign them and place
// ldtilecfg and tilerelease, from the constant shapes that are written here.

#include "AmxTile.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace adze;

/// Codes along K that a tile register holds.
static constexpr int64_t kAmxCodes = kLineBytes;

bool adze::amxMultiplies(const KernelTarget &target, const TileTypes &types) {
  return target.hasAmx && types.usesDot(target);
}
/// A block of K must be whole tile registers.
static bool multiplies(const KernelTarget &target, const IntegerTile &tile) {
  return target.hasAmx && tile.block() % kAmxCodes == 0;
}

/// 2 x 2 accumulators, 2 registers of rows and one of a panel are 7 of 8.
static TileShapes withTall(const TileShapes &others) {
  TileShapes shapes = {{2 * kAmxRows, 2}, {kAmxRows, 2}};
  llvm::copy_if(others, std::back_inserter(shapes),
                [](TileShape shape) { return shape.rows < kAmxRows; });
  return shapes;
}

TileShapes adze::amxShapes(const KernelTarget &target, const TileTypes &types,
                           const TileShapes &others) {
  return amxMultiplies(target, types) ? withTall(others) : others;
}
TileShapes adze::amxShapes(const KernelTarget &target, const IntegerTile &tile,
                           const TileShapes &others) {
  return multiplies(target, tile) ? withTall(others) : others;
}

//===-- AmxTiles ----------------------------------------------------------===//

AmxTiles::AmxTiles(KernelEmitter &e, StringRef dot, int64_t rows,
                   int64_t panels)
    : e(e), dot(dot), rows(rows), panels(panels),
      height(std::min(rows, kAmxRows)),
      type(LLVM::LLVMX86AMXType::get(e.b.getContext())) {}

AmxTiles::Values AmxTiles::zeros() {
  Values acc;
  for (int64_t i = 0; i < rows / height * panels; ++i)
    acc.push_back(call("llvm.x86.tilezero.internal", type,
                       {i16(height), i16(kLineBytes)}));
  return acc;
}

void AmxTiles::multiply(Value x, Value rowBytes, ArrayRef<Value> w,
                        Values &acc) {
  Values a;
  for (int64_t i = 0; i < rows; i += height)
    a.push_back(load(height, e.at(x, e.mul(rowBytes, i)), rowBytes));
  for (auto [p, panel] : llvm::enumerate(w)) {
    Value b = load(kAmxRows, panel, e.constant(kLineBytes));
    for (auto [i, part] : llvm::enumerate(a)) {
      Value &sum = acc[i * panels + p];
      sum = call(dot, type,
                 {i16(height), i16(kLineBytes), i16(kLineBytes), sum, part, b});
    }
  }
}

void AmxTiles::store(ArrayRef<Value> acc, Value place, Value rowBytes) {
  for (auto [i, tile] : llvm::enumerate(acc)) {
    Value row = e.at(place, e.mul(rowBytes, i / panels * height));
    call("llvm.x86.tilestored64.internal", {},
         {i16(height), i16(kLineBytes), e.at(row, i % panels * kLineBytes),
          i64(rowBytes), tile});
  }
}

AmxTiles::Values AmxTiles::panelPointers(Value first, Value panelBytes,
                                         Value count) {
  Values w;
  for (int64_t p = 0; p < panels; ++p) {
    Value index = e.constant(p);
    if (p > 0)
      index = e.min(index, e.sub(count, 1));
    w.push_back(e.at(first, e.mul(panelBytes, index)));
  }
  return w;
}

Value AmxTiles::i16(int64_t value) {
  return arith::ConstantOp::create(e.b, e.loc, e.b.getI16IntegerAttr(value));
}
Value AmxTiles::i64(Value index) {
  return arith::IndexCastOp::create(e.b, e.loc, e.i64, index);
}
Value AmxTiles::load(int64_t count, Value pointer, Value stride) {
  return call("llvm.x86.tileloadd64.internal", type,
              {i16(count), i16(kLineBytes), pointer, i64(stride)});
}
Value AmxTiles::call(StringRef name, Type result, ValueRange operands) {
  StringAttr intrinsic = e.b.getStringAttr(name);
  if (result)
    return LLVM::CallIntrinsicOp::create(e.b, e.loc, result, intrinsic,
                                         operands)
        .getResult(0);
  LLVM::CallIntrinsicOp::create(e.b, e.loc, intrinsic, operands);
  return Value();
}

namespace {

/// bf16 rows and panels of pairs. Sums stay in tile registers over all of K.
class FloatEmitter : AmxTiles {
public:
  FloatEmitter(KernelEmitter &e, int64_t rows, int64_t panels)
      : AmxTiles(e, kBF16Dot, rows, panels) {}

  void emit(ValueRange args, func::FuncOp rest, int64_t restRows);
};

void FloatEmitter::emit(ValueRange args, func::FuncOp rest, int64_t restRows) {
  Value x = args[0], rowBytes = args[1], panelBytes = args[3], k = args[4];
  Value out = args[5], outBytes = args[6], count = args[7];
  constexpr int64_t kStep = kLineBytes / 2;
  Values w = panelPointers(args[2], panelBytes, count);
  Value zero = e.constant(0), whole = e.mul(e.div(k, kStep), kStep);
  Values acc =
      e.loop(zero, whole, kStep, zeros(), [&](Value at, ValueRange carried) {
        Values next(carried), lines;
        for (Value panel : w)
          lines.push_back(e.at(panel, e.mul(at, kLineBytes / 2)));
        multiply(e.at(x, e.mul(at, 2)), rowBytes, lines, next);
        return next;
      });
  store(acc, out, outBytes);
  e.ifThen(e.compare(arith::CmpIPredicate::slt, whole, k), [&] {
    e.loop(zero, e.constant(rows), restRows, [&](Value r) {
      e.call(rest,
             {e.at(e.at(x, e.mul(rowBytes, r)), e.mul(whole, 2)), rowBytes,
              e.at(args[2], e.mul(whole, kLineBytes / 2)), panelBytes,
              e.sub(k, whole), e.at(out, e.mul(outBytes, r)), outBytes, count});
    });
  });
}

/// Codes: integer sums of a block of K leave the tile registers for memory,
/// from where they are added to the f32 sums.
class CodesEmitter : AmxTiles {
public:
  CodesEmitter(KernelEmitter &e, const IntegerTile &tile, int64_t rows,
               int64_t panels)
      : AmxTiles(e, "llvm.x86.tdpbsud.internal", rows, panels), tile(tile) {}

  void emit(ValueRange args);

private:
  /// Whether a panel begins with its codes as they are.
  bool inPlace() const {
    auto format = dyn_cast<IntFormatAttr>(tile.format);
    return format && format.getBits() == 8;
  }
  Value buffer(int64_t lines) {
    Value size = e.constantI32(lines * kLineBytes);
    return e.opaque(LLVM::AllocaOp::create(e.b, e.loc, e.ptr, e.b.getI8Type(),
                                           size, kLineBytes));
  }
  void unpack(Value step, Value panel, Value to);
  void dots(Value begin, Value end);
  void finish(Value block);

  const IntegerTile &tile;
  Value x, rowBytes, k, out, outBytes;
  Value sums;  // integer, rows of `panels` lines
  Value codes; // a tile register's of each panel
  Values w;
};

/// The two lines of 8 k.
void CodesEmitter::unpack(Value step, Value panel, Value to) {
  for (auto [quad, line] :
       llvm::enumerate(tile.format.emitCodes(e.b, e.loc, panel, k, step)))
    e.store(line, e.at(to, quad * kLineBytes), kLineBytes);
}

/// The integer sums over k = begin .. end.
void CodesEmitter::dots(Value begin, Value end) {
  auto bufferOf = [&](int64_t p) {
    return e.at(codes, p * kAmxRows * kLineBytes);
  };
  Value whole =
      e.add(begin, e.mul(e.div(e.sub(end, begin), kAmxCodes), kAmxCodes));
  Values acc = e.loop(
      begin, whole, kAmxCodes, zeros(), [&](Value at, ValueRange carried) {
        Values next(carried), lines;
        Value step = e.div(at, 8);
        for (int64_t p = 0; p < panels; ++p) {
          if (inPlace()) {
            lines.push_back(e.at(w[p], e.mul(at, kLanes)));
            continue;
          }
          for (int64_t i = 0; i < kAmxCodes / 8; ++i)
            unpack(e.add(step, i), w[p], e.at(bufferOf(p), 2 * i * kLineBytes));
          lines.push_back(bufferOf(p));
        }
        multiply(e.at(x, at), rowBytes, lines, next);
        return next;
      });
  // The last lines of K are copied: a tile register's would pass the end of the
  // panel. Rows are zero there, so that what else is in the buffer is nothing.
  Value rest = e.compare(arith::CmpIPredicate::slt, whole, end);
  SmallVector<Type> types(acc.size(), type);
  acc = e.ifElse(
      rest, types,
      [&] {
        Values next(acc), lines;
        Value first = e.div(whole, 8);
        for (int64_t p = 0; p < panels; ++p) {
          e.loop(first, e.ceilDiv(end, 8), 1, [&](Value step) {
            Value at = e.mul(e.sub(step, first), 2 * kLineBytes);
            unpack(step, w[p], e.at(bufferOf(p), at));
          });
          lines.push_back(bufferOf(p));
        }
        multiply(e.at(x, whole), rowBytes, lines, next);
        return next;
      },
      [&] { return acc; });
  store(acc, sums, e.constant(panels * kLineBytes));
}

/// Adds the integer sums of a block to `out`.
void CodesEmitter::finish(Value block) {
  IntegerBlocks blocks(e, tile, k);
  IntegerBlocks::Factors factors = blocks.ofPanels(w, block);
  e.loop(e.constant(0), e.constant(rows), 1, [&](Value r) {
    Value row = e.at(x, e.mul(rowBytes, r));
    Value start = blocks.start(row, block);
    IntegerBlocks::RowFactors rowFactors = blocks.ofRow(row, block);
    for (int64_t p = 0; p < panels; ++p) {
      Value from = e.at(sums, e.mul(e.add(e.mul(r, panels), p), kLineBytes));
      Value to = e.at(e.at(out, e.mul(outBytes, r)), p * kLineBytes);
      Value sum = arith::AddIOp::create(e.b, e.loc, start,
                                        e.load(e.vi32, from, kLineBytes));
      e.store(blocks.add(sum, factors, p, rowFactors,
                         e.load(e.vf32, to, kLineBytes)),
              to, kLineBytes);
    }
  });
}

void CodesEmitter::emit(ValueRange args) {
  x = args[0], rowBytes = args[1], k = args[4], out = args[5],
  outBytes = args[6];
  Value ahead = args[8], aheadBytes = args[9];
  w = panelPointers(args[2], args[3], args[7]);
  sums = buffer(rows * panels);
  codes = buffer(panels * kAmxRows);
  Value zero = e.constant(0);
  auto outputs = [&](llvm::function_ref<void(Value, int64_t)> body) {
    e.loop(zero, e.constant(rows), 1, [&](Value r) {
      for (int64_t p = 0; p < panels; ++p)
        body(e.at(e.at(out, e.mul(outBytes, r)), p * kLineBytes), p);
    });
  };
  outputs(
      [&](Value place, int64_t) { e.store(e.splat(0), place, kLineBytes); });
  int64_t size = tile.block();
  Value count = size ? e.ceilDiv(k, size) : e.constant(1);
  e.loop(zero, count, 1, [&](Value block) {
    Value from = e.at(ahead, e.mul(block, aheadBytes));
    e.loop(zero, aheadBytes, kLineBytes,
           [&](Value i) { e.prefetch(e.at(from, i)); });
    Value begin = size ? e.mul(block, size) : zero;
    dots(begin, size ? e.min(e.add(begin, size), k) : k);
    finish(block);
  });
  if (!tile.scalesLast())
    return;
  Values factors;
  for (Value panel : w)
    factors.push_back(tile.format.emitScale(e.b, e.loc, panel, k, zero));
  outputs([&](Value place, int64_t p) {
    Value sum = e.load(e.vf32, place, kLineBytes);
    e.store(e.mulf(sum, factors[p]), place, kLineBytes);
  });
}

} // namespace

func::FuncOp adze::getAmxTile(KernelEmitter &e, const KernelTarget &target,
                              const TileTypes &types, int64_t rows,
                              int64_t panels) {
  if (!amxMultiplies(target, types))
    return nullptr;
  std::string name;
  llvm::raw_string_ostream(name)
      << "adze.tile.amx.bf16." << rows << "x" << panels;
  if (func::FuncOp known = e.lookup(name))
    return known;
  int64_t restRows = std::min(rows, kMaxTileRows);
  func::FuncOp rest = getContinuingTile(e, target, types, restRows, panels);
  OpBuilder::InsertionGuard guard(e.b);
  Type index = e.index, ptr = e.ptr;
  func::FuncOp func =
      e.beginShared(name, {ptr, index, ptr, index, index, ptr, index, index});
  FloatEmitter(e, rows, panels).emit(func.getArguments(), rest, restRows);
  e.ret();
  return func;
}

func::FuncOp adze::getAmxTile(KernelEmitter &e, const KernelTarget &target,
                              const IntegerTile &tile, int64_t rows,
                              int64_t panels) {
  if (!multiplies(target, tile) || rows < kAmxRows)
    return nullptr;
  std::string name;
  llvm::raw_string_ostream(name)
      << "adze.tile.amx." << tile.format.getFormatName() << "."
      << tile.rows.group << "." << tile.rows.sums << "." << rows << "x"
      << panels;
  if (func::FuncOp known = e.lookup(name))
    return known;
  OpBuilder::InsertionGuard guard(e.b);
  Type index = e.index, ptr = e.ptr;
  func::FuncOp func = e.beginShared(
      name, {ptr, index, ptr, index, index, ptr, index, index, ptr, index});
  CodesEmitter(e, tile, rows, panels).emit(func.getArguments());
  e.ret();
  return func;
}
