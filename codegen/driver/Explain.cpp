// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "Explain.h"
#include "ModelCompiler.h"
#include "Schedule.h"
#include "adze/Codegen/TargetVariants.h"
#include "adze/Dialect/Adze/Adze.h"

using namespace mlir;
using namespace adze;
namespace json = llvm::json;

llvm::Expected<json::Object> adze::explainModel(const std::string &model,
                                                const CompileOptions &given,
                                                int64_t layer) {
  CompileOptions options = given;
  if (options.target.empty())
    options.target = "host";
  ModelCompiler compiler(options);
  if (llvm::Error error = compiler.load(model))
    return std::move(error);
  if (llvm::Error error = compiler.optimize())
    return std::move(error);
  auto scheduled = compiler.schedule();
  if (!scheduled)
    return scheduled.takeError();
  ModuleOp module = **scheduled;
  func::FuncOp entry = mainEntry(module);
  if (!entry)
    return llvm::createStringError(model +
                                   ": the module has no entry to explain");

  json::Object object = describeSchedule(entry, compiler.remarks(), layer);
  if (object.getArray("parts")->empty())
    return llvm::createStringError(
        layer < 0 ? model + ": the entry launches nothing"
                  : model + ": there is no layer " + std::to_string(layer));
  if (auto meta = module->getAttrOfType<StringAttr>(kMetaAttrName)) {
    auto parsed = json::parse(meta.getValue());
    if (!parsed)
      return llvm::createStringError(
          llvm::Twine(model) + ": the module attribute " + kMetaAttrName +
          " is no JSON: " + llvm::toString(parsed.takeError()));
    if (auto *fields = parsed->getAsObject())
      for (const char *key : {"architecture", "layers"})
        if (const json::Value *value = fields->get(key))
          object[key] = *value;
  }
  object["model"] = model;
  if (auto targets = resolveTargets(options.target))
    object["variant"] = targets->front()->name;
  else
    llvm::consumeError(targets.takeError());
  if (auto bytes = module->getAttrOfType<IntegerAttr>("adze.weight_bytes"))
    object["weight_bytes"] = bytes.getInt();
  return object;
}
