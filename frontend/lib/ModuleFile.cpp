// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- ModuleFile.cpp - Modules on disk, with their weights ---------------===//
//
// Reads text or bytecode and opens the weight table that the module names.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/ModuleFile.h"
#include "MlirDiagnostics.h"
#include "adze/Dialect/Adze/Adze.h"
#include "adze/Frontend/Checkpoint.h"
#include "adze/Weights/WeightTable.h"

#include "mlir/Parser/Parser.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"

using namespace llvm;

namespace adze {

static Expected<mlir::OwningOpRef<mlir::ModuleOp>>
parseFile(mlir::MLIRContext &context, StringRef path) {
  // The parser wants a terminated text, which a mapping need not be.
  Expected<std::unique_ptr<MemoryBuffer>> file = mapFile(path);
  if (!file)
    return file.takeError();
  ErrorOr<std::unique_ptr<MemoryBuffer>> text = MemoryBuffer::getFile(path);
  if (!text)
    return makeError(path, "", "cannot open: " + text.getError().message());

  Diagnostics findings;
  SourceMgr sources;
  sources.AddNewSourceBuffer(std::move(*text), SMLoc());
  MlirDiagnostics listener(context, path, findings);
  auto module = mlir::parseSourceFile<mlir::ModuleOp>(
      sources, mlir::ParserConfig(&context));
  if (Error error = findings.takeError())
    return error;
  if (!module)
    return makeError(path, "", "expected an MLIR module, found none");
  return module;
}

Expected<ModuleFile> loadModuleFile(mlir::MLIRContext &context,
                                    StringRef path) {
  context.loadDialect<AdzeDialect>();
  Expected<mlir::OwningOpRef<mlir::ModuleOp>> module = parseFile(context, path);
  if (!module)
    return module.takeError();
  ModuleFile result{std::move(*module), nullptr};
  mlir::Attribute attribute = result.module.get()->getAttr(kTableAttrName);
  if (!attribute)
    return result;
  auto name = dyn_cast<mlir::StringAttr>(attribute);
  if (!name || name.getValue().empty())
    return makeError(path, quoted(kTableAttrName),
                     "expected the file name of a weight table");
  SmallString<256> table;
  if (!sys::path::is_absolute(name.getValue()))
    table = sys::path::parent_path(path);
  sys::path::append(table, name.getValue());
  Expected<std::unique_ptr<WeightTable>> weights = WeightTable::open(table);
  if (!weights)
    return weights.takeError();
  result.weights = std::move(*weights);
  return result;
}

} // namespace adze
