// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Layers and entries: arguments and results in memory, and what repeats them.

#include "FunctionScheduler.h"
#include "RowAccess.h"
#include "mlir/IR/AffineExpr.h"

using namespace mlir;
using namespace adze;
using namespace adze::schedule;

//===-- layers ------------------------------------------------------------===//

/// `op` is about to overwrite `span`: values there that it or a later op reads
/// get buffers of their own, but for `settled`, the argument that is in place.
void FunctionScheduler::moveOut(ArenaSpan span, RepeatOp op, Value settled) {
  SmallVector<Value> endangered;
  for (auto &[value, buffer] : buffers) {
    if (!buffer.span || buffer.rows != Rows::Tokens ||
        !buffer.span->overlaps(span))
      continue;
    bool isRead = llvm::count(op.getArgs(), value) > (value == settled ? 1 : 0);
    if (isRead || !diesAt(value, op))
      endangered.push_back(value);
  }
  for (Value value : endangered) {
    Buffer from = bufferOf(value);
    Buffer kept = arenaBuffer(tokenPlan.allocate(from.type().getRowBytes()),
                              Rows::Tokens, from.type());
    kept.owned = true;
    copy(op.getLoc(), from, kept);
    bufferOf(value) = kept;
  }
}

/// `value` is found in `place` from now on.
void FunctionScheduler::move(Value value, Buffer place) {
  Buffer &buffer = bufferOf(value);
  if (buffer.owned)
    release(buffer);
  buffer = place;
}

LogicalResult FunctionScheduler::scheduleRepeat(RepeatOp op) {
  auto callee = FlatSymbolRefAttr::get(op.getContext(), op.getCallee());
  LayerFrame &layers = pass.layerFrames[callee.getAttr()];
  // Arguments of layers lie at fixed places; the first is also overwritten.
  SmallVector<Value> args = llvm::to_vector(llvm::make_filter_range(
      op.getArgs(), [](Value arg) { return bool(rowsType(arg)); }));
  SmallVector<bool> inPlace;
  for (auto [arg, span] : llvm::zip(args, layers.args)) {
    const Buffer &have = bufferOf(arg);
    if (have.rows != Rows::Tokens)
      return op.emitOpError() << "runs layers on the rows asked for; layers "
                                 "take a row per token: apply adze.take_rows "
                                 "to their result";
    inPlace.push_back(have.span && have.span->begin == span.begin);
  }
  for (auto [i, span] : llvm::enumerate(layers.args))
    if (i == 0 || !inPlace[i])
      moveOut(span, op, inPlace[i] ? args[i] : Value());
  for (auto [i, span] : llvm::enumerate(layers.args)) {
    if (inPlace[i])
      continue;
    Buffer place = arenaBuffer(span, Rows::Tokens, f32Rows(args[i]));
    copy(op.getLoc(), bufferOf(args[i]), place);
    // Layers leave all but the first as it is: later ones find it there.
    if (i > 0)
      move(args[i], place);
  }
  if (since.any() || sinceOfOne.any())
    barrier();
  CallLayersOp::create(builder, op.getLoc(), op.getCountAttr(),
                       op.getFirstAttr(), callee, frame);
  Buffer result =
      arenaBuffer(layers.args[0], Rows::Tokens, f32Rows(op.getResult()));
  if (auto it = preassigned.find(op.getResult());
      it != preassigned.end() &&
      !(it->second.span && isOccupied(*it->second.span, op))) {
    // Either the carried place of a later repeat, or a result of the entry.
    bool samePlace =
        it->second.span && it->second.span->begin == result.span->begin;
    if (!samePlace) {
      copy(op.getLoc(), result, it->second);
      result = it->second;
    }
  }
  buffers[op.getResult()] = result;
  return success();
}

