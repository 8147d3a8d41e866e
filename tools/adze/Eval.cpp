// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze eval: how well a model predicts a text (adze/Quality.h).

#include "Console.h"
#include "ModelArguments.h"
#include "QualityReport.h"
#include "Subcommands.h"
#include "llvm/Support/JSON.h"
#include <CLI/CLI.hpp>
#include <optional>

using namespace adze;
using namespace adze::tools;

namespace {
struct EvalArguments : ModelArguments {
  std::string textFile;
  uint32_t context = 0;
  std::string against, againstWeights;

  bool compares() const { return !against.empty() || !againstWeights.empty(); }
};

/// The model to compare with.
Result<Model> openOther(const EvalArguments &a) {
  ModelArguments given;
  given.model = a.against.empty() ? a.model : a.against;
  given.options.weights = a.againstWeights;
  given.options.threads = a.options.threads;
  given.json = a.json;
  auto opened = openModel(given);
  if (!opened)
    return opened.error();
  return std::move(opened->model);
}

int run(const EvalArguments &a) {
  auto opened = openModel(a);
  if (!opened)
    return fail(opened.error());
  std::optional<Model> other;
  if (a.compares()) {
    auto made = openOther(a);
    if (!made)
      return fail(made.error());
    other = std::move(*made);
  }
  auto quality = [&] {
    Progress progress(a.json);
    QualityOptions options;
    options.context = a.context;
    options.threads = a.options.threads;
    options.name = a.model;
    options.againstName = a.against.empty() ? a.model : a.against;
    options.progress = progress.callback();
    auto measured = measureQuality(opened->model, a.textFile,
                                   other ? &*other : nullptr, options);
    if (measured)
      if (auto finite = checkFinite(*measured, options); !finite)
        measured = finite.error();
    return measured;
  }();
  if (!quality)
    return fail(quality.error());
  if (a.json)
    return printJson(qualityJson(*quality));
  printQuality(*quality);
  return ExitOk;
}
} // namespace

void adze::tools::addEval(CLI::App &app, int &status) {
  CLI::App &command =
      *app.add_subcommand("eval", "measure how well a model predicts a text");
  auto a = std::make_shared<EvalArguments>();
  a->addTo(command, "directory, .gguf, .mlir or artefact");
  command.add_option("--text", a->textFile, "the text, UTF-8")
      ->type_name("FILE")
      ->required();
  command
      .add_option("--context", a->context,
                  "positions of a window (default: the model's\n"
                  "context, at most 4096)")
      ->check(CLI::Range(2u, uint32_t(INT32_MAX)).description(""))
      ->type_name("N");
  command
      .add_option("--against", a->against,
                  "another model or artefact to compare with")
      ->type_name("MODEL");
  command
      .add_option("--against-weights", a->againstWeights,
                  "compare with these weights (of MODEL, or of the\n"
                  "model of --against), as --weights takes them")
      ->check(CLI::Validator(
          [](const std::string &text) {
            auto result = checkWeights(text);
            return result ? std::string() : result.error().message;
          },
          ""))
      ->type_name("FORMATS");
  a->addOutputTo(command);
  command.footer(R"(
Windows do not overlap; each begins with the beginning token where the tokenizer
adds one, and its first token is not scored.

examples
  adze eval model/ --text valid.txt
  adze eval model/ --weights int8 --against-weights f32 --text valid.txt
  adze eval model/ --weights bf16 --text valid.txt --context 512 --json)");
  command.callback([a, &status] { status = run(*a); });
}
