// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The linear kernel: groups of panels outside, blocks of rows inside (a group's
// panels stay in L2 while all rows pass), each tile accumulated in registers
// over the whole of K, put into scratch and finished there. The finish is one
// function per kernel, the tiles are shared by all kernels of a module.

#include "Linear.h"
#include "Builders.h"
#include "PanelDecoder.h"

using namespace mlir;
using namespace adze;

LinearPlan::LinearPlan(KernelOp kernel, const KernelTarget &target)
    : params(kernel) {
  readOperands();
  if (params.isInteger8("out"))
    outRows = QuantizedRows::read(params, "out_group", "out_sums");
  else
    out = params.elementType("out");
  kv = params.cacheType("kv");
  streams = params.integer("streams", 1);
  if (streams != 1 && streams != 2)
    params.wrong("streams", "1 or 2");
  bias = params.flag("bias");
  captures = params.elementTypes("captures");
  hasRegion = !kernel.getBody().empty();
  if (params.has("sink"))
    sink = params.attribute<HeadSinkAttr>("sink", "a head sink (#adze.heads)");
  if (sink && (hasRegion || streams != 1 || !captures.empty()))
    params.wrong("sink", "absent in a linear with a region or two streams");
  if (streams == 2 && !hasRegion)
    params.wrong("streams", "1 in a linear without a region");
  if (quantizes() && (sink || outRows.group == 0))
    params.wrong("out_group", "a multiple of 16, in a linear without a sink");
  size_t arguments = size_t(streams) + captures.size();
  if (!params.failed() &&
      (hasRegion ? kernel.getBody().front().getNumArguments() != arguments
                 : !captures.empty()))
    params.wrong("captures", "as many as the region has arguments beside the "
                             "accumulators");

  shapes = multipliesCodes() ? integerTileShapes(target, codes)
                             : tileShapes(target, types);
  unitPanels = sink          ? llvm::divideCeil(sink.getHeadDim(), kLanes)
               : quantizes() ? streams * outRows.group / kLanes
                             : streams;
  unitPanels = std::max<int64_t>(1, unitPanels);
  wideUnits = std::max<int64_t>(1, shapes.panels / unitPanels);
  smallUnits = std::max<int64_t>(1, shapes.smallPanels / unitPanels);
  groupPanels = std::max(wideUnits, smallUnits) * unitPanels;
  finishLoops = target.registers >= 32;
}

/// The formats of the weight and of x.
void LinearPlan::readOperands() {
  types.panelType = types.rowType = Float32Type::get(params.context());
  if (!params.isInteger8("in")) {
    if (params.hasDecoded("format"))
      decoded = params.attribute<FormatAttrInterface>("format", "");
    else
      types.panelType = params.floatFormat("format");
    types.rowType = params.elementType("in");
    if (types.rowType.isF16())
      params.wrong("in", "f32, bf16 or i8");
    return;
  }
  codes.format = params.attribute<IntegerFormatAttrInterface>(
      "format", "an integer format, such as #adze.int");
  codes.rows = QuantizedRows::read(params);
  if (params.failed())
    return;
  if (codes.format.getGroup() % 8)
    params.wrong("format", "one whose groups are a multiple of 8");
  else if (codes.block() % codes.rows.sums)
    params.wrong("sums", "a divisor of what the groups of weight and x have "
                         "in common (" +
                             std::to_string(codes.block()) + ")");
}

Value LinearPlan::rowBytes(KernelEmitter &e, Value k) const {
  return multipliesCodes() ? codes.rows.rowBytes(e, k)
                           : e.mul(k, KernelEmitter::bytesOf(types.rowType));
}

Value LinearPlan::panelBytes(KernelEmitter &e, Value k) const {
  FormatAttrInterface format = decoded;
  if (multipliesCodes())
    format = cast<FormatAttrInterface>(Attribute(codes.format));
  return format ? emitPanelBytes(e, format, k)
                : e.mul(e.ceilDiv(k, types.depth()), kLineBytes);
}

func::FuncOp LinearPlan::tile(KernelEmitter &e, const KernelTarget &target,
                              int64_t rows, int64_t panels) const {
  if (multipliesCodes())
    return getIntegerTile(e, target, codes, rows, panels);
  return decoded ? getContinuingTile(e, target, types, rows, panels)
                 : getTile(e, target, types, rows, panels);
}

bool LinearPlan::rotates() const {
  return sink && llvm::any_of(sink.getChains(), [](HeadChainAttr chain) {
           return chain.getRotary();
         });
}
bool LinearPlan::appends() const {
  return sink && llvm::any_of(sink.getChains(), [](HeadChainAttr chain) {
           return chain.getDest() != HeadDest::Store;
         });
}
int64_t LinearPlan::storedColumns() const {
  int64_t columns = 0;
  if (sink)
    for (HeadChainAttr chain : sink.getChains())
      if (chain.getDest() == HeadDest::Store)
        columns += chain.getHeads() * sink.getHeadDim();
  return columns;
}

