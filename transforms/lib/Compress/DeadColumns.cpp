// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is zero for certain: rows and columns of weights, and values that are
// made of them. Numbers are taken to be finite.

#include "Calibrated.h"
#include "Structure.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace adze;
using namespace adze::detail;

//===-- weights -----------------------------------------------------------===//

llvm::Error DeadColumns::measure(WeightOp weight, int64_t layer,
                                 ZeroLines &zeros) const {
  constexpr int64_t kRows = 16;
  WeightType type = weight.getWeightType();
  // A vector is a column.
  int64_t rows = type.getRows(), columns = type.isVector() ? 1 : type.getCols();
  zeros.rows.resize(unsigned(rows), true);
  zeros.columns.resize(unsigned(columns), true);
  std::vector<float> values(size_t(kRows * columns));
  for (int64_t row = 0; row < rows; row += kRows) {
    int64_t count = std::min(kRows, rows - row);
    if (llvm::Error error =
            evaluator.readRows(weight, layer, row, count, values.data()))
      return error;
    for (int64_t i = 0; i < count; ++i)
      for (int64_t k = 0; k < columns; ++k)
        if (values[size_t(i * columns + k)] != 0) {
          zeros.rows.reset(unsigned(row + i));
          zeros.columns.reset(unsigned(k));
        }
  }
  return llvm::Error::success();
}

llvm::Error DeadColumns::measure() {
  llvm::SetVector<Operation *> weights;
  module.walk([&](LinearOp op) {
    weights.insert(lookupWeight(op, op.getWeightAttr()));
    if (op.getBiasAttr())
      weights.insert(lookupWeight(op, op.getBiasAttr()));
  });
  std::vector<std::pair<std::pair<Operation *, int64_t>, ZeroLines *>> tasks;
  auto nameOf = [](Operation *op, int64_t layer) {
    auto weight = cast<WeightOp>(op);
    return weight.isSource() ? weight.getSourceName(layer) : std::string();
  };
  for (Operation *op : weights)
    for (int64_t layer : cast<WeightOp>(op).getLayerIndices()) {
      std::pair<Operation *, int64_t> key(op, layer);
      ZeroLines &zeros = known[key];
      auto before = tensors.find(nameOf(op, layer));
      if (before != tensors.end())
        zeros = before->second;
      else
        tasks.push_back({key, &zeros});
    }
  runParallel(module.getContext(), int64_t(tasks.size()), [&](int64_t i) {
    auto &[key, zeros] = tasks[size_t(i)];
    zeros->error =
        llvm::toString(measure(cast<WeightOp>(key.first), key.second, *zeros));
  });
  for (auto &[key, zeros] : tasks)
    if (!zeros->error.empty())
      return llvm::createStringError(zeros->error);
  for (auto &[key, zeros] : tasks)
    if (std::string name = nameOf(key.first, key.second); !name.empty())
      tensors[name] = *zeros;
  return llvm::Error::success();
}

const ZeroLines &DeadColumns::zerosOf(WeightOp weight, int64_t layer) {
  ZeroLines &zeros = known[{weight, weight.isPerLayer() ? layer : 0}];
  if (zeros.rows.empty()) { // a layer that there is none of
    WeightType type = weight.getWeightType();
    zeros.rows.resize(unsigned(type.getRows()));
    zeros.columns.resize(unsigned(type.isVector() ? 1 : type.getCols()));
  }
  return zeros;
}

//===-- values ------------------------------------------------------------===//

/// Of heads of keys and values, for each of the query heads that share them.
static llvm::BitVector perQueryHead(const llvm::BitVector &values, int64_t size,
                                    int64_t sharing) {
  llvm::BitVector bits(values.size() * unsigned(sharing));
  for (unsigned i = 0; i < bits.size(); ++i) {
    int64_t head = i / size / sharing;
    bits[i] = values[unsigned(head * size + i % size)];
  }
  return bits;
}

