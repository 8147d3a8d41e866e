// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Optimize.h"
#include "CompileModel.h"
#include "Console.h"
#include "Subcommands.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/JSON.h"
#include <CLI/CLI.hpp>
#include <cmath>

using namespace adze;
using namespace adze::tools;
using llvm::StringRef;
namespace json = llvm::json;

namespace {

Error badOption(const char *name, const std::string &expected,
                const std::string &found) {
  return {ADZE_INVALID_ARGUMENT,
          std::string(name) + " expects " + expected + ", found \"" + found +
              "\"",
          ""};
}

/// A number, with what is left of the text behind it.
bool readNumber(StringRef &text, double &value) {
  size_t end = text.find_first_not_of("0123456789.");
  StringRef digits = text.substr(0, end);
  text = text.substr(digits.size());
  return !digits.empty() && !digits.getAsDouble(value) && std::isfinite(value);
}

/// "4.5bpw", "900KB", "600MB", "1.5GB".
Result<void> readBudget(const std::string &text, OptimizeOptions &how) {
  StringRef unit = text;
  double value = 0;
  bool isNumber = readNumber(unit, value) && value > 0;
  if (isNumber && unit == "bpw")
    how.budgetBits = value;
  else if (isNumber && unit == "KB")
    how.budgetBytes = uint64_t(value * 1e3);
  else if (isNumber && unit == "MB")
    how.budgetBytes = uint64_t(value * 1e6);
  else if (isNumber && unit == "GB")
    how.budgetBytes = uint64_t(value * 1e9);
  else
    return badOption(
        "--budget",
        "bits per weight or bytes, such as 4.5bpw, 900KB, 600MB or "
        "1.5GB",
        text);
  return {};
}

/// "+1%", "1%", "1.5%".
Result<void> readMaxPerplexity(const std::string &text, OptimizeOptions &how) {
  StringRef rest = text;
  rest.consume_front("+");
  double value = 0;
  if (!readNumber(rest, value) || rest != "%")
    return badOption("--max-perplexity", "a percentage, such as +1%", text);
  how.maxPerplexity = value / 100;
  return {};
}

Result<OptimizeOptions> readOptions(const OptimizeArguments &a) {
  OptimizeOptions how;
  how.goal = a.goal == "size"      ? Goal::Size
             : a.goal == "quality" ? Goal::Quality
                                   : Goal::Speed;
  if (!a.budget.empty())
    if (auto read = readBudget(a.budget, how); !read)
      return read.error();
  if (!a.maxPerplexity.empty())
    if (auto read = readMaxPerplexity(a.maxPerplexity, how); !read)
      return read.error();
  for (const std::string &text : a.candidates) {
    auto recipe = parseRecipe(text);
    if (!recipe)
      return recipe.error();
    how.recipes.push_back(std::move(*recipe));
  }
  how.textTokens = a.textTokens;
  how.force = a.force;
  return how;
}

void printRow(const Candidate &c) {
  char perplexity[32] = "-";
  if (c.perplexity)
    std::snprintf(perplexity, sizeof perplexity, "%.4g", *c.perplexity);
  std::printf("%s %8s  %6.2f  %9.1f  %5.1f  %6.3g  %7.0f  %10s  %s\n",
              c.isChosen ? "*" : " ", bytesText(c.weightBytes).c_str(),
              c.bitsPerWeight, double(c.bytesPerToken) / 1e6, c.readRate / 1e9,
              1e3 * c.secondsPerToken, 1 / c.secondsPerToken, perplexity,
              c.recipe.text().c_str());
  if (!c.why.empty())
    std::printf("      %s: %s\n",
                c.isRefused   ? "refused"
                : !c.isWithin ? "beyond the limits"
                              : "not taken",
                c.why.c_str());
}

void print(const OptimizeResult &result, const std::string &output) {
  const Candidate &winner = result.candidates[result.chosen];
  printCandidates(result.candidates);
  std::printf("wrote %s: %s%s, %s\n", output.c_str(),
              winner.recipe.text().c_str(), result.isForced ? " (forced)" : "",
              bytesText(result.compile.artefactBytes).c_str());
  double measured = result.measuredSecondsPerToken,
         rate = result.measuredReadRate;
  if (auto predicted = result.predictedSecondsPerToken())
    std::printf("a token takes %.3g ms; %.3g were predicted (%+.0f %%), its "
                "%.1f MB being read at %.1f GB/s now\n",
                1e3 * measured, 1e3 * *predicted,
                100 * (*predicted / measured - 1),
                double(winner.bytesPerToken) / 1e6, rate / 1e9);
  else if (result.isDisturbed)
    std::printf("a token takes %.3g ms while other work has a part of the "
                "cores: not compared with the prediction\n",
                1e3 * measured);
  else if (winner.isDisturbed)
    std::printf("a token takes %.3g ms; other work had a part of the cores "
                "when candidates were timed: not compared\n",
                1e3 * measured);
  else
    std::printf("a token takes %.3g ms, of which reading %.1f MB at %.1f GB/s "
                "takes %.2g: too short to predict, the rest is barriers and "
                "other work\n",
                1e3 * measured, double(winner.bytesPerToken) / 1e6, rate / 1e9,
                1e3 * double(winner.bytesPerToken) / rate);
}

json::Object toJson(const OptimizeResult &result, const std::string &output) {
  auto predicted = result.predictedSecondsPerToken();
  return json::Object{
      {"output", output},
      {"candidates", candidatesJson(result.candidates)},
      {"forced", result.isForced},
      {"artefact_bytes", int64_t(result.compile.artefactBytes)},
      {"predicted_seconds_per_token",
       predicted ? json::Value(*predicted) : json::Value(nullptr)},
      {"measured_seconds_per_token", result.measuredSecondsPerToken},
      {"read_rate", result.measuredReadRate},
      {"disturbed", result.isDisturbed},
      {"warnings", json::Array(result.compile.warnings)}};
}

} // namespace

