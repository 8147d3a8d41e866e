// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Mutations of modules. Attributes and types are made through checked builders:
// those that their own verifiers refuse are no change.

#include "Mutations.h"
#include "adze/Dialect/Adze/Adze.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <cmath>

using namespace mlir;
using namespace adze;
using namespace adze::test;

namespace {

class Mutator {
public:
  Mutator(ModuleOp module, Bytes &bytes)
      : module(module), bytes(bytes), b(module.getContext()) {
    module.walk([&](Operation *op) {
      if (op != module)
        ops.push_back(op);
    });
  }
  void run();

private:
  Operation *anyOp() { return ops[bytes.below(ops.size())]; }
  template <typename OpT> OpT anyOf() {
    SmallVector<OpT> found;
    for (Operation *op : ops)
      if (auto typed = dyn_cast<OpT>(op))
        found.push_back(typed);
    return found.empty() ? OpT() : found[bytes.below(found.size())];
  }
  int64_t integer(int64_t old);
  SmallVector<int64_t> shape(ArrayRef<int64_t> old);
  Type elementType(Type old);
  Type type(Type old);
  Attribute attribute(Attribute old);
  Attribute parsed(StringRef text);
  WeightType weightType(WeightType old);

  void changeAttribute(Operation *op);
  void changeType(Operation *op);
  void changeArgument();
  void changeWeight();
  void changeOperand(Operation *op);
  void swapOperands(Operation *op);
  void drop(Operation *op);
  void copyOp(Operation *op);
  void moveOp(Operation *op);
  void quantize();

  ModuleOp module;
  Bytes &bytes;
  Builder b;
  std::vector<Operation *> ops;
};

} // namespace

int64_t Mutator::integer(int64_t old) {
  switch (bytes.below(5)) {
  case 0:
    return old == INT64_MAX ? old : old + 1;
  case 1:
    return old == INT64_MIN ? old : old - 1;
  case 2:
    return int64_t(uint64_t(old) * 2);
  case 3:
    return int64_t(bytes.below(256));
  default:
    return bytes.pick<int64_t>({0, -1, 1, 16, 64, 255, 4096, 1 << 20,
                                int64_t(1) << 31, int64_t(1) << 40, INT64_MAX,
                                INT64_MIN});
  }
}

SmallVector<int64_t> Mutator::shape(ArrayRef<int64_t> old) {
  SmallVector<int64_t> made(old);
  switch (bytes.below(4)) {
  case 0:
    made.push_back(bytes.flag() ? ShapedType::kDynamic : 3);
    break;
  case 1:
    if (!made.empty())
      made.pop_back();
    break;
  default:
    if (!made.empty())
      made[bytes.below(made.size())] =
          bytes.below(4) == 0
              ? ShapedType::kDynamic
              : std::max<int64_t>(0, integer(std::max<int64_t>(
                                         0, made[bytes.below(made.size())])));
  }
  return made;
}

Type Mutator::elementType(Type old) {
  switch (bytes.below(9)) {
  case 0:
    return b.getF32Type();
  case 1:
    return b.getBF16Type();
  case 2:
    return b.getF16Type();
  case 3:
    return b.getF64Type();
  case 4:
    return b.getI32Type();
  case 5:
    return b.getIntegerType(8);
  case 6:
    return b.getIndexType();
  case 7:
    return b.getI1Type();
  default:
    return old;
  }
}

Attribute Mutator::parsed(StringRef text) {
  return parseAttribute(text, b.getContext());
}

WeightType Mutator::weightType(WeightType old) {
  auto unknown = [&] { return emitError(b.getUnknownLoc()); };
  SmallVector<int64_t> dims(old.getShape());
  FormatAttrInterface format = old.getFormat();
  LayoutKind layout = old.getLayout();
  switch (bytes.below(3)) {
  case 0:
    if (bytes.below(4) == 0)
      dims = shape(dims);
    else
      dims[bytes.below(dims.size())] = integer(dims.back());
    break;
  case 1:
    if (auto made = dyn_cast_or_null<FormatAttrInterface>(
            parsed(bytes.pick<const char *>(
                {"#adze.float<f32>", "#adze.float<bf16>", "#adze.float<f16>",
                 "#adze.int<8, scale = f32>", "#adze.int<8, scale = bf16>",
                 "#adze.int<8, group = 32, scale = f32>",
                 "#adze.int<4, group = 32, scale = bf16>",
                 "#adze.int<4, group = 16, scale = f32, zeros>",
                 "#adze.int<4, group = 128, scale = bf16>",
                 "#adze.int<4, scale = f32>", "#adze.gguf<q4_0>",
                 "#adze.gguf<q8_0>", "#adze.gguf<q4_k>", "#adze.gguf<q6_k>"}))))
      format = made;
    break;
  default:
    layout = layout == LayoutKind::Rows ? LayoutKind::Panels : LayoutKind::Rows;
  }
  return WeightType::getChecked(unknown, b.getContext(),
                                ArrayRef<int64_t>(dims), format, layout);
}

