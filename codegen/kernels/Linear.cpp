// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The linear kernel: it leaves its operands in scratch and calls the main loop
// (LinearDriver.h) with its tiles and its finish. All three are shared by the
// kernels of a module: the finish by those that differ in what they multiply.

#include "Linear.h"
#include "AmxTile.h"
#include "Builders.h"
#include "LinearDriver.h"
#include "PanelDecoder.h"
#include "UnpackedTile.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace adze;

LinearPlan::LinearPlan(KernelOp kernel, const KernelTarget &target)
    : params(kernel) {
  readOperands();
  if (params.isInteger8("out")) {
    outRows = QuantizedRows::read(params, "out_group", "out_sums");
    hasRanges = params.flag("out_ranges");
  } else {
    out = params.elementType("out");
  }
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

  if (isSparse())
    tallShapes = sparseTallTiles(target, sparse).size();
  shapes = chooseShapes(target);
  unitPanels = sink          ? llvm::divideCeil(sink.getHeadDim(), kLanes)
               : quantizes() ? streams * outRows.group / kLanes
                             : streams;
  unitPanels = std::max<int64_t>(1, unitPanels);
  fewUnits = std::max<int64_t>(1, shapes.front().panels / unitPanels);
  manyUnits = std::max<int64_t>(1, kWidestTile / unitPanels);
  groupPanels = llvm::alignTo(manyUnits * unitPanels, kWidestTile);
  finishLoops = target.registers >= 32;
  // What AMX multiplies is in memory.
  spreads = masked && target.hasExpand && !amxMultiplies(target, types);
}

TileShapes LinearPlan::chooseShapes(const KernelTarget &target) const {
  if (isSparse()) {
    TileShapes shapes = sparseTileShapes(target, sparse);
    int64_t panels = shapes.front().panels;
    for (int64_t lines : llvm::reverse(sparseTallTiles(target, sparse)))
      shapes.insert(shapes.begin(), {lines * kLanes, panels});
    return shapes;
  }
  if (multipliesCodes())
    return amxShapes(
        target, codes,
        unpackedShapes(target, codes, integerTileShapes(target, codes)));
  TileShapes shapes = tileShapes(target, types);
  // 24 sums, the panels or their pairs taken apart, a row's element: fewer
  // loads and conversions for each fma.
  if (target.registers >= 32 && target.lanes == kLanes && !masked &&
      !amxMultiplies(target, types))
    shapes.insert(shapes.begin(), {12, 2});
  return amxShapes(target, types, shapes);
}

/// The formats of the weight and of x.
void LinearPlan::readOperands() {
  types.panelType = types.rowType = Float32Type::get(params.context());
  sparse.format = params.optional<BlocksFormatAttr>("format");
  if (!params.isInteger8("in")) {
    types.rowType = params.elementType("in");
    if (types.rowType.isF16())
      params.wrong("in", "f32, bf16 or i8");
    if (isSparse())
      sparse.rowType = types.rowType;
    else if (params.hasDecoded("format"))
      decoded = params.attribute<FormatAttrInterface>("format", "");
    else if (auto format =
                 maskedFloats(params.optional<MaskedFormatAttr>("format"))) {
      decoded = format, masked = true;
      types.panelType = format.getFloats().getElementType();
    } else
      types.panelType = params.floatFormat("format");
    return;
  }
  codes.rows = QuantizedRows::read(params);
  if (isSparse())
    return readSparse();
  codes.format = params.attribute<IntegerFormatAttrInterface>(
      "format", "an integer format, such as #adze.int");
  if (params.failed())
    return;
  if (codes.format.getGroup() % 8)
    params.wrong("format", "one whose groups are a multiple of 8");
  else if (codes.block() % codes.rows.sums)
    params.wrong("sums", "a divisor of what the groups of weight and x have "
                         "in common (" +
                             std::to_string(codes.block()) + ")");
}

