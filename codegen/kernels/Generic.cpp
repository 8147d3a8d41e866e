// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The generic family: from a kernel to its function. What the function computes
// for each of its rows is the kernel's region, specialised to one row: a tensor
// <?xN> becomes 1xN by a cast at each end, and canonicalization carries the 1
// through, so that every temporary has a static size.

#include "Generic.h"
#include "BatchReader.h"
#include "Builders.h"
#include "KernelParams.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace adze;

namespace {

struct GenericFunction {
  OwningOpRef<ModuleOp> module; // the function and its constants
  int64_t scratchBytes = 0;
};

bool hasRows(RankedTensorType type) {
  return type.getRank() > 0 && type.isDynamicDim(0);
}

/// The type of one row of rows.
RankedTensorType oneRow(RankedTensorType type) {
  SmallVector<int64_t> shape(type.getShape());
  shape[0] = 1;
  return RankedTensorType::get(shape, type.getElementType());
}

int64_t storedBytes(Type element) {
  if (element.isIndex())
    return 8;
  return llvm::divideCeil(element.getIntOrFloatBitWidth(), 8);
}

Value asMemory(KernelEmitter &e, Value pointer, RankedTensorType type,
               Attribute weight = {}) {
  auto cast = UnrealizedConversionCastOp::create(
      e.b, e.loc, MemRefType::get(type.getShape(), type.getElementType()),
      pointer);
  if (weight)
    cast->setAttr(kWeightAttrName, weight);
  return cast.getResult(0);
}

Value asTensor(KernelEmitter &e, Value pointer, RankedTensorType type,
               Attribute weight = {}) {
  return bufferization::ToTensorOp::create(
      e.b, e.loc, type, asMemory(e, pointer, type, weight), /*restrict=*/true);
}

Value rowAddress(KernelEmitter &e, Value base, Value row,
                 RankedTensorType type) {
  int64_t bytes = ShapedType::getNumElements(type.getShape().drop_front()) *
                  storedBytes(type.getElementType());
  return e.at(base, e.mul(row, bytes));
}

/// One row of a tensor <?x..> in memory, as that type.
Value rowOf(KernelEmitter &e, Value base, Value row, RankedTensorType type) {
  Value one = asTensor(e, rowAddress(e, base, row, type), oneRow(type));
  return tensor::CastOp::create(e.b, e.loc, type, one);
}

/// What `kernel` says of its arguments.
struct Signature {
  DenseBoolArrayAttr whole;
  ArrayAttr weights;
  RankedTensorType result;

