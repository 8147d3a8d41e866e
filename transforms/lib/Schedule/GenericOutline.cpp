// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ops that no kernel builder claims, as adze.generic; see the header.
//
//   %e = linalg.generic %x ...            %y = adze.generic "linalg.generic"
//   %y = tensor.collapse_shape %e    ->       (%x) { the two ops on one row }
//   %z = adze.linear %y, @w               %z = adze.linear %y, @w
//
// A cluster is what one value needs, back to values that are in memory: results
// of kernels, arguments, and values of which more than the row at hand is read.
// A value that two clusters need is computed in both.

#include "GenericOutline.h"
#include "RowAccess.h"
#include "adze/Dialect/Adze/AdzeExpressions.h"
#include "adze/Transforms/Remark.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace adze;

namespace {

constexpr llvm::StringLiteral kPass = "adze-schedule";

bool hasBuilder(Operation *op) {
  return isa<LinearOp, EmbedOp, RmsNormOp, RotaryTableOp, RotaryOp, KVAppendOp,
             AttentionOp, TakeRowsOp, MapOp, QuantizeOp>(op);
}

/// Builders take f32 rows (and i32 tokens).
bool builderTakes(Operation *op) {
  auto isTaken = [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return !tensor || tensor.getElementType().isF32() ||
           tensor.getElementType().isInteger(32);
  };
  return llvm::all_of(op->getOperandTypes(), isTaken) &&
         llvm::all_of(op->getResultTypes(), isTaken);
}

/// Ops of the level that the scheduler itself knows.
bool isStructure(Operation *op) {
  return isa<RepeatOp, GenericOp, TapOp>(op) ||
         op->hasTrait<OpTrait::IsTerminator>();
}

bool isClaimed(Operation *op) { return hasBuilder(op) || isStructure(op); }

class Outliner {
public:
  Outliner(func::FuncOp func, ArrayRef<std::string> names)
      : func(func), names(names) {}

  LogicalResult run();

private:
  bool isAsked(Operation *op) {
    return llvm::any_of(names, [&](StringRef name) {
      return name == "all" || name == op->getName().getStringRef();
    });
  }
  bool multipliesCodes(OpOperand &use);
  void splitQuantized(Block &block);
  LogicalResult outlineOp(Operation *op);
  LogicalResult decompose(Operation *op);
  LogicalResult materialize(Value root);

  struct Cluster {
    llvm::SetVector<Operation *> ops;
    /// Values in memory, read by row, read at any row.
    llvm::MapVector<Value, std::array<bool, 2>> inputs;
  };
  LogicalResult visit(Value v, bool whole, Cluster &cluster, Operation *user);

