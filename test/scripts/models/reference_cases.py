# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The random small checkpoints that import and numerics are tested on.

Each case is the config.json of one checkpoint and how it is stored. Shapes are
chosen to be awkward: a rotary half of one element, heads narrower and wider
than any vector, intermediate sizes that no tile divides, a vocabulary of ten.
Weights are drawn so that logits spread (standard deviation about 1 to 3), that
attention looks at more than the last token, that no norm is all ones and
no bias zero: a part that an importer forgets changes the logits. Where a case
is quiet, what its norms see has a mean square about as large as their epsilon:
another epsilon changes the logits, too.
"""

from dataclasses import dataclass

import numpy as np


@dataclass
class Case:
    name: str
    config: dict
    seed: int
    length: int = 32        # tokens evaluated
    dtype: str = "float32"  # of the stored weights
    shards: int = 1
    quiet: float = 1.0      # factor of the weights whose results are normed


def _config(architecture, hidden, intermediate, layers, heads, kv_heads,
            vocabulary, **more):
    return {
        "architectures": [architecture + "ForCausalLM"],
        "model_type": architecture.lower(),
        "hidden_size": hidden, "intermediate_size": intermediate,
        "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": kv_heads, "vocab_size": vocabulary,
        "max_position_embeddings": 128, "hidden_act": "silu",
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "attention_dropout": 0.0,
        "initializer_range": 0.02, "use_cache": True,
        "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2,
        **more,
    }


def _llama(*shape, **more):
    return _config("Llama", *shape, **{
        "attention_bias": False, "mlp_bias": False, "pretraining_tp": 1,
        "rope_scaling": None, **more})


def _mistral(*shape, **more):
    return _config("Mistral", *shape, **more)


def _qwen2(*shape, **more):
    return _config("Qwen2", *shape, **{
        "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
        "use_sliding_window": False, "sliding_window": 64,
        "max_window_layers": 2, **more})


def _qwen3(*shape, **more):
    return _config("Qwen3", *shape, **{
        "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
        "attention_bias": False, "rope_scaling": None,
        "use_sliding_window": False, "sliding_window": None,
        "max_window_layers": 2, **more})


def _gemma3(*shape, **more):
    config = _config("Gemma3", *shape, **{
        "model_type": "gemma3_text", "rms_norm_eps": 1e-6,
        "hidden_activation": "gelu_pytorch_tanh", "attention_bias": False,
        "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0,
        "rope_scaling": None, "attn_logit_softcapping": None,
        "final_logit_softcapping": None, "tie_word_embeddings": True, **more})
    del config["hidden_act"]
    if "rope_parameters" in config:
        for key in ("rope_theta", "rope_local_base_freq", "rope_scaling"):
            del config[key]
    return config


def _phi3(*shape, **more):
    return _config("Phi3", *shape, **{
        "original_max_position_embeddings": 4096, "rope_scaling": None,
        "resid_pdrop": 0.0, "embd_pdrop": 0.0, "sliding_window": None,
        "pad_token_id": 0, **more})


def _long_rope(pairs, **more):
    """LongRoPE with factors that differ from pair to pair."""
    return {"type": "longrope",
            "short_factor": [round(1.0 + 0.05 * i, 4) for i in range(pairs)],
            "long_factor": [round(1.1 + 0.7 * i, 4) for i in range(pairs)],
            **more}


# Llama 3.1's scaling with an original context small enough that all three
# ranges of frequencies (kept, blended, divided) occur within the test.
_LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
           "high_freq_factor": 4.0, "original_max_position_embeddings": 64}

# Arguments: hidden, intermediate, layers, heads, KV heads, vocabulary.
CASES = [
    Case("llama2-head2", _llama(6, 13, 2, 3, 3, 10), seed=101),
    Case("llama2-head6-tied",
         _llama(6, 13, 1, 1, 1, 10, tie_word_embeddings=True), seed=102),
    Case("llama2-gqa8", _llama(96, 172, 1, 16, 2, 10), seed=103),
    Case("llama2-head96-tied",
         _llama(96, 29, 1, 1, 1, 131, tie_word_embeddings=True), seed=104),
    Case("llama3-head80-gqa3",
         _llama(6, 13, 2, 3, 1, 10, head_dim=80, rope_theta=500000.0),
         seed=105),
    Case("llama31-scaled-tied",
         _llama(96, 37, 1, 4, 1, 103, head_dim=24, rope_theta=500000.0,
                rope_scaling=_LLAMA3, tie_word_embeddings=True),
         seed=106, length=40),
    Case("llama31-scaled-head80",
         _llama(6, 7, 2, 2, 1, 10, head_dim=80, rope_scaling=_LLAMA3),
         seed=107, length=40),
    # The oldest spelling of rope scaling and the newest one.
    Case("llama-linear-old",
         _llama(6, 13, 2, 1, 1, 10, rope_scaling={"type": "linear",
                                                  "factor": 4.0}),
         seed=108, length=40),
    Case("llama-linear-new",
         {k: v for k, v in _llama(
             6, 13, 1, 6, 1, 10, head_dim=6,
             rope_parameters={"rope_type": "linear", "factor": 2.5,
                              "rope_theta": 5000.0}).items()
          if k not in ("rope_theta", "rope_scaling")},
         seed=109, length=40),
    Case("llama-bf16-sharded", _llama(96, 13, 1, 16, 4, 10), seed=110,
         dtype="bfloat16", shards=3),
    Case("llama-f16", _llama(6, 13, 2, 3, 1, 10), seed=111, dtype="float16"),
    Case("mistral-window",
         _mistral(48, 13, 2, 16, 4, 10, sliding_window=8, head_dim=6),
         seed=112, length=40),
    Case("mistral-full",
         _mistral(6, 13, 1, 6, 2, 10, sliding_window=None, head_dim=80),
         seed=113),
    Case("qwen2-head2", _qwen2(6, 13, 2, 3, 1, 10), seed=114),
    Case("qwen2-head6-tied",
         _qwen2(96, 13, 1, 16, 4, 101, tie_word_embeddings=True), seed=115),
    Case("qwen2-head96-bf16", _qwen2(96, 11, 1, 1, 1, 10), seed=116,
         dtype="bfloat16"),
    Case("qwen3-head80", _qwen3(96, 11, 1, 2, 1, 10, head_dim=80), seed=117),
    Case("qwen3-head6-gqa7",
         _qwen3(6, 13, 2, 7, 1, 10, head_dim=6, tie_word_embeddings=True),
         seed=118),
    # SmolLM: three query heads to a key head, and what its tools write.
    Case("smollm",
         _llama(36, 21, 3, 9, 3, 10, tie_word_embeddings=True,
                is_llama_config=True, rope_interleaved=False), seed=119),
    # Two and a half periods of layers, a window far shorter than the text,
    # scores and heads of different widths.
    Case("gemma3-pattern",
         _gemma3(48, 29, 8, 4, 2, 23, head_dim=10, sliding_window=5,
                 sliding_window_pattern=3, query_pre_attn_scalar=24,
                 rope_scaling={"rope_type": "linear", "factor": 8.0}),
         seed=120, length=40),
    Case("gemma3-types-capped",
         _gemma3(6, 13, 3, 3, 1, 10, head_dim=80, sliding_window=9,
                 query_pre_attn_scalar=80, tie_word_embeddings=False,
                 final_logit_softcapping=3.0,
                 layer_types=["full_attention", "sliding_attention",
                              "sliding_attention"],
                 rope_parameters={
                     "full_attention": {"rope_type": "default",
                                        "rope_theta": 500000.0},
                     "sliding_attention": {"rope_type": "linear",
                                           "factor": 2.0,
                                           "rope_theta": 5000.0}}),
         seed=121, length=40),
    # sqrt(96) is no number of bf16: transformers rounds it.
    Case("gemma3-bf16",
         _gemma3(96, 37, 4, 6, 2, 17, head_dim=24, sliding_window=7,
                 sliding_window_pattern=2, query_pre_attn_scalar=24),
         seed=122, length=24, dtype="bfloat16"),
    Case("phi3-window", _phi3(24, 13, 2, 4, 2, 10, sliding_window=7),
         seed=123, length=40),
    # Longer than the original context: the long factors.
    Case("phi4-long",
         _phi3(48, 13, 2, 3, 1, 10, partial_rotary_factor=0.75,
               original_max_position_embeddings=32, tie_word_embeddings=True,
               rope_scaling=_long_rope(6)), seed=124, length=40),
    # The short factors; a scale that must leave alone what does not turn.
    Case("phi4-short",
         _phi3(60, 13, 2, 6, 2, 10, partial_rotary_factor=0.4,
               original_max_position_embeddings=128,
               rope_scaling=_long_rope(2, attention_factor=1.25)),
         seed=125, length=40),
    Case("phi3-bf16", _phi3(96, 13, 1, 4, 2, 10), seed=126,
         dtype="bfloat16"),
    # Every norm, those of queries and keys too, feels its epsilon.
    Case("llama-quiet", _llama(12, 13, 2, 3, 1, 10), seed=127, quiet=2e-3),
    Case("qwen3-quiet", _qwen3(12, 13, 2, 3, 1, 10, head_dim=6), seed=128,
         quiet=6e-4),
]

# 272 is the size of the vocabularies that write_gguf.py builds. The names
# here get the suffixes -f32, -f16 and -bf16.
GGUF_CASES = [
    Case("llama", _llama(48, 37, 2, 8, 2, 272), seed=201, length=24),
    Case("qwen2", _qwen2(48, 13, 2, 4, 2, 272, tie_word_embeddings=True),
         seed=202, length=24),
    Case("qwen3", _qwen3(16, 13, 2, 2, 1, 272, head_dim=80), seed=203,
         length=24),
    # The files do not hold the period of six layers.
    Case("gemma3",
         _gemma3(32, 13, 7, 4, 2, 272, head_dim=12, sliding_window=5,
                 query_pre_attn_scalar=12,
                 rope_scaling={"rope_type": "linear", "factor": 8.0}),
         seed=206, length=24),
    Case("phi3", _phi3(32, 13, 2, 4, 2, 272, sliding_window=9), seed=207,
         length=24),
]
# In the block types of GGUF (make_block_references.py): rows of 64 elements for
# blocks of 32, rows of 256 for blocks of 256.
BLOCK_CASES = {
    32: Case("llama", _llama(64, 96, 1, 4, 2, 272), seed=301, length=16),
    256: Case("llama", _llama(256, 256, 1, 4, 1, 272,
                              tie_word_embeddings=True),
              seed=302, length=16),
}
# The same with types that change from layer to layer.
LAYER_BLOCK_CASES = {
    32: Case("qwen3", _qwen3(64, 32, 5, 2, 1, 272, head_dim=32,
                             tie_word_embeddings=True), seed=303, length=16),
    256: Case("llama", _llama(256, 256, 4, 4, 2, 272, head_dim=16,
                              tie_word_embeddings=True),
              seed=304, length=16),
}
# As other quantizers store them (make_quantized_references.py).
QUANTIZED_CASES = {
    "llama": Case("llama", _llama(64, 96, 2, 4, 2, 40), seed=401, length=16),
    "qwen2": Case("qwen2", _qwen2(64, 96, 2, 2, 1, 40,
                                  tie_word_embeddings=True),
                  seed=402, length=16),
    "phi3": Case("phi3", _phi3(64, 96, 1, 4, 2, 40), seed=403, length=16),
}
# Rope scaling travels as one tensor (llama 3.1), two of them (LongRoPE) or
# as two keys (linear). The quiet one feels the epsilon that the file gives.
GGUF_F32_CASES = [
    Case("llama31-scaled",
         _llama(16, 13, 1, 2, 1, 272, head_dim=80, rope_scaling=_LLAMA3,
                tie_word_embeddings=True), seed=204, length=40),
    Case("llama-linear",
         _llama(16, 13, 1, 4, 2, 272, rope_scaling={"rope_type": "linear",
                                                    "factor": 4.0}),
         seed=205, length=40),
    Case("phi4-long",
         _phi3(48, 13, 2, 3, 1, 272, partial_rotary_factor=0.75,
               original_max_position_embeddings=32, tie_word_embeddings=True,
               rope_scaling=_long_rope(6)), seed=208, length=40),
    Case("phi4-short",
         _phi3(48, 13, 2, 3, 1, 272, partial_rotary_factor=0.75,
               original_max_position_embeddings=128,
               rope_scaling=_long_rope(6)), seed=209, length=40),
    Case("qwen3-quiet", _qwen3(12, 13, 2, 3, 1, 272, head_dim=6), seed=210,
         length=24, quiet=6e-4),
]

# The model that ships, on a line that it never saw.
BARD_TEXT = """ROMEO:
But soft, what light through yonder compiler breaks?"""


def head_dim(config):
    return config.get("head_dim") or (
        config["hidden_size"] // config["num_attention_heads"])


def make_weights(case):
    """All tensors of the checkpoint by name, float32."""
    c = case.config
    rng = np.random.default_rng(case.seed)
    hidden, inner = c["hidden_size"], c["intermediate_size"]
    query = c["num_attention_heads"] * head_dim(c)
    kv = c["num_key_value_heads"] * head_dim(c)
    tensors = {}

    # What a norm sees, and what is added to that.
    normed = ["embed_tokens", "o_proj", "down_proj"]
    if c["model_type"] == "qwen3":
        normed += ["q_proj", "k_proj"]

    def matrix(name, rows, columns, gain=1.0):
        if name.split(".")[-2] in normed:
            gain *= case.quiet
        tensors[name] = gain / np.sqrt(columns) * rng.standard_normal(
            (rows, columns), dtype=np.float32)

    gemma = c["model_type"] == "gemma3_text"
    phi = c["model_type"] == "phi3"

    def norm(name, size):
        tensors[name] = (rng.uniform(0.5, 1.5, size)
                         - (1.0 if gemma else 0.0)).astype(np.float32)

    def bias(name, size):
        tensors[name] = 0.5 * rng.standard_normal(size, dtype=np.float32)

    tied = c["tie_word_embeddings"]
    vocabulary = c["vocab_size"]
    # Gemma multiplies what it looks up by sqrt(hidden).
    matrix("model.embed_tokens.weight", vocabulary, hidden,
           2.0 if tied or gemma else np.sqrt(hidden))
    for layer in range(c["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        attention, mlp = prefix + "self_attn.", prefix + "mlp."
        norm(prefix + "input_layernorm.weight", hidden)
        if phi:
            matrix(attention + "qkv_proj.weight", query + 2 * kv, hidden, 1.5)
        else:
            matrix(attention + "q_proj.weight", query, hidden, 1.5)
            matrix(attention + "k_proj.weight", kv, hidden, 1.5)
            matrix(attention + "v_proj.weight", kv, hidden)
        matrix(attention + "o_proj.weight", hidden, query)
        if c["model_type"] == "qwen2":
            bias(attention + "q_proj.bias", query)
            bias(attention + "k_proj.bias", kv)
            bias(attention + "v_proj.bias", kv)
        if c["model_type"] == "qwen3" or gemma:
            norm(attention + "q_norm.weight", head_dim(c))
            norm(attention + "k_norm.weight", head_dim(c))
        norm(prefix + "post_attention_layernorm.weight", hidden)
        if gemma:
            norm(prefix + "pre_feedforward_layernorm.weight", hidden)
            norm(prefix + "post_feedforward_layernorm.weight", hidden)
        if phi:
            matrix(mlp + "gate_up_proj.weight", 2 * inner, hidden, 1.5)
        else:
            matrix(mlp + "gate_proj.weight", inner, hidden, 1.5)
            matrix(mlp + "up_proj.weight", inner, hidden, 1.5)
        matrix(mlp + "down_proj.weight", hidden, inner, 1.5)
    norm("model.norm.weight", hidden)
    if not tied:
        matrix("lm_head.weight", vocabulary, hidden, 2.0)
    return {name: np.ascontiguousarray(value, dtype=np.float32)
            for name, value in tensors.items()}


def make_tokens(case):
    rng = np.random.default_rng(case.seed + 1000)
    return rng.integers(0, case.config["vocab_size"],
                        case.length).astype(np.int32)
