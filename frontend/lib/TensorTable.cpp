// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- TensorTable.cpp - Which tensors a model expects --------------------===//
//
// The names of a decoder's weights in both kinds of checkpoint.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/TensorTable.h"

#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace adze {

namespace {
struct RoleRow {
  TensorRole role;
  StringLiteral name;
  StringLiteral huggingFace;
  StringLiteral gguf;
};

using R = TensorRole;
constexpr RoleRow rows[] = {
    {R::Embedding, "embedding", "model.embed_tokens.weight",
     "token_embd.weight"},
    {R::AttentionNorm, "attention norm",
     "model.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight"},
    {R::Query, "query projection", "model.layers.{}.self_attn.q_proj.weight",
     "blk.{}.attn_q.weight"},
    {R::Key, "key projection", "model.layers.{}.self_attn.k_proj.weight",
     "blk.{}.attn_k.weight"},
    {R::Value, "value projection", "model.layers.{}.self_attn.v_proj.weight",
     "blk.{}.attn_v.weight"},
    {R::Output, "output projection", "model.layers.{}.self_attn.o_proj.weight",
     "blk.{}.attn_output.weight"},
    {R::QueryBias, "query bias", "model.layers.{}.self_attn.q_proj.bias",
     "blk.{}.attn_q.bias"},
    {R::KeyBias, "key bias", "model.layers.{}.self_attn.k_proj.bias",
     "blk.{}.attn_k.bias"},
    {R::ValueBias, "value bias", "model.layers.{}.self_attn.v_proj.bias",
     "blk.{}.attn_v.bias"},
    {R::OutputBias, "output bias", "model.layers.{}.self_attn.o_proj.bias",
     "blk.{}.attn_output.bias"},
    {R::QueryNorm, "query norm", "model.layers.{}.self_attn.q_norm.weight",
     "blk.{}.attn_q_norm.weight"},
    {R::KeyNorm, "key norm", "model.layers.{}.self_attn.k_norm.weight",
     "blk.{}.attn_k_norm.weight"},
    {R::FeedForwardNorm, "feed-forward norm",
     "model.layers.{}.post_attention_layernorm.weight",
     "blk.{}.ffn_norm.weight"},
    {R::Gate, "gate projection", "model.layers.{}.mlp.gate_proj.weight",
     "blk.{}.ffn_gate.weight"},
    {R::Up, "up projection", "model.layers.{}.mlp.up_proj.weight",
     "blk.{}.ffn_up.weight"},
    {R::Down, "down projection", "model.layers.{}.mlp.down_proj.weight",
     "blk.{}.ffn_down.weight"},
    {R::GateBias, "gate bias", "model.layers.{}.mlp.gate_proj.bias",
     "blk.{}.ffn_gate.bias"},
    {R::UpBias, "up bias", "model.layers.{}.mlp.up_proj.bias",
     "blk.{}.ffn_up.bias"},
    {R::DownBias, "down bias", "model.layers.{}.mlp.down_proj.bias",
     "blk.{}.ffn_down.bias"},
    {R::FinalNorm, "final norm", "model.norm.weight", "output_norm.weight"},
    {R::Head, "head", "lm_head.weight", "output.weight"},
    {R::QueryKeyValue, "projection of q, k and v",
     "model.layers.{}.self_attn.qkv_proj.weight", "blk.{}.attn_qkv.weight"},
    {R::GateUp, "gate and up projection",
     "model.layers.{}.mlp.gate_up_proj.weight", "blk.{}.ffn_up.weight"},
    {R::PostAttentionNorm, "norm after attention",
     "model.layers.{}.post_attention_layernorm.weight",
     "blk.{}.post_attention_norm.weight"},
    {R::PostFeedForwardNorm, "norm after feed-forward",
     "model.layers.{}.post_feedforward_layernorm.weight",
     "blk.{}.post_ffw_norm.weight"},
};
} // namespace

