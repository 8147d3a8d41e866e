// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiles weight expressions to row programs (see Expression.h). References
// to other weights are followed, so a program reads source tensors only.

#include "Expression.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace adze;
using namespace adze::detail;
using llvm::Error;
using llvm::Expected;

namespace {

/// An expression may repeat a source; beyond this it is a mistake (a chain of
/// references that doubles at each step).
constexpr size_t kMaxNodes = 4096;
constexpr unsigned kMaxDepth = 64;

class Compiler {
public:
  explicit Compiler(WeightProgram &program) : program(program) {}

  /// The node of a whole weight. `steps` are what its values go through on
  /// their way to the result, the last one first.
  Expected<unsigned> weight(WeightOp op, ArrayRef<ExprStep> steps) {
    if (active.size() >= kMaxDepth || !active.insert(op).second)
      return fail("weight @" + op.getSymName() + " depends on itself");
    Expected<unsigned> node =
        op.isSource()
            ? source(op, steps)
            : value(op.getBody().front().getTerminator()->getOperand(0), steps);
    active.erase(op);
    return node;
  }

private:
  using Steps = SmallVector<ExprStep, 2>;

  Error fail(const Twine &message) {
    return llvm::createStringError("weight @" + program.weight.getSymName() +
                                   ": " + message);
  }

  Expected<unsigned> add(ExprNode node) {
    if (program.nodes.size() >= kMaxNodes)
      return fail("expected an expression of at most " + Twine(kMaxNodes) +
                  " parts");
    program.nodes.push_back(std::move(node));
    return program.nodes.size() - 1;
  }

  Expected<unsigned> source(WeightOp op, ArrayRef<ExprStep> steps) {
    ExprLeaf leaf;
    leaf.weight = op;
    return add(leaf, op.getWeightType(), steps);
  }

  Expected<unsigned> add(ExprLeaf leaf, WeightType type,
                         ArrayRef<ExprStep> steps) {
    leaf.format = type.getFormat();
    FormatAttrInterface held = leaf.format;
    for (const ExprStep &step : llvm::reverse(steps)) {
      // A cast to the format that the values have changes nothing.
      if (step.format && step.format == held)
        continue;
      leaf.steps.push_back(step);
      if (step.format)
        held = step.format;
    }
    ExprNode node;
    node.leaf = program.leaves.size();
    node.rows = type.getRows();
    program.leaves.push_back(std::move(leaf));
    return add(std::move(node));
  }

  /// `steps` with one more that multiplies or divides, on the side of the leaf.
  Expected<Steps> scaled(ExprStep::Kind kind, ArrayRef<ExprStep> steps,
                         FlatSymbolRefAttr factors, bool inverse) {
    ExprStep step;
    step.kind = kind;
    step.inverse = inverse;
    step.factors = lookupWeight(program.weight->getParentOp(), factors);
    if (!step.factors || !step.factors.isSource())
      return fail("is scaled by @" + factors.getValue() +
                  ", which is no source of the module");
    Steps inner(steps);
    inner.push_back(step);
    return inner;
  }

  /// A node over the values `inputs`.
  Expected<unsigned> over(ExprKind kind, ValueRange inputs, int64_t heads,
                          ArrayRef<ExprStep> steps) {
    ExprNode node;
    node.kind = kind;
    node.heads = heads;
    node.rows = cast<WeightType>(inputs.front().getType()).getRows();
    int64_t end = 0;
    for (Value input : inputs) {
      Expected<unsigned> child = value(input, steps);
      if (!child)
        return child.takeError();
      node.children.push_back(*child);
      end += cast<WeightType>(input.getType()).getRows();
      node.ends.push_back(end);
    }
    return add(std::move(node));
  }

