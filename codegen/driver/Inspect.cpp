// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "Inspect.h"
#include "ModelCompiler.h"
#include "adze/Codegen/TargetVariants.h"
#include "adze/Dialect/Adze/Adze.h"
#include "adze/Dialect/Adze/AdzeExpressions.h"

using namespace mlir;
using namespace adze;
namespace json = llvm::json;

llvm::Expected<json::Object> adze::inspectModel(const std::string &model,
                                                const CompileOptions &options) {
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
    }
  }
  object["tensors"] = std::move(tensors);
  object["warnings"] = json::Array(compiler.stats().warnings);
  return object;
}

std::vector<KnownVariant> adze::knownVariants() {
  std::vector<KnownVariant> known;
  uint64_t have = hostNeedBits();
  for (const TargetVariant &variant : x86Variants())
    known.push_back(
        {variant.name.str(), variant.need & ~have, variant.experimental});
  return known;
}
