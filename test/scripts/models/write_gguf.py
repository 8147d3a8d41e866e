# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""GGUF files of the reference checkpoints, laid out as llama.cpp's converter
lays them out.

What differs from the Hugging Face checkpoint: the names; for `llama` the rows
of q and k, which are interleaved pairs instead of halves; one-dimensional
tensors stay F32; Llama 3.1's rope scaling becomes the tensor rope_freqs,
LongRoPE's the tensors rope_factors_short and rope_factors_long; Gemma's norms
hold 1 + w.
"""

import importlib.metadata
import math

import gguf
import numpy as np

import reference_cases

_TYPES = {"float32": (gguf.GGMLQuantizationType.F32, 0),
          "float16": (gguf.GGMLQuantizationType.F16, 1),
          "bfloat16": (gguf.GGMLQuantizationType.BF16, 32)}

_LAYER_NAMES = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "self_attn.qkv_proj": "attn_qkv", "mlp.gate_up_proj": "ffn_up",
}
_GEMMA_NAMES = {
    **_LAYER_NAMES, "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
_ARCHITECTURES = {"gemma3_text": "gemma3"}  # others are called as model_type
_NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm",
          "lm_head": "output"}


def package_version():
    return importlib.metadata.version("gguf")


def gguf_name(name, arch):
    stem, kind = name.rsplit(".", 1)
    if stem in _NAMES:
        return f"{_NAMES[stem]}.{kind}"
    _, _, layer, part = stem.split(".", 3)
    names = _GEMMA_NAMES if arch == "gemma3" else _LAYER_NAMES
    return f"blk.{layer}.{names[part]}.{kind}"


def interleave_rows(weight, heads):
    """Rows of each head from (first half, second half) to pairs."""
    return (weight.reshape(heads, 2, -1, *weight.shape[1:]).swapaxes(1, 2)
            .reshape(weight.shape))


def rope_freqs(config):
    """The divisors of Llama 3.1's rotary frequencies, as ggml takes them."""
    s = config["rope_scaling"]
    dim = reference_cases.head_dim(config)
    old = s["original_max_position_embeddings"]
    divisors = []
    for i in range(0, dim, 2):
        wavelength = 2 * math.pi * config["rope_theta"] ** (i / dim)
        if wavelength < old / s["high_freq_factor"]:
            divisors.append(1.0)
        elif wavelength > old / s["low_freq_factor"]:
            divisors.append(s["factor"])
        else:
            smooth = (old / wavelength - s["low_freq_factor"]) / (
                s["high_freq_factor"] - s["low_freq_factor"])
            divisors.append(1 / ((1 - smooth) / s["factor"] + smooth))
    return np.array(divisors, np.float32)


def _add_phi_rope(writer, config):
    """The part of a head that turns, and LongRoPE's factors and scale."""
    dim = reference_cases.head_dim(config)
    writer.add_rope_dimension_count(
        int(dim * config.get("partial_rotary_factor", 1.0)))
    old = config["original_max_position_embeddings"]
    writer.add_rope_scaling_orig_ctx_len(old)
    scaling = config["rope_scaling"]
    if not scaling:
        return
    stretch = config["max_position_embeddings"] / old
    writer.add_rope_scaling_attn_factors(
        math.sqrt(1 + math.log(stretch) / math.log(old)) if stretch > 1
        else 1.0)
    for length in ("short", "long"):
        writer.add_tensor(f"rope_factors_{length}.weight",
                          np.array(scaling[length + "_factor"], np.float32))


def _sentencepiece_vocabulary(writer):
    """<unk> <s> </s>, the bytes, then a few pieces with scores."""
    pieces = ["\u2581", "a", "b", "c", "\u2581a", "ab", "\u2581ab", "abc",
              "\u2581abc", "bc", "cab", "ca", "\u00e9"]
    kinds = gguf.TokenType
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(["<unk>", "<s>", "</s>"] +
                          [f"<0x{b:02X}>" for b in range(256)] + pieces)
    writer.add_token_scores([0.0] * 259 + [-1.0 - i
                                           for i in range(len(pieces))])
    writer.add_token_types([kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL] +
                           [kinds.BYTE] * 256 + [kinds.NORMAL] * len(pieces))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)


