// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze: compiles, runs, measures and explains models. Exit status 0: done,
// 1: failed, 2: wrong usage.

#include "Console.h"
#include "Subcommands.h"
#include "Usage.h"
#include "adze/Compiler.h"

using namespace adze::tools;

int main(int argc, char **argv) {
  prepareProcess();
  CLI::App app("Adze compiles language models to native code and runs them.",
               "adze");
  app.set_version_flag("--version", adze::compilerVersion());
  app.require_subcommand(1);
  app.get_formatter()->column_width(28);
  app.footer(R"(
MODEL is a Hugging Face directory, a .gguf file, a module (.mlir, .mlirbc) or an
artefact that `adze compile` has written.

examples
  adze run model/ --prompt "Once upon a time"
  adze chat model/
  adze compile model/ -o model.adze.so
  adze bench model/

`adze COMMAND --help` says more about each.)");
  int status = ExitOk;
  for (auto add : {addRun, addChat, addCompile, addCalibrate, addQuantize,
                   addPrune, addEval, addBench, addInspect, addExplain,
                   addVerify, addReport, addCache})
    add(app, status);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return answer(app, error);
  }
  return status;
}
