// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- TensorTable.h - Which tensors a model expects -----------*- C++ -*-===//
//
// A model's weights by role. A per-layer tensor is one entry whose name has {}
// in place of the layer number, which is also how the IR names it.
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_FRONTEND_TENSORTABLE_H
#define ADZE_FRONTEND_TENSORTABLE_H

#include "adze/Frontend/Checkpoint.h"
#include "adze/Frontend/ModelConfig.h"

namespace adze {

enum class TensorRole : uint8_t {
  Embedding,
  AttentionNorm,
  Query,
  Key,
  Value,
  Output,
  QueryBias,
  KeyBias,
  ValueBias,
  OutputBias,
  QueryNorm,
  KeyNorm,
  FeedForwardNorm,
  Gate,
  Up,
  Down,
  GateBias,
  UpBias,
  DownBias,
  FinalNorm,
  Head,
  QueryKeyValue,
  GateUp,
  PostAttentionNorm,
  PostFeedForwardNorm,
};

/// `embedding`, `attention norm`, ...
llvm::StringRef tensorRoleName(TensorRole role);
/// Held once per layer.
bool isPerLayer(TensorRole role);

struct TensorSpec {
  TensorRole role;
  std::string pattern;
  llvm::SmallVector<int64_t, 2> shape;

  /// The name in the checkpoint; `layer` is used where the pattern has {}.
  std::string name(int64_t layer = 0) const;
};

struct TensorTable {
  std::vector<TensorSpec> specs;
  /// Tensors that may be there and are not used; {} stands for a number.
  std::vector<std::string> ignored;
  /// What the head is called where it has a tensor; tied, it reads another.
  std::string headName;

  const TensorSpec *find(TensorRole role) const;
};

/// The tensors of a decoder with `config`'s flags, under the names that
/// transformers (model.layers.{}.self_attn.q_proj.weight) or GGUF
/// (blk.{}.attn_q.weight) give them.
TensorTable decoderTensors(const ModelConfig &config, Checkpoint::Kind kind);

} // namespace adze

#endif // ADZE_FRONTEND_TENSORTABLE_H
