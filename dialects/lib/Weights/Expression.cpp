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

  /// The node of a whole weight. `casts` are the formats that its rows become
  /// on their way to the result, the last one first.
  Expected<unsigned> weight(WeightOp op,
                            ArrayRef<FormatAttrInterface> casts) {
    if (active.size() >= kMaxDepth || !active.insert(op).second)
      return fail("weight @" + op.getSymName() + " depends on itself");
    Expected<unsigned> node =
        op.isSource() ? source(op, casts)
                      : value(op.getBody().front().getTerminator()->getOperand(
                                  0),
                              casts);
    active.erase(op);
    return node;
  }

private:
  using Casts = SmallVector<FormatAttrInterface, 2>;

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

  Expected<unsigned> source(WeightOp op, ArrayRef<FormatAttrInterface> casts) {
    ExprLeaf leaf;
    leaf.weight = op;
    leaf.formats.push_back(op.getWeightType().getFormat());
    for (FormatAttrInterface format : llvm::reverse(casts))
      if (format != leaf.formats.back())
        leaf.formats.push_back(format);
    ExprNode node;
    node.leaf = program.leaves.size();
    node.rows = op.getWeightType().getRows();
    program.leaves.push_back(std::move(leaf));
    return add(std::move(node));
  }

  /// A node over the values `inputs`.
  Expected<unsigned> over(ExprKind kind, ValueRange inputs, int64_t heads,
                          ArrayRef<FormatAttrInterface> casts) {
    ExprNode node;
    node.kind = kind;
    node.heads = heads;
    node.rows = cast<WeightType>(inputs.front().getType()).getRows();
    int64_t end = 0;
    for (Value input : inputs) {
      Expected<unsigned> child = value(input, casts);
      if (!child)
        return child.takeError();
      node.children.push_back(*child);
      end += cast<WeightType>(input.getType()).getRows();
      node.ends.push_back(end);
    }
    return add(std::move(node));
  }

  Expected<unsigned> value(Value v, ArrayRef<FormatAttrInterface> casts) {
    Operation *op = v.getDefiningOp();
    assert(op && "a weight's body has no arguments");
    if (auto ref = dyn_cast<RefOp>(op)) {
      WeightOp target = lookupWeight(program.weight->getParentOp(),
                                     ref.getWeightAttr());
      if (!target)
        return fail("refers to @" + ref.getWeight() +
                    ", which is no weight of the module");
      return weight(target, casts);
    }
    if (auto pack = dyn_cast<PackOp>(op))
      return value(pack.getInput(), casts);
    if (auto change = dyn_cast<CastOp>(op)) {
      WeightType to = change.getType(),
                 from = cast<WeightType>(change.getInput().getType());
      if (isa<GgufFormatAttr>(Attribute(to.getFormat())) &&
          to.getFormat() != from.getFormat())
        return fail("nothing can be converted to " +
                    to.getFormat().getFormatName() +
                    ", a format of GGUF files that is only read");
      Casts inner(casts);
      inner.push_back(change.getType().getFormat());
      return value(change.getInput(), inner);
    }
    if (auto concat = dyn_cast<ConcatOp>(op))
      return over(ExprKind::Concat, concat.getInputs(), 0, casts);
    if (auto interleave = dyn_cast<InterleaveOp>(op))
      return over(ExprKind::Interleave, interleave->getOperands(), 0, casts);
    if (auto pad = dyn_cast<PadHeadsOp>(op))
      return over(ExprKind::PadHeads, pad.getInput(), pad.getHeads(), casts);
    if (auto halves = dyn_cast<RotaryHalvesOp>(op))
      return over(ExprKind::RotaryHalves, halves.getInput(), halves.getHeads(),
                  casts);
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
  while (true) {
    unsigned child = 0;
    switch (node->kind) {
    case ExprKind::Source:
      return {node->leaf, row};
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
    }
    node = &nodes[node->children[child]];
  }
}