static int64_t countNorms(const LinearPlan &plan) {
  if (!plan.sink)
    return 0;
  return llvm::count_if(plan.sink.getChains(), [](HeadChainAttr chain) {
    return bool(chain.getNorm());
  });
}

SmallVector<Type> LinearPlan::argumentTypes(KernelEmitter &e) const {
  int64_t pointers = 3 + captures.size() + hasResult() + rotates() + 1 + bias +
                     countNorms(*this);
  SmallVector<Type> list(pointers, e.ptr);
  if (appends())
    list.append({e.ptr, e.index});
  list.append(3, e.index);
  return list;
}

LinearOperands::LinearOperands(const LinearPlan &plan, ValueRange arguments) {
  size_t next = 0;
  auto take = [&](bool present = true) {
    return present ? arguments[next++] : Value();
  };
  scratch = take();
  batch = take();
  x = take();
  for (size_t i = 0; i < plan.captures.size(); ++i)
    captures.push_back(take());
  result = take(plan.hasResult());
  rope = take(plan.rotates());
  panels = take();
  bias = take(plan.bias);
  for (int64_t i = countNorms(plan); i > 0; --i)
    norms.push_back(take());
  cache = take(plan.appends());
  layer = take(plan.appends());
  rows = take();
  columns = take();
  k = take();
}

namespace {

class LinearEmitter {
public:
  LinearEmitter(KernelEmitter &e, const KernelTarget &target,
                const LinearPlan &plan, func::FuncOp finish,
                ValueRange arguments)
      : e(e), target(target), plan(plan), finish(finish),
        forwarded(arguments.drop_front(2)), ops(plan, forwarded) {}

  void emit(Value lo, Value hi);

private:
  void emitUnits(Value lo, Value hi, bool small);
  void emitRows(Value unit, int64_t units, bool small);
  void emitDecodedRows(Value unit, int64_t units, bool small);
  void tiles(Value x, Value stride, Value panels, Value panelBytes, Value k,
             Value out, int64_t rows, int64_t count, int64_t width);
  void callFinish(Value row, Value rows, Value unit, Value units);

  KernelEmitter &e;
  const KernelTarget &target;
  const LinearPlan &plan;
  func::FuncOp finish;
  ValueRange forwarded;
  LinearOperands ops;
};

/// The tiles of `rows` rows and `count` panels.
void LinearEmitter::tiles(Value x, Value stride, Value panels, Value panelBytes,
                          Value k, Value out, int64_t rows, int64_t count,
                          int64_t width) {
  int64_t panel = 0;
  for (int64_t piece : splitPanels(count, width)) {
    e.call(plan.tile(e, target, rows, piece),
           {x, stride, e.at(panels, e.mul(panelBytes, panel)), panelBytes, k,
            e.at(out, panel * kLineBytes), e.constant(plan.tileRowBytes())});
    panel += piece;
  }
}

/// As emitRows, with panels decoded: a part of K after the other for a block of
/// rows, whose sums wait in scratch.
void LinearEmitter::emitDecodedRows(Value unit, int64_t units, bool small) {
  int64_t width = small ? plan.shapes.smallPanels : plan.shapes.panels;
  int64_t count = units * plan.unitPanels;
  Value stride = plan.rowBytes(e, ops.k),
        panelBytes = plan.panelBytes(e, ops.k);
  Value first =
      e.at(ops.panels, e.mul(e.mul(unit, plan.unitPanels), panelBytes));
  Value lines = e.at(ops.scratch, plan.decodedOffset());
  constexpr int64_t kPart = LinearPlan::kDecodedK;
  func::FuncOp decoder = getPanelDecoder(e, plan.decoded);
  Value zero = e.constant(0);
  e.loop(zero, ops.rows, LinearPlan::kDecodedRows, [&](Value begin) {
    Value rows =
        e.min(e.sub(ops.rows, begin), e.constant(LinearPlan::kDecodedRows));
    e.loop(zero, e.mul(rows, plan.tileRowBytes()), kLineBytes, [&](Value i) {
      e.store(e.splat(0), e.at(ops.scratch, i), kLineBytes);
    });
    e.loop(zero, ops.k, kPart, [&](Value part) {
      Value end = e.min(e.add(part, kPart), ops.k);
      for (int64_t p = 0; p < count; ++p)
        e.call(decoder, {e.at(first, e.mul(panelBytes, p)), ops.k, part, end,
                         e.at(lines, p * kPart * kLineBytes)});
      Value x = e.at(e.at(ops.x, e.mul(begin, stride)),
                     e.mul(part, KernelEmitter::bytesOf(plan.types.rowType)));
      Value row = zero;
      for (int64_t step : plan.shapes.rowSteps) {
        if (small && step > plan.shapes.smallRows)
          continue;
        Value last = e.add(row, e.mul(e.div(e.sub(rows, row), step), step));
        e.loop(row, last, step, [&](Value m) {
          tiles(e.at(x, e.mul(m, stride)), stride, lines,
                e.constant(kPart * kLineBytes), e.sub(end, part),
                e.at(ops.scratch, e.mul(m, plan.tileRowBytes())), step, count,
                width);
        });
        row = last;
      }
    });
    callFinish(begin, rows, unit, e.constant(units));
  });
}

/// All rows of `units` units, in blocks of falling height.
void LinearEmitter::emitRows(Value unit, int64_t units, bool small) {
  if (plan.decoded)
    return emitDecodedRows(unit, units, small);
  int64_t width = small ? plan.shapes.smallPanels : plan.shapes.panels;
  Value stride = plan.rowBytes(e, ops.k);
  Value panelBytes = plan.panelBytes(e, ops.k);
  Value first =
      e.at(ops.panels, e.mul(e.mul(unit, plan.unitPanels), panelBytes));
  Value row = e.constant(0);
  for (int64_t step : plan.shapes.rowSteps) {
    if (small && step > plan.shapes.smallRows)
      continue;
    Value end = e.add(row, e.mul(e.div(e.sub(ops.rows, row), step), step));
    e.loop(row, end, step, [&](Value m) {
      tiles(e.at(ops.x, e.mul(m, stride)), stride, first, panelBytes, ops.k,
            ops.scratch, step, units * plan.unitPanels, width);
      callFinish(m, e.constant(step), unit, e.constant(units));
    });
    row = end;
  }
}

/// Finishes `rows` rows from `row` on of `units` units from `unit` on.
void LinearEmitter::callFinish(Value row, Value rows, Value unit, Value units) {
  auto call = [&](ValueRange leading) {
    SmallVector<Value> arguments(leading);
    llvm::append_range(arguments, forwarded);
    e.call(finish, arguments);
  };
  if (plan.finishLoops)
    return call({row, unit, rows, units});
  Value zero = e.constant(0);
  e.loop(zero, rows, 1, [&](Value r) {
    e.loop(zero, units, 1,
           [&](Value u) { call({e.add(row, r), e.add(unit, u), r, u}); });
  });
}

void LinearEmitter::emitUnits(Value lo, Value hi, bool small) {
  int64_t group = small ? plan.smallUnits : plan.wideUnits;
  Value whole = e.add(lo, e.mul(e.div(e.sub(hi, lo), group), group));
  e.loop(lo, whole, group, [&](Value u) { emitRows(u, group, small); });
  if (group > 1)
    e.loop(whole, hi, 1, [&](Value u) { emitRows(u, 1, small); });
}

void LinearEmitter::emit(Value lo, Value hi) {
  Value small =
      e.compare(arith::CmpIPredicate::sle, ops.rows, plan.shapes.smallRows);
  e.ifElse(
      small, {},
      [&] {
        emitUnits(lo, hi, true);
        return KernelEmitter::Values();
      },
      [&] {
        emitUnits(lo, hi, false);
        return KernelEmitter::Values();
      });
}

} // namespace

