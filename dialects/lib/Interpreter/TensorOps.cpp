// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Constants, elementwise ops on scalars and tensors, and the tensor ops that
// decompose() and plug-ins leave beside adze ops.

#include "Executor.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace adze;
using namespace adze::interpreter;

//===-- constants and elementwise ops -------------------------------------===//

static double toDouble(APFloat value) {
  bool lost;
  value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
  return value.convertToDouble();
}

static int64_t toInt(const APInt &value) {
  return value.getBitWidth() == 1 ? int64_t(value.getBoolValue())
                                  : value.getSExtValue();
}

LogicalResult Executor::runConstant(Operation *op, Attribute value,
                                    Frame &frame) {
  Value result = op->getResult(0);
  if (auto f = dyn_cast<FloatAttr>(value)) {
    frame.slots[result] = Scalar{toDouble(f.getValue()), 0};
    return success();
  }
  if (auto i = dyn_cast<IntegerAttr>(value)) {
    frame.slots[result] = Scalar{0, toInt(i.getValue())};
    return success();
  }
  auto dense = dyn_cast<DenseElementsAttr>(value);
  if (!dense || !isa<FloatType, IntegerType, IndexType>(dense.getElementType()))
    return op->emitOpError()
           << "is a constant that the interpreter cannot read";
  auto tensor = allocate(op, dense.getType(), dense.getType().getShape());
  if (failed(tensor))
    return failure();
  if (tensor->isFloat) {
    auto values = dense.getValues<APFloat>();
    std::transform(values.begin(), values.end(), tensor->floats.begin(),
                   toDouble);
  } else {
    auto values = dense.getValues<APInt>();
    std::transform(values.begin(), values.end(), tensor->ints.begin(), toInt);
  }
  frame.set(result, std::move(*tensor));
  return success();
}

LogicalResult Executor::runElementwise(Operation *op, ScalarOp scalar,
                                       Frame &frame) {
  Rounding round = rounding(op->getResult(0).getType());
  unsigned count = op->getNumOperands();
  const HostTensor *tensors[kMaxScalarArgs] = {};
  Scalar args[kMaxScalarArgs];
  const HostTensor *shaped = nullptr;
  for (unsigned i = 0; i < count; ++i) {
    tensors[i] = frame.outerTensor(op->getOperand(i));
    if (!tensors[i]) {
      const Scalar *value = frame.outerScalar(op->getOperand(i));
      if (!value)
        return emitUnknownOp(op);
      args[i] = *value;
      continue;
    }
    if (shaped && shaped->shape != tensors[i]->shape)
      return op->emitOpError() << "expects operands of one shape";
    shaped = tensors[i];
  }
  if (!shaped) {
    frame.slots[op->getResult(0)] = round(scalar.fn(args, scalar.aux));
    return success();
  }
  auto result = allocate(op, op->getResult(0).getType(), shaped->shape);
  if (failed(result))
    return failure();
  for (int64_t at = 0, e = result->numElements(); at < e; ++at) {
    for (unsigned i = 0; i < count; ++i)
      if (tensors[i])
        args[i] = tensors[i]->isFloat ? Scalar{tensors[i]->floats[at], 0}
                                      : Scalar{0, tensors[i]->ints[at]};
    Scalar value = round(scalar.fn(args, scalar.aux));
    if (result->isFloat)
      result->floats[at] = value.f;
    else
      result->ints[at] = value.i;
  }
  frame.set(op->getResult(0), std::move(*result));
  return success();
}

//===-- tensor ops --------------------------------------------------------===//

namespace {

/// Where the elements of a slice lie in its source.
struct Slice {
  SmallVector<int64_t> offsets, sizes, strides;

