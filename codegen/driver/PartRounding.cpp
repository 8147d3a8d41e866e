// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "PartRounding.h"
#include "ModelCompiler.h"
#include "adze/Transforms/Pipelines.h"
#include "adze/Weights/ModelIdentity.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace adze;

std::string adze::roundingName(const CompileOptions &options) {
  return options.weights + " with " +
         (options.method.empty() ? "gptq" : options.method);
}

std::string PartRounding::recipe() const { return roundingName(options); }

llvm::Expected<std::unique_ptr<PartRounding>>
PartRounding::create(ModelCompiler &compiler, const CompileOptions &options,
                     StringRef model, StringRef folder) {
  std::unique_ptr<PartRounding> made(new PartRounding(compiler, options));
  made->store =
      options.store.empty() ? (folder + "/weights").str() : options.store;
  if (options.weights.empty())
    return llvm::createStringError(
        "a sequential calibration is of weights that are rounded to integers: "
        "choose a format, such as int4:g128, for them");
  if (mixedBudget(options.weights))
    return llvm::createStringError(
        "a sequential calibration rounds layers before it has seen them all, "
        "and a budget is of all: give rules in place of " +
        options.weights);
  if (std::error_code code = llvm::sys::fs::createTemporaryFile(
          "adze-weights", "json", made->table))
    return llvm::createStringError("cannot make a temporary file: " +
                                   code.message());
  made->tableRemover.setFile(made->table);
  if (llvm::Error error = compiler.writeTable(made->table))
    return std::move(error);
  made->whole = compiler.module().clone();
  ModuleOp module = *made->whole;
  module->setAttr(kModelAttrName, StringAttr::get(module.getContext(), model));
  PipelineOptions formats;
  formats.weights = options.weights;
  if (llvm::Error error =
          compiler.runPasses(module, llvm::join(formatPasses(formats), ",")))
    return std::move(error);
  return made;
}

llvm::Expected<PartRounding::Part>
PartRounding::round(PartKind kind, int64_t layer, StringRef statistics) {
  Part part;
  part.module = whole->clone();
  auto found = findParts(*part.module);
  if (failed(found) || failed(extractPart(*part.module, *found, kind, layer)))
    return compiler.diagnosed("a part of the model cannot be extracted");
  if (statistics.empty())
    return part;
  PipelineOptions pipeline;
  pipeline.weights = options.weights;
  pipeline.calibration = statistics.str();
  pipeline.method = options.method;
  pipeline.store = store;
  pipeline.table = table.str().str();
  std::vector<std::string> passes;
  std::string problem;
  if (!calibratedPasses(pipeline, passes, problem))
    return llvm::createStringError(problem);
  auto tableName = [&] {
    auto name = (*part.module)->getAttrOfType<StringAttr>(kTableAttrName);
    return name ? name.getValue() : StringRef();
  };
  StringRef before = tableName();
  // The tables that passes make are of this part only.
  SmallVector<std::unique_ptr<llvm::FileRemover>> tables;
  for (const std::string &pass : passes) {
    StringRef last = tableName();
    if (llvm::Error error = compiler.runPasses(*part.module, pass))
      return std::move(error);
    if (last != tableName())
      tables.push_back(std::make_unique<llvm::FileRemover>(tableName()));
  }
  if (tableName() == before)
    return part;
  auto opened = WeightTable::open(tableName());
  if (!opened)
    return opened.takeError();
  part.weights = std::move(*opened);
  return part;
}