void adze::tools::printCandidates(const std::vector<Candidate> &candidates) {
  if (candidates.empty())
    return;
  std::printf("at %u positions; GB/s: a plain read of as many bytes\n"
              "   weights  bits/w   MB/token   GB/s      ms    tok/s  "
              "perplexity  candidate\n",
              candidates.back().context);
  for (const Candidate &c : candidates)
    printRow(c);
  std::string disturbed;
  for (const Candidate &c : candidates)
    if (c.isDisturbed)
      disturbed += (disturbed.empty() ? "" : ", ") + c.recipe.text();
  if (!disturbed.empty())
    warn("other work had a part of the cores while these were timed, which "
         "may be faster without it: " +
         disturbed);
}

int adze::tools::optimizeModel(const std::string &model,
                               const std::string &output,
                               const CompileOptions &given,
                               const OptimizeArguments &a, bool json) {
  auto how = readOptions(a);
  if (!how) {
    fail(how.error());
    return ExitUsage;
  }
  how->text = given.proofText;
  how->context = given.proofContext;
  auto made = [&] {
    Progress progress(json);
    CompileOptions options = given;
    options.progress = progress.callback();
    return optimizeToFile(model, output, options, *how);
  }();
  if (!made)
    return fail(made.error());
  if (json)
    return printJson(toJson(*made, output));
  for (const std::string &warning : made->compile.warnings)
    warn(warning);
  print(*made, output);
  return ExitOk;
}

void OptimizeArguments::addTo(CLI::App &command, CLI::Option *text) {
  auto *optimize =
      command
          .add_option("--optimize", goal,
                      "price several ways to store the weights, print\n"
                      "the table and build the best for speed, size or\n"
                      "quality (which needs --text)")
          ->check(CLI::IsMember({"speed", "size", "quality"}).description(""))
          ->type_name("GOAL");
  command
      .add_option("--candidate", candidates,
                  "a way to store them in place of the usual ones\n"
                  "(as it is, int8, int4:g128, int4:g32), such as\n"
                  "'int4:g64' or 'int4:g128 method=search\n"
                  "prune=0.5:16x32'; may be repeated")
      ->type_name("RECIPE")
      ->allow_extra_args(false)
      ->needs(optimize);
  command
      .add_option("--budget", budget,
                  "no more than this: 4.5bpw (bits per weight),\n"
                  "900KB, 600MB, 1.5GB")
      ->type_name("SIZE")
      ->needs(optimize);
  command
      .add_option("--max-perplexity", maxPerplexity,
                  "how much higher the perplexity on --text may be\n"
                  "than that of the model as it is (default +3%)")
      ->type_name("+N%")
      ->needs(optimize)
      ->needs(text);
  command
      .add_option("--text-tokens", textTokens,
                  "tokens of --text that candidates are measured on\n"
                  "(default 8192; 0: all)")
      ->type_name("N")
      ->needs(optimize)
      ->needs(text);
  command
      .add_flag("--force", force,
                "build the first candidate, whatever it is worth")
      ->needs(optimize);
}
