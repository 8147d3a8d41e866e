// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze report: what an artefact's compression cost and what it gained, as a
// table, as JSON, or as one page.

#include "Console.h"
#include "Subcommands.h"
#include "report/Facts.h"
#include "report/Page.h"
#include "report/Table.h"
#include <CLI/CLI.hpp>

using namespace adze;
using namespace adze::tools;

namespace {
struct ReportArguments : FactsOptions {
  std::string output;
  bool noMeasure = false, json = false;
};

int run(ReportArguments &a) {
  a.measure = !a.noMeasure;
  if (a.json && a.output == "-")
    return fail({ADZE_INVALID_ARGUMENT,
                 "--json and -o - both write to the standard output",
                 "name a file for the page"});
  auto facts = [&] {
    Progress progress(a.json);
    return reportFacts(a, progress);
  }();
  if (!facts)
    return fail(facts.error());
  if (!a.output.empty())
    if (auto written = writeText(a.output, reportPage(*facts)); !written)
      return fail(written.error());
  if (a.json)
    return printJson(std::move(*facts));
  auto written = writeText("-", a.output.empty()  ? reportTable(*facts)
                                : a.output == "-" ? ""
                                                  : "wrote " + a.output + "\n");
  return written ? int(ExitOk) : fail(written.error());
}
} // namespace

void adze::tools::addReport(CLI::App &app, int &status) {
  CLI::App &command = *app.add_subcommand(
      "report", "say what an artefact is made of, layer by layer");
  auto a = std::make_shared<ReportArguments>();
  command.add_option("ARTEFACT", a->artefact, "what adze compile has written")
      ->type_name("")
      ->required();
  command
      .add_option("-o,--output", a->output,
                  "write one page of HTML, which needs nothing else\n"
                  "(- is the standard output)")
      ->type_name("FILE.html");
  command.add_flag("--no-measure", a->noMeasure,
                   "measure nothing: no times and no roof");
  command
      .add_option("--threads", a->threads,
                  "threads to measure with (default: what this process\n"
                  "may use)")
      ->type_name("N");
  command.add_flag("--json", a->json, "print one JSON object and nothing else");
  command.footer(R"(
Bytes, time and error of each layer, the time beside the roof: a plain read of
as many bytes at that moment. What the compiler fused and what it did not, the
recipe, and the quality that the artefact's proof has. Without -o a table.

examples
  adze report model.adze.so
  adze report model.adze.so -o report.html
  adze report model.adze.so --no-measure --json)");
  command.callback([a, &status] { status = run(*a); });
}
