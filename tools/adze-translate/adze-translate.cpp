// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-translate: mlir-translate, and checkpoints as a source of modules.
//
//   adze-translate --import-checkpoint model.gguf
//   adze-translate --import-checkpoint some-model/config.json \
//     --weight-table=m.weights.json -o m.mlir
//
// Translations read a file, so a Hugging Face directory is named by the
// config.json in it.

#include "adze/Dialect/Adze/Adze.h"
#include "adze/Frontend/CheckpointSource.h"
#include "adze/Frontend/Importer.h"
#include "adze/InitAll.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/InitAllTranslations.h"
#include "mlir/Tools/mlir-translate/MlirTranslateMain.h"
#include "mlir/Tools/mlir-translate/Translation.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;

static llvm::cl::opt<std::string> weightTable(
    "weight-table",
    llvm::cl::desc("With --import-checkpoint: write this weight table, which "
                   "belongs into the same folder as the module"),
    llvm::cl::value_desc("file"));

static llvm::cl::opt<std::string> kvType(
    "kv", llvm::cl::desc("With --import-checkpoint: element type of the cache"),
    llvm::cl::value_desc("f32|bf16|f16|int8"));

/// Errors go to the context, one by one.
static OwningOpRef<Operation *> report(llvm::Error error,
                                       MLIRContext &context) {
  emitError(UnknownLoc::get(&context)) << llvm::toString(std::move(error));
  return {};
}

static OwningOpRef<Operation *> importCheckpoint(llvm::SourceMgr &sources,
                                                 MLIRContext *context) {
  llvm::StringRef path =
      sources.getMemoryBuffer(sources.getMainFileID())->getBufferIdentifier();
  if (llvm::sys::path::filename(path) == "config.json") {
    path = llvm::sys::path::parent_path(path);
    path = path.empty() ? "." : path;
  }
  adze::Diagnostics diags;
  auto checkpoint = adze::Checkpoint::open(path, diags);
  if (!checkpoint)
    return report(checkpoint.takeError(), *context);
  adze::ImportOptions options;
  options.kvType = kvType;
  auto module = adze::importModel(*context, *checkpoint, options, diags);
  if (!module)
    return report(module.takeError(), *context);
  for (const adze::Diagnostic &warning : diags.all())
    emitWarning(UnknownLoc::get(context)) << warning.str();
  if (!weightTable.empty()) {
    if (llvm::Error error =
            adze::writeCheckpointTable(*checkpoint, weightTable))
      return report(std::move(error), *context);
    module->get()->setAttr(
        adze::kTableAttrName,
        StringAttr::get(context, llvm::sys::path::filename(weightTable)));
  }
  return OwningOpRef<Operation *>(module->release().getOperation());
}

int main(int argc, char **argv) {
  registerAllTranslations();
  TranslateToMLIRRegistration registration(
      "import-checkpoint",
      "import a .gguf file, or the directory of a config.json",
      importCheckpoint,
      [](DialectRegistry &registry) { adze::registerAllDialects(registry); });
  return failed(mlirTranslateMain(argc, argv, "Adze translator"));
}