Type Mutator::type(Type old) {
  auto unknown = [&] { return emitError(b.getUnknownLoc()); };
  Type made;
  if (auto weight = dyn_cast<WeightType>(old))
    made = weightType(weight);
  else if (auto kv = dyn_cast<KVType>(old))
    made = bytes.flag()
               ? KVType::getChecked(unknown, b.getContext(),
                                    integer(kv.getHeads()), kv.getHeadDim(),
                                    kv.getElementType())
               : KVType::getChecked(unknown, b.getContext(), kv.getHeads(),
                                    integer(kv.getHeadDim()),
                                    elementType(kv.getElementType()));
  else if (auto tensor = dyn_cast<RankedTensorType>(old))
    made = RankedTensorType::getChecked(
        unknown,
        bytes.flag() ? shape(tensor.getShape())
                     : SmallVector<int64_t>(tensor.getShape()),
        elementType(tensor.getElementType()), Attribute());
  else if (bytes.flag())
    made = RankedTensorType::get({ShapedType::kDynamic, 16}, b.getF32Type());
  else
    made = elementType(old);
  return made ? made : old;
}

Attribute Mutator::attribute(Attribute old) {
  if (auto value = dyn_cast<IntegerAttr>(old)) {
    APInt bits(64, uint64_t(integer(value.getValue().getSExtValue())));
    Type t = value.getType();
    unsigned width = t.isIndex() ? 64 : t.getIntOrFloatBitWidth();
    return IntegerAttr::get(t, bits.sextOrTrunc(width));
  }
  if (auto value = dyn_cast<FloatAttr>(old))
    return FloatAttr::get(
        value.getType(),
        bytes.pick<double>({0.0, -0.0, -1.0, 1.0, 1e-300, 1e300, 1e-45, 1e38,
                            INFINITY, -INFINITY, NAN}));
  if (auto list = dyn_cast<DenseF64ArrayAttr>(old)) {
    SmallVector<double> values(list.asArrayRef());
    if (bytes.flag() && !values.empty())
      values.pop_back();
    else
      values.push_back(bytes.pick<double>({0.0, 1.0, -5.0, 1e300, NAN}));
    return b.getDenseF64ArrayAttr(values);
  }
  if (auto list = dyn_cast<DenseI64ArrayAttr>(old)) {
    SmallVector<int64_t> values(list.asArrayRef());
    if (values.empty() || bytes.flag())
      values.push_back(integer(values.empty() ? 0 : values.back()));
    else
      values[bytes.below(values.size())] = integer(values.front());
    return b.getDenseI64ArrayAttr(values);
  }
  if (isa<FlatSymbolRefAttr>(old)) {
    SmallVector<StringRef> names;
    for (Operation &op : *module.getBody())
      if (auto name = op.getAttrOfType<StringAttr>("sym_name"))
        names.push_back(name.getValue());
    names.push_back("nothing");
    return FlatSymbolRefAttr::get(b.getContext(),
                                  names[bytes.below(names.size())]);
  }
  if (isa<StringAttr>(old))
    return b.getStringAttr(
        bytes.pick<const char *>({"", "emb", "a.q", "{}", "a.{}.{}", "step"}));
  if (auto of = dyn_cast<TypeAttr>(old))
    return TypeAttr::get(type(of.getValue()));
  if (isa<LevelAttr>(old))
    return LevelAttr::get(
        b.getContext(),
        bytes.pick<Level>({Level::Model, Level::Fused, Level::Scheduled}));
  if (isa<MaskAttr>(old))
    return parsed(bytes.pick<const char *>(
        {"#adze.mask<causal>", "#adze.mask<causal, window = 1>",
         "#adze.mask<causal, window = 4611686018427387904>",
         "#adze.mask<causal, window = 3>"}));
  if (auto pairing = dyn_cast<RotaryPairingAttr>(old))
    return RotaryPairingAttr::get(b.getContext(),
                                  pairing.getValue() == RotaryPairing::Half
                                      ? RotaryPairing::Interleaved
                                      : RotaryPairing::Half);
  return old;
}

