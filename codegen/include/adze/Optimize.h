// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The gate: compiles a model by the recipe that pays. Candidates are priced
// before they are built (bytes, the time of a step on this machine, perplexity
// on a text), what another one beats is left out, and the winner is written.
// Needs no MLIR header.
//
//   adze::OptimizeOptions how;
//   how.text = "valid.txt";
//   auto made = adze::optimizeToFile("model/", "model.adze.so", {}, how)
//                   .or_throw();
#ifndef ADZE_OPTIMIZE_H
#define ADZE_OPTIMIZE_H

#include "adze/Quality.h"
#include <optional>

namespace adze {

/// What is wanted of the candidates that meet the limits.
enum class Goal {
  Speed,   ///< the least time of a token
  Size,    ///< the fewest bytes of weights
  Quality, ///< the lowest perplexity; needs a text
};

/// What makes a candidate of a model: fields as in CompileOptions. One that
/// changes nothing is the model as its checkpoint has it.
struct Recipe {
  std::string weights, method, prune, pruneMethod;
  /// Another checkpoint in place of the model, such as one that was trained
  /// again with zeros; empty: the model.
  std::string model;
  /// The folder of a calibration in place of the options'; of another
  /// checkpoint the only one, for those are of the model.
  std::string calibration = {};

  /// "int4:g128 method=gptq prune=0.5:16x32 prune-method=wanda model=other/";
  /// "as it is".
  std::string text() const;
};

/// Reads what Recipe::text() writes: weights=FORMAT (the name may be left out)
/// and the others by name, with blanks between them.
Result<Recipe> parseRecipe(const std::string &text);

struct Candidate {
  Recipe recipe;
  bool isSparse = false;
  uint64_t weightBytes = 0; ///< packed, in the artefact
  /// Of those, over the numbers of the checkpoint's matrices (one that is
  /// stored twice, or taken out, changes the bits).
  double bitsPerWeight = 0;
  uint64_t bytesPerToken = 0; ///< that a step of one token reads
  /// A step on this machine, at `context` positions, and a prompt of as many:
  /// its code over weights that stand in for its own.
  double secondsPerToken = 0, prefillSeconds = 0;
  uint32_t context = 0;
  /// What the machine read meanwhile, bytes per second: of memory, or of the
  /// cache where `bytesPerToken` fit it.
  double readRate = 0;
  bool isDisturbed = false; ///< other work had a part of the cores meanwhile
  std::optional<double> perplexity; ///< on the text, if there is one

  bool isBeaten = false;  ///< another is better in time, bytes and perplexity
  bool isRefused = false; ///< sparse, and a dense one is better
  bool isWithin = true;   ///< the limits
  bool isChosen = false;
  std::string why; ///< of the last three, for people
};

struct OptimizeOptions {
  Goal goal = Goal::Speed;
  /// Empty: as it is, int8, int4:g128, int4:g32, with CompileOptions::weights
  /// that too, and under a budget or where none of them is good enough, formats
  /// chosen for each matrix (mixed:...); with CompileOptions::prune each of
  /// them pruned as well. Where there is a calibration it is used.
  std::vector<Recipe> recipes;
  /// Most bytes of packed weights, and of bits for a number of them; 0: any.
  uint64_t budgetBytes = 0;
  double budgetBits = 0;
  /// How much higher the perplexity may be than that of the model with its own
  /// weights and nothing done to it: 0.01 is one percent. Heeded where there is
  /// a text.
  double maxPerplexity = 0.03;
  /// A file to measure perplexity on; empty: quality is not looked at. Of it so
  /// many tokens are read, in windows of `context` (0: as QualityOptions).
  std::string text;
  uint64_t textTokens = 8192;
  uint32_t context = 0;
  /// Takes the first of `recipes`, whatever it is worth. The artefact's proof
  /// says so.
  bool force = false;
};

struct OptimizeResult {
  std::vector<Candidate> candidates;
  size_t chosen = 0;
  bool isForced = false;
  CompileStats compile; ///< of the winner
  /// Of the winner as it was written, measured like its prediction, and what
  /// the machine read meanwhile.
  double measuredSecondsPerToken = 0, measuredReadRate = 0;
  bool isDisturbed = false; ///< then, as Candidate's
  /// The prediction for that speed of reading: what reading took of the step
  /// takes as much more or less, the rest as long. None for steps of less than
  /// 0.1 ms of which reading takes less than half: barriers, and what else goes
  /// on on the machine, make them longer or shorter; nor where other work had a
  /// part of the cores.
  std::optional<double> predictedSecondsPerToken() const;
};

/// Marks what is beaten, refused and within the limits, and says why. Times
/// within 2 % and perplexities within 0.05 % count as equal. `source` is the
/// perplexity that the limit goes by.
void judge(std::vector<Candidate> &candidates, const OptimizeOptions &options,
           std::optional<double> source = {});

/// The index of the best of judged candidates; where none is within the limits
/// an error that says which is nearest.
Result<size_t> choose(const std::vector<Candidate> &candidates,
                      const OptimizeOptions &options,
                      std::optional<double> source = {});

/// Prices `how.recipes` (where there are none, the usual ones) and judges them;
/// nothing is written.
Result<std::vector<Candidate>> priceCandidates(const std::string &model,
                                               const CompileOptions &options,
                                               const OptimizeOptions &how);

/// Prices the candidates, chooses and writes the artefact. `options.weights`
/// and `method` are a recipe like others; the rest holds for all.
Result<OptimizeResult> optimizeToFile(const std::string &model,
                                      const std::string &output,
                                      const CompileOptions &options,
                                      const OptimizeOptions &how);

} // namespace adze

#endif // ADZE_OPTIMIZE_H