  /// Numbers from attributes and index values. Fails on a slice that leaves
  /// `shape`.
  LogicalResult read(OffsetSizeAndStrideOpInterface op, const Frame &frame,
                     ArrayRef<int64_t> shape) {
    auto numbers = [&](ArrayRef<OpFoldResult> from) {
      SmallVector<int64_t> out;
      for (OpFoldResult part : from)
        if (auto attr = dyn_cast<Attribute>(part))
          out.push_back(cast<IntegerAttr>(attr).getInt());
        else
          out.push_back(frame.scalar(cast<Value>(part)).i);
      return out;
    };
    offsets = numbers(op.getMixedOffsets());
    sizes = numbers(op.getMixedSizes());
    strides = numbers(op.getMixedStrides());
    for (size_t d = 0; d < shape.size(); ++d)
      if (sizes[d] < 0 || offsets[d] < 0 || offsets[d] > shape[d] ||
          (sizes[d] && (strides[d] < 0 || strides[d] > shape[d] ||
                        sizes[d] > shape[d] + 1 ||
                        offsets[d] + (sizes[d] - 1) * strides[d] >= shape[d])))
        return op.emitOpError() << "slices out of bounds in dimension " << d;
    return success();
  }

  /// Calls `visit(index in the slice, index in the source)`, row-major.
  void forEach(ArrayRef<int64_t> shape,
               llvm::function_ref<void(int64_t, int64_t)> visit) const {
    int64_t total = 1;
    for (int64_t size : sizes)
      total *= size;
    SmallVector<int64_t> index(sizes.size());
    for (int64_t i = 0; i < total; ++i) {
      int64_t at = 0;
      for (size_t d = 0; d < shape.size(); ++d)
        at = at * shape[d] + offsets[d] + index[d] * strides[d];
      visit(i, at);
      for (int64_t d = sizes.size() - 1; d >= 0 && ++index[d] == sizes[d]; --d)
        index[d] = 0;
    }
  }
};

void copyElement(const HostTensor &from, int64_t i, HostTensor &to, int64_t j) {
  if (from.isFloat)
    to.floats[j] = from.floats[i];
  else
    to.ints[j] = from.ints[i];
}

} // namespace

