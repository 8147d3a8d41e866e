// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze quantize: an artefact whose weights are rounded by what they read.

#include "adze/Quantize.h"
#include "Console.h"
#include "ModelArguments.h"
#include "Subcommands.h"
#include "Sweep.h"
#include "TextTokens.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include <CLI/CLI.hpp>

using namespace adze;
using namespace adze::tools;
namespace json = llvm::json;

namespace {

struct QuantizeArguments : ModelArguments {
  std::string textFile, output, work, validFile;
  uint32_t sequences = 128, tokens = 512;
  bool noGram = false, sequential = false;
  SweepArguments sweep;
};

json::Object statsJson(const QuantizeStats &s, const std::string &output) {
  json::Array warnings(s.calibration.warnings);
  for (const std::string &warning : s.compile.warnings)
    warnings.push_back(warning);
  return json::Object{{"output", output},
                      {"seconds", s.seconds},
                      {"estimated_seconds", s.estimatedSeconds},
                      {"calibration_seconds", s.calibration.seconds},
                      {"sequences", int64_t(s.calibration.sequences)},
                      {"tokens", int64_t(s.calibration.tokens)},
                      {"parts", int64_t(s.calibration.parts)},
                      {"resumed_parts", int64_t(s.calibration.resumed)},
                      {"rounding_seconds", s.calibration.roundingSeconds +
                                               s.compile.optimizeSeconds},
                      {"codegen_seconds", s.compile.codegenSeconds},
                      {"pack_seconds", s.compile.packSeconds},
                      {"peak_anon_bytes", int64_t(s.peakAnonBytes)},
                      {"artefact_bytes", int64_t(s.compile.artefactBytes)},
                      {"weight_bytes", int64_t(s.compile.weightBytes)},
                      {"warnings", std::move(warnings)}};
}

/// Calibrates once and prices each level.
int sweepLevels(const QuantizeArguments &a, const std::string &text) {
  for (auto [given, name] : {std::pair(!a.options.weights.empty(), "--weights"),
                             std::pair(a.sequential, "--sequential")})
    if (given)
      return fail(
          {ADZE_INVALID_ARGUMENT,
           std::string(name) + " is for one format, and --sweep tries several",
           "leave one of the two out"});
  if (auto good = a.sweep.check(); !good)
    return fail(good.error());
  const CompileOptions &o = a.options;
  if (a.noGram && (o.method.empty() || o.method.find("gptq") != o.method.npos))
    return fail({ADZE_INVALID_ARGUMENT, "the method gptq needs Gram matrices",
                 "leave --no-gram out, or use search or awq without them"});
  if (a.noGram && !o.prune.empty() &&
      (o.pruneMethod.empty() || o.pruneMethod == "sparsegpt"))
    return fail({ADZE_INVALID_ARGUMENT,
                 "pruning by sparsegpt needs Gram matrices",
                 "leave --no-gram out, or prune by wanda or magnitude"});
  std::vector<Recipe> recipes(1); // as it is
  for (const std::string &level : a.sweep.levels) {
    if (auto known = checkWeights(level); !known)
      return fail(known.error());
    recipes.push_back({level, o.method, o.prune, o.pruneMethod, ""});
  }
  llvm::SmallString<128> folder(a.work);
  if (a.work.empty())
    if (std::error_code code =
            llvm::sys::fs::createUniqueDirectory("adze-sweep", folder))
      return fail({ADZE_IO_ERROR,
                   "cannot make a temporary folder: " + code.message(), ""});
  auto calibrated = [&] {
    Progress progress(a.json);
    CalibrateOptions options;
    static_cast<CompileOptions &>(options) = a.options;
    options.weights.clear();
    options.sequences = a.sequences;
    options.tokens = a.tokens;
    options.gram = !a.noGram;
    options.progress = progress.callback();
    options.estimate = [&](double seconds) {
      if (!a.json)
        printEstimate(seconds, a.sequences, a.tokens);
    };
    return calibrate(a.model, text, folder.str().str(), options);
  }();
  int status = ExitFailure;
  if (!calibrated) {
    status = fail(calibrated.error());
  } else {
    CompileOptions options = a.options;
    options.calibration = folder.str().str();
    status = sweepModel(a.model, options, std::move(recipes), a.sweep,
                        a.validFile, 0, a.json);
  }
  if (a.work.empty())
    (void)llvm::sys::fs::remove_directories(folder);
  return status;
}

int run(QuantizeArguments &a) {
  if (auto good = checkSource(a.model, "its weights are rounded already");
      !good)
    return fail(good.error());
  auto text = readTextFile(a.textFile);
  if (!text)
    return fail(text.error());
  if (!a.options.threads)
    a.options.threads = adze_default_threads();
  if (a.sweep.sweeps())
    return sweepLevels(a, *text);
  for (auto [given, name] : {std::pair(!a.options.weights.empty(), "--weights"),
                             std::pair(!a.output.empty(), "-o")})
    if (!given)
      return fail({ADZE_INVALID_ARGUMENT, std::string(name) + " is missing",
                   "say which format to round to and which file to write, or "
                   "try several with --sweep int8,int4:g128"});
  QuantizeOptions options;
  static_cast<CompileOptions &>(options) = a.options;
  options.sequences = a.sequences;
  options.tokens = a.tokens;
  options.gram = !a.noGram;
  options.sequential = a.sequential;
  options.work = a.work;
  options.proofText = a.validFile;
  auto made = [&] {
    Progress progress(a.json);
    options.progress = progress.callback();
    options.estimate = [&](double seconds) {
      if (!a.json)
        printEstimate(seconds, a.sequences, a.tokens);
    };
    return quantizeToFile(a.model, *text, a.output, options);
  }();
  if (!made)
    return fail(made.error());
  if (a.json)
    return printJson(statsJson(*made, a.output));
  for (const auto *warnings :
       {&made->calibration.warnings, &made->compile.warnings})
    for (const std::string &warning : *warnings)
      warn(warning);
  if (made->calibration.resumed)
    std::printf("went on after %u of %u parts\n", made->calibration.resumed,
                made->calibration.parts);
  std::printf(
      "wrote %s: %s, of which %s are weights\n"
      "%s: calibration %s, rounding %s, code and packing %s; at most %s "
      "of memory beside the files\n",
      a.output.c_str(), bytesText(made->compile.artefactBytes).c_str(),
      bytesText(made->compile.weightBytes).c_str(),
      durationText(made->seconds).c_str(),
      durationText(made->calibration.seconds).c_str(),
      durationText(made->compile.optimizeSeconds).c_str(),
      durationText(made->compile.codegenSeconds + made->compile.packSeconds)
          .c_str(),
      bytesText(made->peakAnonBytes).c_str());
  return ExitOk;
}
} // namespace

