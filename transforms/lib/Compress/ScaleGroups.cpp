// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "ScaleGroups.h"
#include "Calibrated.h"
#include "adze/Dialect/Adze/AdzeExpressions.h"
#include "adze/Transforms/Parts.h"
#include "adze/Transforms/Remark.h"
#include "adze/Transforms/WeightExpr.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/OperationSupport.h"
#include "llvm/ADT/IntEqClasses.h"

using namespace mlir;
using namespace adze;
using namespace adze::detail;

//===-- groups ------------------------------------------------------------===//

namespace {

class GroupFinder {
public:
  explicit GroupFinder(ModuleOp module) : readers(module) {
    module.walk([&](LinearOp op) { linears.push_back(op); });
    for (LinearOp op : linears)
      users[op.getWeight()].push_back(op);
  }

  std::vector<ScaleGroup> find(StringRef pass) {
    std::vector<ScaleGroup> groups;
    for (SmallVector<LinearOp> &members : split()) {
      // Where nothing is rounded there is nothing to gain.
      if (llvm::none_of(members, [](LinearOp op) {
            return bool(getRoundedFloats(weightOf(op)));
          }))
        continue;
      ScaleGroup group;
      std::string why = fill(group, members);
      if (why.empty())
        groups.push_back(std::move(group));
      else
        reportMissed(members.front(), pass,
                     "what it reads is not scaled: " + why);
    }
    return groups;
  }

private:
  static WeightOp weightOf(LinearOp op) {
    return lookupWeight(op, op.getWeightAttr());
  }
  bool isRounded(LinearOp op) {
    WeightOp weight = weightOf(op);
    return getRoundedFloats(weight) && readers.onlyLinears(weight) &&
           !sourcesOf(weight).empty();
  }

  /// Linears that share what they read, or a weight. Equal norms are one value.
  std::vector<SmallVector<LinearOp>> split() {
    llvm::IntEqClasses classes{unsigned(linears.size())};
    DenseMap<Value, unsigned> byValue;
    llvm::StringMap<unsigned> byWeight;
    SmallVector<std::pair<RmsNormOp, unsigned>> norms;
    for (auto [i, op] : llvm::enumerate(linears)) {
      classes.join(unsigned(i),
                   byWeight.try_emplace(op.getWeight(), i).first->second);
      auto [known, isNew] = byValue.try_emplace(op.getX(), i);
      classes.join(unsigned(i), known->second);
      auto norm = op.getX().getDefiningOp<RmsNormOp>();
      if (!isNew || !norm)
        continue;
      for (auto [other, at] : norms)
        if (OperationEquivalence::isEquivalentTo(
                norm, other, OperationEquivalence::IgnoreLocations))
          classes.join(unsigned(i), at);
      norms.push_back({norm, unsigned(i)});
    }
    classes.compress();
    std::vector<SmallVector<LinearOp>> all(classes.getNumClasses());
    for (auto [i, op] : llvm::enumerate(linears))
      all[classes[unsigned(i)]].push_back(op);
    return all;
  }

  /// Why the members cannot be scaled; empty if they can.
  std::string fill(ScaleGroup &group, ArrayRef<LinearOp> members) {
    WeightOp first = weightOf(members.front());
    group.columns = first.getWeightType().getCols();
    llvm::SetVector<Value> values;
    for (LinearOp op : members) {
      WeightOp weight = weightOf(op);
      std::string name = ("@" + weight.getSymName()).str();
      if (!isRounded(op))
        return name + " is no cast of floats to an integer format that only "
                      "linears read";
      if (!weight.hasSameLayers(first))
        return name + " has other layers";
      if (!llvm::is_contained(group.weights, weight.getSymName()))
        group.weights.push_back(weight.getSymName().str());
      values.insert(op.getX());
    }
    for (Value x : values)
      for (Operation *user : x.getUsers())
        if (!isa<LinearOp, TapOp>(user))
          return ("'" + user->getName().getStringRef() + "' reads it too")
              .str();
    for (Value x : values)
      if (std::string why = addProducer(group, x, first); !why.empty())
        return why;
    if (!group.norms.empty() && !group.producers.empty())
      return "a norm and a linear make what its weight reads";
    for (LinearOp producer : group.producers)
      for (LinearOp other : users[producer.getWeight()])
        if (!llvm::is_contained(group.producers, other))
          return ("@" + producer.getWeight() +
                  ", which makes it, makes other values too")
              .str();
    return "";
  }

