// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "KernelEmitter.h"
#include "adze/Dialect/AdzeKernel/AdzeKernel.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace adze;

int64_t adze::panelDepth(Type element) {
  return element.isInteger(8) ? 4 : element.isBF16() ? 2 : 1;
}

KernelEmitter::KernelEmitter(OpBuilder &builder, Location loc)
    : b(builder), loc(loc), f32(b.getF32Type()), i32(b.getI32Type()),
      i64(b.getI64Type()), index(b.getIndexType()),
      ptr(LLVM::LLVMPointerType::get(b.getContext())),
      vf32(VectorType::get({kLanes}, f32)),
      vi32(VectorType::get({kLanes}, i32)) {}

VectorType KernelEmitter::lanesOf(Type element) const {
  return VectorType::get({kLanes}, element);
}

int64_t KernelEmitter::bytesOf(Type element) {
  return element.getIntOrFloatBitWidth() / 8;
}

//===----------------------------------------------------------------------===//
// Constants and index arithmetic
//===----------------------------------------------------------------------===//

Value KernelEmitter::constant(int64_t value) {
  return arith::ConstantIndexOp::create(b, loc, value);
}
Value KernelEmitter::constantI32(int64_t value) {
  return arith::ConstantIntOp::create(b, loc, i32, value);
}
Value KernelEmitter::constantF32(double value) {
  return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(float(value)));
}
Value KernelEmitter::splat(double value) {
  return arith::ConstantOp::create(b, loc,
                                   DenseElementsAttr::get(vf32, float(value)));
}
Value KernelEmitter::splatI32(int64_t value) {
  return arith::ConstantOp::create(
      b, loc, DenseElementsAttr::get(vi32, int32_t(value)));
}
Value KernelEmitter::iota() {
  SmallVector<int32_t> lanes;
  for (int32_t lane = 0; lane < kLanes; ++lane)
    lanes.push_back(lane);
  return arith::ConstantOp::create(
      b, loc, DenseElementsAttr::get(vi32, ArrayRef<int32_t>(lanes)));
}

Value KernelEmitter::add(Value x, Value y) {
  return b.createOrFold<arith::AddIOp>(loc, x, y);
}
Value KernelEmitter::sub(Value x, Value y) {
  return b.createOrFold<arith::SubIOp>(loc, x, y);
}
Value KernelEmitter::mul(Value x, Value y) {
  return b.createOrFold<arith::MulIOp>(loc, x, y);
}
Value KernelEmitter::div(Value x, Value y) {
  return b.createOrFold<arith::DivUIOp>(loc, x, y);
}
Value KernelEmitter::rem(Value x, Value y) {
  return b.createOrFold<arith::RemUIOp>(loc, x, y);
}
Value KernelEmitter::min(Value x, Value y) {
  return b.createOrFold<arith::MinSIOp>(loc, x, y);
}
Value KernelEmitter::max(Value x, Value y) {
  return b.createOrFold<arith::MaxSIOp>(loc, x, y);
}
Value KernelEmitter::compare(arith::CmpIPredicate p, Value x, Value y) {
  return b.createOrFold<arith::CmpIOp>(loc, p, x, y);
}
Value KernelEmitter::select(Value condition, Value x, Value y) {
  return b.createOrFold<arith::SelectOp>(loc, condition, x, y);
}
Value KernelEmitter::toIndex(Value x) {
  return arith::IndexCastOp::create(b, loc, index, x);
}
Value KernelEmitter::toI32(Value x) {
  return arith::IndexCastOp::create(b, loc, i32, x);
}

//===----------------------------------------------------------------------===//
// Floats
//===----------------------------------------------------------------------===//

Value KernelEmitter::addf(Value x, Value y) {
  return arith::AddFOp::create(b, loc, x, y);
}
Value KernelEmitter::subf(Value x, Value y) {
  return arith::SubFOp::create(b, loc, x, y);
}
Value KernelEmitter::mulf(Value x, Value y) {
  return arith::MulFOp::create(b, loc, x, y);
}
Value KernelEmitter::divf(Value x, Value y) {
  return arith::DivFOp::create(b, loc, x, y);
}
Value KernelEmitter::fma(Value x, Value y, Value z) {
  // Not vector.fma: that becomes llvm.fmuladd, which need not fuse.
  return math::FmaOp::create(b, loc, x, y, z);
}
Value KernelEmitter::maxf(Value x, Value y) {
  // A compare and a select is exactly what vmaxps does.
  Value greater =
      arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, x, y);
  return arith::SelectOp::create(b, loc, greater, x, y);
}
Value KernelEmitter::exp2(Value x) {
  return kernel::Exp2Op::create(b, loc, x.getType(), x);
}
Value KernelEmitter::broadcast(Value scalar) {
  return vector::BroadcastOp::create(b, loc, lanesOf(scalar.getType()), scalar);
}