void adze::tools::addQuantize(CLI::App &app, int &status) {
  CLI::App &command = *app.add_subcommand(
      "quantize", "write a model with weights rounded by what they read");
  auto a = std::make_shared<QuantizeArguments>();
  a->addTo(command, "directory, .gguf or .mlir");
  // It makes one.
  command.remove_option(command.get_option("--calibration"));
  command.add_option("--text", a->textFile, "the text to calibrate on, UTF-8")
      ->type_name("FILE")
      ->required();
  auto *output = command.add_option("-o,--output", a->output, "the artefact")
                     ->type_name("OUT");
  addWindowsTo(command, a->sequences, a->tokens);
  command.add_flag("--sequential", a->sequential,
                   "each layer reads what the rounded layers before\n"
                   "give: twice the time");
  command.add_flag("--no-gram", a->noGram,
                   "only figures per column, for search, awq and\n"
                   "smoothquant");
  command
      .add_option("--work", a->work,
                  "folder for statistics and rounded weights, which\n"
                  "is kept (default: OUT.work, which is not)")
      ->type_name("FOLDER");
  auto *valid =
      command
          .add_option("--valid", a->validFile,
                      "measure the artefact on this text, for its proof, or\n"
                      "the formats of --sweep")
          ->type_name("FILE");
  a->sweep
      .addTo(command,
             "price these formats, each rounded by one\n"
             "calibration, and write nothing; with --valid\n"
             "their perplexity too",
             valid)
      ->excludes(output);
  a->addOutputTo(command);
  command.footer(R"(
adze calibrate and adze compile --calibration in one. A run that was stopped or
killed goes on when it is started again with the same arguments.

examples
  adze quantize model/ --text train.txt --weights int4:g128 -o model.adze.so
  adze quantize model/ --text train.txt --weights int8 --method smoothquant \
    --activations int8:token --no-gram -o model.adze.so
  adze quantize model/ --text train.txt --weights int4:g32 --method awq+gptq \
    --sequential --valid valid.txt -o model.adze.so
  adze quantize model/ --text train.txt --sweep int8,int4:g32,int4:g128 \
    --valid valid.txt --plot sweep.html)");
  command.callback([a, &status] { status = run(*a); });
}
