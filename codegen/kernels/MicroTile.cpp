// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "MicroTile.h"
#include "adze/Dialect/AdzeKernel/AdzeKernel.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include <numeric>

using namespace mlir;
using namespace adze;

TileShapes adze::tileShapes(const KernelTarget &target,
                            const TileTypes &types) {
  // Taking pairs apart needs registers: fewer rows.
  // 32 registers of 4 lanes, a panel is 4 of them: 6 x 1 is 24 accumulators,
  // the panel, and a row's element multiplied by lane.
  int64_t tall = types.depth() == 1 ? 6 : 4;
  if (target.registers >= 32 && target.lanes == 4)
    return {{tall, 1}, {2, 1}, {1, 4}};
  // 32 registers of 8 lanes, a panel is two.
  if (target.registers >= 32 && target.lanes == 8)
    return {{tall, 2}, {2, 2}, {1, 4}};
  // 32 registers of 16 lanes: 16 accumulators, as many as the latency of two
  // units needs and more; the panels, pairs taken apart, and a row's element.
  if (target.registers >= 32)
    return {{8, 2}, {4, 4}, {2, 4}, {1, 4}};
  // 16 registers of 8 lanes: 6 x 1 is 12 accumulators, 2 halves of a panel and
  // a broadcast.
  return {{tall, 1}, {2, 1}, {1, 2}};
}

SmallVector<int64_t> adze::splitPanels(int64_t total, int64_t width) {
  // Equal pieces rather than one thin rest: 4 panels as 2 + 2, not 3 + 1.
  int64_t pieces = (total + width - 1) / width;
  SmallVector<int64_t> sizes;
  for (int64_t left = total; left > 0; --pieces) {
    int64_t size = (left + pieces - 1) / pieces;
    sizes.push_back(size);
    left -= size;
  }
  return sizes;
}

namespace {

/// Plain, continuing stored sums, prefetching, segmented and prefetching, or
/// plain over panels without zeros.
enum class TileKind { Plain, Continuing, Prefetching, Segmented, Masked };

/// Emits the body of one tile function.
class TileEmitter {
public:
  TileEmitter(KernelEmitter &e, const KernelTarget &target,
              const TileTypes &types, int64_t rows, int64_t panels,
              MaskedFormatAttr masked)
      : e(e), types(types), rows(rows), panels(panels),
        dot(types.usesDot(target)), masked(masked) {}

  void emit(ValueRange args, TileKind kind);

private:
  using Values = KernelEmitter::Values;

  /// Bytes of a row that one unit of k (what lies together in panels) covers.
  int64_t rowUnitBytes() const {
    return types.depth() * KernelEmitter::bytesOf(types.rowType);
  }
  int64_t unroll(bool prefetches) const {
    // Taking pairs apart, a unit is two steps and more. Where more is
    // prefetched, pointers are many, and elements of rows are read early.
    bool few = prefetches || (types.depth() == 2 && !dot);
    int64_t wanted = few ? 8 : 24;
    return std::clamp<int64_t>(llvm::PowerOf2Ceil(wanted / (rows * panels) + 1),
                               1, wanted / 3);
  }
  Values zeros() { return Values(rows * panels, e.splat(0)); }
  /// The panels behind these, if they are prefetched with them (see
  /// prefetchStream); or what else is.
  struct Later {
    ArrayRef<Value> panels;
    Ahead ahead;
  };
  Values units(ArrayRef<Value> x, ArrayRef<Value> w, Later later, Value begin,
               Value end, int64_t step, ValueRange acc);
  Values maskedSteps(ArrayRef<Value> x, ArrayRef<Value> w, Later later,
                     Value panelBytes, Value k, ValueRange acc);
  Values load(ArrayRef<Value> w);
  Value unitOf(Value line, int64_t part);
  void unit(ArrayRef<Value> x, ArrayRef<Value> lines, Values &acc);
  void oddUnit(ArrayRef<Value> x, ArrayRef<Value> w, Values &acc);
  void accumulate(ArrayRef<Value> xs, ArrayRef<Value> ws, Values &acc);
  Value lowHalf(Value line), highHalf(Value line);