/// The columns of `value` that are zero.
llvm::BitVector DeadColumns::zeros(Value value, int64_t layer) {
  auto type = cast<RankedTensorType>(value.getType());
  auto columns = unsigned(type.isDynamicDim(1) ? 1 : type.getDimSize(1));
  Operation *op = value.getDefiningOp();
  if (auto linear = dyn_cast_or_null<LinearOp>(op)) {
    if (!linear.getBody().empty() || linear.getSinkAttr())
      return llvm::BitVector(columns);
    WeightOp weight = lookupWeight(op, linear.getWeightAttr());
    llvm::BitVector bits = zerosOf(weight, layer).rows;
    if (linear.getBiasAttr())
      bits &= zerosOf(lookupWeight(op, linear.getBiasAttr()), layer).rows;
    return bits;
  }
  if (auto attention = dyn_cast_or_null<AttentionOp>(op);
      attention && attention.getV()) {
    auto heads = int64_t(attention.getHeads());
    return perQueryHead(zeros(attention.getV(), layer), columns / heads,
                        heads / int64_t(attention.getKvHeads()));
  }
  if (isa_and_nonnull<SiluOp, GeluOp, RmsNormOp, arith::NegFOp, math::AbsFOp,
                      math::TanhOp, math::ErfOp>(op))
    return zeros(op->getOperand(0), layer);
  if (isa_and_nonnull<arith::MulFOp, arith::AddFOp, arith::SubFOp,
                      arith::MaximumFOp, arith::MaxNumFOp, arith::MinimumFOp,
                      arith::MinNumFOp>(op)) {
    llvm::BitVector a = zeros(op->getOperand(0), layer),
                    b = zeros(op->getOperand(1), layer);
    if (isa<arith::MulFOp>(op))
      a |= b;
    else
      a &= b;
    return a;
  }
  return llvm::BitVector(columns);
}

llvm::BitVector DeadColumns::deadUnits(const Cluster &cluster, int64_t layer) {
  llvm::BitVector columns(unsigned(cluster.columns), true);
  for (LinearOp reader : cluster.readers) {
    WeightOp weight = lookupWeight(reader, reader.getWeightAttr());
    llvm::BitVector unread = zerosOf(weight, layer).columns;
    unread |= zeros(reader.getX(), layer);
    columns &= unread;
  }
  llvm::BitVector units(unsigned(cluster.units()), true);
  for (unsigned i = 0; i < columns.size(); ++i)
    if (!columns[i])
      units.reset(unsigned(i / cluster.unit));
  return units;
}

llvm::BitVector DeadColumns::deadKeys(const Cluster &keys, int64_t layer) {
  llvm::BitVector dead(unsigned(keys.units()), true);
  for (AttentionOp op : keys.keys) {
    Cluster *queries = structure.of(op.getQ());
    llvm::BitVector heads = deadUnits(*queries, layer);
    int64_t sharing = queries->sharing();
    for (unsigned i = 0; i < heads.size(); ++i)
      if (!heads[i])
        dead.reset(unsigned(i / sharing));
  }
  return dead;
}

bool DeadColumns::addsNothing(Operation *op, int64_t layer) {
  auto function = cast<func::FuncOp>(op);
  if (!function.getBody().hasOneBlock() || function.getNumArguments() < 2)
    return false;
  Block &body = function.getBody().front();
  for (Operation &inner : body) {
    // What it appends to the cache of its layer, only it reads.
    auto attention = dyn_cast<AttentionOp>(inner);
    bool isOwn = attention && attention.getLayer() == body.getArgument(0);
    if (!isOwn && !isa<LinearOp, func::ReturnOp>(inner) &&
        !isMemoryEffectFree(&inner))
      return false;
  }
  if (body.getTerminator()->getNumOperands() != 1)
    return false;
  Value value = body.getTerminator()->getOperand(0);
  while (value != body.getArgument(1)) {
    auto sum = value.getDefiningOp<arith::AddFOp>();
    if (!sum || !isa<RankedTensorType>(value.getType()))
      return false;
    if (zeros(sum.getRhs(), layer).all())
      value = sum.getLhs();
    else if (zeros(sum.getLhs(), layer).all())
      value = sum.getRhs();
    else
      return false;
  }
  return true;
}
