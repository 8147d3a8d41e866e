// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scheduled functions -> LLVM dialect.
//
//   int32_t step(uint32_t tid, adze_frame *f)   builds a context on its stack
//   int32_t layer(int64_t l, Context *c)        is called once per layer
//
// A launch becomes: this thread's part [lo, hi) of the domain, addresses of
// buffers (arena + constant * T) and weights (base + offset + layer * stride),
// and a call. Layers that differ in such numbers only are one function, which
// takes them from a table (LayerGroups.h). A barrier becomes a call through the
// frame and a look at the stop word, the same on every thread, that leaves the
// entry early with 1.
//
// In a step of one row, launches that are repeated take all of their domain on
// every thread, their results lie in the thread's own memory, behind its
// scratch, and barriers of several rows are passed by. The order of memory
// needs no more than that: what a thread reads there it has written itself.

#include "adze/Codegen/LowerSchedule.h"
#include "LayerGroups.h"
#include "adze/Codegen/KVPages.h"
#include "adze/Transforms/OneRow.h"
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
  kRepeatTid,     // part 0 of 1 in a step of one row,
  kRepeatThreads, // the thread's part else
  kOneRow,        // whether it is one
  kTokens,
  kLogitRows,
  kFrame,
  kArena,
  kScratch,
  kOwn, // the thread's own memory
  kShared,
  kWeights,
  kCache,
  kNumSlots
};
static_assert(sizeof(BatchView) == kTid * 8, "the batch is the first slots");

class FunctionLowering {
public:
  FunctionLowering(ModuleOp scheduled, ModuleOp out,
                   const KernelSymbols &kernelSymbols, int64_t scratchBytes,
                   int64_t ownOffset, SharedBytes shared)
      : scheduled(scheduled), out(out), kernelSymbols(kernelSymbols),
        scratchBytes(scratchBytes), ownOffset(ownOffset), shared(shared),
        b(out.getContext()), loc(out.getLoc()),
        ptr(LLVM::LLVMPointerType::get(b.getContext())), i32(b.getI32Type()),
        i64(b.getI64Type()) {}

  LogicalResult lowerLayers(const LayerGroup &group);
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
  Value mul(Value x, Value y) { return LLVM::MulOp::create(b, loc, x, y); }
  Value mul(Value x, int64_t y) { return y == 1 ? x : mul(x, constant(y)); }
  Value add(Value x, Value y) { return LLVM::AddOp::create(b, loc, x, y); }

  /// Declares an external function once.
  LLVM::LLVMFuncOp declare(StringRef name, Type result, ArrayRef<Type> args);
  LLVM::LLVMFuncOp define(StringRef name, ArrayRef<Type> args);
  /// Goes on in a new block unless `condition`, which leaves with 1.
  void leaveIf(Value condition);
  void finish();

  LogicalResult lowerBody(ArrayRef<Block *> blocks);
  LogicalResult lowerLaunch(ArrayRef<LaunchOp> launches);
  void callKernel(ArrayRef<LaunchOp> launches, ValueRange args);
  void lowerBarrier();
  Block *beginUnless(Value condition);
  void endUnless(Block *after) {
    LLVM::BrOp::create(b, loc, ValueRange(), after);
    b.setInsertionPointToEnd(after);
  }
  Value isOneRow();
  Block *beginIfSplit();
  void lowerTap(TapBufferOp op);
  void lowerCallLayers(Block::iterator &call, Block::iterator end);
  void callLayers(StringRef callee, int64_t first, int64_t count);
  Value bufferAddress(ArrayRef<Value> buffers);
  Value lookUp(ArrayRef<int64_t> values, Value index);
  /// One number of each member of the group, of the layer that runs.
  Value ofMember(ArrayRef<int64_t> values);
  Value weightOffset(ArrayRef<WeightOp> weights, bool ofLayer);
  Value addressAt(ArrayRef<AffineMap> maps);