  KernelEmitter &e;
  TileTypes types;
  int64_t rows, panels;
  bool dot;
  MaskedFormatAttr masked; // of TileKind::Masked
};

/// Even (low) elements of 16 pairs of bf16, as f32.
Value TileEmitter::lowHalf(Value line) {
  Value bits = arith::ShLIOp::create(e.b, e.loc, line, e.splatI32(16));
  return arith::BitcastOp::create(e.b, e.loc, e.vf32, bits);
}

Value TileEmitter::highHalf(Value line) {
  Value bits =
      arith::AndIOp::create(e.b, e.loc, line, e.splatI32(int64_t(-65536)));
  return arith::BitcastOp::create(e.b, e.loc, e.vf32, bits);
}

/// acc[r][p] += xs[r] * ws[p]
void TileEmitter::accumulate(ArrayRef<Value> xs, ArrayRef<Value> ws,
                             Values &acc) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t p = 0; p < panels; ++p) {
      Value &sum = acc[r * panels + p];
      sum = dot ? Value(kernel::DotOp::create(e.b, e.loc, sum.getType(), sum,
                                              ws[p], xs[r]))
                : e.fma(xs[r], ws[p], sum);
    }
}

/// The units of k that w point at, as `unit` takes them.
TileEmitter::Values TileEmitter::load(ArrayRef<Value> w) {
  Type type = types.depth() == 1 ? e.lanesOf(types.panelType)
              : dot ? VectorType::get({2 * kLanes}, types.panelType)
                    : e.vi32;
  Values lines;
  for (Value p : w)
    lines.push_back(e.load(type, p, unsigned(types.lineBytes())));
  return lines;
}

/// One unit of k of each panel, and where that of x is.
void TileEmitter::unit(ArrayRef<Value> x, ArrayRef<Value> lines, Values &acc) {
  if (types.depth() == 1) {
    Values ws, xs;
    for (Value line : lines)
      ws.push_back(e.toF32(line));
    for (Value p : x)
      xs.push_back(e.broadcast(e.loadScalar(types.rowType, p)));
    return accumulate(xs, ws, acc);
  }
  if (dot) {
    Values xs;
    for (Value p : x) {
      Value pair = e.broadcast(e.load(e.i32, p, 2));
      xs.push_back(
          vector::BitCastOp::create(e.b, e.loc, lines.front().getType(), pair));
    }
    return accumulate(xs, lines, acc);
  }
  // Two fused multiply-adds per unit, the even k first.
  int64_t elementBytes = KernelEmitter::bytesOf(types.rowType);
  for (bool high : {false, true}) {
    Values ws, xs;
    for (Value line : lines)
      ws.push_back(high ? highHalf(line) : lowHalf(line));
    for (Value p : x)
      xs.push_back(e.broadcast(
          e.loadScalar(types.rowType, e.at(p, high ? elementBytes : 0))));
    accumulate(xs, ws, acc);
  }
}

/// The last unit of an odd k: the row ends after its first element, and the
/// second one of the panel is padding.
void TileEmitter::oddUnit(ArrayRef<Value> x, ArrayRef<Value> w, Values &acc) {
  Values ws = load(w), xs;
  if (dot) {
    Type i16 = e.b.getI16Type();
    for (Value p : x) {
      Value bits = arith::ExtUIOp::create(e.b, e.loc, e.i32, e.load(i16, p, 2));
      xs.push_back(vector::BitCastOp::create(e.b, e.loc, ws.front().getType(),
                                             e.broadcast(bits)));
    }
  } else {
    for (Value &line : ws)
      line = lowHalf(line);
    for (Value p : x)
      xs.push_back(e.broadcast(e.loadScalar(types.rowType, p)));
  }
  accumulate(xs, ws, acc);
}

