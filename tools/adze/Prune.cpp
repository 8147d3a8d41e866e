// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze prune: an artefact with fewer weights, or what several amounts cost.

#include "Console.h"
#include "ModelArguments.h"
#include "Subcommands.h"
#include "Sweep.h"
#include <CLI/CLI.hpp>

using namespace adze;
using namespace adze::tools;

namespace {

struct PruneArguments : ModelArguments {
  std::string output;
  SweepArguments sweep;
};

int sweep(const PruneArguments &a) {
  // The model without zeros first: what the others are compared with.
  Recipe plain{a.options.weights, a.options.method, "", "", ""};
  std::vector<Recipe> recipes{plain};
  for (const std::string &level : a.sweep.levels) {
    if (auto known = checkPrune(level); !known)
      return fail(known.error());
    Recipe recipe = plain;
    recipe.prune = level;
    recipe.pruneMethod = a.options.pruneMethod;
    recipes.push_back(std::move(recipe));
  }
  return sweepModel(a.model, a.options, std::move(recipes), a.sweep,
                    a.options.proofText, a.options.proofContext, a.json);
}

int run(PruneArguments &a) {
  if (isArtefact(a.model))
    return fail({ADZE_INVALID_ARGUMENT,
                 a.model + " is an artefact: it is compiled already",
                 "give the model it was made from"});
  if (auto there = checkExists(a.model); !there)
    return fail(there.error());
  if (!a.options.threads)
    a.options.threads = adze_default_threads();
  if (a.sweep.sweeps())
    return sweep(a);
  if (a.options.prune.empty())
    return fail({ADZE_INVALID_ARGUMENT, "there is nothing to prune",
                 "say what becomes zero (--prune 0.5:16x32), or try several "
                 "amounts (--sweep 0.3,0.5,0.7)"});
  if (a.output.empty())
    return fail({ADZE_INVALID_ARGUMENT, "there is no file to write",
                 "name it with -o, or try amounts with --sweep"});
  auto made = [&] {
    Progress progress(a.json);
    CompileOptions options = a.options;
    options.progress = progress.callback();
    return compileToFile(a.model, a.output, options);
  }();
  if (!made)
    return fail(made.error());
  for (const std::string &warning : made->warnings)
    warn(warning);
  std::printf("wrote %s: %s\n", a.output.c_str(),
              bytesText(made->artefactBytes).c_str());
  return ExitOk;
}

} // namespace

void adze::tools::addPrune(CLI::App &app, int &status) {
  CLI::App &command = *app.add_subcommand(
      "prune", "set weights to zero, or see what several amounts cost");
  auto a = std::make_shared<PruneArguments>();
  a->addTo(command, "directory, .gguf or .mlir");
  auto *output =
      command.add_option("-o,--output", a->output, "the artefact to write")
          ->type_name("OUT");
  auto *text = command
                   .add_option("--text", a->options.proofText,
                               "measure perplexity on this text")
                   ->type_name("FILE");
  command
      .add_option("--context", a->options.proofContext,
                  "positions of a window of the text")
      ->check(CLI::Range(2u, uint32_t(INT32_MAX)).description(""))
      ->type_name("N")
      ->needs(text);
  a->sweep
      .addTo(command, "price these amounts, each as --prune takes it, and\n"
                      "write nothing")
      ->excludes(output);
  a->addOutputTo(command);
  command.footer(R"(
What is pruned, and how, is said by the options of the compiler: --prune,
--prune-method, --prune-allocate, --calibration, --weights.

examples
  adze prune model/ --prune 0.5:16x32 --weights int8 -o model.adze.so
  adze prune model/ --sweep 0.3,0.5,0.7 --prune-method wanda \
    --calibration model.stats --text valid.txt
  adze prune model/ --sweep 0.5:16x32,0.7:16x32 --weights int8 \
    --text valid.txt --plot sweep.html)");
  command.callback([a, &status] { status = run(*a); });
}