  ModuleOp scheduled, out;
  const KernelSymbols &kernelSymbols;
  int64_t scratchBytes, ownOffset; // own memory: in the scratch of a thread
  SharedBytes shared;
  OpBuilder b;
  Location loc;
  Type ptr, i32, i64;
  LLVM::LLVMFuncOp function;
  Block *exit = nullptr; // returns 1
  Value context, layer;
  const LayerGroup *group = nullptr;      // of the function being lowered
  llvm::StringMap<std::string> emittedAs; // layer functions
  llvm::DenseMap<Attribute, LLVM::GlobalOp> tables; // by contents
  int taps = 0;
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

LLVM::LLVMFuncOp FunctionLowering::define(StringRef name, ArrayRef<Type> args) {
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

Value FunctionLowering::addressAt(ArrayRef<AffineMap> maps) {
  // base + t * T + r * R, read off each map by evaluating it.
  auto at = [&](AffineMap map, int64_t t, int64_t r) {
    SmallVector<Attribute> result;
    Attribute operands[] = {b.getIndexAttr(t), b.getIndexAttr(r)};
    (void)map.constantFold(operands, result);
    return cast<IntegerAttr>(result[0]).getInt();
  };
  SmallVector<int64_t> bases, ts, rs;
  for (AffineMap map : maps) {
    bases.push_back(at(map, 0, 0));
    ts.push_back(at(map, 1, 0) - bases.back());
    rs.push_back(at(map, 0, 1) - bases.back());
  }
  auto isZero = [](int64_t v) { return v == 0; };
  Value bytes = ofMember(bases);
  if (!llvm::all_of(ts, isZero))
    bytes = add(bytes, mul(slot(kTokens), ofMember(ts)));
  if (!llvm::all_of(rs, isZero))
    bytes = add(bytes, mul(slot(kLogitRows), ofMember(rs)));
  return offset(slot(kArena), bytes);
}

/// values[index], from a constant table where they differ.
Value FunctionLowering::lookUp(ArrayRef<int64_t> values, Value index) {
  if (llvm::all_equal(values))
    return constant(values.front());
  DenseIntElementsAttr contents = b.getI64TensorAttr(values);
  LLVM::GlobalOp &table = tables[contents];
  if (!table) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(out.getBody());
    table = LLVM::GlobalOp::create(
        b, loc, LLVM::LLVMArrayType::get(i64, values.size()),
        /*isConstant=*/true, LLVM::Linkage::Internal,
        ("table." + Twine(tables.size() - 1)).str(), contents);
  }
  Value place = LLVM::GEPOp::create(b, loc, ptr, i64,
                                    LLVM::AddressOfOp::create(b, loc, table),
                                    ArrayRef<LLVM::GEPArg>{index});
  return LLVM::LoadOp::create(b, loc, i64, place);
}

Value FunctionLowering::ofMember(ArrayRef<int64_t> values) {
  if (llvm::all_equal(values))
    return constant(values.front());
  SmallVector<int64_t> rows;
  for (unsigned member : group->memberOf)
    rows.push_back(values[member]);
  return lookUp(rows, add(layer, constant(-group->firstLayer)));
}

/// Where the weight lies, of the layer that runs; null if it has no place.
Value FunctionLowering::weightOffset(ArrayRef<WeightOp> weights, bool ofLayer) {
  WeightOp weight = weights.front();
  bool isOne = llvm::all_equal(weights);
  if (isOne && (!ofLayer || weight->hasAttr("adze.stride"))) {
    std::optional<int64_t> first = weight.getOffset(0);
    if (!first)
      return {};
    std::optional<int64_t> second =
        ofLayer ? weight.getOffset(1) : std::nullopt;
    return second
               ? add(constant(*first), mul(layer, constant(*second - *first)))
               : constant(*first);
  }
  // A table from the first layer to the last.
  int64_t first = group->firstLayer;
  SmallVector<int64_t> offsets;
  if (isOne) {
    SmallVector<int64_t> layers = weight.getLayerIndices();
    first = layers.front();
    offsets.assign(layers.back() - first + 1, 0);
    for (int64_t l : layers)
      offsets[l - first] = weight.getOffset(l).value_or(-1);
  } else {
    for (auto [i, member] : llvm::enumerate(group->memberOf)) {
      WeightOp of = weights[member];
      int64_t l = first + int64_t(i);
      // A row that does not run needs no place.
      bool runs = !ofLayer || !of.isPerLayer() || of.hasLayer(l);
      offsets.push_back(
          runs ? of.getOffset(ofLayer && of.isPerLayer() ? l : 0).value_or(-1)
               : 0);
    }
  }
  if (llvm::is_contained(offsets, -1))
    return {};
  return lookUp(offsets, add(layer, constant(-first)));
}

Value FunctionLowering::bufferAddress(ArrayRef<Value> buffers) {
  // Not remembered: a barrier starts a new block, and a load is one
  // instruction.
  if (buffers.front().getDefiningOp<ArenaOp>()) {
    SmallVector<AffineMap> maps;
    SmallVector<int64_t> own;
    for (Value buffer : buffers) {
      auto arena = buffer.getDefiningOp<ArenaOp>();
      maps.push_back(arena.getOffset());
      if (std::optional<int64_t> place = ownPlace(buffer))
        own.push_back(*place);
    }
    Value address = addressAt(maps);
    if (own.empty())
      return address;
    return LLVM::SelectOp::create(b, loc, isOneRow(),
                                  offset(slot(kOwn), ofMember(own)), address);
  }
  auto arg = buffers.front().getDefiningOp<FrameArgOp>();
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

/// Goes on in a new block unless `condition`, the same on every thread; the
/// block returned is where all meet again.
Block *FunctionLowering::beginUnless(Value condition) {
  Block *then = new Block(), *after = new Block();
  auto &blocks = function.getBody().getBlocks();
  auto next = std::next(Region::iterator(b.getInsertionBlock()));
  blocks.insert(next, then);
  blocks.insert(next, after);
  LLVM::CondBrOp::create(b, loc, condition, after, then);
  b.setInsertionPointToEnd(then);
  return after;
}

/// Goes on where the attention before has split items.
Block *FunctionLowering::beginIfSplit() {
  Value splits = load(i64, slot(kScratch), 0);
  return beginUnless(LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::eq,
                                          splits, constant(0)));
}

Value FunctionLowering::isOneRow() {
  return LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::ne, slot(kOneRow),
                              constant(0));
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
      b, loc, LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::ne, tap, null),
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
  Value rows =
      op.getRows() == Domain::Tokens ? slot(kTokens) : slot(kLogitRows);
  int64_t cols = cast<BufferType>(op.getBuffer().getType()).getCols();
  auto type = LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(b.getContext()), {ptr, ptr, ptr, i64, i64});
  LLVM::CallOp::create(b, loc, type,
                       ValueRange{tap, frame, name,
                                  bufferAddress(Value(op.getBuffer())), rows,
                                  constant(cols)});
  LLVM::BrOp::create(b, loc, ValueRange(), after);
  b.setInsertionPointToEnd(after);
}

