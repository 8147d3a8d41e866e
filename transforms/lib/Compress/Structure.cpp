// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header. Columns of values, rows and columns of weights are joined
// where an op says that they are the same; what an op does with columns that is
// not known here holds all that are joined with them.

#include "Structure.h"
#include "Calibrated.h"
#include "ColumnScales.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace adze;
using namespace adze::detail;

namespace {

class Joiner {
public:
  explicit Joiner(ModuleOp module) : module(module), readers(module) {}

  void run();
  /// Those with a linear that makes and one that reads them, or of keys.
  std::vector<Cluster> clusters(DenseMap<Value, size_t> &clusterOf);

private:
  /// Columns, or rows, and what is known of those joined with them (at root).
  struct Node {
    unsigned parent;
    Value value;
    WeightOp weight;
    bool isRows = false;
    int64_t size = 0, unit = 1;
    std::string why;
    Operation *at = nullptr;
  };

  unsigned add(Node node) {
    node.parent = unsigned(nodes.size());
    nodes.push_back(std::move(node));
    return unsigned(nodes.size()) - 1;
  }
  /// -1: it has no rows of a known length.
  int of(Value value);
  int of(WeightOp weight, bool isRows, Operation *user);
  unsigned root(unsigned i) {
    while (nodes[i].parent != i)
      i = nodes[i].parent = nodes[nodes[i].parent].parent;
    return i;
  }
  void join(int a, int b);
  void hold(int node, Operation *at, const Twine &why);
  void setUnit(int node, int64_t unit, Operation *at);
  void holdAll(Operation *op);
  void visit(Operation *op);
  void visitLinear(LinearOp op);
  void visitAttention(AttentionOp op);

  ModuleOp module;
  WeightReaders readers;
  std::vector<Node> nodes;
  DenseMap<Value, int> byValue;
  std::map<std::pair<Operation *, bool>, int> byWeight;
};

} // namespace

static std::string quoted(Operation *op) {
  return ("'" + op->getName().getStringRef() + "'").str();
}

//===-- joining -----------------------------------------------------------===//

int Joiner::of(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || type.getRank() != 2)
    return -1;
  auto [it, isNew] = byValue.try_emplace(value, -1);
  if (!isNew)
    return it->second;
  Node node{};
  node.value = value;
  node.size = type.getDimSize(1);
  int made = it->second = int(add(std::move(node)));
  if (type.isDynamicDim(1))
    hold(made, value.getDefiningOp(), "its columns are not of a known number");
  else if (isa<BlockArgument>(value))
    hold(made, value.getParentBlock()->getParentOp(),
         "it is an argument of a function");
  return made;
}

int Joiner::of(WeightOp weight, bool isRows, Operation *user) {
  auto [it, isNew] = byWeight.try_emplace({weight, isRows}, -1);
  if (!isNew)
    return it->second;
  WeightType type = weight.getWeightType();
  Node node{};
  node.weight = weight;
  node.isRows = isRows;
  node.size = isRows ? type.getRows() : type.getCols();
  int made = it->second = int(add(std::move(node)));
  if (!isa<FloatFormatAttr>(Attribute(type.getFormat())) ||
      type.getLayout() != LayoutKind::Rows)
    hold(made, user,
         "@" + weight.getSymName() + " is not stored as rows of floats");
  else if (hasColumnScales(weight))
    // As a tensor it would no more say that statistics have to be divided.
    hold(made, user,
         "the columns of @" + weight.getSymName() +
             " are scaled for what it reads");
  else if (!readers.onlyLinears(weight))
    hold(made, user, "more than linears read @" + weight.getSymName());
  return made;
}