/// Rows of codes and a sparse weight: blocks have one scale of each.
void LinearPlan::readSparse() {
  constexpr int64_t kColumns = BlocksFormatAttr::kBlockColumns;
  codes.format = sparse.codes();
  sparse.rows = codes.rows;
  if (!codes.format) {
    params.wrong("format", "one of integers where in is i8");
    sparse.rowType = types.rowType; // nothing asks for codes
  } else if (codes.rows.group % kColumns)
    params.wrong("group", "0 or a multiple of " + std::to_string(kColumns) +
                              ", the columns of a block");
  else if (kColumns % codes.rows.sums)
    params.wrong("sums", "a divisor of " + std::to_string(kColumns) +
                             ", the columns of a block");
}

Value LinearPlan::rowBytes(KernelEmitter &e, Value k) const {
  return multipliesCodes() ? codes.rows.rowBytes(e, k)
                           : e.mul(k, KernelEmitter::bytesOf(types.rowType));
}

Value LinearPlan::panelBytes(KernelEmitter &e, Value k) const {
  if (isSparse())
    return sparse.format.emitPanelBytes(e.b, e.loc, k);
  FormatAttrInterface format = decoded;
  if (multipliesCodes())
    format = cast<FormatAttrInterface>(Attribute(codes.format));
  int64_t inLine = kLineBytes / types.lineBytes() * types.depth();
  return format ? emitPanelBytes(e, format, k)
                : e.mul(e.ceilDiv(k, inLine), kLineBytes);
}

func::FuncOp LinearPlan::tile(KernelEmitter &e, const KernelTarget &target,
                              int64_t rows, int64_t panels) const {
  if (isSparse())
    return tallShapes && rows >= kLanes
               ? getSparseTallTile(e, sparse, rows / kLanes)
               : getSparseTile(e, target, sparse, rows);
  if (func::FuncOp tile = multipliesCodes()
                              ? getAmxTile(e, target, codes, rows, panels)
                              : getAmxTile(e, target, types, rows, panels,
                                           /*continues=*/bool(decoded)))
    return tile;
  if (multipliesCodes()) {
    if (func::FuncOp tall = getUnpackedTile(e, target, codes, rows, panels))
      return tall;
    return getIntegerTile(e, target, codes, rows, panels);
  }
  return decoded ? getContinuingTile(e, target, types, rows, panels)
                 : getTile(e, target, types, rows, panels);
}

func::FuncOp LinearPlan::spreadTile(KernelEmitter &e,
                                    const KernelTarget &target, int64_t rows,
                                    int64_t panels) const {
  return getMaskedTile(e, target, types, maskedFloats(decoded), rows, panels);
}