/// Goes on to the last of calls that follow each other and go to one emitted
/// function, layer after layer: they are one loop.
void FunctionLowering::lowerCallLayers(Block::iterator &call,
                                       Block::iterator end) {
  auto op = cast<CallLayersOp>(*call);
  std::string callee = emittedAs.lookup(op.getCallee());
  int64_t first = op.getFirst(), count = op.getCount();
  for (auto next = std::next(call); next != end; ++next) {
    if (isa<ArenaOp, FrameArgOp>(*next))
      continue;
    auto more = dyn_cast<CallLayersOp>(*next);
    if (!more || emittedAs.lookup(more.getCallee()) != callee ||
        int64_t(more.getFirst()) != first + count)
      break;
    count += int64_t(more.getCount());
    call = next;
  }
  callLayers(callee, first, count);
}

void FunctionLowering::callLayers(StringRef name, int64_t first,
                                  int64_t count) {
  auto callee = declare(name, i32, {i64, ptr});
  callee.setVisibility_(LLVM::Visibility::Hidden);
  if (count == 0)
    return;
  Block *head = new Block();
  head->addArgument(i64, loc);
  function.getBody().getBlocks().insert(
      std::next(Region::iterator(b.getInsertionBlock())), head);
  LLVM::BrOp::create(b, loc, ValueRange{constant(first)}, head);
  b.setInsertionPointToEnd(head);
  Value l = head->getArgument(0);
  Value stopped =
      LLVM::CallOp::create(b, loc, callee, ValueRange{l, context}).getResult();
  leaveIf(LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::ne, stopped,
                               constant32(0)));
  Value next = add(l, constant(1));
  Value more = LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::slt, next,
                                    constant(first + count));
  Block *done = new Block();
  function.getBody().getBlocks().insert(
      std::next(Region::iterator(b.getInsertionBlock())), done);
  LLVM::CondBrOp::create(b, loc, more, head, ValueRange{next}, done,
                         ValueRange());
  b.setInsertionPointToEnd(done);
}