  Expected<unsigned> value(Value v, ArrayRef<ExprStep> steps) {
    Operation *op = v.getDefiningOp();
    assert(op && "a weight's body has no arguments");
    if (auto ref = dyn_cast<RefOp>(op)) {
      WeightOp target =
          lookupWeight(program.weight->getParentOp(), ref.getWeightAttr());
      if (!target)
        return fail("refers to @" + ref.getWeight() +
                    ", which is no weight of the module");
      return weight(target, steps);
    }
    if (isa<UnpackOp, UnpackOrderOp>(op)) {
      ExprLeaf leaf;
      leaf.weight = op->getParentOfType<WeightOp>();
      leaf.unpack = dyn_cast<UnpackOp>(op);
      leaf.order = dyn_cast<UnpackOrderOp>(op);
      return add(leaf, cast<WeightType>(v.getType()), steps);
    }
    if (auto pack = dyn_cast<PackOp>(op))
      return value(pack.getInput(), steps);
    if (auto change = dyn_cast<CastOp>(op)) {
      WeightType to = change.getType(),
                 from = cast<WeightType>(change.getInput().getType());
      if (isa<GgufFormatAttr>(Attribute(to.getFormat())) &&
          to.getFormat() != from.getFormat())
        return fail("nothing can be converted to " +
                    to.getFormat().getFormatName() +
                    ", a format of GGUF files that is only read");
      Steps inner(steps);
      ExprStep step;
      step.format = to.getFormat();
      inner.push_back(step);
      return value(change.getInput(), inner);
    }
    if (auto offset = dyn_cast<OffsetOp>(op)) {
      Steps inner(steps);
      ExprStep step;
      step.kind = ExprStep::Add;
      step.offset = float(offset.getBy().convertToDouble());
      inner.push_back(step);
      return value(offset.getInput(), inner);
    }
    if (auto scale = dyn_cast<ScaleColumnsOp>(op)) {
      Expected<Steps> inner =
          scaled(ExprStep::ScaleColumns, steps, scale.getFactorsAttr(),
                 scale.getInverse());
      if (!inner)
        return inner.takeError();
      return value(scale.getInput(), *inner);
    }
    if (auto scale = dyn_cast<ScaleRowsOp>(op)) {
      Expected<Steps> inner =
          scaled(ExprStep::ScaleRow, steps, scale.getFactorsAttr(),
                 scale.getInverse());
      if (!inner)
        return inner.takeError();
      return over(ExprKind::ScaleRows, scale.getInput(), 0, *inner);
    }
    if (auto concat = dyn_cast<ConcatOp>(op))
      return over(ExprKind::Concat, concat.getInputs(), 0, steps);
    if (auto interleave = dyn_cast<InterleaveOp>(op))
      return over(ExprKind::Interleave, interleave->getOperands(), 0, steps);
    if (auto pad = dyn_cast<PadHeadsOp>(op))
      return over(ExprKind::PadHeads, pad.getInput(), pad.getHeads(), steps);
    if (auto halves = dyn_cast<RotaryHalvesOp>(op))
      return over(ExprKind::RotaryHalves, halves.getInput(), halves.getHeads(),
                  steps);
    if (auto spread = dyn_cast<RotarySpreadOp>(op)) {
      Expected<unsigned> node = over(ExprKind::RotarySpread, spread.getInput(),
                                     spread.getHeads(), steps);
      if (node)
        program.nodes[*node].rotated = spread.getRotated();
      return node;
    }
    if (auto slice = dyn_cast<SliceOp>(op)) {
      Expected<unsigned> node =
          over(ExprKind::Slice, slice.getInput(), 0, steps);
      if (node)
        program.nodes[*node].first = slice.getFirst();
      return node;
    }
    return fail("'" + op->getName().getStringRef() +
                "' is not a weight expression that can be evaluated");
  }

  WeightProgram &program;
  SmallPtrSet<Operation *, 8> active;
};

} // namespace

Expected<std::unique_ptr<WeightProgram>>
adze::detail::compileWeight(WeightOp weight) {
  auto program = std::make_unique<WeightProgram>();
  program->weight = weight;
  Compiler compiler(*program);
  Expected<unsigned> root = compiler.weight(weight, {});
  if (!root)
    return root.takeError();
  assert(*root == program->nodes.size() - 1 && "the root is the last node");
  return program;
}

RowSource WeightProgram::resolve(int64_t row) const {
  const ExprNode *node = &nodes.back();
  SmallVector<int64_t, 1> scaled;
  while (true) {
    unsigned child = 0;
    switch (node->kind) {
    case ExprKind::Source:
      return {node->leaf, row, std::move(scaled)};
    case ExprKind::Concat:
      while (row >= node->ends[child])
        ++child;
      if (child)
        row -= node->ends[child - 1];
      break;
    case ExprKind::Interleave: {
      int64_t block = row / (2 * kPanelRows), within = row % (2 * kPanelRows);
      child = within / kPanelRows;
      row = block * kPanelRows + within % kPanelRows;
      if (row >= node->rows)
        return {};
      break;
    }
    case ExprKind::PadHeads: {
      int64_t size = node->rows / node->heads;
      int64_t padded = llvm::alignTo(size, kPanelRows);
      if (row % padded >= size)
        return {};
      row = row / padded * size + row % padded;
      break;
    }
    case ExprKind::RotaryHalves: {
      int64_t size = node->rows / node->heads, half = size / 2;
      int64_t head = row / size, i = row % size;
      row = head * size + (i < half ? 2 * i : 2 * (i - half) + 1);
      break;
    }
    case ExprKind::RotarySpread: {
      // The second half of the channels that do not turn stays in place.
      int64_t size = node->rows / node->heads, half = size / 2;
      int64_t turning = node->rotated / 2;
      int64_t head = row / size, i = row % size;
      if (i < half)
        i = i < turning ? i : i + turning;
      else if (i - half < turning)
        i = i - half + turning;
      row = head * size + i;
      break;
    }
    case ExprKind::Slice:
      row += node->first;
      break;
    case ExprKind::ScaleRows:
      scaled.push_back(row);
      break;
    }
    node = &nodes[node->children[child]];
  }
}
