// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scheduled functions -> LLVM dialect.
//
//   int32_t step(uint32_t tid, adze_frame *f)   builds a context on its stack
//   int32_t layer(int64_t l, Context *c)        is called once per layer
//
// A launch becomes: this thread's part [lo, hi) of the domain, addresses of
// buffers (arena + constant * T) and weights (base + offset + layer * stride),
// and a call. A barrier becomes a call through the frame and a look at the stop
// word, the same on every thread, that leaves the entry early with 1.

#include "adze/Codegen/LowerSchedule.h"
#include "adze/abi.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/AffineExpr.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cstddef>

using namespace mlir;
using namespace adze;

namespace {

/// Slots of 8 bytes of the context that an entry hands to its layers. The batch
/// comes first: kernels are given the address of the context as BatchView.
enum Slot {
  kBatchRows,
  kBatchSequences,
  kBatchPages,
  kBatchPositions,
  kBatchSeqs,
  kBatchRowBegin,
  kBatchPageTable,
  kBatchPageBytes,
  kBatchLayerBytes,
  kTid,
  kThreads,
  kTokens,
  kLogitRows,
  kFrame,
  kArena,
  kScratch,
  kShared,
  kWeights,
  kCache,
  kNumSlots
};
static_assert(sizeof(BatchView) == kTid * 8, "the batch is the first slots");

class FunctionLowering {
public:
  FunctionLowering(ModuleOp scheduled, ModuleOp out, StringRef prefix,
                   int64_t scratchBytes, SharedBytes shared)
      : scheduled(scheduled), out(out), prefix(prefix),
        scratchBytes(scratchBytes), shared(shared), b(out.getContext()),
        loc(out.getLoc()), ptr(LLVM::LLVMPointerType::get(b.getContext())),
        i32(b.getI32Type()), i64(b.getI64Type()) {}

  LogicalResult lowerLayer(func::FuncOp func);
  LogicalResult lowerEntry(func::FuncOp func, LoweredEntry &entry);

private:
  Value constant(int64_t v) {
    return LLVM::ConstantOp::create(b, loc, i64, b.getI64IntegerAttr(v));
  }
  Value constant32(int32_t v) {
    return LLVM::ConstantOp::create(b, loc, i32, b.getI32IntegerAttr(v));
  }
  Value offset(Value base, int64_t bytes) {
    if (bytes == 0)
      return base;
    return LLVM::GEPOp::create(b, loc, ptr, b.getI8Type(), base,
                               ArrayRef<LLVM::GEPArg>{int32_t(bytes)});
  }
  Value offset(Value base, Value bytes) {
    return LLVM::GEPOp::create(b, loc, ptr, b.getI8Type(), base,
                               ArrayRef<LLVM::GEPArg>{bytes});
  }
  Value load(Type type, Value base, int64_t bytes) {
    return LLVM::LoadOp::create(b, loc, type, offset(base, bytes));
  }
  Value slot(Slot index) {
    Type type = index == kBatchPositions || index == kBatchSeqs ||
                        index == kBatchRowBegin || index == kBatchPageTable ||
                        index >= kFrame
                    ? Type(ptr)
                    : Type(i64);
    return load(type, context, index * 8);
  }
  void setSlot(Slot index, Value v) {
    LLVM::StoreOp::create(b, loc, v, offset(context, index * 8));
  }
  Value mul(Value x, int64_t y) {
    if (y == 1)
      return x;
    return LLVM::MulOp::create(b, loc, x, constant(y));
  }
  Value add(Value x, Value y) { return LLVM::AddOp::create(b, loc, x, y); }

  /// Declares an external function once.
  LLVM::LLVMFuncOp declare(StringRef name, Type result, ArrayRef<Type> args);
  LLVM::LLVMFuncOp define(StringRef name, ArrayRef<Type> args);
  /// Goes on in a new block unless `condition`, which leaves with 1.
  void leaveIf(Value condition);
  void finish();

