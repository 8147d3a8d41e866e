// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze calibrate: statistics of what a model's linears read on a text.

#include "adze/Calibrate.h"
#include "Console.h"
#include "ModelArguments.h"
#include "Subcommands.h"
#include "TextTokens.h"
#include "llvm/Support/JSON.h"
#include <CLI/CLI.hpp>

using namespace adze;
using namespace adze::tools;

namespace {

struct CalibrateArguments {
  std::string model, textFile, output;
  CalibrateOptions options;
  bool noGram = false, json = false;
};

int run(CalibrateArguments &a) {
  if (auto good = checkSource(a.model, "its layers cannot be taken apart");
      !good)
    return fail(good.error());
  auto text = readTextFile(a.textFile);
  if (!text)
    return fail(text.error());
  a.options.gram = !a.noGram;
  auto made = [&] {
    Progress progress(a.json);
    a.options.progress = progress.callback();
    a.options.estimate = [&](double seconds) {
      if (!a.json)
        printEstimate(seconds, a.options.sequences, a.options.tokens);
    };
    return calibrate(a.model, *text, a.output, a.options);
  }();
  if (!made)
    return fail(made.error());
  if (a.json)
    return printJson(
        llvm::json::Object{{"output", a.output},
                           {"sequences", int64_t(made->sequences)},
                           {"tokens", int64_t(made->tokens)},
                           {"parts", int64_t(made->parts)},
                           {"resumed_parts", int64_t(made->resumed)},
                           {"inputs", int64_t(made->inputs)},
                           {"bytes", int64_t(made->bytes)},
                           {"seconds", made->seconds},
                           {"estimated_seconds", made->estimatedSeconds},
                           {"rounding_seconds", made->roundingSeconds},
                           {"peak_rss_bytes", int64_t(made->peakRssBytes)},
                           {"peak_anon_bytes", int64_t(made->peakAnonBytes)},
                           {"warnings", llvm::json::Array(made->warnings)}});
  for (const std::string &warning : made->warnings)
    warn(warning);
  if (made->resumed == made->parts) {
    std::printf("%s has these statistics already: %u inputs\n",
                a.output.c_str(), made->inputs);
    return ExitOk;
  }
  if (made->resumed)
    std::printf("went on after %u of %u parts\n", made->resumed, made->parts);
  std::printf("wrote %s: %u inputs over %u sequence%s of %u tokens, %s\n"
              "%s; at most %s of memory beside the files\n",
              a.output.c_str(), made->inputs, made->sequences,
              made->sequences == 1 ? "" : "s", made->tokens,
              bytesText(made->bytes).c_str(),
              durationText(made->seconds).c_str(),
              bytesText(made->peakAnonBytes).c_str());
  return ExitOk;
}
} // namespace

void adze::tools::addCalibrate(CLI::App &app, int &status) {
  CLI::App &command = *app.add_subcommand(
      "calibrate", "measure on a text what a model's linears read");
  auto a = std::make_shared<CalibrateArguments>();
  command.add_option("MODEL", a->model, "directory, .gguf or .mlir")
      ->type_name("")
      ->required();
  command.add_option("--text", a->textFile, "the text, UTF-8")
      ->type_name("FILE")
      ->required();
  command.add_option("-o,--output", a->output, "the folder of statistics")
      ->type_name("FOLDER")
      ->required();
  addWindowsTo(command, a->options.sequences, a->options.tokens);
  command.add_flag("--no-gram", a->noGram,
                   "only figures per column: a small folder, not\n"
                   "enough for GPTQ");
  auto *sequential =
      command.add_flag("--sequential", a->options.sequential,
                       "each layer reads what the layers before give once\n"
                       "they are rounded: twice the time");
  command
      .add_option("--weights", a->options.weights,
                  "with --sequential: to what, as in adze compile")
      ->check(checkedBy(checkWeights))
      ->type_name("FORMATS")
      ->needs(sequential);
  command
      .add_option("--method", a->options.method,
                  "with --sequential: how (default: gptq)")
      ->check(checkedBy(checkMethod))
      ->type_name("METHOD")
      ->needs(sequential);
  command.add_flag("--rotate", a->options.rotate,
                   "rotate what layers pass on, for a compilation that\n"
                   "does so too");
  command
      .add_option("--kv", a->options.kv,
                  "type of keys and values (default: f32 for f32\n"
                  "weights, else bf16)")
      ->check(CLI::IsMember({"f32", "bf16", "f16", "int8"}))
      ->type_name("TYPE");
  command
      .add_option("--load-pass-plugin", a->options.plugins,
                  "shared library with passes or ops")
      ->type_name("F.so")
      ->expected(1)
      ->take_all();
  command
      .add_option("--threads", a->options.threads,
                  "threads (default: the CPUs this process may use)")
      ->check(CLI::Range(0u, 4096u).description(""))
      ->type_name("N");
  command.add_flag("--json", a->json, "print one JSON object and nothing else");
  command.footer(R"(
The model runs layer by layer, so that only one is in memory. A run that was
stopped or killed goes on when it is started again with the same arguments.

examples
  adze calibrate model/ --text train.txt -o model.stats
  adze calibrate model/ --text train.txt -o small.stats --sequences 32 --no-gram
  adze calibrate model/ --text train.txt -o seq.stats --sequential \
    --weights int4:g128)");
  command.callback([a, &status] { status = run(*a); });
}
