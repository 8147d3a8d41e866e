// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Sweep.h"
#include "CompileModel.h"
#include "Console.h"
#include "Optimize.h"
#include "Subcommands.h"
#include "report/Page.h"
#include "llvm/Support/JSON.h"
#include <CLI/CLI.hpp>

using namespace adze;
using namespace adze::tools;
namespace json = llvm::json;

CLI::Option *SweepArguments::addTo(CLI::App &command, const char *help,
                                   CLI::Option *text) {
  auto *sweep = command.add_option("--sweep", levels, help)
                    ->delimiter(',')
                    ->type_name("LEVELS");
  command
      .add_option("--plot", page,
                  "write the table and a plot of it as a page of\n"
                  "HTML")
      ->type_name("FILE")
      ->needs(sweep);
  command
      .add_option("--text-tokens", textTokens,
                  "tokens of the text that each level is measured on\n"
                  "(default 8192; 0: all)")
      ->type_name("N")
      ->needs(sweep)
      ->needs(text);
  return sweep;
}

Result<void> SweepArguments::check() const {
  return page.empty() ? Result<void>() : checkFolderOf(page);
}

int adze::tools::sweepModel(const std::string &model,
                            const CompileOptions &given,
                            std::vector<Recipe> recipes,
                            const SweepArguments &a, const std::string &text,
                            uint32_t context, bool json) {
  if (!given.target.empty() && given.target != "host")
    return fail(
        {ADZE_INVALID_ARGUMENT,
         "--sweep measures on this machine, not for --target=" + given.target,
         "leave one of the two out"});
  if (auto good = a.check(); !good)
    return fail(good.error());
  OptimizeOptions how;
  how.recipes = std::move(recipes);
  how.text = text;
  how.textTokens = a.textTokens;
  how.context = context;
  how.maxPerplexity = 1e9; // all levels are of interest
  auto priced = [&] {
    Progress progress(json);
    CompileOptions options = given;
    options.progress = progress.callback();
    return priceCandidates(model, options, how);
  }();
  if (!priced)
    return fail(priced.error());
  if (!a.page.empty()) {
    auto written =
        writeText(a.page, candidatesPage(model, candidatesJson(*priced)));
    if (!written)
      return fail(written.error());
  }
  if (json)
    return printJson(json::Object{{"model", model},
                                  {"candidates", candidatesJson(*priced)}});
  printCandidates(*priced);
  return ExitOk;
}