  func::FuncOp func;
  ArrayRef<std::string> names;
  /// Quantize ops whose rounded values are read in floating point.
  DenseSet<Operation *> asValues;
  /// A value that the cluster at hand had seen was replaced: begin again.
  bool stale = false;
};

/// Moves weights of `body` to block arguments of `op`, and its batch.
void liftWeights(GenericOp op) {
  OpBuilder b(op.getContext());
  Block &body = op.getBody().front();
  SmallVector<Attribute> weights;
  SmallVector<WeightTensorOp> reads;
  Value batch;
  op->walk([&](Operation *inner) {
    if (auto read = dyn_cast<WeightTensorOp>(inner))
      reads.push_back(read);
    else if (auto positions = dyn_cast<PositionsOp>(inner))
      batch = positions.getBatch();
  });
  for (WeightTensorOp read : reads) {
    auto *it = llvm::find(weights, Attribute(read.getWeightAttr()));
    unsigned index = op.getInputs().size() + (it - weights.begin());
    if (it == weights.end()) {
      weights.push_back(read.getWeightAttr());
      body.insertArgument(index, read.getType(), read.getLoc());
    }
    if (read.getLayer())
      op.getLayerMutable().assign(read.getLayer());
    read.getResult().replaceAllUsesWith(body.getArgument(index));
    read.erase();
  }
  if (!weights.empty())
    op.setWeightsAttr(b.getArrayAttr(weights));
  if (batch) {
    op.getBatchMutable().assign(batch);
    Value inside = body.addArgument(batch.getType(), op.getLoc());
    op->walk([&](PositionsOp positions) {
      positions.getBatchMutable().assign(inside);
    });
  }
}

/// The rows of x, or the table, of a gather are read at any row.
bool readsAnyRow(Operation *op, Value operand) {
  auto take = dyn_cast<TakeRowsOp>(op);
  return take && take.getX() == operand;
}

/// An adze op by its decomposition.
LogicalResult Outliner::outlineOp(Operation *op) {
  if (isa<AttentionOp, KVAppendOp>(op)) {
    op->setAttr(kGenericAttrName, UnitAttr::get(op->getContext()));
    return success();
  }
  OpBuilder b(op);
  SmallVector<Value> inputs;
  SmallVector<bool> whole;
  for (bool any : {false, true})
    for (Value operand : op->getOperands())
      if (isa<RankedTensorType>(operand.getType()) &&
          readsAnyRow(op, operand) == any &&
          !llvm::is_contained(inputs, operand)) {
        inputs.push_back(operand);
        whole.push_back(any);
      }
  if (op->getNumResults() != 1)
    return op->emitOpError()
           << "has no result of its own, so that plain loops cannot stand for "
              "it; leave the fusion into sinks out (--disable-pass="
              "adze-fuse-head-sinks)";
  auto generic = GenericOp::create(b, op->getLoc(), op->getResult(0).getType(),
                                   op->getName().getStringRef(), inputs, whole,
                                   ArrayAttr(), Value(), Value());
  Block *body = b.createBlock(&generic.getBody());
  IRMapping mapping;
  for (Value input : inputs)
    mapping.map(input, body->addArgument(input.getType(), op->getLoc()));
  // The index of the layer and the batch stay what they are until the ops that
  // read them have gone.
  Operation *inside = b.clone(*op, mapping);
  auto decomposable = dyn_cast<DecomposableOpInterface>(inside);
  b.setInsertionPoint(inside);
  if (!decomposable)
    return op->emitOpError() << "has no decomposition";
  FailureOr<SmallVector<Value>> values = decomposable.decompose(b);
  if (failed(values))
    return failure();
  b.setInsertionPointToEnd(body);
  YieldOp::create(b, op->getLoc(), values->front());
  inside->erase();
  liftWeights(generic);
  op->getResult(0).replaceAllUsesWith(generic.getResult());
  op->erase();
  return success();
}

/// An op of a plug-in, or an aggregate such as linalg.softmax, in place.
LogicalResult Outliner::decompose(Operation *op) {
  OpBuilder b(op);
  FailureOr<SmallVector<Value>> values = failure();
  if (auto decomposable = dyn_cast<DecomposableOpInterface>(op))
    values = decomposable.decompose(b);
  else if (auto aggregate = dyn_cast<linalg::AggregatedOpInterface>(op))
    values = aggregate.decomposeOperation(b);
  else
    return success();
  if (failed(values))
    return op->emitOpError()
           << "cannot be decomposed, and no kernel builder claims it";
  reportMissed(op, kPass, "no kernel builder claims it: generic path");
  op->replaceAllUsesWith(*values);
  op->erase();
  return success();
}

LogicalResult Outliner::visit(Value v, bool whole, Cluster &cluster,
                              Operation *user) {
  Operation *def = v.getDefiningOp();
  if (!def || isClaimed(def)) {
    if (isa<RankedTensorType>(v.getType())) {
      // A tensor without rows is read as it is.
      cluster.inputs[v][whole || !isRowTensor(v.getType())] = true;
      return success();
    }
    // The layer and the batch are what weights and positions are read with.
    if (isa<WeightTensorOp, PositionsOp>(user))
      return success();
    return user->emitOpError()
           << "takes a value of type " << v.getType()
           << " that is computed elsewhere; the generic path passes on tensors "
              "only: make it a tensor";
  }
  if (whole && isRowTensor(v.getType())) {
    if (failed(materialize(v)))
      return failure();
    stale = true; // its uses are now those of the new op's result
    return success();
  }
  if (cluster.ops.contains(def))
    return success();
  RowAccess access = rowAccessOf(def);
  if (!access.problem.empty())
    return def->emitOpError()
           << access.problem
           << " (no kernel builder claims this op, and the generic path "
              "computes row by row)";
  SetVector<Value> reads(def->operand_begin(), def->operand_end());
  SetVector<Value> captured;
  for (Region &region : def->getRegions())
    getUsedValuesDefinedAbove(region, captured);
  reads.insert(captured.begin(), captured.end());
  for (Value read : reads) {
    auto it = access.whole.find(read);
    bool readsWhole = it != access.whole.end() && it->second;
    if (failed(visit(read, readsWhole, cluster, def)))
      return failure();
    if (stale)
      return success();
  }
  cluster.ops.insert(def); // after what it needs
  return success();
}

/// Makes `root`, a value with rows, the result of a generic op of its own.
LogicalResult Outliner::materialize(Value root) {
  Operation *def = root.getDefiningOp();
  if (!isRowTensor(root.getType()))
    return def->emitOpError()
           << "makes a value of type " << root.getType()
           << " that other kernels read; only rows (a tensor whose first "
              "dimension is dynamic) can be handed on";
  if (!getElementTypeOrSelf(root.getType()).isIntOrIndexOrFloat())
    return def->emitOpError()
           << "makes a value of type " << root.getType()
           << " that other kernels read; only rows of floats and integers can "
              "be handed on";
  Cluster cluster;
  do {
    stale = false;
    cluster = Cluster();
    if (failed(visit(root, /*whole=*/false, cluster, def)))
      return failure();
  } while (stale);
  SmallVector<Value> inputs;
  SmallVector<bool> whole;
  for (bool any : {false, true})
    for (auto &[value, kinds] : cluster.inputs)
      if (kinds[any]) {
        inputs.push_back(value);
        whole.push_back(any);
      }
  OpBuilder b(def);
  auto generic = GenericOp::create(b, def->getLoc(), root.getType(),
                                   def->getName().getStringRef(), inputs, whole,
                                   ArrayAttr(), Value(), Value());
  Block *body = b.createBlock(&generic.getBody());
  IRMapping byRow, atAnyRow;
  for (auto [input, any] : llvm::zip(inputs, whole))
    (any ? atAnyRow : byRow)
        .map(input, body->addArgument(input.getType(), input.getLoc()));
  // Clusters are small: the order of the block is the order of the ops.
  SmallVector<Operation *> ops(cluster.ops.begin(), cluster.ops.end());
  llvm::sort(ops,
             [](Operation *x, Operation *y) { return x->isBeforeInBlock(y); });
  for (Operation *op : ops) {
    if (!op->hasTrait<OpTrait::ConstantLike>() &&
        !isa<tensor::DimOp, tensor::EmptyOp>(op))
      reportMissed(op, kPass, "no kernel builder claims it: generic path");
    RowAccess access = rowAccessOf(op);
    IRMapping mapping = byRow;
    for (auto &[value, any] : access.whole)
      if (any && atAnyRow.contains(value))
        mapping.map(value, atAnyRow.lookup(value));
    SetVector<Value> reads(op->operand_begin(), op->operand_end());
    for (Region &region : op->getRegions())
      getUsedValuesDefinedAbove(region, reads);
    for (Value read : reads)
      if (!mapping.contains(read) && atAnyRow.contains(read))
        mapping.map(read, atAnyRow.lookup(read));
    Operation *made = b.clone(*op, mapping);
    for (auto [from, to] : llvm::zip(op->getResults(), made->getResults()))
      byRow.map(from, to);
  }
  YieldOp::create(b, def->getLoc(), byRow.lookup(root));
  liftWeights(generic);
  root.replaceAllUsesWith(generic.getResult());
  return success();
}

/// A tensor.dim of its own for each use: one may be the size of rows, which is
/// 1 where one row is computed, and another a number to compute with.
void splitSizes(Block &block) {
  for (auto dim : llvm::make_early_inc_range(block.getOps<tensor::DimOp>())) {
    OpBuilder b(dim);
    for (OpOperand &use :
         llvm::make_early_inc_range(llvm::drop_begin(dim->getUses())))
      use.set(b.clone(*dim)->getResult(0));
  }
}

/// A kernel that reads codes; everything else reads the values they stand for.
bool Outliner::multipliesCodes(OpOperand &use) {
  auto linear = dyn_cast<LinearOp>(use.getOwner());
  if (!linear || &linear.getXMutable() != &use || isAsked(linear) ||
      !builderTakes(linear))
    return false;
  WeightType weight =
      lookupWeight(linear, linear.getWeightAttr()).getWeightType();
  return isa<IntegerFormatAttrInterface>(
      Attribute(elementFormat(weight.getFormat())));
}

/// The result of a quantize op is in memory as codes. Where values are read
/// too, loops make them of the same rows.
void Outliner::splitQuantized(Block &block) {
  for (auto op : llvm::make_early_inc_range(block.getOps<QuantizeOp>())) {
    if (isAsked(op))
      continue;
    SmallVector<OpOperand *> values;
    bool readsCodes = false;
    for (OpOperand &use : op->getUses()) {
      if (multipliesCodes(use))
        readsCodes = true;
      else
        values.push_back(&use);
    }
    if (values.empty())
      continue;
    Operation *copy = readsCodes ? OpBuilder(op).clone(*op) : op;
    for (OpOperand *use : values)
      use->set(copy->getResult(0));
    asValues.insert(copy);
  }
}

LogicalResult Outliner::run() {
  Block &block = func.getBody().front();
  splitQuantized(block);
  for (Operation &op : llvm::make_early_inc_range(block)) {
    // Columns in another order are plain loops, and row by row as they are.
    if (isa<PermuteOp>(op)) {
      if (failed(outlineOp(&op)))
        return failure();
      continue;
    }
    if (hasBuilder(&op)) {
      bool asked = isAsked(&op), isValue = asValues.contains(&op);
      if (!asked && !isValue && builderTakes(&op))
        continue;
      if (asked)
        reportFired(&op, kPass, "generic path, as asked for");
      else if (isValue)
        reportMissed(&op, kPass,
                     "its values are read in floating point: generic path");
      else
        reportMissed(&op, kPass, "its builder takes f32 rows: generic path");
      if (failed(outlineOp(&op)))
        return failure();
    }
  }
  for (Operation &op : llvm::make_early_inc_range(block))
    if (!isClaimed(&op) && failed(decompose(&op)))
      return failure();

  splitSizes(block);

  // Values that kernels and results need, in order.
  auto isNeeded = [&](Value v) {
    return llvm::any_of(v.getUsers(), [&](Operation *user) {
      return isClaimed(block.findAncestorOpInBlock(*user));
    });
  };
  SmallVector<Value> roots;
  for (Operation &op : block)
    if (!isClaimed(&op))
      llvm::copy_if(op.getResults(), std::back_inserter(roots), isNeeded);
  for (Value root : roots)
    if (isNeeded(root) && failed(materialize(root)))
      return failure();
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (!isClaimed(&op) && isOpTriviallyDead(&op))
      op.erase();
  for (Operation &op : block)
    if (!isClaimed(&op))
      return op.emitOpError()
             << "has no kernel and no result that is used; the generic path "
                "computes results";
  return success();
}

LogicalResult checkNames(ModuleOp module, ArrayRef<std::string> names) {
  static constexpr llvm::StringLiteral known[] = {"all",
                                                  "adze.linear",
                                                  "adze.attention",
                                                  "adze.embed",
                                                  "adze.rms_norm",
                                                  "adze.rotary",
                                                  "adze.map",
                                                  "adze.rotary_table",
                                                  "adze.kv_append",
                                                  "adze.take_rows",
                                                  "adze.quantize"};
  for (StringRef name : names)
    if (!llvm::is_contained(known, name))
      return module.emitError()
             << "\"" << name
             << "\" is no op with a kernel that the generic path can stand "
                "for: expected one of "
             << llvm::join(ArrayRef(known), ", ")
             << " (elementwise ops are adze.map by then)";
  return success();
}

} // namespace

LogicalResult adze::outlineGeneric(ModuleOp module,
                                   ArrayRef<std::string> names) {
  if (failed(checkNames(module, names)))
    return failure();
  for (auto func : module.getOps<func::FuncOp>())
    if (!func.isDeclaration() && failed(Outliner(func, names).run()))
      return failure();
  return success();
}