  LogicalResult lowerBody(Block &block);
  LogicalResult lowerLaunch(LaunchOp op);
  void lowerBarrier();
  Block *beginIfSplit();
  void lowerTap(TapBufferOp op);
  void lowerCallLayers(CallLayersOp op);
  Value bufferAddress(Value buffer);
  Value lookUp(ArrayRef<int64_t> values, Value index);
  Value weightOffset(WeightOp weight, bool ofLayer);
  Value addressAt(AffineMap map);

  ModuleOp scheduled, out;
  StringRef prefix;
  int64_t scratchBytes;
  SharedBytes shared;
  OpBuilder b;
  Location loc;
  Type ptr, i32, i64;
  LLVM::LLVMFuncOp function;
  Block *exit = nullptr; // returns 1
  Value context, layer;
  int taps = 0, tables = 0;
};

LLVM::LLVMFuncOp FunctionLowering::declare(StringRef name, Type result,
                                           ArrayRef<Type> args) {
  if (auto known = out.lookupSymbol<LLVM::LLVMFuncOp>(name))
    return known;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(out.getBody());
  return LLVM::LLVMFuncOp::create(b, loc, name,
                                  LLVM::LLVMFunctionType::get(result, args));
}

LLVM::LLVMFuncOp FunctionLowering::define(StringRef name,
                                          ArrayRef<Type> args) {
  b.setInsertionPointToEnd(out.getBody());
  auto func = LLVM::LLVMFuncOp::create(b, loc, name,
                                       LLVM::LLVMFunctionType::get(i32, args));
  func.setVisibility_(LLVM::Visibility::Hidden);
  func.setDsoLocal(true);
  b.setInsertionPointToStart(func.addEntryBlock(b));
  return func;
}

void FunctionLowering::leaveIf(Value condition) {
  if (!exit) {
    OpBuilder::InsertionGuard guard(b);
    exit = b.createBlock(&function.getBody(), function.getBody().end());
    LLVM::ReturnOp::create(b, loc, constant32(1));
  }
  Block *go = new Block();
  function.getBody().getBlocks().insert(
      std::next(Region::iterator(b.getInsertionBlock())), go);
  LLVM::CondBrOp::create(b, loc, condition, exit, go);
  b.setInsertionPointToEnd(go);
}

void FunctionLowering::finish() {
  LLVM::ReturnOp::create(b, loc, constant32(0));
  exit = nullptr;
}

//===-- ops ---------------------------------------------------------------===//

Value FunctionLowering::addressAt(AffineMap map) {
  // base + t * T + r * R, read off the map by evaluating it.
  auto at = [&](int64_t t, int64_t r) {
    SmallVector<Attribute> result;
    Attribute operands[] = {b.getIndexAttr(t), b.getIndexAttr(r)};
    (void)map.constantFold(operands, result);
    return cast<IntegerAttr>(result[0]).getInt();
  };
  int64_t base = at(0, 0), t = at(1, 0) - base, r = at(0, 1) - base;
  Value bytes = constant(base);
  if (t)
    bytes = add(bytes, mul(slot(kTokens), t));
  if (r)
    bytes = add(bytes, mul(slot(kLogitRows), r));
  return offset(slot(kArena), bytes);
}

/// values[index], from a constant table where they differ.
Value FunctionLowering::lookUp(ArrayRef<int64_t> values, Value index) {
  if (llvm::all_equal(values))
    return constant(values.front());
  LLVM::GlobalOp table;
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(out.getBody());
    table = LLVM::GlobalOp::create(
        b, loc, LLVM::LLVMArrayType::get(i64, values.size()),
        /*isConstant=*/true, LLVM::Linkage::Internal,
        (prefix + "table." + Twine(tables++)).str(),
        b.getI64TensorAttr(values));
  }
  Value place = LLVM::GEPOp::create(b, loc, ptr, i64,
                                    LLVM::AddressOfOp::create(b, loc, table),
                                    ArrayRef<LLVM::GEPArg>{index});
  return LLVM::LoadOp::create(b, loc, i64, place);
}

