// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The public calls of adze/Compiler.h, over ModelCompiler and the model cache.

#include "CompileModel.h"
#include "Memory.h"
#include "ModelCache.h"
#include "ModelCompiler.h"
#include "Proof.h"
#include "TextTokens.h"
#include "adze/Codegen/TargetVariants.h"
#include "adze/Dialect/Adze/FormatName.h"
#include "adze/Transforms/Activations.h"
#include "adze/Transforms/Pipelines.h"
#include "adze/Transforms/PruneRules.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Path.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"
#include <chrono>

using namespace mlir;
using namespace adze;
namespace json = llvm::json;

/// Room in an artefact for what is measured after it was written.
static constexpr size_t kMeasuredBytes = 1024;

std::string adze::compilerVersion() {
  return "adze " ADZE_VERSION_STRING " (LLVM " LLVM_VERSION_STRING ")";
}

Result<void> adze::checkWeights(const std::string &weights) {
  if (llvm::StringRef(weights).starts_with("mixed:")) {
    if (mixedBudget(weights))
      return {};
    return Error{ADZE_INVALID_ARGUMENT,
                 "expects bits per weight, such as mixed:4.5bpw, got \"" +
                     weights + "\"",
                 ""};
  }
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<AdzeDialect>();
  auto rules = parseFormatRules(weights, &context);
  if (!rules)
    return toError(rules.takeError());
  return {};
}