/// A block of rows (LinearDriver.cpp) has, but for the last tile, no more than
/// kRowsBytes, however long they are. Transposed, 32 codes take 36 bytes and
/// the rest of a row no more than before.
int64_t LinearPlan::transposedBytes(int64_t columns) const {
  return kRowsBytes / 32 * 36 +
         TransposedRows::kMostLines * transposedRows(sparse).lineBytes(columns);
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

int64_t LinearPlan::pointerOperands() const {
  return 2 + captures.size() + hasResult() + rotates() + bias +
         countNorms(*this) + hasRanges + appends();
}
SmallVector<Type> LinearPlan::operandTypes(KernelEmitter &e) const {
  SmallVector<Type> list(pointerOperands(), e.ptr);
  list.append(appends() ? 4 : 3, e.index);
  return list;
}

LinearOperands::LinearOperands(const LinearPlan &plan, Value scratch,
                               Value batch, ValueRange arguments)
    : scratch(scratch), batch(batch) {
  size_t next = 0;
  auto take = [&](bool present = true) {
    return present ? arguments[next++] : Value();
  };
  x = take();
  for (size_t i = 0; i < plan.captures.size(); ++i)
    captures.push_back(take());
  result = take(plan.hasResult());
  rope = take(plan.rotates());
  panels = take();
  bias = take(plan.bias);
  for (int64_t i = countNorms(plan); i > 0; --i)
    norms.push_back(take());
  ranges = take(plan.hasRanges);
  cache = take(plan.appends());
  layer = take(plan.appends());
  rows = take();
  columns = take();
  k = take();
}

/// The body of the finish function, see LinearDriver.h.
static LogicalResult emitFinishBody(KernelEmitter &e, const LinearPlan &plan,
                                    KernelOp kernel, const LinearOperands &ops,
                                    ValueRange args) {
  if (!plan.finishLoops)
    return emitFinish(e, plan, kernel, ops, args[0], args[1], args[2], args[3],
                      /*rowsAhead=*/nullptr);
  LogicalResult result = success();
  Value zero = e.constant(0);
  e.loop(zero, args[2], 1, [&](Value r) {
    e.loop(zero, args[3], 1, [&](Value u) {
      result = emitFinish(e, plan, kernel, ops, e.add(args[0], r),
                          e.add(args[1], u), r, u, args[2]);
    });
  });
  return result;
}

/// The operands that the kernel left in scratch.
static KernelEmitter::Values
loadOperands(KernelEmitter &e, const LinearPlan &plan, Value scratch) {
  KernelEmitter::Values operands;
  for (auto [i, type] : llvm::enumerate(plan.operandTypes(e))) {
    Value at = e.at(scratch, int64_t(i) * 8);
    operands.push_back(type == e.ptr ? e.loadPtr(at) : e.loadI64(at));
  }
  return operands;
}
static void storeOperands(KernelEmitter &e, Value scratch,
                          ValueRange operands) {
  for (auto [i, operand] : llvm::enumerate(operands)) {
    if (operand.getType() == e.index)
      operand = arith::IndexCastOp::create(e.b, e.loc, e.i64, operand);
    e.store(operand, e.at(scratch, int64_t(i) * 8), 8);
  }
}

/// A name that linears with the same finish have in common: it says all that
/// the finish depends on, which is not what they multiply.
static std::string finishName(const LinearPlan &plan, KernelOp kernel) {
  OwningOpRef<KernelOp> same = kernel.clone();
  same->setSymName("finish");
  SmallVector<NamedAttribute> params;
  for (NamedAttribute param : kernel.getParams())
    if (!llvm::is_contained({"format", "in", "group", "sums"},
                            param.getName().getValue()))
      params.push_back(param);
  same->setParamsAttr(DictionaryAttr::get(kernel.getContext(), params));
  std::string text;
  llvm::raw_string_ostream(text) << *same;
  return "adze.finish." + llvm::utohexstr(llvm::xxh3_64bits(text), true);
}

/// The function that finishes tiles, or null.
static func::FuncOp getFinish(KernelEmitter &e, const LinearPlan &plan,
                              KernelOp kernel) {
  std::string name = finishName(plan, kernel);
  if (func::FuncOp known = e.lookup(name))
    return known;
  OpBuilder::InsertionGuard guard(e.b);
  func::FuncOp finish =
      e.beginShared(name, LinearDriver::finishType(e).getInputs());
  ValueRange args = finish.getArguments();
  LinearOperands operands(plan, args[4], args[5],
                          loadOperands(e, plan, args[4]));
  if (failed(emitFinishBody(e, plan, kernel, operands, args.take_front(4))))
    return nullptr;
  e.ret();
  return finish;
}

FailureOr<func::FuncOp> adze::buildLinear(OpBuilder &builder, KernelOp kernel,
                                          const KernelTarget &target) {
  LinearPlan plan(kernel, target);
  if (plan.params.failed())
    return failure();
  KernelEmitter e(builder, kernel.getLoc());
  func::FuncOp finish = getFinish(e, plan, kernel);
  if (!finish)
    return failure();
  OpBuilder::InsertionGuard guard(builder);
  // lo, hi, scratch, batch, operands
  SmallVector<Type> types{e.index, e.index, e.ptr, e.ptr};
  llvm::append_range(types, plan.operandTypes(e));
  func::FuncOp func = e.beginFunction(kernel.getSymName(), types, {}, true);
  ValueRange args = func.getArguments();
  ValueRange operands = args.drop_front(4);
  storeOperands(e, args[2], operands);
  LinearDriver(e, target, plan)
      .call(args[0], args[1], LinearOperands(plan, args[2], args[3], operands),
            finish);
  e.ret();
  return func;
}

int64_t adze::linearScratchBytes(KernelOp kernel, const KernelTarget &target,
                                 int64_t columns) {
  return LinearPlan(kernel, target).scratchBytes(columns);
}

int64_t adze::linearUnitPanels(KernelOp kernel) {
  return LinearPlan(kernel, KernelTarget()).unitPanels;
}