  static FailureOr<Signature> of(KernelOp kernel) {
    KernelParams params(kernel);
    Signature s;
    s.whole =
        params.attribute<DenseBoolArrayAttr>("whole", "an array of bools");
    s.weights = params.attribute<ArrayAttr>("weights", "an array of weights");
    if (params.failed())
      return failure();
    bool fits = !kernel.getBody().empty();
    if (fits) {
      Block &body = kernel.getBody().front();
      auto yield = dyn_cast<YieldOp>(body.getTerminator());
      size_t known = s.whole.size() + s.weights.size();
      fits = yield && yield.getValues().size() == 1 &&
             (body.getNumArguments() == known ||
              body.getNumArguments() == known + 1);
      if (fits)
        s.result = dyn_cast<RankedTensorType>(yield.getValues()[0].getType());
    }
    if (!fits || !s.result || !hasRows(s.result))
      return kernel.emitOpError() << "expects a region over its buffers and "
                                     "weights that yields rows";
    return s;
  }
};

/// The region for the row `row`: see the header. `args` are those after hi.
void placeRows(KernelEmitter &e, KernelOp kernel, const Signature &s,
               ValueRange args, Value row) {
  Block &body = kernel.getBody().front();
  size_t inputs = s.whole.size();
  ValueRange buffers = args.slice(2, inputs + 1),
             weights = args.drop_front(3 + inputs);
  IRMapping mapping;
  for (size_t i = 0; i < inputs; ++i) {
    auto type = cast<RankedTensorType>(body.getArgument(i).getType());
    mapping.map(body.getArgument(i), s.whole[i] || !hasRows(type)
                                         ? asTensor(e, buffers[i], type)
                                         : rowOf(e, buffers[i], row, type));
  }
  for (size_t i = 0; i < s.weights.size(); ++i) {
    Value arg = body.getArgument(inputs + i);
    mapping.map(arg,
                asTensor(e, weights[i], cast<RankedTensorType>(arg.getType()),
                         s.weights[i]));
  }
  for (Operation &op : body.without_terminator()) {
    if (auto positions = dyn_cast<PositionsOp>(op)) {
      Value all = e.loadPtr(e.at(args[1], offsetof(BatchView, positions)));
      mapping.map(
          positions.getResult(),
          rowOf(e, all, row, cast<RankedTensorType>(positions.getType())));
      continue;
    }
    e.b.clone(op, mapping);
  }
  Value result = mapping.lookup(body.getTerminator()->getOperand(0));
  Value one = tensor::CastOp::create(e.b, e.loc, oneRow(s.result), result);
  Value to = asMemory(e, rowAddress(e, buffers.back(), row, s.result),
                      oneRow(s.result));
  bufferization::MaterializeInDestinationOp::create(
      e.b, e.loc, TypeRange(), one, to, /*restrict=*/true, /*writable=*/true);
}

FailureOr<GenericFunction> makeFunction(KernelOp kernel) {
  FailureOr<Signature> signature = Signature::of(kernel);
  if (failed(signature))
    return failure();
  GenericFunction made;
  made.module = ModuleOp::create(kernel.getLoc());
  OpBuilder builder = OpBuilder::atBlockEnd(made.module->getBody());
  KernelEmitter e(builder, kernel.getLoc());
  // lo, hi, scratch, batch, inputs ..., result, weights ..., M
  SmallVector<Type> types(2, e.index);
  types.append(3 + signature->whole.size() + signature->weights.size(), e.ptr);
  types.push_back(e.index);
  func::FuncOp func = e.beginFunction(kernel.getSymName(), types, {}, true);
  ValueRange args = func.getArguments();
  e.loop(args[0], args[1], 1, [&](Value row) {
    placeRows(e, kernel, *signature, args.drop_front(2).drop_back(), row);
  });
  e.ret();
  FailureOr<int64_t> bytes = bufferizeRows(*made.module, kernel, args[2]);
  if (failed(bytes) || failed(lowerRows(*made.module, kernel, args.back())) ||
      failed(lowerRowMath(*made.module, kernel)))
    return failure();
  made.scratchBytes = *bytes;
  return made;
}

StringRef originOf(KernelOp kernel) {
  auto origin = kernel.getParams().getAs<StringAttr>("origin");
  return origin ? origin.getValue() : StringRef();
}

} // namespace

int64_t adze::genericScratchBytes(KernelOp kernel) {
  if (kernel.getBody().empty()) {
    auto headDim = kernel.getParams().getAs<IntegerAttr>("head_dim");
    return headDim ? headDim.getInt() * 4 : 0;
  }
  // The plan is a by-product of the code; that is made again when asked for.
  // A kernel that fails is a diagnostic then.
  ScopedDiagnosticHandler quiet(kernel.getContext(),
                                [](Diagnostic &) { return success(); });
  FailureOr<GenericFunction> made = makeFunction(kernel);
  return failed(made) ? 0 : made->scratchBytes;
}

FailureOr<func::FuncOp> adze::buildGeneric(OpBuilder &builder, KernelOp kernel,
                                           const KernelTarget &) {
  if (kernel.getBody().empty()) {
    if (originOf(kernel) == AttentionOp::getOperationName())
      return buildGenericAttention(builder, kernel);
    if (originOf(kernel) == KVAppendOp::getOperationName())
      return buildGenericKVAppend(builder, kernel);
    return kernel.emitOpError() << "expects a region to compute rows by";
  }
  FailureOr<GenericFunction> made = makeFunction(kernel);
  if (failed(made))
    return failure();
  func::FuncOp func;
  for (Operation &op : llvm::make_early_inc_range(*made->module->getBody())) {
    op.remove();
    builder.insert(&op);
    if (auto found = dyn_cast<func::FuncOp>(op))
      func = found;
  }
  return func;
}
