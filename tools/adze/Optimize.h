// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The options and the output of `adze compile --optimize`.
#ifndef ADZE_TOOLS_ADZE_OPTIMIZE_H
#define ADZE_TOOLS_ADZE_OPTIMIZE_H

#include "adze/Optimize.h"

namespace CLI {
class App;
class Option;
} // namespace CLI

namespace adze::tools {

struct OptimizeArguments {
  std::string goal, budget, maxPerplexity;
  std::vector<std::string> candidates;
  uint64_t textTokens = OptimizeOptions().textTokens;
  bool force = false;

  /// `text` is the option that names a text: limits of perplexity need one.
  void addTo(CLI::App &command, CLI::Option *text);
  bool optimizes() const { return !goal.empty(); }
};

/// A table of them, with why each was not taken.
void printCandidates(const std::vector<Candidate> &candidates);

/// Prints the table of candidates and what was built.
int optimizeModel(const std::string &model, const std::string &output,
                  const CompileOptions &options, const OptimizeArguments &a,
                  bool json);

} // namespace adze::tools

#endif // ADZE_TOOLS_ADZE_OPTIMIZE_H