/// Where the weight lies, of the layer that runs; null if it has no place.
Value FunctionLowering::weightOffset(WeightOp weight, bool ofLayer) {
  if (!ofLayer || weight.getCount()) {
    std::optional<int64_t> first = weight.getOffset(0);
    if (!first)
      return {};
    std::optional<int64_t> second = ofLayer ? weight.getOffset(1) : std::nullopt;
    return second ? add(constant(*first), mul(layer, *second - *first))
                  : constant(*first);
  }
  // A list of layers: a table from the first to the last.
  SmallVector<int64_t> layers = weight.getLayerIndices();
  SmallVector<int64_t> offsets(layers.back() - layers.front() + 1, 0);
  for (int64_t l : layers) {
    std::optional<int64_t> at = weight.getOffset(l);
    if (!at)
      return {};
    offsets[l - layers.front()] = *at;
  }
  return lookUp(offsets, add(layer, constant(-layers.front())));
}

Value FunctionLowering::bufferAddress(Value buffer) {
  // Not remembered: a barrier starts a new block, and a load is one instruction.
  if (auto arena = buffer.getDefiningOp<ArenaOp>())
    return addressAt(arena.getOffset());
  auto arg = buffer.getDefiningOp<FrameArgOp>();
  Value args = load(ptr, slot(kFrame), offsetof(adze_frame, arg));
  return load(ptr, args, int64_t(arg.getIndex()) * 8);
}

void FunctionLowering::lowerBarrier() {
  Value frame = slot(kFrame);
  Value rt = load(ptr, frame, offsetof(adze_frame, rt));
  Value barrier = load(ptr, rt, offsetof(adze_rt, barrier));
  Value tid = LLVM::TruncOp::create(b, loc, i32, slot(kTid));
  auto type = LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(b.getContext()), {ptr, i32});
  LLVM::CallOp::create(b, loc, type, ValueRange{barrier, frame, tid});
  auto stopped = LLVM::LoadOp::create(
      b, loc, i32, offset(frame, offsetof(adze_frame, stopped)),
      /*alignment=*/4, /*isVolatile=*/true);
  leaveIf(LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::ne, stopped,
                               constant32(0)));
}

/// Goes on where the attention before has split items, the same on every
/// thread; the block returned is where all meet again.
Block *FunctionLowering::beginIfSplit() {
  Value splits = load(i64, slot(kScratch), 0);
  Value some = LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::ne, splits,
                                    constant(0));
  Block *then = new Block(), *after = new Block();
  auto &blocks = function.getBody().getBlocks();
  auto next = std::next(Region::iterator(b.getInsertionBlock()));
  blocks.insert(next, then);
  blocks.insert(next, after);
  LLVM::CondBrOp::create(b, loc, some, then, after);
  b.setInsertionPointToEnd(then);
  return after;
}

/// Thread 0 calls the frame's tap, if there is one.
void FunctionLowering::lowerTap(TapBufferOp op) {
  std::string text = op.getName().str();
  text.push_back('\0');
  LLVM::GlobalOp global;
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(out.getBody());
    global = LLVM::GlobalOp::create(
        b, loc, LLVM::LLVMArrayType::get(b.getI8Type(), text.size()),
        /*isConstant=*/true, LLVM::Linkage::Internal,
        "tap." + std::to_string(taps++), b.getStringAttr(text));
  }
  Value frame = slot(kFrame);
  Value tap = load(ptr, load(ptr, frame, offsetof(adze_frame, rt)),
                   offsetof(adze_rt, tap));
  Value null = LLVM::ZeroOp::create(b, loc, ptr);
  Value wanted = LLVM::AndOp::create(
      b, loc,
      LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::ne, tap, null),
      LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::eq, slot(kTid),
                           constant(0)));
  Block *call = new Block(), *after = new Block();
  auto &blocks = function.getBody().getBlocks();
  auto next = std::next(Region::iterator(b.getInsertionBlock()));
  blocks.insert(next, call);
  blocks.insert(next, after);
  LLVM::CondBrOp::create(b, loc, wanted, call, after);
  b.setInsertionPointToEnd(call);
  Value name = LLVM::AddressOfOp::create(b, loc, global);
  Value rows = op.getRows() == Domain::Tokens ? slot(kTokens)
                                              : slot(kLogitRows);
  int64_t cols = cast<BufferType>(op.getBuffer().getType()).getCols();
  auto type = LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(b.getContext()), {ptr, ptr, ptr, i64, i64});
  LLVM::CallOp::create(b, loc, type,
                       ValueRange{tap, frame, name,
                                  bufferAddress(op.getBuffer()), rows,
                                  constant(cols)});
  LLVM::BrOp::create(b, loc, ValueRange(), after);
  b.setInsertionPointToEnd(after);
}

