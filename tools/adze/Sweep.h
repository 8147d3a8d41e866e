// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// `--sweep` of `adze prune` and `adze quantize`: what each of several levels
// costs and how well it predicts, as a table, JSON and a page with a plot.
#ifndef ADZE_TOOLS_ADZE_SWEEP_H
#define ADZE_TOOLS_ADZE_SWEEP_H

#include "adze/Optimize.h"

namespace CLI {
class App;
class Option;
} // namespace CLI

namespace adze::tools {

struct SweepArguments {
  std::vector<std::string> levels;
  std::string page;
  uint64_t textTokens = OptimizeOptions().textTokens;

  /// --sweep, --plot and --text-tokens, which goes with `text`.
  CLI::Option *addTo(CLI::App &command, const char *help, CLI::Option *text);
  bool sweeps() const { return !levels.empty(); }
  /// An error where the page could not be written.
  Result<void> check() const;
};

/// Prices `recipes` on `text` (empty: speed only).
int sweepModel(const std::string &model, const CompileOptions &options,
               std::vector<Recipe> recipes, const SweepArguments &a,
               const std::string &text, uint32_t context, bool json);

} // namespace adze::tools

#endif // ADZE_TOOLS_ADZE_SWEEP_H
