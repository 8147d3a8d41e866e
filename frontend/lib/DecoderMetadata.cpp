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

/// One divisor per frequency, stored as a tensor; empty where there is none.
static std::vector<double> readRopeFactors(const Checkpoint &checkpoint,
                                           ConfigReader &reader, StringRef name,
                                           int64_t pairs) {
  const CheckpointTensor *tensor = checkpoint.find(name);
  if (!tensor)
    return {};
  auto error = [&](const Twine &expected, const Twine &found) {
    reader.diagnostics().error(checkpoint.filePath(tensor->file),
                               "tensor " + quoted(name),
                               "expected " + expected + ", found " + found);
  };
  if (tensor->type != DType::F32 || tensor->shape.size() != 1 ||
      tensor->shape[0] != pairs) {
    error("[" + Twine(pairs) + "] of f32",
          formatShape(tensor->shape) + " of " + dtypeName(tensor->type));
    return {};
  }
  ArrayRef<uint8_t> bytes = checkpoint.data(*tensor);
  std::vector<double> factors;
  for (int64_t i = 0; i < pairs; ++i) {
    float factor =
        support::endian::read<float, endianness::little>(bytes.data() + 4 * i);
    if (!std::isfinite(factor) || factor <= 0.0f) {
      error("finite factors above 0", Twine(std::to_string(factor)));
      return {};
    }
    factors.push_back(factor);
  }
  return factors;
}

/// Llama 3.1 and later have one list of factors; LongRoPE has two.
static void readScalingTensors(const Checkpoint &checkpoint,
                               ConfigReader &reader, const std::string &prefix,
                               const RopeSupport &support,
                               ModelConfig &config) {
  RopeConfig &rope = config.rope;
  int64_t pairs = rope.rotatedOf(config.headDim) / 2;
  auto read = [&](StringRef name) {
    return readRopeFactors(checkpoint, reader, name, pairs);
  };
  if (std::vector<double> all = read("rope_freqs.weight"); !all.empty()) {
    rope.scaling = RopeConfig::Scaling::Factors;
    rope.factors = std::move(all);
  }
  if (!support.longRope)
    return;
  std::string scale = prefix + "rope.scaling.attn_factor";
  std::vector<double> ofShort = read("rope_factors_short.weight"),
                      ofLong = read("rope_factors_long.weight");
  rope.scale = reader.positiveRealOr(scale, 1.0);
  if (ofShort.empty() != ofLong.empty())
    reader.error(prefix + "rope.scaling.type",
                 "expected short and long rotary factors together, found one "
                 "of the tensors \"rope_factors_short.weight\" and "
                 "\"rope_factors_long.weight\"");
  else if (!ofShort.empty())
    chooseLongRope(reader, scale,
                   "for those, set " + prefix + "context_length to " +
                       Twine(*support.longRope) + " in a copy of the file",
                   config, *support.longRope, std::move(ofShort),
                   std::move(ofLong), rope);
}

static void readGgufRope(const Checkpoint &checkpoint, ConfigReader &reader,
                         const std::string &prefix, const RopeSupport &support,
                         ModelConfig &config) {
  RopeConfig &rope = config.rope;
  rope.theta = reader.positiveRealOr(prefix + "rope.freq_base", 10000.0);
  std::string dimension = prefix + "rope.dimension_count";
  int64_t rotated = reader.positiveOr(dimension, config.headDim);
  if (support.partial && rotated < config.headDim)
    rope.rotated = rotated;
  else if (rotated != config.headDim)
    reader.unsupported(dimension,
                       {std::to_string(config.headDim) + " (the whole head)"});
  std::string typeKey = prefix + "rope.scaling.type";
  std::string type =
      support.longRope
          ? reader.choose<std::string>(
                typeKey, {{"none", "none"}, {"longrope", "none"}}, "none")
          : reader.choose<std::string>(
                typeKey, {{"none", "none"}, {"linear", "linear"}}, "none");
  // Files from before rope.scaling have scale_linear alone.
  double old = reader.positiveRealOr(prefix + "rope.scale_linear", 1.0);
  double factor = reader.positiveRealOr(prefix + "rope.scaling.factor", old);
  if ((type == "linear" || !reader.has(typeKey)) && factor != 1.0) {
    rope.scaling = RopeConfig::Scaling::Linear;
    rope.factor = factor;
  }
  reader.ignore({prefix + "rope.scaling.original_context_length",
                 prefix + "rope.scaling.finetuned"});
  if (config.headDim % 2 == 0)
    readScalingTensors(checkpoint, reader, prefix, support, config);
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
                         ModelConfig &config, const RopeSupport &support) {
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
  readGgufRope(checkpoint, reader, prefix, support, config);
  readGgufVocabulary(checkpoint, reader, prefix, config);

  auto has = [&](StringRef name) { return checkpoint.find(name) != nullptr; };
  config.tiedHead = !has("output.weight");
  config.qkvBias = has("blk.0.attn_q.bias");
  config.outputBias = has("blk.0.attn_output.bias");
  config.mlpBias = has("blk.0.ffn_gate.bias");
}

} // namespace adze
