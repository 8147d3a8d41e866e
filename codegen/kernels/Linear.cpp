// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The linear kernel: blocks of rows outside, groups of panels inside, tiles of
// rows within (a block's rows and a group's panels stay in L2, where the next
// group's are brought meanwhile), each tile accumulated in registers
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
  int64_t few = shapes.front().panels, many = few;
  for (TileShape shape : shapes)
    many = std::max(many, shape.panels);
  fewUnits = std::max<int64_t>(1, few / unitPanels);
  manyUnits = std::max<int64_t>(1, many / unitPanels);
  groupPanels = llvm::alignTo(manyUnits * unitPanels, many);
  finishLoops = target.registers >= 32;
}

/// The formats of the weight and of x.
void LinearPlan::readOperands() {
  types.panelType = types.rowType = Float32Type::get(params.context());
  if (!params.isInteger8("in")) {
    if (params.hasInteger("format"))
      decoded = params.attribute<IntegerFormatAttrInterface>("format", "");
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
  IntegerFormatAttrInterface format =
      multipliesCodes() ? codes.format : decoded;
  return format ? format.emitPanelBytes(e.b, e.loc, k)
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
        forwarded(arguments.drop_front(2)), ops(plan, forwarded),
        stride(plan.rowBytes(e, ops.k)), panelBytes(plan.panelBytes(e, ops.k)) {
  }

  void emit(Value lo, Value hi);

private:
  void emitGroups(Value lo, Value hi, Value begin, Value end);
  void emitRows(Value unit, Value units, Value begin, Value end);
  void emitDecodedRows(Value unit, Value units, Value begin, Value end);
  void tiles(TileShape shape, Value x, Value panels, Value panelBytes, Value k,
             Value out, Value count, Value turn, Value turns);
  /// The end of the whole tiles of so many rows among begin .. end.
  Value wholeTiles(Value begin, Value end, int64_t rows) {
    return e.add(begin, e.mul(e.div(e.sub(end, begin), rows), rows));
  }
  void callFinish(Value row, Value rows, Value unit, Value units);

  KernelEmitter &e;
  const KernelTarget &target;
  const LinearPlan &plan;
  func::FuncOp finish;
  ValueRange forwarded;
  LinearOperands ops;
  Value stride, panelBytes; // bytes of a row of x and of a panel
};

/// The tiles of one height over `count` panels, in pass `turn` of `turns` over
/// them: each pass brings its part of the panels behind them.
void LinearEmitter::tiles(TileShape shape, Value x, Value panels,
                          Value panelBytes, Value k, Value out, Value count,
                          Value turn, Value turns) {
  func::FuncOp tile = plan.tile(e, target, shape.rows, shape.panels);
  Value next = e.at(panels, e.mul(panelBytes, count)), aheadBytes;
  if (plan.multipliesCodes()) {
    int64_t block = plan.codes.block();
    Value blocks = block ? e.ceilDiv(k, block) : e.constant(1);
    Value lines = e.ceilDiv(e.mul(panelBytes, shape.panels), kLineBytes);
    Value parts = e.mul(turns, blocks);
    aheadBytes = e.mul(e.div(e.add(lines, e.sub(parts, 1)), parts), kLineBytes);
    // A single pass is bound by memory already.
    aheadBytes = e.select(e.compare(arith::CmpIPredicate::sgt, turns, 1),
                          aheadBytes, e.constant(0));
    next = e.at(next, e.mul(e.mul(turn, blocks), aheadBytes));
  }
  e.loop(e.constant(0), count, shape.panels, [&](Value panel) {
    Value offset = e.mul(panelBytes, panel);
    KernelEmitter::Values arguments = {x,
                                       stride,
                                       e.at(panels, offset),
                                       panelBytes,
                                       k,
                                       e.at(out, e.mul(panel, kLineBytes)),
                                       e.constant(plan.tileRowBytes()),
                                       e.sub(count, panel)};
    if (plan.multipliesCodes())
      arguments.append({e.at(next, offset), aheadBytes});
    e.call(tile, arguments);
  });
}

/// As emitRows, with panels decoded: a part of K after the other for a block of
/// rows, whose sums wait in scratch.
void LinearEmitter::emitDecodedRows(Value unit, Value units, Value begin,
                                    Value end) {
  Value count = e.mul(units, plan.unitPanels), zero = e.constant(0);
  Value first =
      e.at(ops.panels, e.mul(e.mul(unit, plan.unitPanels), panelBytes));
  Value lines = e.at(ops.scratch, plan.decodedOffset());
  constexpr int64_t kPart = LinearPlan::kDecodedK;
  func::FuncOp decoder = getPanelDecoder(e, plan.decoded);
  e.loop(begin, end, LinearPlan::kDecodedRows, [&](Value top) {
    Value rows = e.min(e.sub(end, top), e.constant(LinearPlan::kDecodedRows));
    e.loop(zero, e.mul(rows, plan.tileRowBytes()), kLineBytes, [&](Value i) {
      e.store(e.splat(0), e.at(ops.scratch, i), kLineBytes);
    });
    e.loop(zero, ops.k, kPart, [&](Value part) {
      Value partEnd = e.min(e.add(part, kPart), ops.k);
      e.loop(zero, count, 1, [&](Value p) {
        e.call(decoder, {e.at(first, e.mul(panelBytes, p)), ops.k, part,
                         partEnd, e.at(lines, e.mul(p, kPart * kLineBytes))});
      });
      Value x = e.at(e.at(ops.x, e.mul(top, stride)),
                     e.mul(part, KernelEmitter::bytesOf(plan.types.rowType)));
      Value row = zero;
      for (TileShape shape : plan.shapes) {
        Value last = wholeTiles(row, rows, shape.rows);
        e.loop(row, last, shape.rows, [&](Value m) {
          tiles(shape, e.at(x, e.mul(m, stride)), lines,
                e.constant(kPart * kLineBytes), e.sub(partEnd, part),
                e.at(ops.scratch, e.mul(m, plan.tileRowBytes())), count, zero,
                zero);
        });
        row = last;
      }
    });
    callFinish(top, rows, unit, units);
  });
}

/// Rows begin .. end of `units` units, in tiles of falling height.
void LinearEmitter::emitRows(Value unit, Value units, Value begin, Value end) {
  if (plan.decoded)
    return emitDecodedRows(unit, units, begin, end);
  Value first =
      e.at(ops.panels, e.mul(e.mul(unit, plan.unitPanels), panelBytes));
  Value count = e.mul(units, plan.unitPanels);
  Value turns = e.ceilDiv(e.sub(end, begin), plan.shapes.front().rows);
  Value row = begin;
  for (TileShape shape : plan.shapes) {
    Value last = wholeTiles(row, end, shape.rows);
    e.loop(row, last, shape.rows, [&](Value m) {
      Value turn = e.div(e.sub(m, begin), plan.shapes.front().rows);
      tiles(shape, e.at(ops.x, e.mul(m, stride)), first, panelBytes, ops.k,
            ops.scratch, count, turn, turns);
      callFinish(m, e.constant(shape.rows), unit, units);
    });
    row = last;
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

/// Rows begin .. end of the units lo .. hi, a group of units after the other.
void LinearEmitter::emitGroups(Value lo, Value hi, Value begin, Value end) {
  Value group = e.constant(plan.manyUnits);
  if (plan.fewUnits < plan.manyUnits) {
    Value fit = e.compare(arith::CmpIPredicate::sle,
                          e.mul(panelBytes, plan.manyUnits * plan.unitPanels),
                          LinearPlan::kGroupBytes);
    Value fewRows = e.compare(arith::CmpIPredicate::slt, ops.rows,
                              plan.shapes.front().rows);
    group = e.select(arith::OrIOp::create(e.b, e.loc, fit, fewRows), group,
                     e.constant(plan.fewUnits));
  }
  Value groups = e.div(e.add(e.sub(hi, lo), e.sub(group, 1)), group);
  e.loop(e.constant(0), groups, 1, [&](Value g) {
    Value unit = e.add(lo, e.mul(g, group));
    emitRows(unit, e.min(group, e.sub(hi, unit)), begin, end);
  });
}

void LinearEmitter::emit(Value lo, Value hi) {
  // Blocks of rows of about one size, all but the last of whole tall tiles.
  Value one = e.constant(1);
  Value blocks =
      e.max(one, e.ceilDiv(e.mul(ops.rows, stride), LinearPlan::kBlockBytes));
  int64_t tall = plan.shapes.front().rows;
  Value height = e.div(e.add(ops.rows, e.sub(blocks, 1)), blocks);
  height = e.mul(e.ceilDiv(height, tall), tall);
  e.loop(e.constant(0), blocks, 1, [&](Value block) {
    Value begin = e.min(e.mul(block, height), ops.rows);
    emitGroups(lo, hi, begin, e.min(e.add(begin, height), ops.rows));
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