void Joiner::join(int a, int b) {
  if (a < 0 || b < 0)
    return;
  unsigned first = root(unsigned(a)), second = root(unsigned(b));
  if (first == second)
    return;
  if (second < first)
    std::swap(first, second);
  Node &to = nodes[first], &from = nodes[second];
  from.parent = first;
  if (to.why.empty()) {
    to.why = from.why;
    to.at = from.at;
  }
  if (from.unit != 1)
    setUnit(int(first), from.unit, nullptr);
}

void Joiner::hold(int node, Operation *at, const Twine &why) {
  if (node < 0)
    return;
  Node &of = nodes[root(unsigned(node))];
  if (!of.why.empty())
    return;
  of.why = why.str();
  of.at = at;
}

void Joiner::setUnit(int node, int64_t unit, Operation *at) {
  if (node < 0)
    return;
  Node &of = nodes[root(unsigned(node))];
  if ((of.unit != 1 && of.unit != unit) || unit <= 0 || of.size % unit)
    hold(node, at, "it has heads of several sizes");
  else
    of.unit = unit;
}

void Joiner::holdAll(Operation *op) {
  for (Value operand : op->getOperands())
    hold(of(operand), op, quoted(op) + " reads it");
  for (Value result : op->getResults())
    hold(of(result), op, quoted(op) + " makes it");
}

void Joiner::visitLinear(LinearOp op) {
  WeightOp weight = lookupWeight(op, op.getWeightAttr());
  if (!op.getBody().empty() || op.getSinkAttr() || !op.getResult())
    return holdAll(op);
  join(of(op.getX()), of(weight, /*isRows=*/false, op));
  join(of(op.getResult()), of(weight, /*isRows=*/true, op));
  if (op.getBiasAttr())
    join(of(op.getResult()),
         of(lookupWeight(op, op.getBiasAttr()), /*isRows=*/true, op));
}

void Joiner::visitAttention(AttentionOp op) {
  if (!op.getK() || !op.getV())
    return holdAll(op);
  int64_t size = lookupState(op, op.getCacheAttr()).getKVType().getHeadDim();
  join(of(op.getQ()), of(op.getResult()));
  join(of(op.getK()), of(op.getV()));
  setUnit(of(op.getQ()), size, op);
  setUnit(of(op.getK()), size, op);
}

void Joiner::visit(Operation *op) {
  if (auto linear = dyn_cast<LinearOp>(op))
    return visitLinear(linear);
  if (auto attention = dyn_cast<AttentionOp>(op))
    return visitAttention(attention);
  auto norm = dyn_cast<RmsNormOp>(op);
  if (auto rotary = dyn_cast<RotaryOp>(op);
      rotary || (norm && norm.getHeads() > 1)) {
    Value x = op->getOperand(0), result = op->getResult(0);
    int64_t heads = int64_t(rotary ? rotary.getHeads() : norm.getHeads());
    join(of(x), of(result));
    if (int node = of(x); node >= 0)
      setUnit(node, nodes[unsigned(node)].size / heads, op);
    if (rotary)
      hold(of(rotary.getTable()), op, quoted(op) + " reads it");
    return;
  }
  if (!OpTrait::hasElementwiseMappableTraits(op))
    return holdAll(op);
  for (Value operand : op->getOperands())
    join(of(operand), of(op->getResult(0)));
}

void Joiner::run() {
  for (auto function : module.getOps<func::FuncOp>())
    function.walk([&](Operation *op) {
      if (op != function)
        visit(op);
    });
}

