// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "ModelArguments.h"
#include "Console.h"
#include <CLI/CLI.hpp>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

using namespace adze;
using namespace adze::tools;

void ModelArguments::addTo(CLI::App &command, const char *modelHelp) {
  command.add_option("MODEL", model, modelHelp)->type_name("")->required();
  CLI::IsMember floats({"f32", "bf16", "f16"});
  const char *group = "Compilation";
  command
      .add_option("--weights", options.weights,
                  "f32, bf16, f16, int8, int4[:g32|:g64|:g128], these two\n"
                  "with :f32, :f16 or :bf16 for their scales and :zp for\n"
                  "zero points, mixed:4.5bpw (chosen for each matrix), or\n"
                  "by tensor name 'lm_head=int8,*=int4:g128', first match\n"
                  "(default: as the checkpoint has them)")
      ->check(checkedBy(checkWeights))
      ->type_name("FORMATS")
      ->group(group);
  auto *calibration =
      command
          .add_option("--calibration", options.calibration,
                      "round integer weights, and prune, by what weights\n"
                      "read: the folder of adze calibrate")
          ->type_name("FOLDER")
          ->group(group);
  command
      .add_option("--method", options.method,
                  "how: gptq, search (for scales only), awq,\n"
                  "smoothquant, or both: awq+gptq, awq+search,\n"
                  "smoothquant+gptq ... (default: gptq)")
      ->check(checkedBy(checkMethod))
      ->type_name("METHOD")
      ->needs(calibration)
      ->group(group);
  command
      .add_option("--store", options.store,
                  "folder for codes, factors and other new weights\n"
                  "(default: weights in the calibration's folder)")
      ->type_name("FOLDER")
      ->group(group);
  auto *prune =
      command
          .add_option("--prune", options.prune,
                      "set weights of layers to zero: an amount (0.5), N\n"
                      "of M that are kept (2:4), or blocks (0.5:16x32);\n"
                      "or by tensor name '*down_proj=0,*=2:4', first match")
          ->check(checkedBy(checkPrune))
          ->type_name("ZEROS")
          ->group(group);
  command
      .add_option("--prune-method", options.pruneMethod,
                  "which ones: magnitude, or with --calibration wanda\n"
                  "or sparsegpt (the default there)")
      ->check(CLI::IsMember({"magnitude", "wanda", "sparsegpt"}))
      ->type_name("METHOD")
      ->needs(prune)
      ->group(group);
  command
      .add_option("--prune-allocate", options.pruneAllocate,
                  "amounts of each weight (uniform), or of all of a\n"
                  "rule together: global, or by sensitivity\n"
                  "(default: uniform)")
      ->check(CLI::IsMember({"uniform", "global", "sensitivity"}))
      ->type_name("HOW")
      ->needs(prune)
      ->group(group);
  CLI::Validator part(
      [](const std::string &text) {
        char *end = nullptr;
        double value = std::strtod(text.c_str(), &end);
        bool isPart = !text.empty() && !*end && value >= 0 && value < 1;
        return isPart ? std::string()
                      : "expected a part from 0 to below 1, got " + text;
      },
      "");
  command
      .add_option("--prune-neurons", options.pruneNeurons,
                  "take this part of the neurons of each layer out,\n"
                  "those that matter least")
      ->check(part)
      ->type_name("PART")
      ->group(group);
  command
      .add_option("--prune-heads", options.pruneHeads,
                  "take this part of the heads of attention out")
      ->check(part)
      ->type_name("PART")
      ->group(group);
  command
      .add_flag("--remove-dead", options.removeDead,
                "take neurons, heads and layers out that the\n"
                "checkpoint's zeros make useless")
      ->group(group);
  command
      .add_flag("--rotate", options.rotate,
                "rotate what layers pass on, so that rounding costs\n"
                "less; a calibration has to be made with it too")
      ->group(group);
  command
      .add_option("--kv", options.kv,
                  "type of keys and values: f32, bf16, f16 or int8\n"
                  "(default: f32 for f32 weights, else bf16)")
      ->check(CLI::IsMember({"f32", "bf16", "f16", "int8"}))
      ->type_name("TYPE")
      ->group(group);
  command
      .add_option("--activations", options.activations,
                  "what integer weights are multiplied with:\n"
                  "int8:token, int8:g128, int8:g32, bf16 or f32;\n"
                  "int8:g128:static for ranges of a calibration\n"
                  "(default: int8:g128)")
      ->check(checkedBy(checkActivations))
      ->type_name("TYPE")
      ->group(group);
  command
      .add_option("--expect-rows", options.expectRows,
                  "rows of the steps that kernels of weights with\n"
                  "zeros have to be fast for: sequences that are\n"
                  "decoded at once, 512 for prompts, or several with\n"
                  "commas between them (default: 1)")
      ->check(CLI::Range(1u, 1u << 20).description(""))
      ->type_name("N")
      ->delimiter(',')
      ->expected(1)
      ->take_all()
      ->group(group);
  command
      .add_option("--kernel-rates", options.kernelRates,
                  "how fast these kernels are: a file written by\n"
                  "adze-kernel-bench --rates (default: as measured on\n"
                  "some machines)")
      ->type_name("FILE")
      ->group(group);
  command
      .add_option("--target", options.target,
                  "all, host, levels (x86-64-v3,\n"
                  "x86-64-v4+vnni+bf16+amx) and CPU names, with\n"
                  "commas between them")
      ->type_name("LIST")
      ->group(group);
  command
      .add_option("--disable-pass", options.disable,
                  "leave out a pass; may be given several times\n"
                  "(adze compile --print-pipeline names them)")
      ->type_name("NAME")
      ->expected(1)
      ->take_all()
      ->group(group);
  command
      .add_option("--generic", options.generic,
                  "plain loops in place of the kernels of an op (such\n"
                  "as adze.linear), or of all")
      ->type_name("OP")
      ->delimiter(',')
      ->expected(1)
      ->take_all()
      ->group(group);
  command
      .add_option("--load-pass-plugin", options.plugins,
                  "shared library with passes or ops")
      ->type_name("F.so")
      ->expected(1)
      ->take_all()
      ->group(group);
  command
      .add_option("--insert-pass", options.insert,
                  "run a pass at after-import, after-compress,\n"
                  "after-fuse or before-codegen")
      ->type_name("POINT:PASS{opts}")
      ->expected(1)
      ->take_all()
      ->group(group);
}

