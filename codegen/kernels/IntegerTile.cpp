// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "IntegerTile.h"
#include "adze/Dialect/AdzeKernel/AdzeKernel.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace adze;

bool adze::unpacksInPlace(const KernelTarget &target, const IntegerTile &tile) {
  return target.fewSums && !isa<MaskedFormatAttr>(Attribute(tile.format));
}

/// Whether tiles of many rows keep their f32 sums in registers, beside as many
/// integer ones. Formats with minima need registers for more.
static bool keepsSums(const KernelTarget &target, const IntegerTile &tile) {
  return unpacksInPlace(target, tile) && tile.block() &&
         !tile.format.hasMinimum();
}

TileShapes adze::integerTileShapes(const KernelTarget &target,
                                   const IntegerTile &tile) {
  if (keepsSums(target, tile))
    return {{6, 2}, {4, 4}, {2, 4}, {1, 4}};
  // 32 registers: 24 integer sums, 4 vectors of codes, a row, a mask. Tall
  // tiles share the unpacking of codes; two panels suit pairs and heads.
  if (target.registers >= 32 && target.hasByteDot) {
    TileShapes shapes = {{12, 2}, {8, 2}, {4, 4}, {2, 4}, {1, 4}};
    // Blocks of 16 are unrolled by LLVM, with the codes of both steps.
    if (tile.block() == 16)
      shapes.erase(shapes.begin());
    return shapes;
  }
  // Without byte dots, products and even and odd bytes need registers too.
  if (target.registers >= 32)
    return {{8, 2}, {4, 2}, {2, 2}, {1, 2}};
  if (!target.hasByteDot &&
      (tile.format.getMaxCode() > 128 || tile.format.hasMinimum()))
    return {{2, 1}, {1, 1}};
  return {{4, 1}, {2, 1}, {1, 1}};
}

/// The index of what holds `block`, where `group` elements share one.
Value IntegerBlocks::groupOf(Value block, int64_t group) const {
  if (group == 0)
    return e.constant(0);
  int64_t blocks = group / tile.block();
  return blocks == 1 ? block : e.div(block, blocks);
}

Value IntegerBlocks::sumOf(Value row, Value block) const {
  auto at = [&](Value index) {
    return e.load(e.i32, e.at(row, e.add(sums, e.mul(index, 4))), 4);
  };
  int64_t runs = tile.block() / tile.rows.sums;
  if (runs == 1)
    return at(block);
  Value all = e.ceilDiv(k, tile.rows.sums);
  if (!runs) {
    // Of all of K: whole lines, which are zero behind the last sum.
    Value end = e.mul(e.ceilDiv(all, kLanes), kLineBytes);
    Value line = e.loop(
        e.constant(0), end, kLineBytes, e.splatI32(0),
        [&](Value i, ValueRange carried) {
          Value next = e.load(e.vi32, e.at(row, e.add(sums, i)), kLineBytes);
          return Values{arith::AddIOp::create(e.b, e.loc, carried[0], next)};
        })[0];
    return vector::ReductionOp::create(e.b, e.loc, vector::CombiningKind::ADD,
                                       line);
  }
  Value first = e.mul(block, runs);
  Value end = e.min(e.add(first, runs), all);
  return e.loop(
      first, end, 1, e.constantI32(0), [&](Value run, ValueRange carried) {
        return Values{arith::AddIOp::create(e.b, e.loc, carried[0], at(run))};
      })[0];
}

Value IntegerBlocks::start(Value row, Value block) const {
  if (!tile.format.getZeroCode())
    return e.splatI32(0);
  return e.broadcast(
      arith::MulIOp::create(e.b, e.loc, sumOf(row, block),
                            e.constantI32(-tile.format.getZeroCode())));
}

Value IntegerBlocks::sumsOf(Value row, Value block) const {
  if (tile.block() == tile.rows.sums)
    return e.load(e.vi32, e.at(row, e.add(sums, e.mul(block, 4))), 4);
  if (tile.block() == 0)
    return e.broadcast(sumOf(row, block));
  Value left = e.sub(e.ceilDiv(k, tile.block()), block);
  return e.loop(e.constant(0), e.min(e.constant(kLanes), left), 1,
                e.splatI32(0), [&](Value i, ValueRange lanes) {
                  Value sum = sumOf(row, e.add(block, i));
                  return Values{vector::InsertOp::create(
                      e.b, e.loc, sum, lanes[0], OpFoldResult(i))};
                })[0];
}

