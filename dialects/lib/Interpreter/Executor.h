// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs functions op by op over host tensors. One method per op family, in the
// file of its name: ModelOps, LinearOps, AttentionOps, TensorOps.
#ifndef ADZE_LIB_INTERPRETER_EXECUTOR_H
#define ADZE_LIB_INTERPRETER_EXECUTOR_H

#include "KVCache.h"
#include "Scalar.h"
#include "adze/Dialect/Adze/AdzeExpressions.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <variant>

namespace adze::interpreter {

using TensorPtr = std::shared_ptr<const HostTensor>;
struct BatchToken {};
/// What an SSA value holds.
using Slot = std::variant<std::monostate, Scalar, TensorPtr, BatchToken>;

/// No tensor of a test needs more; a shape by mistake is a diagnostic.
inline constexpr int64_t kMaxElements = int64_t(1) << 31;

/// The values of one call of a function.
class Frame : public OuterValues {
public:
  llvm::DenseMap<mlir::Value, Slot> slots;
  unsigned depth = 0;

  const HostTensor &tensor(mlir::Value v) const {
    return *std::get<TensorPtr>(slots.find(v)->second);
  }
  TensorPtr share(mlir::Value v) const {
    return std::get<TensorPtr>(slots.find(v)->second);
  }
  Scalar scalar(mlir::Value v) const {
    return std::get<Scalar>(slots.find(v)->second);
  }
  void set(mlir::Value v, HostTensor tensor) {
    slots[v] = std::make_shared<const HostTensor>(std::move(tensor));
  }

  const Scalar *outerScalar(mlir::Value value) const override {
    auto it = slots.find(value);
    return it == slots.end() ? nullptr : std::get_if<Scalar>(&it->second);
  }
  const HostTensor *outerTensor(mlir::Value value) const override {
    auto it = slots.find(value);
    if (it == slots.end())
      return nullptr;
    const TensorPtr *tensor = std::get_if<TensorPtr>(&it->second);
    return tensor ? tensor->get() : nullptr;
  }
};

class Executor {
public:
  Executor(mlir::ModuleOp module, const WeightEvaluator &weights,
           const InterpreterOptions &options, CacheStore &caches,
           const Batch *batch)
      : module(module), weights(weights), options(options), caches(caches),
        batch(batch) {}

  mlir::FailureOr<std::vector<Slot>>
  call(mlir::func::FuncOp function, std::vector<Slot> args, unsigned depth);

private:
  using Result = llvm::LogicalResult;

  Result run(mlir::Operation *op, Frame &frame);
  Result runCall(mlir::Operation *op, llvm::StringRef callee,
                 std::vector<Slot> args, Frame &frame);

  // ModelOps.cpp
  Result run(EmbedOp op, Frame &frame);
  Result run(RmsNormOp op, Frame &frame);
  Result run(QuantizeOp op, Frame &frame);
  Result run(RotaryTableOp op, Frame &frame);
  Result run(RotaryOp op, Frame &frame);
  Result run(TakeRowsOp op, Frame &frame);
  Result run(PermuteOp op, Frame &frame);
  Result run(MapOp op, Frame &frame);
  Result run(RepeatOp op, Frame &frame);
  Result run(TapOp op, Frame &frame);
  Result run(WeightTensorOp op, Frame &frame);
  Result run(PositionsOp op, Frame &frame);

  // LinearOps.cpp
  Result run(LinearOp op, Frame &frame);
  mlir::FailureOr<HostTensor> accumulate(LinearOp op, WeightOp weight,
                                         int64_t layer, Frame &frame);
  Result runSink(LinearOp op, WeightOp weight, const HostTensor &acc,
                 int64_t layer, Frame &frame);

  // AttentionOps.cpp
  Result run(AttentionOp op, Frame &frame);
  Result run(KVAppendOp op, Frame &frame);
  /// Writes one side of all rows; `columns` of `values` hold the heads.
  Result append(mlir::Operation *op, StateOp state, int64_t layer, bool isKey,
                const HostTensor &values);

  // TensorOps.cpp
  Result runTensorOp(mlir::Operation *op, Frame &frame);
  Result runStructured(mlir::Operation *op, Frame &frame);
  Result runElementwise(mlir::Operation *op, ScalarOp scalar, Frame &frame);
  Result runConstant(mlir::Operation *op, mlir::Attribute value, Frame &frame);

  // Helpers
  bool isF32() const { return options.precision == Precision::F32; }
  Rounding rounding(mlir::Type type) const {
    return roundingOf(type, options.precision);
  }
  /// Zeros of `shape`, with the element kind of `type`.
  mlir::FailureOr<HostTensor> allocate(mlir::Operation *op, mlir::Type type,
                                       llvm::ArrayRef<int64_t> shape);
  /// Rows [row, row + count) of a weight.
  mlir::FailureOr<std::vector<float>> readWeight(mlir::Operation *op,
                                                 WeightOp weight, int64_t layer,
                                                 int64_t row, int64_t count);
  /// The layer that an op's index operand says; 0 without one.
  static int64_t layerOf(mlir::Value layer, const Frame &frame) {
    return layer ? frame.scalar(layer).i : 0;
  }
  /// Checks that a value has a row per row of the batch.
  Result expectBatchRows(mlir::Operation *op, const HostTensor &tensor);
  Result applyRegion(mlir::Operation *op, mlir::Region &region,
                     llvm::ArrayRef<const HostTensor *> inputs,
                     HostTensor &result, mlir::Type type, Frame &frame);

  mlir::ModuleOp module;
  const WeightEvaluator &weights;
  const InterpreterOptions &options;
  CacheStore &caches;
  const Batch *batch;
};

} // namespace adze::interpreter

#endif // ADZE_LIB_INTERPRETER_EXECUTOR_H
