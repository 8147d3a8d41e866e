// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze run: text from a model.

#include "Console.h"
#include "ModelArguments.h"
#include "Sampling.h"
#include "Subcommands.h"
#include "run_model.h"
#include <CLI/CLI.hpp>

using namespace adze;
using namespace adze::tools;

namespace {
struct RunArguments : ModelArguments {
  RunOptions run;
  std::string tokens;
};

int run(RunArguments &a) {
  auto opened = openModel(a);
  if (!opened)
    return fail(opened.error());
  a.run.json = a.json;
  a.run.threads = a.options.threads;
  a.run.loadSeconds = opened->loadSeconds;
  a.run.compileSeconds = opened->compileSeconds;
  if (auto done = runModel(opened->model, a.run); !done)
    return fail(done.error());
  return ExitOk;
}
} // namespace

void adze::tools::addRun(CLI::App &app, int &status) {
  CLI::App &command = *app.add_subcommand("run", "make text with a model");
  auto a = std::make_shared<RunArguments>();
  a->addTo(command, "directory, .gguf, .mlir or artefact");
  auto *prompt =
      command.add_option("--prompt", a->run.prompt, "the text to continue")
          ->type_name("TEXT");
  auto *tokens =
      command
          .add_option("--tokens", a->tokens,
                      "the same as token ids: 1,2,3; needs no tokenizer")
          ->type_name("IDS");
  command
      .add_option("--max-tokens", a->run.maxTokens,
                  "stop after N tokens (default: 128); 0 only\nevaluates")
      ->check(CLI::Range(0u, uint32_t(INT32_MAX)).description(""))
      ->type_name("N");
  command
      .add_option("--stop", a->run.stopStrings,
                  "end before this text; may be given several times")
      ->expected(1)
      ->take_all()
      ->type_name("TEXT")
      ->check([](const std::string &text) {
        return text.empty() ? std::string("the text is empty") : std::string();
      });
  command.add_flag("--ignore-eos", a->run.sampling.ignoreEos,
                   "go on after the model's own end token");
  command
      .add_option("--context", a->run.context,
                  "positions of the session (default: what the run\nneeds)")
      ->type_name("N");
  command
      .add_option("--logits", a->run.logitsPath,
                  "write float32 [positions, vocabulary], a row per\ntoken")
      ->type_name("FILE.npy");
  a->addOutputTo(command);
  addSampling(command, a->run.sampling);
  command
      .add_flag("--no-cache", a->noCache,
                "compile again and keep nothing on disk")
      ->group("Compilation");
  command.footer(R"(
The first run compiles the model and keeps the result in the cache
($ADZE_CACHE_DIR, else the XDG cache directory); later ones open it.

examples
  adze run model/ --prompt "Once upon a time" --max-tokens 200
  adze run model.gguf --prompt "Hello" --temperature 0.8 --top-p 0.95 --seed 7
  adze run model.adze.so --tokens 1,15043 --max-tokens 0 --logits out.npy
  adze run model/ --prompt Hi --json | jq .decode_tokens_per_second)");
  command.callback([a, prompt, tokens, &status] {
    a->run.hasPrompt = prompt->count() > 0;
    a->run.hasTokens = tokens->count() > 0;
    if (a->run.hasPrompt == a->run.hasTokens)
      throw CLI::ValidationError("expected either --prompt or --tokens");
    if (a->run.hasTokens) {
      auto ids = parseTokenList(a->tokens);
      if (!ids)
        throw CLI::ValidationError(ids.error().message);
      a->run.tokens = *ids;
    }
    status = run(*a);
  });
}