static const RoleRow &rowOf(TensorRole role) {
  return rows[static_cast<size_t>(role)];
}

static constexpr bool rowsAreInOrder() {
  for (size_t i = 0; i < std::size(rows); ++i)
    if (static_cast<size_t>(rows[i].role) != i)
      return false;
  return true;
}
static_assert(rowsAreInOrder(), "rows are looked up by role");

StringRef tensorRoleName(TensorRole role) { return rowOf(role).name; }

bool isPerLayer(TensorRole role) {
  return rowOf(role).huggingFace.contains("{}");
}

std::string TensorSpec::name(int64_t layer) const {
  auto [before, after] = StringRef(pattern).split("{}");
  if (before.size() == pattern.size())
    return pattern;
  return (before + Twine(layer) + after).str();
}

const TensorSpec *TensorTable::find(TensorRole role) const {
  auto it =
      find_if(specs, [&](const TensorSpec &spec) { return spec.role == role; });
  return it == specs.end() ? nullptr : &*it;
}

TensorTable decoderTensors(const ModelConfig &config, Checkpoint::Kind kind) {
  TensorTable table;
  bool gguf = kind == Checkpoint::Kind::Gguf;
  auto add = [&](TensorRole role, SmallVector<int64_t, 2> shape) {
    const RoleRow &row = rowOf(role);
    table.specs.push_back(
        {role, (gguf ? row.gguf : row.huggingFace).str(), std::move(shape)});
  };
  const RoleRow &head = rowOf(R::Head);
  table.headName = (gguf ? head.gguf : head.huggingFace).str();
  int64_t hidden = config.hidden, mlp = config.intermediate;
  int64_t q = config.queryWidth(), kv = config.kvWidth();
  // With a norm after attention, transformers calls that one
  // post_attention_layernorm, and this one by what it stands before.
  constexpr StringLiteral beforeFeedForward =
      "model.layers.{}.pre_feedforward_layernorm.weight";

  add(R::Embedding, {config.vocab, hidden});
  add(R::AttentionNorm, {hidden});
  if (config.fusedQkv) {
    add(R::QueryKeyValue, {q + 2 * kv, hidden});
  } else {
    add(R::Query, {q, hidden});
    add(R::Key, {kv, hidden});
    add(R::Value, {kv, hidden});
  }
  if (config.qkvBias) {
    add(R::QueryBias, {q});
    add(R::KeyBias, {kv});
    add(R::ValueBias, {kv});
  }
  if (config.qkNorm) {
    add(R::QueryNorm, {config.headDim});
    add(R::KeyNorm, {config.headDim});
  }
  add(R::Output, {hidden, q});
  if (config.outputBias)
    add(R::OutputBias, {hidden});
  if (config.postNorms)
    add(R::PostAttentionNorm, {hidden});
  add(R::FeedForwardNorm, {hidden});
  if (config.postNorms && !gguf)
    table.specs.back().pattern = beforeFeedForward.str();
  if (config.fusedGateUp) {
    add(R::GateUp, {2 * mlp, hidden});
  } else {
    add(R::Gate, {mlp, hidden});
    add(R::Up, {mlp, hidden});
  }
  add(R::Down, {hidden, mlp});
  if (config.mlpBias) {
    add(R::GateBias, {mlp});
    add(R::UpBias, {mlp});
    add(R::DownBias, {hidden});
  }
  if (config.postNorms)
    add(R::PostFeedForwardNorm, {hidden});
  add(R::FinalNorm, {hidden});
  if (!config.tiedHead)
    add(R::Head, {config.vocab, hidden});

  if (gguf) {
    table.ignored = {"rope_freqs.weight"};
  } else {
    // Computed here; older checkpoints store it.
    table.ignored = {"model.layers.{}.self_attn.rotary_emb.inv_freq",
                     "model.rotary_emb.inv_freq"};
    if (config.tiedHead)
      table.ignored.push_back("lm_head.weight");
  }
  return table;
}

} // namespace adze