/// The row's scales of 16 blocks, a lane for each.
Value IntegerBlocks::scalesOf(Value row, Value block) const {
  // Blocks that share a scale of the row.
  int64_t shared = tile.rows.group ? tile.rows.group / tile.block() : 0;
  Value index = shared ? e.div(block, shared) : e.constant(0);
  Value place = e.at(row, e.add(scales, e.mul(index, 4)));
  if (shared == 0)
    return e.broadcast(e.load(e.f32, place, 4));
  SmallVector<int64_t> lane;
  for (int64_t i = 0; i < kLanes; ++i)
    lane.push_back(i / shared);
  // What it reads behind the scales are sums, of which there is a line.
  Value line = e.load(e.vf32, place, 4);
  return shared > 1
             ? Value(vector::ShuffleOp::create(e.b, e.loc, line, line, lane))
             : line;
}

IntegerBlocks::RowLines IntegerBlocks::linesOf(Value row, Value block) const {
  RowLines lines;
  if (!tile.rowScalesLast())
    lines.scale = scalesOf(row, block);
  int64_t zero = tile.format.getZeroCode();
  if (!zero && !tile.format.hasMinimum())
    return lines;
  Value rowSums = sumsOf(row, block);
  if (zero)
    lines.start = arith::MulIOp::create(e.b, e.loc, rowSums, e.splatI32(-zero));
  if (tile.format.hasMinimum()) {
    lines.shift = arith::SIToFPOp::create(e.b, e.loc, e.vf32, rowSums);
    if (lines.scale)
      lines.shift = e.mulf(lines.scale, lines.shift);
  }
  return lines;
}

IntegerBlocks::Factors IntegerBlocks::ofPanels(ArrayRef<Value> panels,
                                               Value block) const {
  Factors factors;
  Value group = groupOf(block, tile.format.getGroup());
  for (Value panel : panels) {
    if (!tile.scalesLast())
      factors.scales.push_back(
          tile.format.emitScale(e.b, e.loc, panel, k, group));
    if (tile.format.hasMinimum())
      factors.minima.push_back(
          tile.format.emitMinimum(e.b, e.loc, panel, k, group));
  }
  return factors;
}

IntegerBlocks::RowFactors IntegerBlocks::ofRow(Value row, Value block) const {
  RowFactors factors;
  Value scale;
  if (!tile.rowScalesLast()) {
    Value index = groupOf(block, tile.rows.group);
    scale = e.load(e.f32, e.at(row, e.add(scales, e.mul(index, 4))), 4);
    factors.scale = e.broadcast(scale);
  }
  // The sum is read again: kept from the dots on, it would be spilled.
  if (tile.format.hasMinimum()) {
    Value sum = arith::SIToFPOp::create(e.b, e.loc, e.f32, sumOf(row, block));
    factors.shift = e.broadcast(scale ? e.mulf(scale, sum) : sum);
  }
  return factors;
}

Value IntegerBlocks::lastOfRow(Value row) const {
  return tile.rowScalesLast() ? e.broadcast(e.load(e.f32, e.at(row, scales), 4))
                              : Value();
}

Value IntegerBlocks::add(Value dot, const Factors &panels, int64_t p,
                         const RowFactors &row, Value sum) const {
  Value value = arith::SIToFPOp::create(e.b, e.loc, e.vf32, dot);
  Value factor = tile.scalesLast()      ? row.scale
                 : tile.rowScalesLast() ? panels.scales[p]
                                        : e.mulf(panels.scales[p], row.scale);
  sum = e.fma(value, factor, sum);
  return row.shift ? e.fma(row.shift, panels.minima[p], sum) : sum;
}

namespace {

/// Emits the body of one tile function.
class IntegerTileEmitter {
public:
  IntegerTileEmitter(KernelEmitter &e, const KernelTarget &target,
                     const IntegerTile &tile, int64_t rows, int64_t panels)
      : e(e), target(target), tile(tile), format(tile.format), rows(rows),
        panels(panels), inMemory(sumsInMemory(target, tile, rows, panels)) {}

  void emit(ValueRange args);

  /// With many outputs the f32 sums stay in `out`, which is in L1: registers
  /// are for the integer sums. One load and store per output and block.
  static bool sumsInMemory(const KernelTarget &target, const IntegerTile &tile,
                           int64_t rows, int64_t panels) {
    int64_t most = tile.format.hasMinimum()  ? 4
                   : keepsSums(target, tile) ? 12
                                             : kEasilyKept;
    return target.registers < 32 || rows * panels > most;
  }

private:
  using Values = KernelEmitter::Values;

  /// f32 sums beside which registers are left.
  static constexpr int64_t kEasilyKept = 8;

