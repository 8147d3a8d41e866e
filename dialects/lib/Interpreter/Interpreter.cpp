// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The public face: checks what comes in, hands it to the executor.

#include "adze/Interpreter/Interpreter.h"
#include "Executor.h"

using namespace mlir;
using namespace adze;
using namespace adze::interpreter;

//===-- HostTensor, Batch -------------------------------------------------===//

HostTensor HostTensor::ofFloats(ArrayRef<int64_t> shape,
                                std::vector<double> values) {
  HostTensor tensor;
  tensor.shape.assign(shape.begin(), shape.end());
  tensor.floats = std::move(values);
  return tensor;
}

HostTensor HostTensor::ofInts(ArrayRef<int64_t> shape,
                              std::vector<int64_t> values) {
  HostTensor tensor;
  tensor.shape.assign(shape.begin(), shape.end());
  tensor.isFloat = false;
  tensor.ints = std::move(values);
  return tensor;
}

void Batch::add(int32_t sequence, int32_t first, ArrayRef<int32_t> added,
                bool allRows) {
  for (auto [i, token] : llvm::enumerate(added)) {
    if (allRows || i + 1 == added.size())
      rows.push_back(tokens.size());
    tokens.push_back(token);
    positions.push_back(first + int32_t(i));
    sequences.push_back(sequence);
  }
}

//===-- Interpreter -------------------------------------------------------===//

struct Interpreter::Impl {
  ModuleOp module;
  std::unique_ptr<WeightEvaluator> weights;
  InterpreterOptions options;
  CacheStore caches;
};

Interpreter::Interpreter(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
Interpreter::~Interpreter() = default;

FailureOr<std::unique_ptr<Interpreter>>
Interpreter::create(ModuleOp module, WeightSource &source,
                    InterpreterOptions options) {
  auto level = module->getAttrOfType<LevelAttr>(kLevelAttrName);
  if (level && level.getValue() == Level::Scheduled)
    return module.emitError()
           << "is at the scheduled level, which the interpreter does not run; "
              "interpret the module before it is scheduled";
  auto weights = WeightEvaluator::create(module, source);
  if (!weights)
    return module.emitError() << llvm::toString(weights.takeError());
  auto impl = std::make_unique<Impl>();
  impl->module = module;
  impl->weights = std::move(*weights);
  impl->options = std::move(options);
  return std::unique_ptr<Interpreter>(new Interpreter(std::move(impl)));
}

void Interpreter::reset() { impl->caches.clear(); }
void Interpreter::release(int32_t sequence) { impl->caches.release(sequence); }

/// An argument against its declared type.
static LogicalResult checkArgument(func::FuncOp function, unsigned index,
                                   Type type, const HostTensor &arg) {
  auto fail = [&](const Twine &found) {
    return function.emitError()
           << "argument " << index << ": expects " << type << ", got " << found;
  };
  int64_t elements = 1;
  for (int64_t dim : arg.shape)
    elements *= dim;
  if (elements != arg.numElements())
    return fail("a tensor whose shape is not that of its values");
  if (arg.isFloat != isFloatLike(type))
    return fail(arg.isFloat ? "floats" : "integers");
  auto shaped = dyn_cast<RankedTensorType>(type);
  size_t rank = shaped ? shaped.getRank() : 0;
  if (arg.shape.size() != rank)
    return fail("rank " + Twine(arg.shape.size()));
  for (size_t d = 0; d < rank; ++d)
    if (!shaped.isDynamicDim(d) && shaped.getDimSize(d) != arg.shape[d])
      return fail(Twine(arg.shape[d]) + " in dimension " + Twine(d));
  return success();
}

static LogicalResult checkBatch(ModuleOp module, const Batch &batch) {
  size_t rows = batch.positions.size();
  if (batch.sequences.size() != rows ||
      (!batch.tokens.empty() && batch.tokens.size() != rows))
    return module.emitError()
           << "batch: expects as many tokens, positions and sequences, got "
           << batch.tokens.size() << ", " << rows << " and "
           << batch.sequences.size();
  for (int32_t position : batch.positions)
    if (position < 0)
      return module.emitError()
             << "batch: expects positions of at least 0, got " << position;
  return success();
}

FailureOr<std::vector<HostTensor>> Interpreter::call(StringRef name,
                                                     ArrayRef<HostTensor> args,
                                                     const Batch *batch) {
  auto function = impl->module.lookupSymbol<func::FuncOp>(name);
  if (!function)
    return impl->module.emitError() << "has no function @" << name;
  if (batch && failed(checkBatch(impl->module, *batch)))
    return failure();
  std::vector<Slot> slots;
  for (auto [i, type] : llvm::enumerate(function.getArgumentTypes())) {
    if (isa<BatchType>(type)) {
      if (!batch)
        return function.emitError() << "argument " << i << ": expects a batch";
      slots.push_back(BatchToken());
      continue;
    }
    if (args.empty())
      return function.emitError() << "argument " << i << ": expects " << type
                                  << ", got no more arguments";
    const HostTensor &arg = args.front();
    args = args.drop_front();
    if (failed(checkArgument(function, i, type, arg)))
      return failure();
    if (isa<RankedTensorType>(type))
      slots.push_back(std::make_shared<const HostTensor>(arg));
    else
      slots.push_back(arg.isFloat ? Scalar{arg.floats[0], 0}
                                  : Scalar{0, arg.ints[0]});
  }
  if (!args.empty())
    return function.emitError()
           << "expects " << args.size() << " arguments less than it was given";
  Executor executor(impl->module, *impl->weights, impl->options, impl->caches,
                    batch);
  auto results = executor.call(function, std::move(slots), 0);
  if (failed(results))
    return failure();
  std::vector<HostTensor> tensors;
  for (auto [slot, type] :
       llvm::zip_equal(*results, function.getResultTypes())) {
    if (auto *tensor = std::get_if<TensorPtr>(&slot))
      tensors.push_back(**tensor);
    else if (auto *scalar = std::get_if<Scalar>(&slot))
      tensors.push_back(isFloatLike(type)
                            ? HostTensor::ofFloats({}, {scalar->f})
                            : HostTensor::ofInts({}, {scalar->i}));
    else
      return function.emitError() << "returns a value that is no tensor";
  }
  return tensors;
}

FailureOr<HostTensor> Interpreter::step(const Batch &batch, StringRef entry) {
  auto ints = [](ArrayRef<int32_t> values) {
    return HostTensor::ofInts({int64_t(values.size())},
                              {values.begin(), values.end()});
  };
  auto results = call(entry, {ints(batch.tokens), ints(batch.rows)}, &batch);
  if (failed(results))
    return failure();
  if (results->size() != 1)
    return impl->module.emitError()
           << "entry @" << entry << ": expects one result, the logits, got "
           << results->size();
  return std::move(results->front());
}
