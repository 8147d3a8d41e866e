// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- ModelConfig.cpp - Checks and rotary frequencies of a decoder -------===//
//
// Contradictions that single keys cannot show, and the table of inverse
// frequencies in double precision.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/ModelConfig.h"
#include "adze/Frontend/ConfigReader.h"

#include <cmath>
#include <numbers>

using namespace llvm;

namespace adze {

static void checkRope(const RopeConfig &rope, int64_t headDim, StringRef file,
                      Diagnostics &diags) {
  if (headDim % 2 != 0)
    diags.error(file, "",
                "expected an even head dimension for rotary embedding, found " +
                    Twine(headDim));
  if (rope.scaling == RopeConfig::Scaling::Llama3) {
    if (rope.highFreqFactor <= rope.lowFreqFactor)
      diags.error(file, "",
                  "expected high_freq_factor above low_freq_factor in the "
                  "rotary scaling, found " +
                      Twine(std::to_string(rope.highFreqFactor)) + " and " +
                      Twine(std::to_string(rope.lowFreqFactor)));
    if (rope.originalContext <= 0)
      diags.error(file, "",
                  "expected original_max_position_embeddings in the rotary "
                  "scaling, found nothing");
  }
  int64_t rotated = rope.rotatedOf(headDim);
  if (headDim % 2 == 0 && (rotated % 2 != 0 || rotated > headDim))
    diags.error(file, "",
                "expected an even number of rotated channels of at most " +
                    Twine(headDim) + " in each head, found " + Twine(rotated));
  if (rope.scaling == RopeConfig::Scaling::Factors &&
      static_cast<int64_t>(rope.factors.size()) != rotated / 2)
    diags.error(file, "",
                "expected " + Twine(rotated / 2) +
                    " rotary frequency factors, found " +
                    Twine(rope.factors.size()));
}

/// What the type of a cache holds (kMaxKVHeads of the dialect).
static constexpr int64_t maxKVHeads = 65536;

void checkConsistency(const ModelConfig &config, StringRef file,
                      Diagnostics &diags) {
  if (config.kvHeads > config.heads || config.heads % config.kvHeads != 0)
    diags.error(file, "",
                "expected a number of attention heads that the number of "
                "key/value heads divides, found " +
                    Twine(config.heads) + " and " + Twine(config.kvHeads));
  if (config.kvHeads > maxKVHeads)
    diags.error(file, "",
                "expected at most " + Twine(maxKVHeads) +
                    " key/value heads, found " + Twine(config.kvHeads));
  if (config.queryWidth() > maxDimension)
    diags.error(file, "",
                "expected heads times head dimension of at most " +
                    Twine(maxDimension) + ", found " + Twine(config.heads) +
                    " x " + Twine(config.headDim));
  checkRope(config.rope, config.headDim, file, diags);
  if (config.slidingRope) {
    checkRope(*config.slidingRope, config.headDim, file, diags);
    // One order of the channels serves all layers.
    if (config.slidingRope->rotated != config.rope.rotated)
      diags.error(file, "",
                  "expected as many rotated channels in sliding layers as in "
                  "the others, found " +
                      Twine(config.slidingRope->rotatedOf(config.headDim)) +
                      " and " + Twine(config.rope.rotatedOf(config.headDim)));
  }
  if (!config.slidingLayers.empty() &&
      static_cast<int64_t>(config.slidingLayers.size()) != config.layers)
    diags.error(file, "",
                "expected a layer type for each of the " +
                    Twine(config.layers) + " layers, found " +
                    Twine(config.slidingLayers.size()));
  for (int64_t id : config.eosTokens)
    if (id >= config.vocab)
      diags.warning(file, "",
                    "expected an end-of-text token below the vocabulary size " +
                        Twine(config.vocab) + ", found " + Twine(id));
  if (config.bosToken && *config.bosToken >= config.vocab)
    diags.error(file, "",
                "expected a begin-of-text token below the vocabulary size " +
                    Twine(config.vocab) + ", found " + Twine(*config.bosToken));
}

/// Llama 3.1: a frequency whose wavelength is short against the original
/// context stays, a long one is divided by `factor`, between them the two are
/// blended linearly in context / wavelength.
static double scaleLlama3(double frequency, const RopeConfig &rope) {
  double context = static_cast<double>(rope.originalContext);
  double turns = context * frequency / (2.0 * std::numbers::pi);
  if (turns < rope.lowFreqFactor)
    return frequency / rope.factor;
  if (turns > rope.highFreqFactor)
    return frequency;
  double blend =
      (turns - rope.lowFreqFactor) / (rope.highFreqFactor - rope.lowFreqFactor);
  return (1.0 - blend) * frequency / rope.factor + blend * frequency;
}

std::vector<double> ropeInverseFrequencies(const RopeConfig &rope,
                                           int64_t headDim) {
  std::vector<double> table(headDim / 2);
  int64_t rotated = rope.rotatedOf(headDim);
  for (int64_t i = 0; i < rotated / 2; ++i) {
    double frequency = std::pow(rope.theta, -2.0 * static_cast<double>(i) /
                                                static_cast<double>(rotated));
    switch (rope.scaling) {
    case RopeConfig::Scaling::None:
      break;
    case RopeConfig::Scaling::Linear:
      frequency /= rope.factor;
      break;
    case RopeConfig::Scaling::Llama3:
      frequency = scaleLlama3(frequency, rope);
      break;
    case RopeConfig::Scaling::Factors:
      frequency /= rope.factors[i];
      break;
    }
    table[i] = frequency;
  }
  return table;
}

} // namespace adze