def _byte_level_vocabulary(writer, pre):
    """The 256 letters of byte-level BPE, a few merges, two special tokens."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    letters = {b: chr(b) for b in printable}
    letters.update({b: chr(256 + i) for i, b in enumerate(others)})
    space = letters[32]
    merges = [("a", "b"), ("ab", "c"), (space, "a"), (space, "abc"),
              ("b", "c"), ("c", "a"), ("ca", "b"), (space, "b"),
              (space, "c"), ("a", "a"), ("b", "b"), ("c", "c"),
              (space + "a", "a"), ("aa", "a")]
    specials = ["<|endoftext|>", "<|im_end|>"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list([letters[b] for b in range(256)] +
                          [a + b for a, b in merges] + specials)
    writer.add_token_types([gguf.TokenType.NORMAL] * (256 + len(merges)) +
                           [gguf.TokenType.CONTROL] * len(specials))
    writer.add_token_merges([f"{a} {b}" for a, b in merges])
    writer.add_bos_token_id(270)
    writer.add_eos_token_id(271)
    writer.add_add_bos_token(False)


def write(case, dtype, path, encode=None):
    """Write the file; return the weights it holds under the checkpoint's
    names, in float32 after rounding. `encode` makes (type, bytes) of the name
    and the values of a matrix; without it matrices are stored in `dtype`."""
    c = case.config
    path.parent.mkdir(parents=True)
    arch = _ARCHITECTURES.get(c["model_type"], c["model_type"])
    writer = gguf.GGUFWriter(path, arch)
    tensor_type, file_type = _TYPES[dtype]
    writer.add_name(case.name)
    writer.add_file_type(file_type)
    writer.add_quantization_version(2)
    writer.add_block_count(c["num_hidden_layers"])
    writer.add_context_length(c["max_position_embeddings"])
    writer.add_embedding_length(c["hidden_size"])
    writer.add_feed_forward_length(c["intermediate_size"])
    writer.add_head_count(c["num_attention_heads"])
    writer.add_head_count_kv(c["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(c["rms_norm_eps"])
    writer.add_rope_freq_base(c["rope_theta"])
    if "head_dim" in c:
        writer.add_key_length(c["head_dim"])
        writer.add_value_length(c["head_dim"])
    if c["model_type"] == "llama":
        writer.add_vocab_size(c["vocab_size"])
        writer.add_rope_dimension_count(reference_cases.head_dim(c))
    scaling = (c.get("rope_scaling") or {}).get("rope_type")
    if scaling == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(c["rope_scaling"]["factor"])

    if arch in ("gemma3", "phi3"):
        writer.add_sliding_window(c["sliding_window"] or 0)
    if arch == "phi3":
        _add_phi_rope(writer, c)

    if arch.startswith("qwen"):
        _byte_level_vocabulary(writer, "qwen2")
    elif scaling == "llama3":
        _byte_level_vocabulary(writer, "llama-bpe")
    else:
        _sentencepiece_vocabulary(writer)

    if scaling == "llama3":
        writer.add_tensor("rope_freqs.weight", rope_freqs(c))
    stored = {}
    for name, weight in reference_cases.make_weights(case).items():
        if weight.ndim == 1:
            one = np.float32(1.0 if arch == "gemma3" else 0.0)
            kind, raw = gguf.GGMLQuantizationType.F32, weight + one
            stored[name] = raw - one
        else:
            kind, raw = (encode(name, weight) if encode else
                         (tensor_type,
                          gguf.quants.quantize(weight, tensor_type)))
            stored[name] = gguf.quants.dequantize(raw, kind)
        if c["model_type"] == "llama" and "q_proj" in name:
            raw = interleave_rows(raw, c["num_attention_heads"])
        if c["model_type"] == "llama" and "k_proj" in name:
            raw = interleave_rows(raw, c["num_key_value_heads"])
        writer.add_tensor(gguf_name(name, arch), np.ascontiguousarray(raw),
                          raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return stored
