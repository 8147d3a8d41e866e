// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The options that say how tokens are chosen.

#include "Sampling.h"
#include <CLI/CLI.hpp>

void adze::tools::addSampling(CLI::App &command, Sampling &s) {
  const char *group = "Sampling";
  auto positive = CLI::Range(0.0, 1e9).description("");
  auto fraction = CLI::Range(0.0, 1.0).description("");
  command
      .add_option("--temperature", s.temperature,
                  "0 takes the most likely token (default: 0)")
      ->type_name("X")
      ->check(positive)
      ->group(group);
  command.add_option("--top-k", s.topK, "sample among the N most likely (off)")
      ->type_name("N")
      ->group(group);
  command
      .add_option("--top-p", s.topP,
                  "among those that make up X of the probability\n(off)")
      ->type_name("X")
      ->check(fraction)
      ->group(group);
  command
      .add_option("--min-p", s.minP,
                  "among those with at least X of the best one's\n"
                  "probability (off)")
      ->type_name("X")
      ->check(fraction)
      ->group(group);
  command
      .add_option("--repetition-penalty", s.repetitionPenalty,
                  "makes what was said less likely (1: off)")
      ->type_name("X")
      ->check(positive)
      ->group(group);
  command
      .add_option("--seed", s.seed,
                  "the same seed gives the same text (default: 0)")
      ->type_name("N")
      ->group(group);
}