/// Units begin .. end of k, `step` of them per turn of the loop. A prefetch
/// goes with each load: a burst of them would stall.
KernelEmitter::Values TileEmitter::units(ArrayRef<Value> x, ArrayRef<Value> w,
                                         Later later, Value begin, Value end,
                                         int64_t step, ValueRange acc) {
  return e.loop(begin, end, step, acc, [&](Value u, ValueRange carried) {
    Values sums(carried);
    Value rowOffset = e.mul(u, rowUnitBytes()),
          line = e.mul(u, types.lineBytes());
    Values xs, ws;
    for (Value p : x)
      xs.push_back(e.at(p, rowOffset));
    for (Value p : w)
      ws.push_back(e.at(p, line));
    Value ahead;
    if (later.ahead.first)
      ahead =
          e.at(later.ahead.first,
               e.div(e.mul(e.mul(line, panels), later.ahead.step), kLineBytes));
    for (int64_t i = 0; i < step; ++i) {
      Values xi, wi;
      for (Value p : xs)
        xi.push_back(e.at(p, i * rowUnitBytes()));
      for (Value p : ws)
        wi.push_back(e.at(p, i * types.lineBytes()));
      bool newLine = i * types.lineBytes() % kLineBytes == 0;
      for (auto [p, other] : llvm::enumerate(later.panels))
        if (newLine)
          e.prefetchStream(wi[p],
                           e.at(e.at(other, line), i * types.lineBytes()));
      for (int64_t p = 0; p < panels && later.ahead.first && newLine; ++p)
        e.prefetch(
            e.at(ahead, (i * types.lineBytes() / kLineBytes * panels + p) *
                            kLineBytes));
      unit(xi, load(wi), sums);
    }
    return sums;
  });
}

/// Part `part` of a line of 64 bytes, as `unit` takes it.
Value TileEmitter::unitOf(Value line, int64_t part) {
  if (types.depth() == 2 && !dot)
    return vector::BitCastOp::create(e.b, e.loc, e.vi32, line);
  int64_t elements = kLineBytes / KernelEmitter::bytesOf(types.panelType);
  Value typed = vector::BitCastOp::create(
      e.b, e.loc, VectorType::get({elements}, types.panelType), line);
  int64_t inUnit = types.depth() * kLanes;
  if (elements == inUnit)
    return typed;
  SmallVector<int64_t> indices(inUnit);
  std::iota(indices.begin(), indices.end(), part * inUnit);
  return vector::ShuffleOp::create(e.b, e.loc, typed, typed, indices);
}

/// All of k, a multiple of a step, of panels without zeros. Steps differ in
/// bytes; what is prefetched with one is as much as they have on average.
TileEmitter::Values TileEmitter::maskedSteps(ArrayRef<Value> x,
                                             ArrayRef<Value> w, Later later,
                                             Value panelBytes, Value k,
                                             ValueRange acc) {
  constexpr int64_t kColumns = MaskedFormatAttr::kStepColumns, kMany = 1024;
  int64_t unitsInLine = kLineBytes / types.lineBytes();
  Value steps = e.div(k, kColumns);
  Value stepBytes = e.div(panelBytes, e.max(steps, e.constant(1)));
  int64_t stepLines = llvm::divideCeil(
      masked.getPanelBytes(kMany * kColumns) / kMany, kLineBytes);
  return e.loop(
      e.constant(0), steps, 1, acc, [&](Value step, ValueRange carried) {
        Value offset = e.mul(step, stepBytes);
        for (auto [p, other] : llvm::enumerate(later.panels))
          for (int64_t i = 0; i < stepLines; ++i)
            e.prefetchStream(e.at(e.at(w[p], offset), i * kLineBytes),
                             e.at(e.at(other, offset), i * kLineBytes));
        Values sums(carried), xs;
        int64_t units = kColumns / types.depth();
        for (Value p : x)
          xs.push_back(e.at(p, e.mul(step, units * rowUnitBytes())));
        SmallVector<Values> lines; // of each panel
        for (Value p : w)
          lines.push_back(masked.emitLines(e.b, e.loc, p, step));
        for (int64_t u = 0; u < units; ++u) {
          Values xi, wi;
          for (Value p : xs)
            xi.push_back(e.at(p, u * rowUnitBytes()));
          for (const Values &panel : lines)
            wi.push_back(unitOf(panel[u / unitsInLine], u % unitsInLine));
          unit(xi, wi, sums);
        }
        return sums;
      });
}

