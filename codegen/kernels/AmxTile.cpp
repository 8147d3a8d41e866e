// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tile registers are values of LLVM's x86_amx: its passes assign them and place
// ldtilecfg and tilerelease, from the constant shapes that are written here.

#include "AmxTile.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace adze;

bool adze::amxMultiplies(const KernelTarget &target, const TileTypes &types) {
  return target.hasAmx && types.usesDot(target);
}

TileShapes adze::amxShapes(const KernelTarget &target, const TileTypes &types,
                           const TileShapes &others) {
  return amxMultiplies(target, types)
             ? withTall({{2 * kAmxRows, 2}, {kAmxRows, 2}}, others)
             : others;
}
TileShapes adze::withTall(const TileShapes &tall, const TileShapes &others) {
  TileShapes shapes = tall;
  llvm::copy_if(others, std::back_inserter(shapes),
                [](TileShape shape) { return shape.rows < kAmxRows; });
  return shapes;
}

//===-- AmxTiles ----------------------------------------------------------===//

AmxTiles::AmxTiles(KernelEmitter &e, StringRef dot, int64_t rows,
                   int64_t panels, int64_t depthBytes)
    : e(e), dot(dot), rows(rows), panels(panels), depthBytes(depthBytes),
      height(std::min(rows, kAmxRows)),
      type(LLVM::LLVMX86AMXType::get(e.b.getContext())) {}

AmxTiles::Values AmxTiles::zeros() {
  Values acc;
  for (int64_t i = 0; i < rows / height * panels; ++i)
    acc.push_back(call("llvm.x86.tilezero.internal", type,
                       {i16(height), i16(kLineBytes)}));
  return acc;
}

AmxTiles::Values AmxTiles::load(Value place, Value rowBytes) {
  Values acc;
  for (int64_t i = 0; i < rows / height * panels; ++i)
    acc.push_back(
        load(height, kLineBytes, placeOf(i, place, rowBytes), rowBytes));
  return acc;
}

void AmxTiles::multiply(Value x, Value rowBytes, ArrayRef<Value> w,
                        Values &acc) {
  Values a;
  for (int64_t i = 0; i < rows; i += height)
    a.push_back(
        load(height, depthBytes, e.at(x, e.mul(rowBytes, i)), rowBytes));
  for (auto [p, panel] : llvm::enumerate(w)) {
    Value b = load(depthBytes / 4, kLineBytes, panel, e.constant(kLineBytes));
    for (auto [i, part] : llvm::enumerate(a)) {
      Value &sum = acc[i * panels + p];
      sum = call(dot, type,
                 {i16(height), i16(kLineBytes), i16(depthBytes), sum, part, b});
    }
  }
}

void AmxTiles::store(ArrayRef<Value> acc, Value place, Value rowBytes) {
  for (auto [i, tile] : llvm::enumerate(acc))
    call("llvm.x86.tilestored64.internal", {},
         {i16(height), i16(kLineBytes), placeOf(i, place, rowBytes),
          i64(rowBytes), tile});
}

/// Where row 0 of accumulator i is.
Value AmxTiles::placeOf(int64_t i, Value place, Value rowBytes) {
  Value row = e.at(place, e.mul(rowBytes, i / panels * height));
  return e.at(row, i % panels * kLineBytes);
}

AmxTiles::Values AmxTiles::panelPointers(Value first, Value panelBytes,
                                         Value count, int64_t number) {
  Values w;
  for (int64_t p = 0; p < number; ++p) {
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
Value AmxTiles::load(int64_t count, int64_t bytes, Value pointer,
                     Value stride) {
  return call("llvm.x86.tileloadd64.internal", type,
              {i16(count), i16(bytes), pointer, i64(stride)});
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

  void emit(ValueRange args, func::FuncOp rest, int64_t restRows,
            bool continues);
};

void FloatEmitter::emit(ValueRange args, func::FuncOp rest, int64_t restRows,
                        bool continues) {
  Value x = args[0], rowBytes = args[1], panelBytes = args[3], k = args[4];
  Value out = args[5], outBytes = args[6], count = args[7];
  constexpr int64_t kStep = kLineBytes / 2;
  Values w = panelPointers(args[2], panelBytes, count, panels);
  Value zero = e.constant(0), whole = e.mul(e.div(k, kStep), kStep);
  Values acc =
      e.loop(zero, whole, kStep, continues ? load(out, outBytes) : zeros(),
             [&](Value at, ValueRange carried) {
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

} // namespace

func::FuncOp adze::getAmxTile(KernelEmitter &e, const KernelTarget &target,
                              const TileTypes &types, int64_t rows,
                              int64_t panels, bool continues) {
  if (!amxMultiplies(target, types))
    return nullptr;
  std::string name;
  llvm::raw_string_ostream(name)
      << (continues ? "adze.tilec.amx.bf16." : "adze.tile.amx.bf16.") << rows
      << "x" << panels;
  if (func::FuncOp known = e.lookup(name))
    return known;
  int64_t restRows = std::min(rows, kMaxTileRows);
  func::FuncOp rest = getContinuingTile(e, target, types, restRows, panels);
  OpBuilder::InsertionGuard guard(e.b);
  Type index = e.index, ptr = e.ptr;
  func::FuncOp func =
      e.beginShared(name, {ptr, index, ptr, index, index, ptr, index, index});
  FloatEmitter(e, rows, panels)
      .emit(func.getArguments(), rest, restRows, continues);
  e.ret();
  return func;
}