/// The kernel of the layer that runs: a call, or a choice between calls.
void FunctionLowering::callKernel(ArrayRef<LaunchOp> launches,
                                  ValueRange args) {
  SmallVector<Type> types(args.getTypes());
  SmallVector<StringRef> kernels;
  SmallVector<int64_t> which;
  for (LaunchOp op : launches) {
    auto symbol = kernelSymbols.find(op.getKernel());
    StringRef kernel =
        symbol == kernelSymbols.end() ? op.getKernel() : symbol->second;
    auto *known = llvm::find(kernels, kernel);
    which.push_back(known - kernels.begin());
    if (known == kernels.end())
      kernels.push_back(kernel);
  }
  auto call = [&](StringRef kernel) {
    auto callee =
        declare(kernel, LLVM::LLVMVoidType::get(b.getContext()), types);
    LaunchOp op = launches.front();
    LLVM::CallOp::create(b, op.getLoc(), callee, args);
  };
  if (kernels.size() == 1)
    return call(kernels.front());
  Value choice = ofMember(which);
  auto &blocks = function.getBody().getBlocks();
  auto next = std::next(Region::iterator(b.getInsertionBlock()));
  SmallVector<Block *> targets;
  for (size_t i = 0; i <= kernels.size(); ++i) {
    targets.push_back(new Block());
    blocks.insert(next, targets.back());
  }
  Block *after = targets.pop_back_val();
  SmallVector<APInt> values;
  for (size_t i = 1; i < kernels.size(); ++i)
    values.push_back(APInt(64, i));
  LLVM::SwitchOp::create(b, loc, choice, targets.front(), ValueRange(),
                         ArrayRef<APInt>(values),
                         ArrayRef(targets).drop_front(),
                         SmallVector<ValueRange>(values.size(), ValueRange()));
  for (auto [target, kernel] : llvm::zip(targets, kernels)) {
    b.setInsertionPointToEnd(target);
    call(kernel);
    LLVM::BrOp::create(b, loc, ValueRange(), after);
  }
  b.setInsertionPointToEnd(after);
}

/// What every thread does must give each a result of its own.
static LogicalResult checkRepeated(LaunchOp op) {
  if (op.getDomain() != op.getRows())
    return op.emitOpError() << "expects what is repeated to be over its rows, "
                            << stringifyDomain(op.getRows()) << ", got "
                            << stringifyDomain(op.getDomain());
  std::optional<int64_t> own =
      op.getBuffers().empty() ? std::nullopt : ownPlace(op.getBuffers().back());
  if (!own || *own < 0 || *own % 64)
    return op.emitOpError()
           << "expects the last buffer of what is repeated to have a place in "
              "each thread's own memory ("
           << kOwnAttrName << "), a multiple of 64";
  return success();
}

