// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "Inspect.h"
#include "ModelCompiler.h"
#include "adze/Codegen/TargetVariants.h"
#include "adze/Dialect/Adze/Adze.h"
#include "adze/Dialect/Adze/AdzeExpressions.h"
#include "adze/Weights/Zeros.h"
#include "mlir/IR/Threading.h"

using namespace mlir;
using namespace adze;
namespace json = llvm::json;

/// What there is to say of the zeros of a matrix.
static json::Object describe(const ZeroCounts &counts) {
  auto share = [](int64_t part, int64_t whole) {
    return double(part) / double(whole);
  };
  json::Object object{
      {"count", counts.zeros},
      {"share", counts.share()},
      {"zero_blocks_16x32",
       share(counts.zeroBlocks, std::max<int64_t>(counts.blocks, 1))},
      {"zero_rows", counts.zeroRows},
      {"zero_columns", counts.zeroColumns}};
  if (counts.groups4)
    object["groups_2_of_4"] = share(counts.sparse4, counts.groups4);
  if (counts.groups8)
    object["groups_4_of_8"] = share(counts.sparse8, counts.groups8);
  if (std::string pattern = counts.pattern(); !pattern.empty())
    object["pattern"] = pattern;
  return object;
}

/// Adds them to `tensors`, which are those of `items`, on all threads.
static llvm::Error addZeros(ModelCompiler &compiler, json::Array &tensors,
                            ArrayRef<std::pair<WeightOp, int64_t>> items) {
  auto weights =
      WeightEvaluator::create(compiler.module(), *compiler.weights());
  if (!weights)
    return weights.takeError();
  std::vector<std::string> problems(items.size());
  parallelFor(&compiler.mlirContext(), 0, items.size(), [&](size_t i) {
    WeightOp weight = items[i].first;
    if (weight.getWeightType().isVector())
      return;
    auto counts = countZeros(**weights, weight, items[i].second);
    if (counts)
      (*tensors[i].getAsObject())["zeros"] = describe(*counts);
    else
      problems[i] = llvm::toString(counts.takeError());
  });
  for (const std::string &problem : problems)
    if (!problem.empty())
      return llvm::createStringError(problem);
  return llvm::Error::success();
}

llvm::Expected<json::Object> adze::inspectModel(const std::string &model,
                                                const CompileOptions &options,
                                                bool zeros) {
  ModelCompiler compiler(options);
  if (llvm::Error error = compiler.load(model))
    return std::move(error);
  json::Object object;
  ModuleOp module = compiler.module();
  if (auto meta = module->getAttrOfType<StringAttr>(kMetaAttrName)) {
    auto parsed = json::parse(meta.getValue());
    if (!parsed)
      return parsed.takeError();
    if (auto *fields = parsed->getAsObject())
      object = std::move(*fields);
  }
  json::Array tensors;
  std::vector<std::pair<WeightOp, int64_t>> items;
  for (auto weight : module.getOps<WeightOp>()) {
    UnpackOp unpack = getUnpack(weight);
    if (!weight.isSource() && !unpack)
      continue;
    WeightType type = weight.getWeightType();
    for (int64_t layer : weight.getLayerIndices()) {
      json::Object tensor{
          {"name",
           unpack ? unpack.getSourceName(layer) : weight.getSourceName(layer)},
          {"format", FormatAttrInterface(type.getFormat()).getFormatName()},
          {"shape", json::Array(type.getShape())},
          {"bytes", type.getStorageBytes()}};
      if (weight.isPerLayer())
        tensor["layer"] = layer;
      tensors.push_back(std::move(tensor));
      items.push_back({weight, layer});
    }
  }
  if (zeros && compiler.weights())
    if (llvm::Error error = addZeros(compiler, tensors, items))
      return std::move(error);
  object["tensors"] = std::move(tensors);
  object["warnings"] = json::Array(compiler.stats().warnings);
  return object;
}

std::vector<KnownVariant> adze::knownVariants() {
  std::vector<KnownVariant> known;
  uint64_t have = hostNeedBits();
  for (const TargetVariant &variant : x86Variants())
    known.push_back(
        {variant.name.str(), variant.need & ~have, isSlowOnHost(variant)});
  return known;
}