LogicalResult FunctionScheduler::runOnLayer(LayerFrame &layerFrame) {
  auto type = FunctionType::get(
      source.getContext(),
      {builder.getIndexType(), FrameType::get(source.getContext())}, {});
  builder.setInsertionPoint(source);
  auto made =
      func::FuncOp::create(builder, source.getLoc(), source.getName(), type);
  made.setPrivate();
  Block *entry = made.addEntryBlock();
  builder.setInsertionPointToStart(entry);
  layer = entry->getArgument(0);
  frame = entry->getArgument(1);
  unsigned index = 0;
  for (BlockArgument arg : source.getArguments())
    if (rowsType(arg))
      buffers[arg] =
          arenaBuffer(layerFrame.args[index++], Rows::Tokens, f32Rows(arg));
  Block &body = source.getBody().front();
  Value result = body.getTerminator()->getOperand(0);
  Value carried = source.getArgument(1);
  // The result goes where the carried argument is, if that is dead by then.
  Operation *def = result.getDefiningOp();
  bool carriedIsDead =
      def && llvm::all_of(carried.getUsers(), [&](Operation *user) {
        return user->isBeforeInBlock(def);
      });
  if (carriedIsDead)
    preassigned[result] = bufferOf(carried);
  if (failed(scheduleBody(body)))
    return failure();
  if (bufferOf(result).span->begin != layerFrame.args[0].begin)
    copy(source.getLoc(), bufferOf(result), bufferOf(carried));
  barrier();
  func::ReturnOp::create(builder, source.getLoc());
  layerFrame.localEnd = tokenPlan.highWater();
  layerFrame.ownEnd = ownPlan.highWater();
  source.erase();
  return success();
}

//===-- entries -----------------------------------------------------------===//

/// One argument of the entry, as adze/abi.h wants it.
static Attribute abiArg(Builder &b, StringRef name, Type element,
                        ArrayRef<StringRef> symbols,
                        ArrayRef<int64_t> constants) {
  return b.getDictionaryAttr(
      {b.getNamedAttr("name", b.getStringAttr(name)),
       b.getNamedAttr("type", TypeAttr::get(element)),
       b.getNamedAttr("symbols", b.getStrArrayAttr(symbols)),
       b.getNamedAttr("constants", b.getDenseI64ArrayAttr(constants))});
}

/// The same for a tensor; its first dimension, if dynamic, is `symbol`.
static Attribute abiTensor(Builder &b, StringRef name, RankedTensorType type,
                           StringRef symbol) {
  SmallVector<StringRef> symbols;
  SmallVector<int64_t> constants;
  for (int64_t size : type.getShape()) {
    bool isDynamic = ShapedType::isDynamic(size);
    symbols.push_back(isDynamic ? symbol : "");
    constants.push_back(isDynamic ? -1 : size);
  }
  return abiArg(b, name, type.getElementType(), symbols, constants);
}