/// One launch of each member of the group, alike but for numbers.
LogicalResult FunctionLowering::lowerLaunch(ArrayRef<LaunchOp> launches) {
  LaunchOp op = launches.front();
  auto number = [&](function_ref<int64_t(LaunchOp)> get) {
    return ofMember(llvm::map_to_vector(launches, get));
  };
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
    extent = number([](LaunchOp l) {
      return int64_t(l.getExtent()) / int64_t(l.getUnit());
    });
    break;
  case Domain::Attention: // cut by the kernel
    break;
  }
  bool repeats = op->hasAttr(kRepeatedAttrName);
  if (repeats && failed(checkRepeated(op)))
    return failure();
  Value tid = slot(repeats ? kRepeatTid : kTid),
        threads = slot(repeats ? kRepeatThreads : kThreads);
  auto part = [&](Value index) -> Value {
    Value product = LLVM::MulOp::create(b, loc, extent, index);
    return LLVM::UDivOp::create(b, loc, product, threads);
  };
  SmallVector<Value> args{tid, threads};
  if (extent)
    args = {part(tid), part(add(tid, constant(1)))};
  args.append({slot(kScratch), context});
  for (unsigned i : llvm::seq<unsigned>(op.getBuffers().size()))
    args.push_back(bufferAddress(llvm::map_to_vector(
        launches, [&](LaunchOp l) -> Value { return l.getBuffers()[i]; })));
  if (!extent)
    args.push_back(slot(kShared));
  Value weights = slot(kWeights);
  for (unsigned i :
       llvm::seq<unsigned>(op.getWeights() ? op.getWeights()->size() : 0)) {
    auto named = llvm::map_to_vector(launches, [&](LaunchOp l) {
      return lookupWeight(l, cast<FlatSymbolRefAttr>((*l.getWeights())[i]));
    });
    bool isMissing = llvm::is_contained(named, WeightOp());
    Value bytes =
        isMissing ? Value() : weightOffset(named, bool(op.getLayer()));
    if (!bytes)
      return op.emitOpError() << "reads " << (*op.getWeights())[i]
                              << ", which has no place in the artefact: run "
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
  for (unsigned i : llvm::seq<unsigned>(op.getSizes().size()))
    args.push_back(number([&](LaunchOp l) { return l.getSizes()[i]; }));
  callKernel(launches, args);
  if (after)
    endUnless(after);
  return success();
}

LogicalResult FunctionLowering::lowerBody(ArrayRef<Block *> blocks) {
  auto ops =
      llvm::map_to_vector(blocks, [](Block *block) { return block->begin(); });
  Block::iterator end = std::prev(blocks.front()->end()); // the terminator
  for (; ops.front() != end; llvm::for_each(ops, [](auto &it) { ++it; })) {
    Operation *op = &*ops.front();
    LogicalResult ok =
        TypeSwitch<Operation *, LogicalResult>(op)
            .Case([&](LaunchOp) {
              return lowerLaunch(llvm::map_to_vector(
                  ops, [](auto it) { return cast<LaunchOp>(*it); }));
            })
            .Case([&](BarrierOp barrier) {
              Block *after = barrier->hasAttr(kSeveralAttrName)
                                 ? beginUnless(isOneRow())
                                 : nullptr;
              lowerBarrier();
              if (after)
                endUnless(after);
              return success();
            })
            .Case([&](TapBufferOp tap) { return lowerTap(tap), success(); })
            .Case([&](CallLayersOp call) {
              return lowerCallLayers(ops.front(), end), success();
            })
            .Case<ArenaOp, FrameArgOp>([](auto) { return success(); })
            .Default([](Operation *other) {
              return other->emitOpError() << "is no op of the scheduled level";
            });
    if (failed(ok))
      return failure();
  }
  return success();
}

//===-- functions ---------------------------------------------------------===//

LogicalResult FunctionLowering::lowerLayers(const LayerGroup &layers) {
  group = &layers;
  std::string name = layers.name().str();
  SmallVector<Block *> blocks;
  for (func::FuncOp func : layers.members) {
    emittedAs[func.getName()] = layers.name().str();
    blocks.push_back(&func.getBody().front());
  }
  if (auto declared = out.lookupSymbol(name))
    declared->erase();
  function = define(name, {i64, ptr});
  layer = function.getArgument(0);
  context = function.getArgument(1);
  if (failed(lowerBody(blocks)))
    return failure();
  finish();
  group = nullptr;
  return success();
}