/// The body of the finish function (row, unit, rows, units), or
/// (row, unit, tileRow, tileUnit) where it does not loop.
static LogicalResult emitFinishBody(KernelEmitter &e, const LinearPlan &plan,
                                    KernelOp kernel, const LinearOperands &ops,
                                    ValueRange args) {
  if (!plan.finishLoops)
    return emitFinish(e, plan, kernel, ops, args[0], args[1], args[2], args[3]);
  LogicalResult result = success();
  Value zero = e.constant(0);
  e.loop(zero, args[2], 1, [&](Value r) {
    e.loop(zero, args[3], 1, [&](Value u) {
      result = emitFinish(e, plan, kernel, ops, e.add(args[0], r),
                          e.add(args[1], u), r, u);
    });
  });
  return result;
}

FailureOr<func::FuncOp> adze::buildLinear(OpBuilder &builder, KernelOp kernel,
                                          const KernelTarget &target) {
  LinearPlan plan(kernel, target);
  if (plan.params.failed())
    return failure();
  KernelEmitter e(builder, kernel.getLoc());
  SmallVector<Type> operands = plan.argumentTypes(e);
  std::string name = kernel.getSymName().str();

  func::FuncOp finish;
  {
    OpBuilder::InsertionGuard guard(builder);
    SmallVector<Type> types(4, e.index);
    llvm::append_range(types, operands);
    finish = e.beginFunction(name + ".finish", types, {}, false);
    ValueRange args = finish.getArguments();
    LinearOperands ops(plan, args.drop_front(4));
    if (failed(emitFinishBody(e, plan, kernel, ops, args.take_front(4))))
      return failure();
    e.ret();
  }
  builder.setInsertionPointAfter(finish);
  OpBuilder::InsertionGuard guard(builder);
  SmallVector<Type> types(2, e.index);
  llvm::append_range(types, operands);
  func::FuncOp func = e.beginFunction(name, types, {}, true);
  ValueRange args = func.getArguments();
  LinearEmitter(e, target, plan, finish, args).emit(args[0], args[1]);
  e.ret();
  return func;
}

int64_t adze::linearScratchBytes(KernelOp kernel, const KernelTarget &target) {
  return LinearPlan(kernel, target).scratchBytes();
}

int64_t adze::linearUnitPanels(KernelOp kernel) {
  return LinearPlan(kernel, KernelTarget()).unitPanels;
}
