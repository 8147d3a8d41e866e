// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- ModelConfig.h - A decoder, whatever family it comes from -*- C++ -*-===//
//
// The architecture-neutral description that the importer builds IR from. An
// architecture file fills it from config.json or GGUF metadata; nothing after
// that looks at family names.
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_FRONTEND_MODELCONFIG_H
#define ADZE_FRONTEND_MODELCONFIG_H

#include "adze/Frontend/Error.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace adze {

/// Rotary position embedding.
struct RopeConfig {
  enum class Scaling {
    None,
    Linear,  ///< every frequency divided by `factor`
    Llama3,  ///< long wavelengths divided by `factor`, short ones kept
    Factors, ///< frequency i divided by `factors[i]` (LongRoPE, a GGUF tensor)
  };
  enum class Pairing {
    Half,        ///< element i turns with i + headDim/2 (Hugging Face)
    Interleaved, ///< element 2i turns with 2i + 1 (GGUF llama)
  };

  double theta = 10000.0;
  Scaling scaling = Scaling::None;
  Pairing pairing = Pairing::Half;
  double factor = 1.0;
  double lowFreqFactor = 1.0;
  double highFreqFactor = 4.0;
  int64_t originalContext = 0;
  std::vector<double> factors;
  /// Channels of a head that turn, the first ones; 0: all.
  int64_t rotated = 0;
  /// Of the cosines and sines.
  double scale = 1.0;

  int64_t rotatedOf(int64_t headDim) const {
    return rotated ? rotated : headDim;
  }
};

enum class Activation { Silu, GeluTanh };

struct ModelConfig {
  /// Name it is registered under ("LlamaForCausalLM").
  std::string architecture;

  int64_t hidden = 0;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t kvHeads = 0;
  int64_t headDim = 0;
  int64_t intermediate = 0;
  int64_t vocab = 0;
  int64_t context = 0;
  double rmsEps = 1e-6;
  RopeConfig rope;
  /// Of the layers that slide, where it is another one.
  std::optional<RopeConfig> slidingRope;

  /// Row i attends to positions > i - window only, in layers where
  /// isSliding() holds.
  std::optional<int64_t> slidingWindow;
  /// One entry per layer; empty: all layers slide when there is a window.
  std::vector<uint8_t> slidingLayers;

  bool qkvBias = false;
  bool outputBias = false;  ///< of the attention's output projection
  bool mlpBias = false;     ///< of gate, up and down
  bool qkNorm = false;      ///< RMS norm of each q and k head before rotary
  bool tiedHead = false;    ///< the embedding serves as the head
  bool fusedQkv = false;    ///< q, k and v are one tensor
  bool fusedGateUp = false; ///< gate and up are one tensor
  bool postNorms = false;   ///< norms of what attention and feed-forward add
  bool normsAddOne = false; ///< norms multiply by 1 + w
  Activation activation = Activation::Silu;
  /// Of the scores; nothing: 1 / sqrt(headDim).
  std::optional<double> attentionScale;
  /// Logits become cap * tanh(logits / cap).
  std::optional<double> logitSoftcap;
  /// Embeddings are multiplied by it, as a number of f32 or of their own type.
  double embeddingScale = 1.0;
  bool roundEmbeddingScale = false;

  std::optional<int64_t> bosToken;
  std::vector<int64_t> eosTokens;

  bool isSliding(int64_t layer) const {
    return slidingWindow && (slidingLayers.empty() || slidingLayers[layer]);
  }
  int64_t queryWidth() const { return heads * headDim; }
  int64_t kvWidth() const { return kvHeads * headDim; }
};

/// Most layers accepted; bounds the list of expected tensors.
inline constexpr int64_t maxLayers = 4096;
/// Largest head, which bounds tables per head.
inline constexpr int64_t maxHeadDim = 8192;

/// Reports contradictions: heads that do not divide, odd head dimension with
/// rotary, ids beyond the vocabulary. `file` is what messages name.
void checkConsistency(const ModelConfig &config, llvm::StringRef file,
                      Diagnostics &diags);

/// The headDim/2 inverse frequencies, scaling applied, in double precision:
/// theta^(-2i/rotated), then zeros for the pairs that do not turn.
std::vector<double> ropeInverseFrequencies(const RopeConfig &rope,
                                           int64_t headDim);

} // namespace adze

#endif // ADZE_FRONTEND_MODELCONFIG_H