void TileEmitter::emit(ValueRange args, TileKind kind) {
  bool segmented = kind == TileKind::Segmented;
  bool prefetch = segmented || kind == TileKind::Prefetching;
  // Few rows of a linear are bound by memory; with zeros to put in, one. Of
  // many, all but the first tile find what they ask for; to 12 it pays still.
  bool streams = (kind == TileKind::Plain && rows <= 12) ||
                 (kind == TileKind::Masked && rows == 1);
  size_t next = 0;
  Value x = args[next++], rowBytes = args[next++], base = args[next++];
  Value segments = segmented ? args[next++] : Value();
  Value offset = segmented ? args[next++] : Value();
  Value panelBytes = args[next++], k = args[next++];
  Value out = args[next++], outBytes = args[next++];
  Value count = prefetch ? Value() : args[next++];
  Value ahead = prefetch ? args[next++] : Value();
  Value aheadStep = prefetch ? args[next++] : Value();

  Values x0;
  for (int64_t r = 0; r < rows; ++r)
    x0.push_back(e.at(x, e.mul(rowBytes, r)));
  auto panelPointers = [&](Value first) {
    Values w;
    for (int64_t p = 0; p < panels; ++p) {
      Value index = e.constant(p);
      if (count && p > 0)
        index = e.min(index, e.sub(count, 1));
      w.push_back(e.at(first, e.mul(panelBytes, index)));
    }
    return w;
  };
  auto place = [&](int64_t r, int64_t p) {
    return e.at(e.at(out, e.mul(outBytes, r)), p * kLineBytes);
  };
  Values later;
  if (streams)
    later = panelPointers(e.at(base, e.mul(panelBytes, panels)));
  Value zero = e.constant(0);
  Value whole = e.div(k, types.depth());
  int64_t step = unroll(prefetch);
  Values acc = zeros();
  if (kind == TileKind::Continuing)
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t p = 0; p < panels; ++p)
        acc[r * panels + p] = e.load(e.vf32, place(r, p), kLineBytes);
  if (kind == TileKind::Masked) {
    acc = maskedSteps(x0, panelPointers(base), {later, {}}, panelBytes, k, acc);
  } else if (segmented) {
    acc = e.loop(zero, segments, 1, acc, [&](Value s, ValueRange sums) {
      Value first = e.at(e.loadPtr(e.at(base, e.mul(s, 8))), offset);
      Value moved = e.mul(e.mul(s, whole), rowUnitBytes());
      Values xs;
      for (Value p : x0)
        xs.push_back(e.at(p, moved));
      Value other = e.loadPtr(e.at(e.at(base, kMaxSegments * 8), e.mul(s, 8)));
      return units(xs, panelPointers(first),
                   {{}, {e.at(other, ahead), aheadStep}}, zero, whole, step,
                   sums);
    });
  } else {
    Values w = panelPointers(base);
    Value turns = e.mul(e.div(whole, step), step);
    acc = units(x0, w, {later, {ahead, aheadStep}}, zero, turns, step, acc);
    if (step > 1)
      acc = units(x0, w, {}, turns, whole, 1, acc);
    if (types.depth() == 2) {
      Value odd = e.compare(arith::CmpIPredicate::ne, e.rem(k, 2), 0);
      SmallVector<Type> accTypes(acc.size(), e.vf32);
      acc = e.ifElse(
          odd, accTypes,
          [&] {
            Value rowOffset = e.mul(whole, rowUnitBytes());
            Value line = e.mul(whole, kLineBytes);
            Values xs, ws, sums(acc);
            for (Value p : x0)
              xs.push_back(e.at(p, rowOffset));
            for (Value p : w)
              ws.push_back(e.at(p, line));
            oddUnit(xs, ws, sums);
            return sums;
          },
          [&] { return acc; });
    }
  }
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t p = 0; p < panels; ++p)
      e.store(acc[r * panels + p], place(r, p), kLineBytes);
}