  Values dots(Value block, Value begin, Value end);
  void step(Value index, int64_t first, Values &acc);
  /// Integer sums may be split without changing a bit: several in flight hide
  /// the latency of a byte dot, whatever the tile.
  int64_t chains() const {
    if (!target.hasByteDot)
      return 1; // the sum is one addition
    int64_t inFlight = target.registers >= 32 ? 8 : 2;
    int64_t wanted =
        llvm::PowerOf2Ceil(llvm::divideCeil(inFlight, rows * panels));
    int64_t quads = tile.block() ? tile.block() / 4 : wanted;
    return std::min(wanted, quads & -quads);
  }
  void add(Value block, ArrayRef<Value> dots, Values &sums);
  /// Tiles of few rows are bound by memory.
  bool streams() const { return rows <= 4; }
  void prefetchStep(Value step) {
    Value offset = e.mul(step, stepBytes);
    for (int64_t p = 0; p < panels; ++p) {
      Value here = e.at(w[p], offset);
      Value later = e.at(e.at(ahead, e.mul(panelBytes, p)), offset);
      for (int64_t i = 0; i < (format.getMaxCode() > 15 ? 2 : 1); ++i)
        e.prefetchStream(e.at(here, i * kLineBytes),
                         e.at(later, i * kLineBytes));
    }
  }
  /// Brings the part of what comes next that belongs to a step and this turn: a
  /// line at a time, as lines on their way from memory wait in the buffers that
  /// loads from L2 need.
  void prefetchPart(Value step) {
    e.prefetch(e.at(ahead, e.mul(step, aheadStep)));
  }
  Value outPlace(int64_t r, int64_t p) {
    return e.at(e.at(out, e.mul(outBytes, r)), p * kLineBytes);
  }
  KernelEmitter &e;
  const KernelTarget &target;
  const IntegerTile &tile;
  IntegerFormatAttrInterface format;
  int64_t rows, panels;
  bool inMemory;

  Value k, out, outBytes, panelBytes, stepBytes, ahead, aheadStep;
  Value bySteps; // whether tiles that do not stream prefetch as if they did
  Values x, w;
  std::optional<IntegerBlocks> blocks;
};

/// The integer sums of a block, k = 8 * begin .. 8 * end.
IntegerTileEmitter::Values IntegerTileEmitter::dots(Value block, Value begin,
                                                    Value end) {
  Values acc;
  for (int64_t r = 0; r < rows; ++r)
    acc.append(panels, blocks->start(x[r], block));
  size_t outputs = acc.size();
  acc.append((chains() - 1) * outputs, e.splatI32(0));
  int64_t together = std::max<int64_t>(1, chains() / 2);
  Value whole = end;
  if (together > 1)
    whole = e.add(begin, e.mul(e.div(e.sub(end, begin), together), together));
  acc = e.loop(begin, whole, together, acc, [&](Value i, ValueRange carried) {
    Values next(carried);
    for (int64_t s = 0; s < together; ++s)
      step(e.add(i, s), 2 * s, next);
    return next;
  });
  if (together > 1)
    acc = e.loop(whole, end, 1, acc, [&](Value i, ValueRange carried) {
      Values next(carried);
      step(i, 0, next);
      return next;
    });
  for (size_t size = acc.size(); size > outputs; size /= 2, acc.resize(size))
    for (size_t i = 0; i < size / 2; ++i)
      acc[i] = arith::AddIOp::create(e.b, e.loc, acc[i], acc[i + size / 2]);
  return acc;
}

/// One step of 8 k; its two quads go to chains `first` and `first` + 1.
void IntegerTileEmitter::step(Value index, int64_t first, Values &acc) {
  SmallVector<Values> codes;
  if (streams())
    prefetchStep(index);
  else
    e.ifElse(
        bySteps, [&] { prefetchStep(index); }, [&] { prefetchPart(index); });
  for (Value panel : w)
    codes.push_back(format.emitCodes(e.b, e.loc, panel, k, index));
  Value at = e.mul(index, 8);
  for (int64_t quad : {0, 1}) {
    int64_t chain = (first + quad) % chains();
    for (int64_t r = 0; r < rows; ++r) {
      Value four =
          e.broadcast(e.load(e.i32, e.at(e.at(x[r], at), 4 * quad), 4));
      for (int64_t p = 0; p < panels; ++p) {
        Value &sum = acc[(chain * rows + r) * panels + p];
        Value code = codes[p][quad];
        sum = kernel::DotCodesOp::create(
            e.b, e.loc, sum.getType(), sum, code,
            vector::BitCastOp::create(e.b, e.loc, code.getType(), four),
            uint64_t(format.getMaxCode()));
      }
    }
  }
}

/// Adds a block to the sums.
void IntegerTileEmitter::add(Value block, ArrayRef<Value> dots, Values &acc) {
  IntegerBlocks::Factors factors = blocks->ofPanels(w, block);
  for (int64_t r = 0; r < rows; ++r) {
    // Where all registers are taken, a row's scale is read when it is its turn.
    Value at = !inMemory && r > 0 && rows * panels > kEasilyKept
                   ? e.opaqueBehind(acc[r * panels - 1], x[r])
                   : x[r];
    IntegerBlocks::RowFactors row = blocks->ofRow(at, block);
    for (int64_t p = 0; p < panels; ++p) {
      Value sum = inMemory ? e.load(e.vf32, outPlace(r, p), kLineBytes)
                           : acc[r * panels + p];
      sum = blocks->add(dots[r * panels + p], factors, p, row, sum);
      if (inMemory)
        e.store(sum, outPlace(r, p), kLineBytes);
      else
        acc[r * panels + p] = sum;
    }
  }
}

void IntegerTileEmitter::emit(ValueRange args) {
  Value rowBytes = args[1];
  panelBytes = args[3], k = args[4], out = args[5], outBytes = args[6];
  Value last = e.sub(args[7], 1);
  ahead = args[8];
  Value aheadBytes = args[9];
  // Of each step less than a line, as many rows pass over the panels; behind
  // taller tiles, whose passes are few, it may be more than the line it brings.
  Value steps = tile.block() ? e.constant(tile.block() / 8) : e.ceilDiv(k, 8);
  aheadStep = e.div(e.add(aheadBytes, e.sub(steps, 1)), steps);
  stepBytes = e.div(e.mul(panelBytes, 8), k);
  for (int64_t r = 0; r < rows; ++r)
    x.push_back(e.opaque(e.at(args[0], e.mul(rowBytes, r))));
  for (int64_t p = 0; p < panels; ++p) {
    Value index = p == 0 ? e.constant(0) : e.min(e.constant(p), last);
    w.push_back(e.at(args[2], e.mul(panelBytes, index)));
  }
  blocks.emplace(e, tile, k);
  bySteps = e.compare(arith::CmpIPredicate::eq, aheadBytes, int64_t(0));

  auto forEach = [&](auto body) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t p = 0; p < panels; ++p)
        body(r, p);
  };
  Values acc;
  if (inMemory)
    forEach([&](int64_t r, int64_t p) {
      e.store(e.splat(0), outPlace(r, p), kLineBytes);
    });
  else
    acc.assign(rows * panels, e.splat(0));
  Value zero = e.constant(0), allSteps = e.ceilDiv(k, 8);
  if (int64_t block = tile.block()) {
    acc = e.loop(zero, e.ceilDiv(k, block), 1, acc,
                 [&](Value b, ValueRange carried) {
                   Values next(carried);
                   Value begin = e.mul(b, block / 8);
                   Value end = e.min(e.add(begin, block / 8), allSteps);
                   add(b, dots(b, begin, end), next);
                   return next;
                 });
  } else {
    add(zero, dots(zero, zero, allSteps), acc);
  }
  if (inMemory && !tile.scalesLast() && !tile.rowScalesLast())
    return;
  // One of both is left, or none.
  Values factors(panels);
  for (int64_t p = 0; tile.scalesLast() && p < panels; ++p)
    factors[p] = format.emitScale(e.b, e.loc, w[p], k, zero);
  for (int64_t r = 0; r < rows; ++r) {
    Value ofRow = blocks->lastOfRow(x[r]);
    for (int64_t p = 0; p < panels; ++p) {
      Value place = outPlace(r, p), factor = ofRow ? ofRow : factors[p];
      Value sum =
          inMemory ? e.load(e.vf32, place, kLineBytes) : acc[r * panels + p];
      e.store(factor ? e.mulf(sum, factor) : sum, place, kLineBytes);
    }
  }
}

} // namespace