void FunctionLowering::lowerCallLayers(CallLayersOp op) {
  auto callee = declare((prefix + op.getCallee()).str(), i32, {i64, ptr});
  callee.setVisibility_(LLVM::Visibility::Hidden);
  if (op.getCount() == 0)
    return;
  Block *head = new Block();
  head->addArgument(i64, loc);
  function.getBody().getBlocks().insert(
      std::next(Region::iterator(b.getInsertionBlock())), head);
  LLVM::BrOp::create(b, loc, ValueRange{constant(op.getFirst())}, head);
  b.setInsertionPointToEnd(head);
  Value l = head->getArgument(0);
  Value stopped =
      LLVM::CallOp::create(b, loc, callee, ValueRange{l, context}).getResult();
  leaveIf(LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::ne, stopped,
                               constant32(0)));
  Value next = add(l, constant(1));
  Value more = LLVM::ICmpOp::create(
      b, loc, LLVM::ICmpPredicate::slt, next,
      constant(int64_t(op.getFirst()) + int64_t(op.getCount())));
  Block *done = new Block();
  function.getBody().getBlocks().insert(
      std::next(Region::iterator(b.getInsertionBlock())), done);
  LLVM::CondBrOp::create(b, loc, more, head, ValueRange{next}, done,
                         ValueRange());
  b.setInsertionPointToEnd(done);
}

LogicalResult FunctionLowering::lowerLaunch(LaunchOp op) {
  std::string kernelName = (prefix + op.getKernel()).str();
  KernelFamily family =
      SymbolTable::lookupNearestSymbolFrom<KernelOp>(op, op.getKernelAttr())
          .getFamily();
  Block *after = nullptr;
  if (family == KernelFamily::AttentionMerge) {
    after = beginIfSplit();
    lowerBarrier();
  }
  // The domain and this thread's part of it.
  Value extent;
  switch (op.getDomain()) {
  case Domain::Tokens:
    extent = slot(kTokens);
    break;
  case Domain::LogitRows:
    extent = slot(kLogitRows);
    break;
  case Domain::Panels:
    extent = constant(int64_t(op.getExtent()) / int64_t(op.getUnit()));
    break;
  case Domain::Attention: // cut by the kernel
    break;
  }
  Value tid = slot(kTid), threads = slot(kThreads);
  auto part = [&](Value index) -> Value {
    Value product = LLVM::MulOp::create(b, loc, extent, index);
    return LLVM::UDivOp::create(b, loc, product, threads);
  };
  SmallVector<Value> args{tid, threads};
  if (extent)
    args = {part(tid), part(add(tid, constant(1)))};
  args.append({slot(kScratch), context});
  for (Value buffer : op.getBuffers())
    args.push_back(bufferAddress(buffer));
  if (!extent)
    args.push_back(slot(kShared));
  Value weights = slot(kWeights);
  for (Attribute name : op.getWeights() ? op.getWeightsAttr().getValue()
                                        : ArrayRef<Attribute>()) {
    WeightOp weight = lookupWeight(op, cast<FlatSymbolRefAttr>(name));
    Value bytes = weight ? weightOffset(weight, bool(op.getLayer())) : Value();
    if (!bytes)
      return op.emitOpError()
             << "reads " << name << ", which has no place in the artefact: run "
                "adze-assign-weight-offsets first";
    args.push_back(offset(weights, bytes));
  }
  if (op.getCacheAttr()) {
    // Each state has its own stretch of a page, layer after layer: the kernel
    // is given the layer's own base, and layer 0.
    StateOp state = lookupState(op, op.getCacheAttr());
    Value bytes = constant(kvStateOffset(state));
    if (op.getLayer())
      bytes = add(bytes, mul(layer, kvLayerBytes(state)));
    args.push_back(offset(slot(kCache), bytes));
    args.push_back(constant(0));
  }
  // rotary_table, kv_append and the like count rows by their domain alone.
  if (family != KernelFamily::RotaryTable && family != KernelFamily::KVAppend)
    args.push_back(op.getRows() == Domain::Tokens ? slot(kTokens)
                                                  : slot(kLogitRows));
  for (int64_t size : op.getSizes())
    args.push_back(constant(size));
  SmallVector<Type> types;
  for (Value arg : args)
    types.push_back(arg.getType());
  auto kernel =
      declare(kernelName, LLVM::LLVMVoidType::get(b.getContext()), types);
  LLVM::CallOp::create(b, op.getLoc(), kernel, args);
  if (after) {
    LLVM::BrOp::create(b, loc, ValueRange(), after);
    b.setInsertionPointToEnd(after);
  }
  return success();
}

