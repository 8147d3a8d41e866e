// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze compile: a model as an artefact, or at an intermediate form.

#include "CompileReport.h"
#include "Console.h"
#include "ModelArguments.h"
#include "ModelCompiler.h"
#include "Optimize.h"
#include "Subcommands.h"
#include <CLI/CLI.hpp>

using namespace adze;
using namespace adze::tools;

namespace {
struct CompileArguments : ModelArguments {
  std::string output, emit = "so";
  bool printPipeline = false;
  OptimizeArguments optimize;
};

int printPipeline(const CompileArguments &a) {
  auto pipeline = ModelCompiler(a.options).pipeline();
  if (!pipeline)
    return fail(toError(pipeline.takeError()));
  auto written = writeText("-", *pipeline + "\n");
  return written ? int(ExitOk) : fail(written.error());
}

int compileArtefact(const CompileArguments &a) {
  auto made = [&] {
    Progress progress(a.json);
    CompileOptions options = a.options;
    options.progress = progress.callback();
    return a.emit == "obj" ? compileToObject(a.model, a.output, options)
                           : compileToFile(a.model, a.output, options);
  }();
  if (!made)
    return fail(made.error());
  return printCompiled(*made, a.output, a.json);
}

/// A module that tools read again: with the table of its weights beside it.
int writeModule(const CompileArguments &a, const std::string &point) {
  auto written = emitModule(a.model, point, a.output, a.options);
  return written ? int(ExitOk) : fail(written.error());
}

int emit(const CompileArguments &a, Emit form, const std::string &point) {
  auto text = [&] {
    Progress progress(a.json);
    CompileOptions options = a.options;
    options.progress = progress.callback();
    return emitForm(a.model, form, point, options);
  }();
  if (!text)
    return fail(text.error());
  auto written = writeText(a.output, *text);
  return written ? int(ExitOk) : fail(written.error());
}

int compileModel(CompileArguments &a) {
  if (a.printPipeline)
    return printPipeline(a);
  if (auto good = checkSource(a.model, "it is compiled already"); !good)
    return fail(good.error());
  if (!a.options.threads)
    a.options.threads = adze_default_threads();
  std::string form = a.emit, point;
  if (size_t at = form.find('@'); at != std::string::npos) {
    point = form.substr(at + 1);
    form.resize(at);
  }
  if (a.optimize.optimizes()) {
    if (form != "so")
      return fail({ADZE_INVALID_ARGUMENT,
                   "--optimize makes artefacts, not --emit=" + a.emit,
                   "leave one of the two out"});
    return optimizeModel(a.model, a.output, a.options, a.optimize, a.json);
  }
  if (form == "so" || form == "obj")
    return compileArtefact(a);
  if (!a.options.proofText.empty())
    return fail({ADZE_INVALID_ARGUMENT,
                 "--text is for artefacts: --emit=" + a.emit + " makes none",
                 "leave it out, or compile without --emit"});
  if (form == "adze" && point != "scheduled" && a.output != "-")
    return writeModule(a, point);
  return emit(a,
              form == "adze"     ? Emit::Adze
              : form == "kernel" ? Emit::Kernel
              : form == "llvm"   ? Emit::LLVM
                                 : Emit::Assembly,
              point);
}

std::string checkEmit(const std::string &text) {
  std::string form = text.substr(0, text.find('@'));
  for (const char *known : {"adze", "kernel", "llvm", "asm", "obj", "so"})
    if (form == known && (form == "adze" || form == text))
      return "";
  return "expected adze, adze@POINT, kernel, llvm, asm, obj or so, found '" +
         text + "'";
}
} // namespace

void adze::tools::addCompile(CLI::App &app, int &status) {
  CLI::App &command =
      *app.add_subcommand("compile", "write a model as an artefact");
  auto a = std::make_shared<CompileArguments>();
  a->addTo(command, "directory, .gguf or .mlir");
  command.get_option("MODEL")->required(false);
  command.add_option("-o,--output", a->output, "the file to write")
      ->type_name("OUT");
  command
      .add_option("--emit", a->emit,
                  "so (default), obj, asm, llvm, kernel, adze, or\n"
                  "adze@POINT with a point of --insert-pass or\n"
                  "`scheduled`; text goes to the standard output\n"
                  "where there is no -o; adze with -o writes the\n"
                  "weight table beside it, so that it can be run")
      ->check(checkEmit)
      ->type_name("FORM");
  command.add_flag("--print-pipeline", a->printPipeline,
                   "print the passes, as adze-opt takes them, and stop");
  auto *text = command
                   .add_option("--text", a->options.proofText,
                               "run the artefact on this text: its proof then\n"
                               "says how well it predicts it, beside the\n"
                               "checkpoint with its own weights")
                   ->type_name("FILE");
  command
      .add_option("--context", a->options.proofContext,
                  "positions of a window of the text (default: the\n"
                  "model's context, at most 4096)")
      ->check(CLI::Range(2u, uint32_t(INT32_MAX)).description(""))
      ->type_name("N")
      ->needs(text);
  a->optimize.addTo(command, text);
  a->addOutputTo(command);
  command.footer(R"(
The artefact is one file with code for every variant of the target (default:
all) and the packed weights. adze-run, adze run and libadze_runtime open it; the
machine it runs on needs no compiler.

examples
  adze compile model/ -o model.adze.so
  adze compile model/ -o model.adze.so --weights bf16 --target x86-64-v3,host
  adze compile model/ -o model.adze.so --weights int4:g128 --text valid.txt
  adze compile model/ -o model.adze.so --optimize=speed --text valid.txt
  adze compile model/ -o model.adze.so --optimize=quality --budget=4.5bpw \
    --text valid.txt
  adze compile model/ --emit=adze@after-fuse
  adze compile model/ --emit=adze -o m.mlir && adze run m.mlir --tokens 1,2
  adze compile model/ --print-pipeline
  adze compile model/ -o m.adze.so --load-pass-plugin=./my.so \
    --insert-pass='after-import:my-pass{opt=1}')");
  command.callback([a, &status] {
    if (a->model.empty() && !a->printPipeline)
      throw CLI::RequiredError("MODEL");
    if (a->output.empty() && !a->printPipeline) {
      if (a->emit == "so" || a->emit == "obj")
        throw CLI::RequiredError("-o OUT");
      a->output = "-";
    }
    status = compileModel(*a);
  });
}