/// Combines 16 lanes in four halving steps.
static Value reduceTree(KernelEmitter &e, Value v,
                        function_ref<Value(Value, Value)> combine) {
  for (int64_t half = kLanes / 2; half >= 1; half /= 2) {
    SmallVector<int64_t> low, high;
    for (int64_t lane = 0; lane < half; ++lane) {
      low.push_back(lane);
      high.push_back(lane + half);
    }
    Value x = vector::ShuffleOp::create(e.b, e.loc, v, v, low);
    Value y = vector::ShuffleOp::create(e.b, e.loc, v, v, high);
    v = combine(x, y);
  }
  return vector::ExtractOp::create(e.b, e.loc, v, 0);
}

Value KernelEmitter::reduceAdd(Value v) {
  return reduceTree(*this, v, [&](Value x, Value y) { return addf(x, y); });
}
Value KernelEmitter::reduceMax(Value v) {
  return reduceTree(*this, v, [&](Value x, Value y) { return maxf(x, y); });
}

Value KernelEmitter::toF32(Value x) {
  Type to = f32;
  if (auto vector = dyn_cast<VectorType>(x.getType()))
    to = vector.clone(f32);
  if (x.getType() == to)
    return x;
  return kernel::ToF32Op::create(b, loc, to, x);
}

Value KernelEmitter::fromF32(Value x, Type element, bool flush) {
  Type to = element;
  if (auto vector = dyn_cast<VectorType>(x.getType()))
    to = vector.clone(element);
  if (x.getType() == to)
    return x;
  return kernel::FromF32Op::create(b, loc, to, x, flush);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Value KernelEmitter::at(Value pointer, Value bytes) {
  if (std::optional<int64_t> constant = getConstantIntValue(bytes))
    return at(pointer, *constant);
  Value offset = arith::IndexCastOp::create(b, loc, i64, bytes);
  return LLVM::GEPOp::create(b, loc, ptr, b.getI8Type(), pointer,
                             ValueRange{offset});
}

Value KernelEmitter::at(Value pointer, int64_t bytes) {
  if (bytes == 0)
    return pointer;
  if (!llvm::isInt<32>(bytes))
    return LLVM::GEPOp::create(
        b, loc, ptr, b.getI8Type(), pointer,
        ValueRange{arith::ConstantIntOp::create(b, loc, i64, bytes)});
  return LLVM::GEPOp::create(b, loc, ptr, b.getI8Type(), pointer,
                             ArrayRef<LLVM::GEPArg>{int32_t(bytes)});
}

/// Assembly of no instruction that gives its first operand back.
static Value emptyAsm(KernelEmitter &e, ValueRange operands,
                      StringRef constraints) {
  return LLVM::InlineAsmOp::create(
             e.b, e.loc, operands[0].getType(), operands, /*asm_string=*/"",
             constraints, /*has_side_effects=*/false,
             /*is_align_stack=*/false, LLVM::TailCallKind::None,
             /*asm_dialect=*/LLVM::AsmDialectAttr(),
             /*operand_attrs=*/ArrayAttr())
      .getResult(0);
}
Value KernelEmitter::opaque(Value pointer) {
  return emptyAsm(*this, pointer, "=r,0");
}
Value KernelEmitter::opaqueBehind(Value vector, Value pointer) {
  return emptyAsm(*this, {pointer, vector}, "=r,0,v");
}
Value KernelEmitter::load(Type type, Value pointer, unsigned align) {
  return LLVM::LoadOp::create(b, loc, type, pointer, align);
}
void KernelEmitter::store(Value value, Value pointer, unsigned align) {
  LLVM::StoreOp::create(b, loc, value, pointer, align);
}
Value KernelEmitter::stackLines(int64_t lines) {
  Value size = constantI32(lines * kLineBytes);
  return opaque(
      LLVM::AllocaOp::create(b, loc, ptr, b.getI8Type(), size, kLineBytes));
}
void KernelEmitter::prefetch(Value pointer, int64_t level) {
  LLVM::Prefetch::create(b, loc, pointer, /*rw=*/0, /*hint=*/4 - level,
                         /*cache=*/1);
}
void KernelEmitter::prefetchStream(Value here, Value later) {
  constexpr int64_t kSoon = 1024;
  prefetch(later);
  prefetch(at(here, kSoon), /*level=*/1);
}
Value KernelEmitter::loadI32(Value pointer) {
  return toIndex(load(i32, pointer, 4));
}
Value KernelEmitter::loadI64(Value pointer) {
  return toIndex(load(i64, pointer, 8));
}
Value KernelEmitter::loadScalar(Type element, Value pointer) {
  return toF32(load(element, pointer, bytesOf(element)));
}
void KernelEmitter::storeScalar(Value value, Type element, Value pointer) {
  store(fromF32(value, element), pointer, bytesOf(element));
}

Value KernelEmitter::partMask(int64_t count) {
  SmallVector<bool> lanes;
  for (int64_t lane = 0; lane < kLanes; ++lane)
    lanes.push_back(lane < count);
  return arith::ConstantOp::create(
      b, loc,
      DenseElementsAttr::get(lanesOf(b.getI1Type()), ArrayRef<bool>(lanes)));
}

Value KernelEmitter::loadLanes(Type element, Value pointer, int64_t count) {
  VectorType type = lanesOf(element);
  if (count >= kLanes)
    return toF32(load(type, pointer, bytesOf(element)));
  Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(type));
  return toF32(LLVM::MaskedLoadOp::create(b, loc, type, pointer,
                                          partMask(count), zero,
                                          uint32_t(bytesOf(element))));
}