func::FuncOp
adze::integerTileFunction(KernelEmitter &e, StringRef prefix,
                          const IntegerTile &tile, int64_t rows, int64_t panels,
                          llvm::function_ref<void(func::FuncOp)> emit) {
  std::string name;
  llvm::raw_string_ostream(name)
      << prefix << tile.format.getFormatName() << "." << tile.rows.group << "."
      << tile.rows.sums << "." << rows << "x" << panels;
  if (func::FuncOp known = e.lookup(name))
    return known;
  OpBuilder::InsertionGuard guard(e.b);
  Type index = e.index, ptr = e.ptr;
  func::FuncOp func = e.beginShared(
      name, {ptr, index, ptr, index, index, ptr, index, index, ptr, index});
  emit(func);
  e.ret();
  return func;
}

func::FuncOp adze::getIntegerTile(KernelEmitter &e, const KernelTarget &target,
                                  const IntegerTile &tile, int64_t rows,
                                  int64_t panels) {
  auto emit = [&](func::FuncOp func) {
    // Sums that are meant to stay in memory must not be promoted to registers.
    if (!IntegerTileEmitter::sumsInMemory(target, tile, rows, panels))
      for (unsigned i : {0u, 2u, 5u})
        func.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(),
                        e.b.getUnitAttr());
    IntegerTileEmitter(e, target, tile, rows, panels).emit(func.getArguments());
  };
  return integerTileFunction(e, "adze.tile.", tile, rows, panels, emit);
}
