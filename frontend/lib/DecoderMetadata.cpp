// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- DecoderMetadata.cpp - GGUF metadata of decoders --------------------===//
//
// The keys that GGUF's llama, qwen2 and qwen3 share. What GGUF does not say
// (tied head, biases) is told by which tensors are there.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/Architecture.h"
#include "adze/Frontend/Tokenizer.h"

#include "llvm/Support/Endian.h"

#include <cmath>

using namespace llvm;

namespace adze {

/// Llama 3.1 and later: one divisor per frequency, stored as a tensor.
static void readRopeFactors(const Checkpoint &checkpoint, ConfigReader &reader,
                            RopeConfig &rope, int64_t headDim) {
  constexpr StringLiteral name = "rope_freqs.weight";
  const CheckpointTensor *tensor = checkpoint.find(name);
  if (!tensor)
    return;
  auto error = [&](const Twine &expected, const Twine &found) {
    reader.diagnostics().error(checkpoint.filePath(tensor->file),
                               "tensor " + quoted(name),
                               "expected " + expected + ", found " + found);
  };
  if (tensor->type != DType::F32 || tensor->shape.size() != 1 ||
      tensor->shape[0] != headDim / 2) {
    error("[" + Twine(headDim / 2) + "] of f32",
          formatShape(tensor->shape) + " of " + dtypeName(tensor->type));
    return;
  }
  ArrayRef<uint8_t> bytes = checkpoint.data(*tensor);
  for (int64_t i = 0; i < headDim / 2; ++i) {
    float factor =
        support::endian::read<float, endianness::little>(bytes.data() + 4 * i);
    if (!std::isfinite(factor) || factor <= 0.0f) {
      error("finite factors above 0", Twine(std::to_string(factor)));
      return;
    }
    rope.factors.push_back(factor);
  }
  rope.scaling = RopeConfig::Scaling::Factors;
}

static void readGgufRope(const Checkpoint &checkpoint, ConfigReader &reader,
                         const std::string &prefix, ModelConfig &config) {
  RopeConfig &rope = config.rope;
  rope.theta = reader.positiveRealOr(prefix + "rope.freq_base", 10000.0);
  std::string dimension = prefix + "rope.dimension_count";
  if (reader.positiveOr(dimension, config.headDim) != config.headDim)
    reader.unsupported(dimension,
                       {std::to_string(config.headDim) + " (the whole head)"});
  std::string type = reader.choose<std::string>(
      prefix + "rope.scaling.type", {{"none", "none"}, {"linear", "linear"}},
      "none");
  // Files from before rope.scaling have scale_linear alone.
  double old = reader.positiveRealOr(prefix + "rope.scale_linear", 1.0);
  double factor = reader.positiveRealOr(prefix + "rope.scaling.factor", old);
  if ((type == "linear" || !reader.has(prefix + "rope.scaling.type")) &&
      factor != 1.0) {
    rope.scaling = RopeConfig::Scaling::Linear;
    rope.factor = factor;
  }
  reader.ignore({prefix + "rope.scaling.original_context_length",
                 prefix + "rope.scaling.finetuned"});
  if (config.headDim % 2 == 0)
    readRopeFactors(checkpoint, reader, rope, config.headDim);
}

static void readGgufVocabulary(const Checkpoint &checkpoint,
                               ConfigReader &reader, const std::string &prefix,
                               ModelConfig &config) {
  const GgufVocab *vocab = checkpoint.vocab();
  const CheckpointTensor *embedding = checkpoint.find("token_embd.weight");
  int64_t rows =
      embedding && !embedding->shape.empty() ? embedding->shape[0] : 0;
  // The embedding decides: it may have more rows than there are tokens.
  std::string key = prefix + "vocab_size";
  if (rows > 0 && rows <= maxDimension) {
    config.vocab = rows;
    reader.ignore({key});
  } else {
    config.vocab = reader.positive(key);
  }
  if (!vocab)
    return;
  if (static_cast<int64_t>(vocab->tokens.size()) > config.vocab)
    reader.error("tokenizer.ggml.tokens",
                 "expected at most as many tokens as the embedding has rows, " +
                     Twine(config.vocab) + ", found " +
                     Twine(vocab->tokens.size()));
  if (vocab->bosId)
    config.bosToken = *vocab->bosId;
  for (const std::optional<int32_t> &id :
       {vocab->eosId, vocab->eotId, vocab->eomId})
    if (id && !is_contained(config.eosTokens, *id))
      config.eosTokens.push_back(*id);
}

void readDecoderMetadata(const Checkpoint &checkpoint, ConfigReader &reader,
                         StringRef prefixRef, RopeConfig::Pairing pairing,
                         ModelConfig &config) {
  std::string prefix = prefixRef.str();
  // About the file, not the model.
  for (StringRef harmless : {"general.", "tokenizer.", "quantize."})
    reader.ignorePrefix(harmless);
  reader.ignore(
      {prefix + "tensor_data_layout", "split.no", "split.tensors.count"});
  if (reader.integer("split.count", 0, 65535).value_or(0) > 1)
    reader.error("split.count",
                 "expected a model in one file, found one of several parts",
                 "merge them with llama-gguf-split --merge");
  reader.require(prefix + "expert_count", 0);
  reader.require(prefix + "expert_used_count", 0);
  reader.require(prefix + "use_parallel_residual", true);

  config.hidden = reader.positive(prefix + "embedding_length");
  config.layers = reader.positive(prefix + "block_count", maxLayers);
  config.heads = reader.positive(prefix + "attention.head_count");
  config.kvHeads =
      reader.positiveOr(prefix + "attention.head_count_kv", config.heads);
  config.intermediate = reader.positive(prefix + "feed_forward_length");
  config.context = reader.positive(prefix + "context_length");
  config.rmsEps =
      reader.positiveReal(prefix + "attention.layer_norm_rms_epsilon");
  bool known = reader.has(prefix + "attention.key_length");
  config.headDim = reader.positiveOr(
      prefix + "attention.key_length",
      std::max<int64_t>(1, config.hidden / config.heads), maxHeadDim);
  if (!known && config.hidden % config.heads != 0)
    reader.error(prefix + "attention.head_count",
                 "expected a divisor of the embedding length " +
                     Twine(config.hidden) + ", found " + Twine(config.heads));
  else if (!known && config.headDim > maxHeadDim)
    reader.error(prefix + "attention.head_count",
                 "expected heads of at most " + Twine(maxHeadDim) +
                     " elements, found " + Twine(config.headDim));
  std::string valueLength = prefix + "attention.value_length";
  if (reader.positiveOr(valueLength, config.headDim) != config.headDim)
    reader.unsupported(valueLength,
                       {std::to_string(config.headDim) + " (the key length)"});
  config.slidingWindow =
      reader.integer(prefix + "attention.sliding_window", 0, maxDimension);
  if (config.slidingWindow == 0)
    config.slidingWindow.reset();
  config.rope.pairing = pairing;
  readGgufRope(checkpoint, reader, prefix, config);
  readGgufVocabulary(checkpoint, reader, prefix, config);

  auto has = [&](StringRef name) { return checkpoint.find(name) != nullptr; };
  config.tiedHead = !has("output.weight");
  config.qkvBias = has("blk.0.attn_q.bias");
  config.outputBias = has("blk.0.attn_output.bias");
  config.mlpBias = has("blk.0.ffn_gate.bias");
}

} // namespace adze