LogicalResult FunctionScheduler::runOnEntry() {
  MLIRContext *context = source.getContext();
  builder.setInsertionPoint(source);
  auto made = func::FuncOp::create(
      builder, source.getLoc(), source.getName(),
      FunctionType::get(context, {FrameType::get(context)}, {}));
  made->setAttr(kEntryAttrName, builder.getUnitAttr());
  Block *entry = made.addEntryBlock();
  builder.setInsertionPointToStart(entry);
  frame = entry->getArgument(0);

  SmallVector<Attribute> abi;
  Type i32 = builder.getI32Type();
  bool hasBatch = false, hasRows = false;
  auto nameOf = [&](unsigned i, bool isResult) {
    auto attr = isResult
                    ? source.getResultAttrOfType<StringAttr>(i, "adze.name")
                    : source.getArgAttrOfType<StringAttr>(i, "adze.name");
    return attr ? attr.str()
                : (Twine(isResult ? "result" : "arg") + Twine(i)).str();
  };
  for (BlockArgument arg : source.getArguments()) {
    if (isa<BatchType>(arg.getType())) {
      if (hasBatch)
        return source.emitError() << "expects one argument of type "
                                  << arg.getType() << ", got a second";
      hasBatch = true;
      abi.push_back(abiArg(builder, "positions", i32, {"T"}, {-1}));
      abi.push_back(abiArg(builder, "seqs", i32, {"T"}, {-1}));
      abi.push_back(abiArg(builder, "row_begin", i32, {"S1"}, {-1}));
      abi.push_back(abiArg(builder, "pages", i32, {"S", "P"}, {-1, -1}));
      continue;
    }
    auto type = dyn_cast<RankedTensorType>(arg.getType());
    if (!type || type.getRank() == 0 || type.getNumDynamicDims() > 1 ||
        !type.getElementType().isIntOrIndexOrFloat() ||
        llvm::is_contained(type.getShape().drop_front(), ShapedType::kDynamic))
      return source.emitError()
             << "expects entry arguments of type tensor<?xN>, tensor<?xi32>, a "
                "tensor of static shape or !adze.batch, got "
             << arg.getType() << " as argument " << arg.getArgNumber();
    bool isRows = type.getRank() == 1 &&
                  llvm::any_of(arg.getUsers(), [&](Operation *user) {
                    return rowsTaken(user) == arg;
                  });
    hasRows |= isRows;
    Rows rows = isRows ? Rows::LogitRows : Rows::Tokens;
    buffers[arg] =
        frameBuffer(abi.size(), columns(arg), type.getElementType(), rows);
    abi.push_back(abiTensor(builder, nameOf(arg.getArgNumber(), false), type,
                            isRows ? "R" : "T"));
  }

  // Results are written in place by the op that makes them.
  Block &body = source.getBody().front();
  Operation *terminator = body.getTerminator();
  SmallVector<std::pair<Value, Buffer>> results;
  for (auto [i, result] : llvm::enumerate(terminator->getOperands())) {
    auto type = dyn_cast<RankedTensorType>(result.getType());
    bool byKernel = !isa_and_present<GenericOp>(result.getDefiningOp());
    if (!type || type.getRank() == 0 || !type.isDynamicDim(0) ||
        type.getNumDynamicDims() > 1 ||
        !type.getElementType().isIntOrIndexOrFloat() ||
        (byKernel && !type.getElementType().isF32()))
      return source.emitError()
             << "expects entry results of type tensor<?xNxf32>, got "
             << result.getType();
    // Which rows: walk to a take_rows or an argument.
    Rows rows = Rows::Tokens;
    SmallVector<Value> stack{result};
    DenseSet<Value> visited;
    while (!stack.empty()) {
      Value v = stack.pop_back_val();
      Operation *def = v.getDefiningOp();
      if (!def || !visited.insert(v).second)
        continue;
      if (rowsTaken(def)) {
        rows = Rows::LogitRows;
        break;
      }
      for (Value operand : def->getOperands())
        if (rowsType(operand))
          stack.push_back(operand);
    }
    Buffer buffer =
        frameBuffer(abi.size(), columns(result), type.getElementType(), rows);
    abi.push_back(abiTensor(builder, nameOf(i, true), type,
                            rows == Rows::Tokens ? "T" : "R"));
    if (result.getDefiningOp() && !preassigned.contains(result))
      preassigned[result] = buffer;
    results.emplace_back(result, buffer);
  }
  // Arguments of layers are made where the layers expect them.
  for (Operation &op : body) {
    auto repeat = dyn_cast<RepeatOp>(op);
    if (!repeat)
      continue;
    LayerFrame &layers =
        pass.layerFrames[FlatSymbolRefAttr::get(context, repeat.getCallee())
                             .getAttr()];
    unsigned index = 0;
    for (Value arg : repeat.getArgs()) {
      if (!rowsType(arg))
        continue;
      bool carried = index == 0;
      ArenaSpan span = layers.args[index++];
      if (!arg.getDefiningOp() || preassigned.contains(arg) ||
          (carried && !arg.hasOneUse()))
        continue;
      preassigned[arg] = arenaBuffer(span, Rows::Tokens, f32Rows(arg));
    }
  }

  if (failed(scheduleBody(body)))
    return failure();
  for (auto &[value, buffer] : results)
    if (bufferOf(value).handle != buffer.handle)
      copy(source.getLoc(), bufferOf(value), buffer);
  func::ReturnOp::create(builder, source.getLoc());

  // Logit-row buffers lie behind all token rows.
  int64_t tokenEnd = tokenPlan.highWater();
  for (Operation *op : arenaOps) {
    auto arena = cast<ArenaOp>(op);
    AffineExpr t = builder.getAffineDimExpr(0);
    arena.setOffsetAttr(AffineMapAttr::get(
        AffineMap::get(2, 0, arena.getOffset().getResult(0) + t * tokenEnd)));
  }
  SmallVector<StringRef> symbols{"T"};
  if (hasRows)
    symbols.push_back("R");
  if (hasBatch)
    symbols.append({"S", "S1", "P"});
  made->setAttr("adze.symbols", builder.getStrArrayAttr(symbols));
  made->setAttr("adze.abi", builder.getArrayAttr(abi));
  made->setAttr("adze.results",
                builder.getI64IntegerAttr(terminator->getNumOperands()));
  made->setAttr("adze.arena",
                builder.getDenseI64ArrayAttr({tokenEnd, rowPlan.highWater()}));
  source.erase();
  return success();
}