void ModelArguments::addOutputTo(CLI::App &command) {
  command
      .add_option("--threads", options.threads,
                  "threads (default: the CPUs this process may\nuse)")
      ->check(CLI::Range(0u, 4096u).description(""))
      ->type_name("N");
  command.add_flag("--json", json, "print one JSON object and nothing else");
}

bool ModelArguments::compiles() const {
  return !options.weights.empty() || !options.calibration.empty() ||
         !options.prune.empty() || options.pruneNeurons != 0 ||
         options.pruneHeads != 0 || options.removeDead || options.rotate ||
         !options.kv.empty() || !options.activations.empty() ||
         !options.expectRows.empty() || !options.kernelRates.empty() ||
         !options.target.empty() || !options.disable.empty() ||
         !options.generic.empty() || !options.plugins.empty() ||
         !options.insert.empty();
}

bool adze::tools::isArtefact(const std::string &path) {
  auto endsWith = [&](const char *end) {
    size_t length = std::strlen(end);
    return path.size() >= length &&
           !path.compare(path.size() - length, length, end);
  };
  if (endsWith(".so"))
    return true;
  char magic[4] = {};
  if (std::FILE *file = std::fopen(path.c_str(), "re")) {
    size_t count = std::fread(magic, 1, sizeof magic, file);
    std::fclose(file);
    return count == 4 && !std::memcmp(magic, "\177ELF", 4);
  }
  return false;
}

Result<void> adze::tools::checkExists(const std::string &path) {
  if (access(path.c_str(), F_OK) == 0)
    return {};
  return Error{ADZE_IO_ERROR, path + ": " + std::strerror(errno),
               "a model is a Hugging Face directory, a .gguf file, a module "
               "(.mlir, .mlirbc) or an artefact"};
}

Result<void> adze::tools::checkSource(const std::string &path,
                                      const char *why) {
  if (isArtefact(path))
    return Error{ADZE_INVALID_ARGUMENT, path + " is an artefact: " + why,
                 "give the model it was made from"};
  return checkExists(path);
}

CLI::Validator
adze::tools::checkedBy(Result<void> (*check)(const std::string &)) {
  return CLI::Validator(
      [check](const std::string &text) {
        auto result = check(text);
        return result ? std::string() : result.error().message;
      },
      "");
}

void adze::tools::addWindowsTo(CLI::App &command, uint32_t &sequences,
                               uint32_t &tokens) {
  command
      .add_option("--sequences", sequences,
                  "sequences, spread over the text (default: 128)")
      ->check(CLI::Range(1u, 1u << 20).description(""))
      ->type_name("N");
  command
      .add_option("--tokens", tokens,
                  "tokens of each, the beginning token included\n"
                  "(default: 512)")
      ->check(CLI::Range(2u, 1u << 20).description(""))
      ->type_name("N");
}

void adze::tools::printEstimate(double seconds, uint32_t sequences,
                                uint32_t tokens) {
  std::fprintf(stderr, "%s%u sequence%s of %u tokens: about %s\n",
               isatty(STDERR_FILENO) ? "\r\033[K" : "", sequences,
               sequences == 1 ? "" : "s", tokens,
               durationText(seconds).c_str());
}

Result<Model> adze::tools::openOrDescribe(const std::string &artefact) {
  auto model = Model::open(artefact);
  if (model || model.error().code != ADZE_CPU_UNSUPPORTED)
    return model;
  adze_open_options options = {};
  options.size = sizeof options;
  options.flags = ADZE_OPEN_DESCRIBE;
  return Model::open(artefact, &options);
}

Result<OpenedModel> adze::tools::openModel(const ModelArguments &arguments) {
  auto start = std::chrono::steady_clock::now();
  auto since = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() -
                                         start)
        .count();
  };
  if (isArtefact(arguments.model)) {
    if (arguments.compiles())
      return Error{ADZE_INVALID_ARGUMENT,
                   arguments.model +
                       " is an artefact: it is compiled already, and options "
                       "of the compiler cannot change it",
                   "leave them out, or give the model it was made from"};
    auto model = Model::open(arguments.model);
    if (!model)
      return model.error();
    return OpenedModel{*model, true, {}, since(), 0};
  }
  if (auto there = checkExists(arguments.model); !there)
    return there.error();
  CompileOptions options = arguments.options;
  options.cache = !arguments.noCache;
  options.refresh = arguments.refresh;
  if (!options.threads)
    options.threads = adze_default_threads();
  CompileStats stats;
  auto model = [&] {
    Progress progress(arguments.json);
    options.progress = progress.callback();
    return compile(arguments.model, options, &stats);
  }();
  if (!model)
    return model.error();
  if (!arguments.json)
    for (const std::string &warning : stats.warnings)
      warn(warning);
  double total = since();
  double compiling = stats.fromCache ? 0 : stats.seconds;
  return OpenedModel{*model, false, stats, std::max(total - compiling, 0.0),
                     compiling};
}
