// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What every subcommand that takes a model shares: the compile options, and how
// a model is opened: an artefact directly, all else through adze::compile.
#ifndef ADZE_TOOLS_ADZE_MODELARGUMENTS_H
#define ADZE_TOOLS_ADZE_MODELARGUMENTS_H

#include "adze/Compiler.h"

namespace CLI {
class App;
class Validator;
} // namespace CLI

namespace adze::tools {

struct ModelArguments {
  std::string model;
  CompileOptions options;
  bool noCache = false; ///< compile again and keep nothing
  bool refresh = false; ///< compile again and keep the result
  bool json = false;

  /// MODEL and the options of the compiler.
  void addTo(CLI::App &command, const char *modelHelp);
  /// --json and --threads.
  void addOutputTo(CLI::App &command);
  /// True where an option is given that only a compilation takes.
  bool compiles() const;
};

/// Where a model came from and what it took.
struct OpenedModel {
  Model model;
  bool isArtefact = false; ///< given as one
  CompileStats compile;    ///< of a model that was compiled
  double loadSeconds = 0, compileSeconds = 0;
};

/// An ELF file, or a name that says so.
bool isArtefact(const std::string &path);

/// An error that says what a model can be, where there is nothing at `path`.
Result<void> checkExists(const std::string &path);

/// An error where `path` is an artefact, with what follows from that ("it is
/// compiled already"), or where there is nothing.
Result<void> checkSource(const std::string &path, const char *why);

/// A check of an option's text by what reads it.
CLI::Validator checkedBy(Result<void> (*check)(const std::string &));

/// --sequences and --tokens of a calibration.
void addWindowsTo(CLI::App &command, uint32_t &sequences, uint32_t &tokens);
/// Says how long the work on those windows will take.
void printEstimate(double seconds, uint32_t sequences, uint32_t tokens);

/// A model of this artefact, or only its description where it cannot run here.
Result<Model> openOrDescribe(const std::string &artefact);

/// Opens or compiles, with a progress bar, and prints the warnings.
Result<OpenedModel> openModel(const ModelArguments &arguments);

} // namespace adze::tools

#endif // ADZE_TOOLS_ADZE_MODELARGUMENTS_H