void KernelEmitter::storeLanes(Value value, Type element, Value pointer,
                               int64_t count) {
  Value stored = fromF32(value, element);
  if (count >= kLanes)
    return store(stored, pointer, bytesOf(element));
  LLVM::MaskedStoreOp::create(b, loc, stored, pointer, partMask(count),
                              uint32_t(bytesOf(element)));
}

void KernelEmitter::copyElements(Value to, Value from, Value count,
                                 int64_t bytes) {
  Type type = b.getIntegerType(bytes * 8);
  loop(constant(0), count, 1, [&](Value i) {
    Value offset = mul(i, bytes);
    store(load(type, at(from, offset), bytes), at(to, offset), bytes);
  });
}

//===----------------------------------------------------------------------===//
// Control
//===----------------------------------------------------------------------===//

KernelEmitter::Values
KernelEmitter::loop(Value lo, Value hi, int64_t step, ValueRange init,
                    function_ref<Values(Value, ValueRange)> body) {
  Value stride = constant(step);
  auto loopOp = scf::ForOp::create(b, loc, lo, hi, stride, init);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loopOp.getBody());
  Values results = body(loopOp.getInductionVar(), loopOp.getRegionIterArgs());
  if (!init.empty())
    scf::YieldOp::create(b, loc, results);
  return Values(loopOp.getResults());
}

void KernelEmitter::loop(Value lo, Value hi, int64_t step,
                         function_ref<void(Value)> body) {
  loop(lo, hi, step, ValueRange{}, [&](Value iv, ValueRange) {
    body(iv);
    return Values();
  });
}

void KernelEmitter::ifThen(Value condition, function_ref<void()> then) {
  auto ifOp = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(ifOp.thenBlock());
  then();
}

void KernelEmitter::ifElse(Value condition, function_ref<void()> then,
                           function_ref<void()> otherwise) {
  ifElse(
      condition, {}, [&] { return then(), Values(); },
      [&] { return otherwise(), Values(); });
}

KernelEmitter::Values KernelEmitter::ifElse(Value condition, TypeRange types,
                                            function_ref<Values()> then,
                                            function_ref<Values()> otherwise) {
  auto ifOp =
      scf::IfOp::create(b, loc, types, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  auto fill = [&](Block *block, function_ref<Values()> make) {
    b.setInsertionPointToStart(block);
    Values values = make();
    if (!types.empty())
      scf::YieldOp::create(b, loc, values);
  };
  fill(ifOp.thenBlock(), then);
  fill(ifOp.elseBlock(), otherwise);
  return Values(ifOp.getResults());
}

func::FuncOp KernelEmitter::beginFunction(StringRef name, TypeRange arguments,
                                          TypeRange results, bool isPublic) {
  auto func = func::FuncOp::create(
      b, loc, name, FunctionType::get(b.getContext(), arguments, results));
  func.setVisibility(isPublic ? SymbolTable::Visibility::Public
                              : SymbolTable::Visibility::Private);
  b.setInsertionPointToStart(func.addEntryBlock());
  return func;
}

void KernelEmitter::call(func::FuncOp callee, ValueRange arguments) {
  func::CallOp::create(b, loc, callee, arguments);
}
Value KernelEmitter::address(func::FuncOp function) {
  return func::ConstantOp::create(b, loc, function.getFunctionType(),
                                  FlatSymbolRefAttr::get(function));
}
void KernelEmitter::callIndirect(Value callee, ValueRange arguments) {
  func::CallIndirectOp::create(b, loc, callee, arguments);
}
func::FuncOp KernelEmitter::lookup(StringRef name) {
  Operation *symbols =
      SymbolTable::getNearestSymbolTable(b.getInsertionBlock()->getParentOp());
  return cast_or_null<func::FuncOp>(SymbolTable::lookupSymbolIn(symbols, name));
}
func::FuncOp KernelEmitter::beginShared(StringRef name, TypeRange arguments,
                                        TypeRange results) {
  Operation *symbols =
      SymbolTable::getNearestSymbolTable(b.getInsertionBlock()->getParentOp());
  b.setInsertionPointToEnd(&symbols->getRegion(0).front());
  return beginFunction(name, arguments, results, false);
}
void KernelEmitter::ret(ValueRange values) {
  func::ReturnOp::create(b, loc, values);
}