Result<void> adze::checkPrune(const std::string &prune) {
  auto rules = parsePruneRules(prune);
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

Result<void> adze::checkMethod(const std::string &method) {
  if (method.empty() || isMethodName(method))
    return {};
  return Error{ADZE_INVALID_ARGUMENT,
               "expects a method that is " + kMethodNames.str() + ", got \"" +
                   method + "\"",
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

CompileOptions adze::sourceOptions(const CompileOptions &options) {
  CompileOptions source;
  source.plugins = options.plugins;
  source.threads = options.threads;
  source.cacheDirectory = options.cacheDirectory;
  source.progress = options.progress;
  return source;
}

/// Measures the artefact at `path` beside `checkpoint` and completes its proof.
static Result<void> prove(ModelCompiler &compiler,
                          const std::string &checkpoint,
                          const std::string &path,
                          const CompileOptions &options) {
  json::Object proof = compiler.proof();
  {
    auto made = Model::open(path);
    if (!made)
      return made.error();
    auto source = adze::compile(checkpoint, sourceOptions(options));
    if (!source)
      return source.error();
    QualityOptions how;
    how.context = options.proofContext;
    how.threads = options.threads;
    how.progress = options.progress;
    how.name = "the artefact";
    how.againstName = checkpoint;
    auto quality = measureQuality(*made, options.proofText, &*source, how);
    if (!quality)
      return quality.error();
    if (auto finite = checkFinite(*quality, how); !finite)
      return finite.error();
    auto kernels = checkKernels(compiler, *made, options.proofText);
    if (!kernels)
      return kernels.error();
    proof["quality"] = qualityJson(*quality);
    proof["kernels"] = std::move(*kernels);
  } // closed: the file changes
  std::string text;
  llvm::raw_string_ostream(text) << json::Value(std::move(proof));
  if (llvm::Error error = replaceProof(path, text))
    return toError(std::move(error));
  return {};
}

Result<void> adze::checkRunsHere(const CompileOptions &options,
                                 const std::string &what) {
  auto targets = targetsOf(options);
  if (!targets)
    return toError(targets.takeError());
  bool isArm = llvm::Triple(llvm::sys::getProcessTriple()).isAArch64();
  uint64_t have = hostNeedBits();
  for (const TargetVariant *target : *targets)
    if (target->isAArch64() == isArm && !(target->need & ~have))
      return {};
  return adze::Error{ADZE_CPU_UNSUPPORTED,
                     "this machine cannot run code for " +
                         targets->front()->name.str() + ", which " + what +
                         " needs",
                     "choose targets that run here, or leave that out"};
}

Result<std::string> adze::outputFile(const std::string &path) {
  llvm::SmallString<256> real(path);
  if (llvm::sys::fs::is_symlink_file(path) &&
      llvm::sys::fs::real_path(path, real))
    return adze::Error{ADZE_IO_ERROR, path + " is a link that leads nowhere",
                       "make what it leads to, or give another name"};
  llvm::sys::fs::file_status status;
  if (!llvm::sys::fs::status(real, status) &&
      status.type() != llvm::sys::fs::file_type::regular_file)
    return adze::Error{ADZE_IO_ERROR, path + " exists and is no regular file",
                       "give the name of a file, new or to be replaced"};
  llvm::StringRef folder = llvm::sys::path::parent_path(real);
  if (std::error_code code =
          llvm::sys::fs::access(folder.empty() ? llvm::StringRef(".") : folder,
                                llvm::sys::fs::AccessMode::Write))
    return adze::Error{
        ADZE_IO_ERROR, "cannot create " + path + ": " + code.message(),
        "check the directory, its permissions and the space left"};
  return real.str().str();
}

Result<CompileStats>
adze::compileModel(const std::string &model, const std::string &given,
                   const CompileOptions &options, json::Object extra,
                   const std::string &source, bool forStaticLinking) {
  auto start = std::chrono::steady_clock::now();
  AnonymousPeak memory;
  auto file = outputFile(given);
  if (!file)
    return file.error();
  const std::string &output = *file;
  ModelCompiler compiler(options);
  compiler.addToProof(std::move(extra));
  bool proves = !options.proofText.empty();
  if (proves) {
    // An unreadable text is better known before the work than after it.
    if (auto text = readTextFile(options.proofText); !text)
      return text.error();
    if (auto runs = checkRunsHere(options, "measuring it on a text"); !runs)
      return runs.error();
    compiler.reserveProof(kMeasuredBytes);
  }
  llvm::SmallString<256> path(output);
  std::optional<llvm::FileRemover> remover;
  for (auto step : {0, 1, 2, 3}) {
    if (step == 3 && proves) {
      // The name is the artefact's once its proof is whole.
      if (std::error_code code =
              llvm::sys::fs::createUniqueFile(output + ".proof%%%%%%%%", path))
        return adze::Error{ADZE_IO_ERROR,
                           "cannot create " + output + ": " + code.message(),
                           ""};
      remover.emplace(path);
    }
    llvm::Error error =
        step == 0   ? compiler.load(model)
        : step == 1 ? compiler.optimize()
        : step == 2 ? compiler.generate()
                    : compiler.write(path.str().str(), forStaticLinking);
    if (error)
      return toError(std::move(error));
  }
  if (proves) {
    auto proven = prove(compiler, source.empty() ? model : source,
                        path.str().str(), options);
    if (!proven)
      return proven.error();
    if (std::error_code code = llvm::sys::fs::rename(path, output))
      return adze::Error{ADZE_IO_ERROR,
                         "cannot rename " + path.str().str() + " to " + output +
                             ": " + code.message(),
                         ""};
    remover->releaseFile();
  }
  CompileStats stats = compiler.stats();
  stats.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  stats.peakRssBytes = peakResidentBytes();
  stats.peakAnonBytes = memory.bytes();
  return stats;
}

Result<CompileStats> adze::compileToFile(const std::string &model,
                                         const std::string &output,
                                         const CompileOptions &options) {
  return compileModel(model, output, options);
}

Result<CompileStats> adze::compileToObject(const std::string &model,
                                           const std::string &output,
                                           const CompileOptions &options) {
  if (!options.proofText.empty())
    return adze::Error{ADZE_INVALID_ARGUMENT,
                       "a text is for artefacts (.so): what is linked into a "
                       "program cannot be run here",
                       "leave the text out, or compile an artefact to see what "
                       "its weights cost"};
  return compileModel(model, output, options, {}, "",
                      /*forStaticLinking=*/true);
}

/// Opens what `model` was compiled into; messages call it as the user did.
static Result<Model> openCompiled(const std::string &path,
                                  const std::string &model) {
  adze_open_options options = {};
  options.size = sizeof options;
  options.name = model.c_str();
  auto opened = Model::open(path, &options);
  if (opened)
    return opened;
  adze::Error error = opened.error();
  error.message += " (compiled into " + path + ")";
  return error;
}

Result<Model> adze::compile(const std::string &model,
                            const CompileOptions &given, CompileStats *stats) {
  CompileOptions options = given;
  options.proofText.clear(); // for files that are given on
  if (options.target.empty())
    options.target = "host";
  CompileStats numbers;
  if (options.cache) {
    auto slot = ModelCache::find(model, options);
    if (!slot)
      return toError(slot.takeError());
    if (!options.refresh && slot->exists()) {
      auto opened = openCompiled(slot->path(), model);
      if (opened) {
        slot->touch();
        numbers.fromCache = true;
        if (stats)
          *stats = numbers;
        return opened;
      }
      // Damaged, or of another runtime: made again below.
    }
    auto made = compileModel(model, slot->path(), options);
    if (!made)
      return made.error();
    if (stats)
      *stats = *made;
    slot->trim();
    return openCompiled(slot->path(), model);
  }
  llvm::SmallString<128> path;
  if (std::error_code code =
          llvm::sys::fs::createTemporaryFile("adze-model", "so", path))
    return adze::Error{ADZE_IO_ERROR,
                       "cannot make a temporary file: " + code.message(), ""};
  llvm::FileRemover remover(path); // the mapping outlives the name
  auto made = compileModel(model, path.str().str(), options);
  if (!made)
    return made.error();
  if (stats)
    *stats = *made;
  return openCompiled(path.str().str(), model);
}

Result<void> adze::emitModule(const std::string &model,
                              const std::string &point,
                              const std::string &output,
                              const CompileOptions &given) {
  // A rename ends the writing: of what a link leads to.
  auto file = outputFile(output);
  if (!file)
    return file.error();
  // What the module names must outlive the compiler.
  CompileOptions options = given;
  if ((prunes(options) || options.rotate) && options.calibration.empty() &&
      options.store.empty())
    options.store = output + ".store";
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
  llvm::Error written = llvm::writeToOutput(*file, [&](llvm::raw_ostream &os) {
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