func::FuncOp getOrEmit(KernelEmitter &e, const KernelTarget &target,
                       const TileTypes &types, int64_t rows, int64_t panels,
                       TileKind kind, MaskedFormatAttr masked = {}) {
  static const char *const kNames[] = {
      "adze.tile.", "adze.tilec.", "adze.tilep.", "adze.tiles.", "adze.tilem."};
  bool segmented = kind == TileKind::Segmented;
  std::string name;
  llvm::raw_string_ostream(name)
      << kNames[unsigned(kind)] << types.rowType << ".";
  if (masked)
    name += masked.getFormatName();
  else
    llvm::raw_string_ostream(name) << types.panelType;
  llvm::raw_string_ostream(name) << "." << rows << "x" << panels;
  if (func::FuncOp known = e.lookup(name))
    return known;

  OpBuilder::InsertionGuard guard(e.b);
  Type index = e.index, ptr = e.ptr;
  SmallVector<Type> arguments = {ptr, index, ptr};
  if (segmented)
    arguments.append({index, index});
  arguments.append({index, index, ptr, index});
  if (kind == TileKind::Prefetching)
    arguments.append({ptr, index});
  else if (segmented)
    arguments.append({index, index});
  else
    arguments.push_back(index);
  func::FuncOp func = e.beginShared(name, arguments);
  // What a tile writes is scratch: nothing it reads can be there.
  StringRef noalias = LLVM::LLVMDialect::getNoAliasAttrName();
  for (unsigned i : {0u, 2u, segmented ? 7u : 5u})
    func.setArgAttr(i, noalias, e.b.getUnitAttr());
  TileEmitter(e, target, types, rows, panels, masked)
      .emit(func.getArguments(), kind);
  e.ret();
  return func;
}

} // namespace

func::FuncOp adze::getTile(KernelEmitter &e, const KernelTarget &target,
                           const TileTypes &types, int64_t rows,
                           int64_t panels) {
  return getOrEmit(e, target, types, rows, panels, TileKind::Plain);
}

func::FuncOp adze::getContinuingTile(KernelEmitter &e,
                                     const KernelTarget &target,
                                     const TileTypes &types, int64_t rows,
                                     int64_t panels) {
  return getOrEmit(e, target, types, rows, panels, TileKind::Continuing);
}

func::FuncOp adze::getPrefetchingTile(KernelEmitter &e,
                                      const KernelTarget &target,
                                      const TileTypes &types, int64_t rows,
                                      int64_t panels) {
  return getOrEmit(e, target, types, rows, panels, TileKind::Prefetching);
}

func::FuncOp adze::getSegmentedTile(KernelEmitter &e,
                                    const KernelTarget &target,
                                    const TileTypes &types, int64_t rows,
                                    int64_t panels) {
  return getOrEmit(e, target, types, rows, panels, TileKind::Segmented);
}

func::FuncOp adze::getMaskedTile(KernelEmitter &e, const KernelTarget &target,
                                 const TileTypes &types,
                                 MaskedFormatAttr format, int64_t rows,
                                 int64_t panels) {
  return getOrEmit(e, target, types, rows, panels, TileKind::Masked, format);
}