  std::string addProducer(ScaleGroup &group, Value x, WeightOp like) {
    if (auto norm = x.getDefiningOp<RmsNormOp>()) {
      if (norm.getHeads() != 1)
        return "a norm of heads makes it";
      if (!lookupWeight(norm, norm.getWeightAttr()).hasSameLayers(like))
        return "the norm that makes it has other layers";
      group.norms.push_back(norm);
      return "";
    }
    SmallVector<Value, 2> candidates;
    int64_t sharing = 1, size = 1;
    if (auto attention = x.getDefiningOp<AttentionOp>()) {
      if (!attention.getV())
        return "the values of attention are stored elsewhere";
      candidates.push_back(attention.getV());
      sharing = int64_t(attention.getHeads() / attention.getKvHeads());
      size = group.columns / int64_t(attention.getHeads());
    } else if (auto product = x.getDefiningOp<arith::MulFOp>()) {
      candidates = {product.getRhs(), product.getLhs()};
    } else if (auto linear = x.getDefiningOp<LinearOp>()) {
      candidates.push_back(x);
    } else {
      Operation *op = x.getDefiningOp();
      return op ? ("'" + op->getName().getStringRef() +
                   "' makes it, which cannot be scaled")
                      .str()
                : "it is an argument";
    }
    std::string why = "no linear makes it";
    bool isFirst = group.producers.empty() && group.norms.empty();
    for (Value candidate : candidates) {
      auto linear = candidate.getDefiningOp<LinearOp>();
      if (!linear)
        continue;
      why = refusal(linear, candidate == x, like);
      if (why.empty() && !isFirst &&
          (group.sharing != sharing || group.headSize != size))
        why = "its heads share values in more than one way";
      if (!why.empty())
        continue;
      group.sharing = sharing;
      group.headSize = size;
      group.producers.push_back(linear);
      return "";
    }
    return why;
  }

  /// Why the rows of a linear cannot be scaled.
  std::string refusal(LinearOp op, bool isRead, WeightOp like) {
    std::string name = ("@" + op.getWeight()).str();
    if (!op.getBody().empty() || op.getSinkAttr())
      return name + ", which makes it, is fused with what follows";
    if (!isRead &&
        !llvm::all_of(op.getResult().getUsers(), [](Operation *user) {
          return isa<TapOp, AttentionOp, arith::MulFOp>(user);
        }))
      return "more than this reads the result of " + name;
    if (!isRead &&
        llvm::count_if(op.getResult().getUsers(),
                       [](Operation *user) { return !isa<TapOp>(user); }) != 1)
      return "more than this reads the result of " + name;
    WeightOp weight = weightOf(op);
    if (!weight.hasSameLayers(like))
      return name + ", which makes it, has other layers";
    if (!readers.onlyLinears(weight))
      return "more than linears read " + name + ", which makes it";
    if (!getRoundedFloats(weight) &&
        (!isa<FloatFormatAttr>(Attribute(weight.getWeightType().getFormat())) ||
         isPacked(op)))
      return name + ", which makes it, is no cast of floats";
    return "";
  }

  WeightReaders readers;
  SmallVector<LinearOp> linears;
  llvm::StringMap<SmallVector<LinearOp>> users; // by weight
};

} // namespace

std::vector<ScaleGroup> adze::detail::findScaleGroups(ModuleOp module,
                                                      StringRef pass) {
  return GroupFinder(module).find(pass);
}

//===-- folding -----------------------------------------------------------===//

namespace {

class Folder {
public:
  explicit Folder(ModuleOp module) : module(module) {}

  WeightOp find(StringRef name) {
    return lookupWeight(module,
                        FlatSymbolRefAttr::get(module.getContext(), name));
  }

