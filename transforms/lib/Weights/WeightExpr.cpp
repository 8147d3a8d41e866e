// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Helpers that make weight expressions; see the header.

#include "adze/Transforms/WeightExpr.h"
#include "adze/Dialect/Adze/AdzeExpressions.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace adze;

/// Another weight with the same values: layer kinds share their weights, so a
/// pass meets the same expression in each.
static WeightOp findEqual(Operation *module, WeightOp weight) {
  for (auto other : module->getRegion(0).getOps<WeightOp>())
    if (other != weight && !other.isSource() &&
        other.getType() == weight.getType() && other.hasSameLayers(weight) &&
        OperationEquivalence::isRegionEquivalentTo(
            &other.getBody(), &weight.getBody(),
            OperationEquivalence::IgnoreLocations))
      return other;
  return {};
}

WeightOp
adze::buildWeightExpr(ArrayRef<WeightOp> inputs, StringRef name,
                      function_ref<Value(OpBuilder &, ValueRange)> body,
                      bool mayShare) {
  WeightOp first = inputs.front(), last = first;
  int64_t layers = 0;
  DenseI64ArrayAttr list;
  SmallVector<Location> locs;
  for (WeightOp input : inputs) {
    if (last->isBeforeInBlock(input))
      last = input;
    if (input.getCount())
      layers = *input.getCount();
    if (input.getLayersAttr())
      list = input.getLayersAttr();
    locs.push_back(input.getLoc());
  }
  OpBuilder builder(last.getContext());
  builder.setInsertionPointAfter(last);
  Location loc = builder.getFusedLoc(locs);
  // The type is known once the body is built; any type serves until then.
  auto weight =
      WeightOp::create(builder, loc, name, "", layers, first.getWeightType());
  if (list) {
    weight.removeCountAttr();
    weight.setLayersAttr(list);
  }
  builder.createBlock(&weight.getBody());
  SmallVector<Value> refs;
  for (WeightOp input : inputs)
    refs.push_back(RefOp::create(
        builder, input.getLoc(), input.getType(),
        FlatSymbolRefAttr::get(builder.getContext(), input.getSymName())));
  Value result = body(builder, refs);
  YieldOp::create(builder, loc, result);
  weight.setType(cast<WeightType>(result.getType()));

  Operation *module = weight->getParentOp();
  if (WeightOp equal = mayShare ? findEqual(module, weight) : WeightOp()) {
    weight.erase();
    return equal;
  }
  weight->remove();
  SymbolTable table(module);
  table.insert(weight, std::next(Block::iterator(last)));
  return weight;
}

WeightOp adze::getCastSource(WeightOp weight) {
  if (weight.isSource())
    return {};
  auto yield = cast<YieldOp>(weight.getBody().front().getTerminator());
  auto castOp = yield->getOperand(0).getDefiningOp<CastOp>();
  auto ref = castOp ? castOp->getOperand(0).getDefiningOp<RefOp>() : RefOp();
  return ref ? lookupWeight(weight, ref.getWeightAttr()) : WeightOp();
}

bool adze::isPacked(LinearOp op) {
  return lookupWeight(op, op.getWeightAttr()).getWeightType().getLayout() ==
         LayoutKind::Panels;
}

WeightType adze::withRows(WeightType type, int64_t rows) {
  SmallVector<int64_t> shape(type.getShape());
  shape[0] = rows;
  return WeightType::get(type.getContext(), shape, type.getFormat(),
                         type.getLayout());
}

WeightType adze::withFormat(WeightType type, FormatAttrInterface format) {
  return WeightType::get(type.getContext(), type.getShape(), format,
                         type.getLayout());
}

WeightType adze::withLayout(WeightType type, LayoutKind layout) {
  return WeightType::get(type.getContext(), type.getShape(), type.getFormat(),
                         layout);
}

llvm::StringSet<> adze::readElsewhere(ModuleOp module) {
  llvm::StringSet<> found;
  module.walk([&](Operation *op) {
    if (!isa<LinearOp, EmbedOp, RefOp>(op))
      op->getAttrDictionary().walk(
          [&](FlatSymbolRefAttr name) { found.insert(name.getValue()); });
  });
  return found;
}

StringRef adze::whyNotInteger(WeightOp weight,
                              const llvm::StringSet<> &elsewhere) {
  if (weight.getWeightType().getCols() < kSmallestIntegerColumns)
    return "its rows are too short for an integer format";
  if (elsewhere.contains(weight.getSymName()))
    return "ops other than adze.linear and adze.embed read it";
  return "";
}

/// Says so where the head is the embedding: many models have no tensor of the
/// name that rules for the head are written with.
static std::string sharedHead(ModuleOp module) {
  llvm::StringSet<> embeddings;
  module.walk([&](EmbedOp op) { embeddings.insert(op.getTable()); });
  std::string text;
  module.walk([&](LinearOp op) {
    auto weight = module.lookupSymbol<WeightOp>(op.getWeight());
    if (text.empty() && weight && weight.isSource() &&
        embeddings.contains(op.getWeight()))
      text = "; the head is \"" + weight.getSource()->str() + "\" too";
  });
  return text;
}

std::string adze::namedMatrices(ModuleOp module) {
  constexpr size_t kNamed = 20;
  std::string text;
  size_t count = 0;
  for (auto weight : module.getOps<WeightOp>()) {
    UnpackOp unpack = getUnpack(weight);
    if ((!weight.isSource() && !unpack) || weight.getWeightType().isVector())
      continue;
    if (++count <= kNamed)
      text += (count > 1 ? ", \"" : "; the matrices are \"") +
              (unpack ? unpack.getSource() : *weight.getSource()).str() + "\"";
  }
  if (count > kNamed)
    text += " and " + std::to_string(count - kNamed) + " more";
  return text + sharedHead(module);
}