LogicalResult FunctionLowering::lowerEntry(func::FuncOp func,
                                           LoweredEntry &entry) {
  entry.name = func.getName().str();
  entry.symbol = func.getName().str();
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
  auto atMostOne = [&](Value rows) -> Value {
    return LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::ule, rows,
                                constant(1));
  };
  Value oneRow =
      LLVM::AndOp::create(b, loc, atMostOne(t), atMostOne(r)).getResult();
  setSlot(kOneRow, LLVM::ZExtOp::create(b, loc, i64, oneRow));
  setSlot(kRepeatTid, LLVM::SelectOp::create(b, loc, oneRow, constant(0), tid));
  setSlot(kRepeatThreads,
          LLVM::SelectOp::create(b, loc, oneRow, constant(1), threads));
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
  Value scratch =
      add(add(mul(t, entry.bytesPerToken), mul(r, entry.bytesPerRow)),
          mul(tid, scratchBytes));
  setSlot(kScratch, offset(arenaBase, scratch));
  setSlot(kOwn, offset(slot(kScratch), ownOffset));
  // And behind that of all threads, what they share.
  Value sharedAt =
      add(add(mul(t, entry.bytesPerToken), mul(r, entry.bytesPerRow)),
          mul(threads, scratchBytes));
  setSlot(kShared, offset(arenaBase, sharedAt));
  setSlot(kWeights, load(ptr, frame, offsetof(adze_frame, weights)));
  Value cache = null;
  if (layerBytes)
    cache = load(ptr, load(ptr, frame, offsetof(adze_frame, state)), 0);
  setSlot(kCache, cache);

  layer = Value();
  if (failed(lowerBody(&func.getBody().front())))
    return failure();
  finish();
  return success();
}

} // namespace

FailureOr<OwningOpRef<ModuleOp>>
adze::lowerSchedule(ModuleOp scheduled, const KernelSymbols &kernels,
                    const KernelTarget &target,
                    SmallVectorImpl<LoweredEntry> &entries) {
  scheduled.getContext()->loadDialect<LLVM::LLVMDialect>();
  llvm::StringMap<int64_t> columns; // K of linears, the last of their sizes
  scheduled.walk([&](LaunchOp launch) {
    if (!launch.getSizes().empty()) {
      int64_t &most = columns[launch.getKernel()];
      most = std::max(most, launch.getSizes().back());
    }
  });
  int64_t scratch = 0;
  SharedBytes shared;
  for (auto kernel : scheduled.getOps<KernelOp>()) {
    scratch = std::max(scratch,
                       kernelScratchBytes(kernel, target,
                                          columns.lookup(kernel.getSymName())));
    SharedBytes bytes = kernelSharedBytes(kernel, target);
    shared.constant = std::max(shared.constant, bytes.constant);
    shared.perPage = std::max(shared.perPage, bytes.perPage);
  }
  int64_t ownOffset = llvm::alignTo(scratch, 64);
  scheduled.walk([&](ArenaOp arena) {
    if (std::optional<int64_t> own = ownPlace(arena))
      scratch = std::max(scratch,
                         ownOffset + *own +
                             cast<BufferType>(arena.getType()).getRowBytes());
  });
  scratch = llvm::alignTo(scratch, 4096); // threads do not share lines or pages
  OwningOpRef<ModuleOp> out = ModuleOp::create(scheduled.getLoc());
  FunctionLowering lowering(scheduled, *out, kernels, scratch, ownOffset,
                            shared);
  for (const LayerGroup &group : groupLayers(scheduled))
    if (failed(lowering.lowerLayers(group)))
      return failure();
  for (auto func : scheduled.getOps<func::FuncOp>())
    if (func->hasAttr(kEntryAttrName) &&
        failed(lowering.lowerEntry(func, entries.emplace_back())))
      return failure();
  return out;
}