std::vector<Cluster> Joiner::clusters(DenseMap<Value, size_t> &clusterOf) {
  std::map<unsigned, Cluster> byRoot;
  for (unsigned i = 0; i < nodes.size(); ++i) {
    const Node &node = nodes[i], &top = nodes[root(i)];
    Cluster &cluster = byRoot[root(i)];
    cluster.columns = top.size;
    cluster.unit = top.unit;
    cluster.why = top.why;
    cluster.at = top.at;
    if (node.value)
      cluster.values.push_back(node.value);
    else
      (node.isRows ? cluster.rows : cluster.cols).push_back(node.weight);
  }
  auto clusterAt = [&](Value value) { return &byRoot[root(byValue[value])]; };
  module.walk([&](Operation *op) {
    if (auto linear = dyn_cast<LinearOp>(op)) {
      if (!byValue.contains(linear.getX()) || !linear.getResult() ||
          !linear.getBody().empty() || linear.getSinkAttr())
        return;
      clusterAt(linear.getX())->readers.push_back(linear);
      clusterAt(linear.getResult())->producers.push_back(linear);
    } else if (auto attention = dyn_cast<AttentionOp>(op)) {
      if (!attention.getK() || !attention.getV())
        return;
      clusterAt(attention.getQ())->queries.push_back(attention);
      clusterAt(attention.getK())->keys.push_back(attention);
    } else if (auto norm = dyn_cast<RmsNormOp>(op);
               isa<RotaryOp>(op) || (norm && norm.getHeads() > 1)) {
      clusterAt(op->getResult(0))->heads.push_back(op);
    }
  });
  std::vector<Cluster> all;
  for (auto &[number, cluster] : byRoot) {
    if (cluster.producers.empty() ||
        (cluster.readers.empty() && cluster.keys.empty()))
      continue;
    for (Value value : cluster.values)
      clusterOf[value] = all.size();
    all.push_back(std::move(cluster));
  }
  return all;
}

//===-- the whole ---------------------------------------------------------===//

Cluster *Structure::of(Value value) {
  auto it = clusterOf.find(value);
  return it == clusterOf.end() ? nullptr : &clusters[it->second];
}

static void hold(Cluster &cluster, Operation *at, const Twine &why) {
  if (!cluster.why.empty())
    return;
  cluster.why = why.str();
  cluster.at = at;
}

static void checkLayers(Cluster &cluster) {
  WeightOp first = cluster.rows.front();
  cluster.layers = first.getLayerIndices();
  for (const auto &list : {cluster.rows, cluster.cols})
    for (WeightOp weight : list)
      if (!weight.hasSameLayers(first))
        hold(cluster, weight,
             "@" + first.getSymName() + " and @" + weight.getSymName() +
                 " have different layers");
}

/// Attention of the same queries has to agree in all that heads stand for, and
/// keys are taken out with what reads them.
void Structure::checkAttention(Cluster &queries) {
  AttentionOp first = queries.queries.front();
  Cluster *keys = of(first.getK());
  if (!queries.keys.empty() || !keys || !keys->queries.empty())
    return hold(queries, first,
                "its keys are no rows of a linear of their own");
  for (AttentionOp op : queries.queries)
    if (op.getHeads() != first.getHeads() ||
        op.getKvHeads() != first.getKvHeads() || of(op.getK()) != keys ||
        op.getCacheAttr() != first.getCacheAttr())
      return hold(queries, op, "attention has the same queries in two ways");
  if (!keys->rows.front().hasSameLayers(queries.rows.front()))
    return hold(queries, first, "queries and keys have different layers");
}

Structure::Structure(ModuleOp module) {
  Joiner joiner(module);
  joiner.run();
  clusters = joiner.clusters(clusterOf);
  for (Cluster &cluster : clusters)
    checkLayers(cluster);
  for (Cluster &cluster : clusters)
    if (!cluster.queries.empty())
      checkAttention(cluster);
  for (Cluster &cluster : clusters) {
    if (cluster.keys.empty())
      continue;
    if (!cluster.readers.empty())
      hold(cluster, cluster.readers.front(),
           "a linear reads keys or values as they are");
    for (AttentionOp op : cluster.keys) {
      if (Cluster *queries = of(op.getQ()); !queries || !queries->why.empty())
        hold(cluster, op, "its queries cannot be taken out");
      if (op.getCacheAttr() != cluster.keys.front().getCacheAttr())
        hold(cluster, op, "two states have the same keys");
    }
  }
}
