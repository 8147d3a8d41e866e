// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze prune: an artefact with fewer weights, or what several amounts cost.

#include "CompileReport.h"
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
  if (auto good = checkSource(a.model, "it is compiled already"); !good)
    return fail(good.error());
  if (!a.options.threads)
    a.options.threads = adze_default_threads();
  if (a.sweep.sweeps())
    return sweep(a);
  const CompileOptions &o = a.options;
  if (o.prune.empty() && !o.pruneNeurons && !o.pruneHeads && !o.removeDead)
    return fail({ADZE_INVALID_ARGUMENT, "there is nothing to prune",
                 "say what becomes zero (--prune 0.5:16x32) or is taken out "
                 "(--prune-neurons, --prune-heads, --remove-dead), or try "
                 "several amounts (--sweep 0.3,0.5,0.7)"});
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
  return printCompiled(*made, a.output, a.json);
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
  auto *prune = command.get_option("--prune");
  a->sweep
      .addTo(command,
             "price these amounts, each as --prune takes it, and\n"
             "write nothing; with --text their perplexity too",
             text)
      ->excludes(output)
      ->excludes(prune);
  // Amounts are those of --prune or of --sweep.
  for (const char *name : {"--prune-method", "--prune-allocate"})
    command.get_option(name)->remove_needs(prune);
  a->addOutputTo(command);
  command.footer(R"(
What is pruned, and how, is said by the options of the compiler: --prune,
--prune-method, --prune-allocate, --prune-neurons, --prune-heads, --remove-dead,
--calibration, --weights. Those that are given with --sweep hold for all amounts.

examples
  adze prune model/ --prune 0.5:16x32 --weights int8 -o model.adze.so
  adze prune model/ --sweep 0.3,0.5,0.7 --prune-method wanda \
    --calibration model.stats --text valid.txt
  adze prune model/ --sweep 0.5:16x32,0.7:16x32 --weights int8 \
    --text valid.txt --plot sweep.html)");
  command.callback([a, &status] {
    for (auto [value, name] :
         {std::pair(&a->options.pruneMethod, "--prune-method"),
          std::pair(&a->options.pruneAllocate, "--prune-allocate")})
      if (!value->empty() && a->options.prune.empty() && !a->sweep.sweeps())
        throw CLI::RequiresError(name, "--prune or --sweep");
    status = run(*a);
  });
}