  /// Declares the tensor of factors, beside a weight of the same layers.
  std::string declare(StringRef source, int64_t count, WeightOp beside) {
    OpBuilder builder(beside);
    FormatAttrInterface f32 =
        FloatFormatAttr::get(builder.getContext(), builder.getF32Type());
    auto type =
        WeightType::get(builder.getContext(), {count}, f32, LayoutKind::Rows);
    auto made = WeightOp::create(builder, beside.getLoc(),
                                 (beside.getSymName() + ".scales").str(),
                                 source, 0, type);
    if (auto layers = beside.getCountAttr())
      made.setCountAttr(layers);
    if (auto layers = beside.getLayersAttr())
      made.setLayersAttr(layers);
    made->remove();
    SymbolTable table(module);
    table.insert(made, Block::iterator(beside));
    return made.getSymName().str();
  }

  /// Floats times factors of columns, or divided by those of rows, in f32.
  WeightOp scaled(WeightOp floats, StringRef name, StringRef factors,
                  bool columns, FormatAttrInterface end = {}) {
    return buildWeightExpr(
        {floats}, (name + ".scaled").str(),
        [&](OpBuilder &b, ValueRange in) -> Value {
          Location loc = floats.getLoc();
          FormatAttrInterface f32 =
              FloatFormatAttr::get(b.getContext(), b.getF32Type());
          auto cast = [&](Value value, FormatAttrInterface format) -> Value {
            auto type = cast_or_null<WeightType>(value.getType());
            if (!format || type.getFormat() == format)
              return value;
            return CastOp::create(b, loc, withFormat(type, format), value);
          };
          Value value = cast(in[0], f32);
          auto by = FlatSymbolRefAttr::get(b.getContext(), factors);
          if (columns)
            value = ScaleColumnsOp::create(b, loc, value.getType(), value, by,
                                           UnitAttr());
          else
            value = ScaleRowsOp::create(b, loc, value.getType(), value, by,
                                        b.getUnitAttr());
          return cast(value, end);
        },
        /*mayShare=*/false);
  }

  /// The weight `name`, a cast, of scaled floats.
  void scaleCast(StringRef given, StringRef factors, bool columns) {
    std::string name = given.str();
    WeightOp weight = find(name);
    WeightType type = weight.getWeightType();
    Location loc = weight.getLoc();
    WeightOp made = scaled(getCastSource(weight), name, factors, columns);
    weight.erase();
    buildWeightExpr(
        {made}, name,
        [&](OpBuilder &b, ValueRange in) -> Value {
          return CastOp::create(b, loc, type, in[0]);
        },
        /*mayShare=*/false);
  }

  /// The symbol of `name` with its rows divided.
  std::string divideRows(StringRef name, StringRef factors) {
    WeightOp weight = find(name);
    if (getRoundedFloats(weight)) {
      scaleCast(name, factors, /*columns=*/false);
      return name.str();
    }
    // Vectors may have another format than before; matrices are multiplied in
    // theirs.
    bool isVector = weight.getWeightType().isVector();
    return scaled(weight, name, factors, /*columns=*/false,
                  isVector ? FormatAttrInterface()
                           : weight.getWeightType().getFormat())
        .getSymName()
        .str();
  }

private:
  ModuleOp module;
};

} // namespace

void adze::detail::foldScales(ModuleOp module, const ScaleGroup &group,
                              StringRef columnSource, StringRef rowSource) {
  Folder folder(module);
  WeightOp first = folder.find(group.weights.front());
  std::string columns = folder.declare(columnSource, group.columns, first);
  std::string rows = columns;
  if (rowSource != columnSource)
    rows = folder.declare(rowSource, group.factors(), first);
  for (const std::string &name : group.weights)
    folder.scaleCast(name, columns, /*columns=*/true);
  llvm::StringMap<std::string> divided;
  auto divide = [&](StringRef name) -> StringRef {
    auto [it, isNew] = divided.try_emplace(name);
    if (isNew)
      it->second = folder.divideRows(name, rows);
    return it->second;
  };
  for (RmsNormOp norm : group.norms)
    norm.setWeight(divide(norm.getWeight()));
  for (LinearOp producer : group.producers) {
    producer.setWeight(divide(producer.getWeight()));
    if (auto bias = producer.getBias())
      producer.setBias(divide(*bias));
  }
}
