// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The public calls of adze/Compiler.h, over ModelCompiler and the model cache.

#include "Memory.h"
#include "ModelCache.h"
#include "ModelCompiler.h"
#include "adze/Dialect/Adze/FormatName.h"
#include "adze/Transforms/Activations.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Path.h"
#include <chrono>

using namespace mlir;
using namespace adze;

std::string adze::compilerVersion() {
  return "adze " ADZE_VERSION_STRING " (LLVM " LLVM_VERSION_STRING ")";
}

Result<void> adze::checkWeights(const std::string &weights) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<AdzeDialect>();
  auto rules = parseFormatRules(weights, &context);
  if (!rules)
    return toError(rules.takeError());
  return {};
}

Result<void> adze::checkActivations(const std::string &activations) {
  if (activations.empty() || isActivationName(activations))
    return {};
  return Error{ADZE_INVALID_ARGUMENT,
               "expects activations to be one of " + kActivationNames.str() +
                   ", got \"" + activations + "\"",
               ""};
}

adze::Error adze::toError(llvm::Error error) {
  int status = ADZE_INVALID_ARGUMENT;
  std::string message;
  llvm::handleAllErrors(
      std::move(error),
      [&](const llvm::StringError &e) {
        if (e.convertToErrorCode() ==
            std::make_error_code(std::errc::operation_canceled))
          status = ADZE_CANCELLED;
        else if (e.convertToErrorCode() != llvm::inconvertibleErrorCode() &&
                 e.convertToErrorCode())
          status = ADZE_IO_ERROR;
        message += message.empty() ? e.getMessage() : "\n" + e.getMessage();
      },
      [&](const llvm::ErrorInfoBase &e) {
        message += message.empty() ? e.message() : "\n" + e.message();
      });
  return adze::Error{status, message, ""};
}

static Result<CompileStats> run(const std::string &model,
                                const std::string &output,
                                const CompileOptions &options,
                                bool forStaticLinking = false) {
  auto start = std::chrono::steady_clock::now();
  ModelCompiler compiler(options);
  for (auto step : {0, 1, 2, 3}) {
    llvm::Error error = step == 0   ? compiler.load(model)
                        : step == 1 ? compiler.optimize()
                        : step == 2 ? compiler.generate()
                                    : compiler.write(output, forStaticLinking);
    if (error)
      return toError(std::move(error));
  }
  CompileStats stats = compiler.stats();
  stats.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  stats.peakRssBytes = peakResidentBytes();
  stats.peakAnonBytes = std::max(stats.peakAnonBytes, anonymousBytes());
  return stats;
}

Result<CompileStats> adze::compileToFile(const std::string &model,
                                         const std::string &output,
                                         const CompileOptions &options) {
  return run(model, output, options);
}

Result<CompileStats> adze::compileToObject(const std::string &model,
                                           const std::string &output,
                                           const CompileOptions &options) {
  return run(model, output, options, /*forStaticLinking=*/true);
}

Result<Model> adze::compile(const std::string &model,
                            const CompileOptions &given, CompileStats *stats) {
  CompileOptions options = given;
  if (options.target.empty())
    options.target = "host";
  CompileStats numbers;
  if (options.cache) {
    auto slot = ModelCache::find(model, options);
    if (!slot)
      return toError(slot.takeError());
    if (!options.refresh && slot->exists()) {
      auto opened = Model::open(slot->path());
      if (opened) {
        slot->touch();
        numbers.fromCache = true;
        if (stats)
          *stats = numbers;
        return opened;
      }
      // Damaged, or of another runtime: made again below.
    }
    auto made = run(model, slot->path(), options);
    if (!made)
      return made.error();
    if (stats)
      *stats = *made;
    slot->trim();
    return Model::open(slot->path());
  }
  llvm::SmallString<128> path;
  if (std::error_code code =
          llvm::sys::fs::createTemporaryFile("adze-model", "so", path))
    return adze::Error{ADZE_IO_ERROR,
                       "cannot make a temporary file: " + code.message(), ""};
  llvm::FileRemover remover(path); // the mapping outlives the name
  auto made = run(model, path.str().str(), options);
  if (!made)
    return made.error();
  if (stats)
    *stats = *made;
  return Model::open(path.str().str());
}

Result<void> adze::emitModule(const std::string &model,
                              const std::string &point,
                              const std::string &output,
                              const CompileOptions &options) {
  if (point == "scheduled")
    return adze::Error{ADZE_INVALID_ARGUMENT,
                       "a scheduled module cannot be read again as a model",
                       "print it with emitForm"};
  ModelCompiler compiler(options);
  if (llvm::Error error = compiler.load(model))
    return toError(std::move(error));
  if (!point.empty())
    if (llvm::Error error = compiler.optimize(point))
      return toError(std::move(error));
  std::string table = output + ".weights.json";
  if (llvm::Error error = compiler.writeTable(table))
    return toError(std::move(error));
  ModuleOp module = compiler.module();
  module->setAttr(
      kTableAttrName,
      StringAttr::get(module.getContext(), llvm::sys::path::filename(table)));
  llvm::Error written = llvm::writeToOutput(output, [&](llvm::raw_ostream &os) {
    module.print(os);
    return llvm::Error::success();
  });
  if (written)
    return toError(std::move(written));
  return {};
}

Result<std::string> adze::emitForm(const std::string &model, Emit form,
                                   const std::string &point,
                                   const CompileOptions &options) {
  ModelCompiler compiler(options);
  if (llvm::Error error = compiler.load(model))
    return toError(std::move(error));
  std::string out;
  llvm::raw_string_ostream os(out);
  if (form == Emit::Adze && point != "scheduled") {
    if (!point.empty())
      if (llvm::Error error = compiler.optimize(point))
        return toError(std::move(error));
    compiler.module().print(os);
    return out;
  }
  if (llvm::Error error = compiler.optimize())
    return toError(std::move(error));
  if (form == Emit::Adze || form == Emit::Kernel) {
    auto made =
        form == Emit::Adze ? compiler.schedule() : compiler.buildKernels();
    if (!made)
      return toError(made.takeError());
    (*made)->print(os);
    return out;
  }
  EmitKind kind = form == Emit::LLVM ? EmitKind::LLVMIR : EmitKind::Assembly;
  if (llvm::Error error = compiler.generate(kind))
    return toError(std::move(error));
  for (const auto &object : compiler.variants().front().objects)
    os << object->getBuffer();
  return out;
}