void Mutator::changeAttribute(Operation *op) {
  DictionaryAttr all = op->getAttrDictionary();
  if (all.empty())
    return;
  NamedAttribute chosen = *std::next(all.begin(), bytes.below(all.size()));
  if (bytes.below(8) == 0) {
    op->removeAttr(chosen.getName());
    return;
  }
  if (Attribute made = attribute(chosen.getValue()))
    op->setAttr(chosen.getName(), made);
}

void Mutator::changeType(Operation *op) {
  if (op->getNumResults() == 0)
    return;
  Value result = op->getResult(bytes.below(op->getNumResults()));
  result.setType(type(result.getType()));
}

/// With the function's type, or (invalid) without.
void Mutator::changeArgument() {
  auto func = anyOf<func::FuncOp>();
  if (!func || func.isExternal() || func.getNumArguments() == 0)
    return;
  BlockArgument arg = func.getArgument(bytes.below(func.getNumArguments()));
  arg.setType(type(arg.getType()));
  if (bytes.below(4))
    func.setFunctionType(b.getFunctionType(
        func.getBody().front().getArgumentTypes(),
        func.getBody().front().getTerminator()->getOperandTypes()));
}

void Mutator::changeWeight() {
  auto weight = anyOf<WeightOp>();
  if (!weight)
    return;
  if (bytes.below(3)) {
    if (WeightType made = weightType(weight.getWeightType()))
      weight->setAttr("type", TypeAttr::get(made));
    return;
  }
  SmallVector<int64_t> layers;
  for (uint64_t i = 0, n = bytes.below(5); i < n; ++i)
    layers.push_back(bytes.below(16) ? int64_t(i + bytes.below(2))
                                     : integer(int64_t(i)));
  weight->removeAttr("count");
  weight->setAttr("layers", b.getDenseI64ArrayAttr(layers));
}

void Mutator::changeOperand(Operation *op) {
  if (op->getNumOperands() == 0 || !op->getBlock())
    return;
  SmallVector<Value> values(op->getBlock()->getArguments());
  for (Operation &other : *op->getBlock()) {
    if (&other == op)
      break;
    llvm::append_range(values, other.getResults());
  }
  if (!values.empty())
    op->setOperand(bytes.below(op->getNumOperands()),
                   values[bytes.below(values.size())]);
}

void Mutator::swapOperands(Operation *op) {
  unsigned n = op->getNumOperands();
  if (n < 2)
    return;
  unsigned i = bytes.below(n), j = bytes.below(n);
  Value first = op->getOperand(i);
  op->setOperand(i, op->getOperand(j));
  op->setOperand(j, first);
}

void Mutator::drop(Operation *op) {
  for (Value result : op->getResults())
    for (Value operand : op->getOperands())
      if (operand.getType() == result.getType()) {
        result.replaceAllUsesWith(operand);
        break;
      }
  if (op->use_empty())
    op->erase();
}

void Mutator::copyOp(Operation *op) {
  if (!op->hasTrait<OpTrait::IsTerminator>()) {
    OpBuilder at(op);
    at.clone(*op);
  }
}

void Mutator::moveOp(Operation *op) {
  Block *block = op->getBlock();
  auto to =
      std::next(block->begin(), bytes.below(block->getOperations().size()));
  if (!op->hasTrait<OpTrait::IsTerminator>() && &*to != op)
    op->moveBefore(&*to);
}

/// Rows become codes before a linear.
void Mutator::quantize() {
  auto linear = anyOf<LinearOp>();
  if (!linear)
    return;
  OpBuilder at(linear);
  Value x = linear.getX();
  OperationState state(linear.getLoc(), QuantizeOp::getOperationName());
  state.addOperands(x);
  state.addTypes(x.getType());
  state.addAttribute("group", b.getI64IntegerAttr(bytes.pick<int64_t>(
                                  {0, 16, 32, 64, 128, 8, -16, 1 << 20})));
  Value made = at.create(state)->getResult(0);
  if (bytes.flag())
    linear->setOperand(0, made);
  else
    x.replaceAllUsesExcept(made, made.getDefiningOp());
}

void Mutator::run() {
  if (ops.empty())
    return;
  switch (bytes.below(12)) {
  case 0:
    return changeType(anyOp());
  case 1:
    return changeArgument();
  case 2:
  case 3:
    return changeWeight();
  case 4:
    return changeOperand(anyOp());
  case 5:
    return swapOperands(anyOp());
  case 6:
    return drop(anyOp());
  case 7:
    return copyOp(anyOp());
  case 8:
    return moveOp(anyOp());
  case 9:
    return quantize();
  default:
    return changeAttribute(anyOp());
  }
}

void adze::test::mutate(ModuleOp module, Bytes &bytes) {
  Mutator(module, bytes).run();
}
