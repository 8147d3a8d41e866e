// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a compilation made, linked in this process by ORC: the objects of the
// variants and the descriptor become one JITDylib, and the runtime links the
// descriptor as it links one that is part of a program. Code and packed weights
// are freed when the model is.

#include "LinkModel.h"
#include "ModelCompiler.h"
#include "adze/Weights/Evaluator.h"
#include "llvm/ExecutionEngine/Orc/Debugging/DebuggerSupport.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h"
#include "llvm/Support/TargetSelect.h"
#include <cstring>

using namespace mlir;
using namespace adze;
namespace orc = llvm::orc;

namespace {

/// What a linked model borrows: freed through adze_open_options.on_release.
struct LinkedCode {
  std::unique_ptr<orc::LLJIT> jit;
  struct alignas(64) Line {
    uint8_t bytes[64];
  };
  std::vector<Line> weights;

  uint8_t *weightBytes() { return weights.front().bytes; }
  static void release(void *owner) { delete static_cast<LinkedCode *>(owner); }
};

} // namespace

static llvm::Error packWeights(const ArtefactInput &input, bool standIn,
                               LinkedCode &linked) {
  uint64_t total = 0;
  ModuleOp module = input.module;
  if (auto attr = module->getAttrOfType<IntegerAttr>("adze.weight_bytes"))
    total = uint64_t(attr.getInt());
  linked.weights.resize((total + 63) / 64);
  for (auto weight : module.getOps<WeightOp>()) {
    int64_t units = numWeightUnits(weight.getWeightType());
    const uint8_t *packed = nullptr; // the first layer, once it is there
    for (int64_t layer : weight.getLayerIndices()) {
      auto offset = weight.getOffset(layer);
      if (!offset)
        continue;
      uint8_t *place = linked.weightBytes() + *offset;
      if (standIn && packed) {
        std::memcpy(place, packed,
                    size_t(weight.getWeightType().getStorageBytes()));
        continue;
      }
      if (llvm::Error error =
              input.weights->evaluate(weight, layer, 0, units, place))
        return error;
      packed = place;
    }
  }
  return llvm::Error::success();
}

static llvm::Error addObjects(ArtefactInput &input, orc::LLJIT &jit) {
  auto desc = buildDescriptorObject(input, {});
  if (!desc)
    return desc.takeError();
  if (llvm::Error error = jit.addObjectFile(std::move(*desc)))
    return error;
  for (ArtefactVariant &variant : input.variants)
    for (auto &object : variant.objects)
      if (llvm::Error error = jit.addObjectFile(std::move(object)))
        return error;
  return llvm::Error::success();
}

static llvm::Expected<std::unique_ptr<orc::LLJIT>> makeJIT() {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  auto jit = orc::LLJITBuilder()
                 .setObjectLinkingLayerCreator([](orc::ExecutionSession &es) {
                   return std::make_unique<orc::ObjectLinkingLayer>(es);
                 })
                 .setPlatformSetUp(orc::setUpInactivePlatform)
                 .create();
  if (!jit)
    return jit.takeError();
  // Debuggers see the code by name; without one this costs nothing.
  llvm::consumeError(orc::enableDebuggerSupport(**jit));
  return jit;
}

Result<Model> adze::linkModel(ModelCompiler &compiler, bool standIn) {
  std::unique_ptr<WeightEvaluator> evaluator;
  auto input = compiler.artefactInput(evaluator, /*wantsProof=*/false);
  if (!input)
    return toError(input.takeError());
  auto linked = std::make_unique<LinkedCode>();
  if (llvm::Error error = packWeights(*input, standIn, *linked))
    return toError(std::move(error));
  auto jit = makeJIT();
  if (!jit)
    return toError(jit.takeError());
  linked->jit = std::move(*jit);
  if (llvm::Error error = addObjects(*input, *linked->jit))
    return toError(std::move(error));
  auto desc = linked->jit->lookup(ADZE_DESC_SYMBOL);
  if (!desc)
    return toError(desc.takeError());

  adze_source weights = {};
  weights.size = sizeof weights;
  weights.kind = ADZE_SOURCE_MEMORY;
  weights.length = linked->weights.size() * sizeof(LinkedCode::Line);
  weights.memory = weights.length ? linked->weightBytes() : nullptr;
  adze_open_options options = {};
  options.size = sizeof options;
  options.on_release = LinkedCode::release;
  options.owner = linked.get();
  adze_model *model = nullptr;
  if (adze_model_link(desc->toPtr<const adze_model_desc *>(),
                      weights.length ? &weights : nullptr, &options, &model))
    return lastError();
  (void)linked.release(); // the model's from here on
  return Model::adopt(model);
}