LogicalResult Executor::runTensorOp(Operation *op, Frame &frame) {
  auto index = [&](Value v) { return frame.scalar(v).i; };
  /// Sizes of a type, dynamic ones from operands.
  auto sizes = [&](RankedTensorType type, ValueRange dynamic) {
    SmallVector<int64_t> shape(type.getShape());
    for (int64_t &dim : shape)
      if (ShapedType::isDynamic(dim)) {
        dim = index(dynamic.front());
        dynamic = dynamic.drop_front();
      }
    return shape;
  };
  /// The same elements in another shape.
  auto reshape = [&](Value source, ArrayRef<int64_t> shape) -> LogicalResult {
    HostTensor copy = frame.tensor(source);
    int64_t total = 1;
    for (int64_t dim : shape)
      total *= dim;
    if (total != copy.numElements())
      return op->emitOpError() << "changes the number of elements";
    copy.shape.assign(shape.begin(), shape.end());
    frame.set(op->getResult(0), std::move(copy));
    return success();
  };
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case<tensor::EmptyOp>([&](tensor::EmptyOp empty) -> LogicalResult {
        auto result = allocate(op, empty.getType(),
                               sizes(empty.getType(), empty.getDynamicSizes()));
        if (failed(result))
          return failure();
        frame.set(empty, std::move(*result));
        return success();
      })
      .Case<tensor::DimOp>([&](tensor::DimOp dim) -> LogicalResult {
        const HostTensor &source = frame.tensor(dim.getSource());
        int64_t d = index(dim.getIndex());
        if (d < 0 || d >= int64_t(source.shape.size()))
          return op->emitOpError()
                 << "asks for dimension " << d << " of " << source.shape.size();
        frame.slots[dim] = Scalar{0, source.shape[d]};
        return success();
      })
      .Case<tensor::CastOp>([&](tensor::CastOp cast_) -> LogicalResult {
        TensorPtr source = frame.share(cast_.getSource());
        auto type = dyn_cast<RankedTensorType>(cast_.getType());
        for (size_t d = 0; type && d < source->shape.size(); ++d)
          if (!type.isDynamicDim(d) && type.getDimSize(d) != source->shape[d])
            return op->emitOpError()
                   << "expects " << type.getDimSize(d) << " in dimension " << d
                   << ", got " << source->shape[d];
        frame.slots[cast_] = source;
        return success();
      })
      .Case<tensor::ExtractOp>([&](tensor::ExtractOp extract) -> LogicalResult {
        const HostTensor &source = frame.tensor(extract.getTensor());
        int64_t at = 0;
        for (auto [dim, v] :
             llvm::zip_equal(source.shape, extract.getIndices())) {
          int64_t i = index(v);
          if (i < 0 || i >= dim)
            return op->emitOpError() << "reads out of bounds";
          at = at * dim + i;
        }
        frame.slots[extract] = source.isFloat ? Scalar{source.floats[at], 0}
                                              : Scalar{0, source.ints[at]};
        return success();
      })
      .Case<tensor::SplatOp, tensor::FromElementsOp>(
          [&](auto typed) -> LogicalResult {
            ValueRange dynamic;
            if (auto splat = dyn_cast<tensor::SplatOp>(op))
              dynamic = splat.getDynamicSizes();
            auto type = cast<RankedTensorType>(typed.getType());
            auto result = allocate(op, type, sizes(type, dynamic));
            if (failed(result))
              return failure();
            bool isSplat = isa<tensor::SplatOp>(op);
            for (int64_t i = 0; i < result->numElements(); ++i) {
              Scalar value = frame.scalar(op->getOperand(isSplat ? 0 : i));
              if (result->isFloat)
                result->floats[i] = value.f;
              else
                result->ints[i] = value.i;
            }
            frame.set(op->getResult(0), std::move(*result));
            return success();
          })
      .Case<tensor::ExpandShapeOp>([&](tensor::ExpandShapeOp expand) {
        SmallVector<int64_t> shape(expand.getStaticOutputShape());
        ValueRange dynamic = expand.getOutputShape();
        for (int64_t &dim : shape)
          if (ShapedType::isDynamic(dim)) {
            dim = index(dynamic.front());
            dynamic = dynamic.drop_front();
          }
        return reshape(expand.getSrc(), shape);
      })
      .Case<tensor::CollapseShapeOp>([&](tensor::CollapseShapeOp collapse) {
        const HostTensor &source = frame.tensor(collapse.getSrc());
        SmallVector<int64_t> shape;
        for (const ReassociationIndices &group :
             collapse.getReassociationIndices()) {
          int64_t size = 1;
          for (int64_t d : group)
            size *= source.shape[d];
          shape.push_back(size);
        }
        return reshape(collapse.getSrc(), shape);
      })
      .Case<tensor::ExtractSliceOp>(
          [&](tensor::ExtractSliceOp extract) -> LogicalResult {
            const HostTensor &source = frame.tensor(extract.getSource());
            Slice slice;
            if (failed(slice.read(extract, frame, source.shape)))
              return failure();
            SmallVector<int64_t> shape;
            llvm::SmallBitVector dropped = extract.getDroppedDims();
            for (auto [d, size] : llvm::enumerate(slice.sizes))
              if (!dropped.test(d))
                shape.push_back(size);
            auto result = allocate(op, extract.getType(), shape);
            if (failed(result))
              return failure();
            slice.forEach(source.shape, [&](int64_t i, int64_t at) {
              copyElement(source, at, *result, i);
            });
            frame.set(extract, std::move(*result));
            return success();
          })
      .Case<tensor::InsertSliceOp>(
          [&](tensor::InsertSliceOp insert) -> LogicalResult {
            const HostTensor &source = frame.tensor(insert.getSource());
            HostTensor result = frame.tensor(insert.getDest());
            Slice slice;
            if (failed(slice.read(insert, frame, result.shape)))
              return failure();
            int64_t total = 1;
            for (int64_t size : slice.sizes)
              total *= size;
            if (total != source.numElements())
              return op->emitOpError() << "changes the number of elements";
            slice.forEach(result.shape, [&](int64_t i, int64_t at) {
              copyElement(source, i, result, at);
            });
            frame.set(insert, std::move(result));
            return success();
          })
      .Default([&](Operation *other) -> LogicalResult {
        return emitUnknownOp(other);
      });
}
