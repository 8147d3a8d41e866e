// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How well a model predicts a text, alone and beside another model.
//
//   auto source = adze::compile("model/").or_throw();
//   auto small = adze::Model::open("small.adze.so").or_throw();
//   auto quality = adze::measureQuality(small, "valid.txt",
//   &source).or_throw(); std::printf("%.3f\n", quality.perplexity /
//   quality.against->perplexity);
//
// The text is cut into windows of N positions that do not overlap; each begins
// with the beginning token where the tokenizer adds one. The first token of a
// window is not scored.
#ifndef ADZE_QUALITY_H
#define ADZE_QUALITY_H

#include "adze/Compiler.h"
#include <optional>

namespace adze {

struct QualityOptions {
  /// Positions of a window, at least 2; 0: the model's context, at most 4096.
  uint32_t context = 0;
  /// Tokens of the text that are looked at, from its start; 0: all.
  uint64_t maxTokens = 0;
  /// 0: what this process may use.
  unsigned threads = 0;
  /// What errors call the two models.
  std::string name = "the model", againstName = "the model beside it";
  /// Called with the stage "evaluating" and tokens; true stops.
  CompileProgress progress;
};

struct Quality {
  double perplexity = 0;
  /// Over the bytes of the whole text.
  double bitsPerByte = 0;
  uint64_t tokens = 0; ///< that were scored
  uint64_t bytes = 0;  ///< of the text
  uint32_t context = 0;
  std::string textHash; ///< SHA-256 of the text, hexadecimal

  struct Comparison {
    double perplexity = 0;    ///< of the other model
    double klDivergence = 0;  ///< KL(other || model), mean of the positions
    double top1Agreement = 0; ///< share of positions, 0 to 1
  };
  std::optional<Comparison> against;
};

/// Runs `model`, and `against` if it is given, over the file `text`. Both have
/// the same vocabulary, or it is an error.
Result<Quality> measureQuality(const Model &model, const std::string &text,
                               const Model *against = nullptr,
                               const QualityOptions &options = {});

/// Fails where a figure is no number, as when logits are NaN or infinite. What
/// is written down (a proof, JSON) has to be numbers.
Result<void> checkFinite(const Quality &quality,
                         const QualityOptions &options = {});

} // namespace adze

#endif // ADZE_QUALITY_H