LogicalResult FunctionLowering::lowerBody(Block &block) {
  for (Operation &op : block.without_terminator()) {
    LogicalResult ok =
        TypeSwitch<Operation *, LogicalResult>(&op)
            .Case([&](LaunchOp launch) { return lowerLaunch(launch); })
            .Case([&](BarrierOp) { return lowerBarrier(), success(); })
            .Case([&](TapBufferOp tap) { return lowerTap(tap), success(); })
            .Case([&](CallLayersOp call) {
              return lowerCallLayers(call), success();
            })
            .Case<ArenaOp, FrameArgOp>([](auto) { return success(); })
            .Default([](Operation *other) {
              return other->emitOpError()
                     << "is no op of the scheduled level";
            });
    if (failed(ok))
      return failure();
  }
  return success();
}

//===-- functions ---------------------------------------------------------===//

LogicalResult FunctionLowering::lowerLayer(func::FuncOp func) {
  std::string name = (prefix + func.getName()).str();
  if (auto declared = out.lookupSymbol(name))
    declared->erase();
  function = define(name, {i64, ptr});
  layer = function.getArgument(0);
  context = function.getArgument(1);
  if (failed(lowerBody(func.getBody().front())))
    return failure();
  finish();
  return success();
}

LogicalResult FunctionLowering::lowerEntry(func::FuncOp func,
                                           LoweredEntry &entry) {
  entry.name = func.getName().str();
  entry.symbol = (prefix + func.getName()).str();
  auto arena = func->getAttrOfType<DenseI64ArrayAttr>("adze.arena");
  entry.bytesPerToken = arena[0];
  entry.bytesPerRow = arena[1];
  entry.scratchPerThread = scratchBytes;
  entry.shared = shared;

  function = define(entry.symbol, {i32, ptr});
  Value tid32 = function.getArgument(0), frame = function.getArgument(1);
  context = LLVM::AllocaOp::create(b, loc, ptr, i64, constant(kNumSlots), 64);
  Value tid = LLVM::ZExtOp::create(b, loc, i64, tid32);
  Value threads = LLVM::ZExtOp::create(
      b, loc, i64, load(i32, frame, offsetof(adze_frame, nthreads)));
  setSlot(kTid, tid);
  setSlot(kThreads, threads);
  setSlot(kFrame, frame);
  Value symbols = load(ptr, frame, offsetof(adze_frame, sym));
  Value args = load(ptr, frame, offsetof(adze_frame, arg));
  auto symbolNames =
      llvm::to_vector(func->getAttrOfType<ArrayAttr>("adze.symbols")
                          .getAsValueRange<StringAttr>());
  auto symbol = [&](StringRef name) -> Value {
    auto *it = llvm::find(symbolNames, name);
    return it == symbolNames.end()
               ? constant(0)
               : load(i64, symbols, (it - symbolNames.begin()) * 8);
  };
  Value null = LLVM::ZeroOp::create(b, loc, ptr);
  auto abi = func->getAttrOfType<ArrayAttr>("adze.abi");
  auto argument = [&](StringRef name) -> Value {
    for (auto [i, attr] : llvm::enumerate(abi))
      if (cast<DictionaryAttr>(attr).getAs<StringAttr>("name") == name)
        return load(ptr, args, i * 8);
    return null;
  };
  Value t = symbol("T"), r = symbol("R");
  setSlot(kTokens, t);
  setSlot(kLogitRows, r);
  setSlot(kBatchRows, t);
  setSlot(kBatchSequences, symbol("S"));
  setSlot(kBatchPages, symbol("P"));
  setSlot(kBatchPositions, argument("positions"));
  setSlot(kBatchSeqs, argument("seqs"));
  setSlot(kBatchRowBegin, argument("row_begin"));
  setSlot(kBatchPageTable, argument("pages"));
  int64_t layerBytes = 0;
  for (auto state : scheduled.getOps<StateOp>())
    layerBytes = kvLayerBytes(state);
  setSlot(kBatchPageBytes, constant(kvPageBytes(scheduled)));
  setSlot(kBatchLayerBytes, constant(layerBytes));
  Value arenaBase = load(ptr, frame, offsetof(adze_frame, arena));
  setSlot(kArena, arenaBase);
  // Per-thread scratch lies behind the buffers.
  Value scratch = add(add(mul(t, entry.bytesPerToken),
                          mul(r, entry.bytesPerRow)),
                      mul(tid, scratchBytes));
  setSlot(kScratch, offset(arenaBase, scratch));
  // And behind that of all threads, what they share.
  Value sharedAt = add(add(mul(t, entry.bytesPerToken),
                           mul(r, entry.bytesPerRow)),
                       mul(threads, scratchBytes));
  setSlot(kShared, offset(arenaBase, sharedAt));
  setSlot(kWeights, load(ptr, frame, offsetof(adze_frame, weights)));
  Value cache = null;
  if (layerBytes)
    cache = load(ptr, load(ptr, frame, offsetof(adze_frame, state)), 0);
  setSlot(kCache, cache);

  layer = Value();
  if (failed(lowerBody(func.getBody().front())))
    return failure();
  finish();
  return success();
}

} // namespace

int64_t adze::kvLayerBytes(StateOp state) {
  KVType type = state.getKVType();
  return type.getHeads() *
         kvHeadBytes(type.getHeadDim(), type.getElementType());
}

int64_t adze::kvStateOffset(StateOp state) {
  int64_t bytes = 0;
  for (auto other : cast<ModuleOp>(state->getParentOp()).getOps<StateOp>()) {
    if (other == state)
      break;
    bytes += other.getLayers() * kvLayerBytes(other);
  }
  return bytes;
}

int64_t adze::kvPageBytes(ModuleOp module) {
  int64_t bytes = 0;
  for (auto state : module.getOps<StateOp>())
    bytes += state.getLayers() * kvLayerBytes(state);
  return bytes;
}

FailureOr<OwningOpRef<ModuleOp>>
adze::lowerSchedule(ModuleOp scheduled, StringRef prefix,
                    const KernelTarget &target,
                    SmallVectorImpl<LoweredEntry> &entries) {
  scheduled.getContext()->loadDialect<LLVM::LLVMDialect>();
  int64_t scratch = 0;
  SharedBytes shared;
  for (auto kernel : scheduled.getOps<KernelOp>()) {
    scratch = std::max(scratch, kernelScratchBytes(kernel, target));
    SharedBytes bytes = kernelSharedBytes(kernel, target);
    shared.constant = std::max(shared.constant, bytes.constant);
    shared.perPage = std::max(shared.perPage, bytes.perPage);
  }
  scratch = llvm::alignTo(scratch, 4096); // threads do not share lines or pages
  OwningOpRef<ModuleOp> out = ModuleOp::create(scheduled.getLoc());
  FunctionLowering lowering(scheduled, *out, prefix, scratch, shared);
  for (auto func : scheduled.getOps<func::FuncOp>())
    if (!func->hasAttr(kEntryAttrName) &&
        failed(lowering.lowerLayer(func)))
      return failure();
  for (auto func : scheduled.getOps<func::FuncOp>())
    if (func->hasAttr(kEntryAttrName) &&
        failed(lowering.lowerEntry(func, entries.emplace_back())))
      return failure();
  return out;
}
