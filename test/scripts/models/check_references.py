#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A second opinion on test/numerics/references, without torch.

Reads every stored model from its bytes (safetensors by hand, GGUF with the
`gguf` package), runs a plain NumPy float64 forward pass written from the
papers rather than from transformers, and compares with the stored logits.

    pip install numpy gguf
    python3 test/scripts/models/check_references.py
"""

import argparse
import json
import math
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
LIMIT = 1e-5  # of max|a-b| / max|b| per position; transformers norms in f32


def bfloat16_to_float64(raw):
    return (raw.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


def decode_fp8(raw):
    """E4M3 by its bits: those of float32 but for the width of the exponent."""
    bits = raw.astype(np.uint32)
    wide = (bits & 0x80) << 24 | (bits & 0x7F) << 20
    return wide.view(np.float32).astype(np.float64) * 2.0 ** 120


def read_safetensors(path):
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        raw = data[8 + size + begin:8 + size + end]
        if entry["dtype"] == "BF16":
            value = bfloat16_to_float64(np.frombuffer(raw, np.uint16))
        elif entry["dtype"] == "F8_E4M3":
            value = decode_fp8(np.frombuffer(raw, np.uint8))
        elif entry["dtype"].startswith("I"):
            value = np.frombuffer(raw, f"<i{int(entry['dtype'][1:]) // 8}")
        else:
            kind = {"F32": np.float32, "F16": np.float16}[entry["dtype"]]
            value = np.frombuffer(raw, kind).astype(np.float64)
        tensors[name] = value.reshape(entry["shape"])
    return tensors


def unpack_words(words, bits, axis, count):
    """Int32 words as the numbers packed in them along `axis`, low end first."""
    words = np.moveaxis(words.view(np.uint32), axis, -1)
    shifts = np.arange(0, 32, bits, dtype=np.uint32)
    parts = (words[..., None] >> shifts) & np.uint32(2 ** bits - 1)
    parts = parts.reshape(*words.shape[:-1], -1)[..., :count]
    return np.moveaxis(parts, -1, axis).astype(np.int64)


def decode_gptq(parts, config):
    bits, words = config["bits"], parts["qweight"]
    codes = unpack_words(words, bits, 0, words.shape[0] * 32 // bits)
    zeros = unpack_words(parts["qzeros"], bits, 1, codes.shape[1])
    if config.get("checkpoint_format", "gptq") == "gptq":
        zeros = (zeros + 1) % 2 ** bits  # less one since the first release
    groups = parts["g_idx"]
    return (parts["scales"][groups] * (codes - zeros[groups])).T


def decode_awq(parts, config):
    """The GEMM version: of eight neighbours the even ones come first."""
    def unpack(words):
        straight = unpack_words(words, 4, 1, words.shape[1] * 8)
        eights = straight.reshape(len(words), -1, 8)
        result = np.empty_like(eights)
        result[..., 0::2], result[..., 1::2] = eights[..., :4], eights[..., 4:]
        return result.reshape(straight.shape)

    codes = unpack(parts["qweight"])
    groups = np.arange(len(codes)) // (
        config["group_size"] if config["group_size"] > 0 else len(codes))
    zeros = unpack(parts["qzeros"])
    return (parts["scales"][groups] * (codes - zeros[groups])).T


def decode_compressed(parts, _):
    """Signed numbers; packed ones are shifted to begin at zero."""
    if "weight_packed" in parts:
        rows, columns = parts["weight_shape"]
        words = parts["weight_packed"]
        # As many bits as make the words suffice.
        bits = 4 if words.shape[1] == -(-columns // 8) else 8
        codes = (unpack_words(words, bits, 1, columns)
                 - 2 ** (bits - 1))
    else:
        codes, bits = parts["weight"], 8
        if codes.dtype == np.int8:
            codes = codes.astype(np.int64)
        rows, columns = codes.shape
    scales = parts["weight_scale"]
    if scales.ndim == 1:
        scales = np.broadcast_to(scales, (rows,))[:, None]
    zeros = parts.get("weight_zero_point", np.zeros(scales.shape, np.int8))
    if zeros.dtype == np.int32:
        zeros = unpack_words(zeros, bits, 0, rows) - 2 ** (bits - 1)
    groups = parts.get("weight_g_idx")
    if groups is None:  # consecutive: 16, 32, ... columns each
        count = scales.shape[1]
        size = next((s for s in (16, 32, 64, 128, columns)
                     if -(-columns // s) == count), columns)
        groups = np.arange(columns) // size
    return scales[:, groups] * (codes - zeros.astype(np.int64)[:, groups])


def read_checkpoint(folder):
    """The tensors of a Hugging Face directory, quantized ones decoded."""
    config = json.loads((folder / "config.json").read_text())
    tensors = {}
    for part in sorted(folder.glob("*.safetensors")):
        tensors.update(read_safetensors(part))
    quantized = config.get("quantization_config")
    if not quantized:
        return tensors
    decode = {"gptq": decode_gptq, "awq": decode_awq,
              "compressed-tensors": decode_compressed}[
                  quantized["quant_method"]]
    for stem in {name.rsplit(".", 1)[0] for name in tensors
                 if name.endswith((".scales", ".weight_scale"))}:
        parts = {name.rsplit(".", 1)[1]: tensors.pop(name)
                 for name in list(tensors)
                 if name.rsplit(".", 1)[0] == stem and name != stem + ".bias"}
        tensors[stem + ".weight"] = decode(parts, quantized)
    return tensors


def read_hugging_face(folder):
    """The model as (settings, tensors under GGUF-like short names)."""
    config = json.loads((folder / "config.json").read_text())
    tensors = read_checkpoint(folder)
    heads = config["num_attention_heads"]
    layers = config["num_hidden_layers"]
    gemma = config["model_type"] == "gemma3_text"
    windowed = config.get("use_sliding_window", True)
    window = config.get("sliding_window") if windowed else None
    dim = config.get("head_dim") or config["hidden_size"] // heads
    rope = config.get("rope_parameters") or {
        **(config.get("rope_scaling") or {}),
        "rope_theta": config["rope_theta"]}
    ropes = [rope, rope]  # full and sliding layers
    slides = [True] * layers
    if gemma:
        ropes[1] = {"rope_theta": config.get("rope_local_base_freq")}
        if "full_attention" in rope:
            ropes = [rope["full_attention"], rope["sliding_attention"]]
        period = config.get("sliding_window_pattern")
        slides = [kind == "sliding_attention"
                  for kind in config.get("layer_types", ())] or [
                      (layer + 1) % period != 0 for layer in range(layers)]
    scale = config["hidden_size"] ** 0.5 if gemma else 1.0
    if gemma and config["torch_dtype"] == "bfloat16":
        scale = float(round_bfloat16(np.array(scale)))
    tables = [rotary(r, dim, config) for r in ropes]
    settings = {
        "layers": layers, "heads": heads,
        "kv_heads": config["num_key_value_heads"], "head_dim": dim,
        "eps": config["rms_norm_eps"],
        "rotary": [tables[slide] for slide in slides],
        "windows": [window if slide else None for slide in slides],
        "interleaved": False, "gelu": gemma, "embedding_scale": scale,
        "score_scale": (config["query_pre_attn_scalar"] if gemma
                        else dim) ** -0.5,
        "softcap": config.get("final_logit_softcapping"),
    }
    short = {"model.embed_tokens": "token_embd", "model.norm": "output_norm",
             "lm_head": "output", "input_layernorm": "attn_norm",
             "post_attention_layernorm": "ffn_norm", "q_proj": "attn_q",
             "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output",
             "q_norm": "attn_q_norm", "k_norm": "attn_k_norm",
             "gate_proj": "ffn_gate", "up_proj": "ffn_up",
             "down_proj": "ffn_down", "qkv_proj": "attn_qkv",
             "gate_up_proj": "ffn_gate_up"}
    if gemma:
        short.update({"post_attention_layernorm": "post_attention_norm",
                      "pre_feedforward_layernorm": "ffn_norm",
                      "post_feedforward_layernorm": "post_ffw_norm"})
        tensors = {name: value + 1 if "norm" in name else value
                   for name, value in tensors.items()}
    renamed = {}
    for name, value in tensors.items():
        stem, last = name.rsplit(".", 1)
        if stem in short:
            renamed[f"{short[stem]}.{last}"] = value
        else:
            parts = stem.split(".")
            renamed[f"blk.{parts[2]}.{short[parts[-1]]}.{last}"] = value
    return settings, split_fused(settings, renamed)


def round_bfloat16(value):
    bits = value.astype(np.float32).view(np.uint32).astype(np.uint64)
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 << 16
    return bits.astype(np.uint32).view(np.float32).astype(np.float64)


def rotary(rope, dim, config):
    """Inverse frequencies of the pairs that turn, and the scale of cosines
    and sines."""
    part = rope.get("partial_rotary_factor",
                    config.get("partial_rotary_factor", 1.0))
    turning = int(dim * part)
    frequency = rope["rope_theta"] ** (-np.arange(0, turning, 2) / turning)
    kind = rope.get("rope_type") or rope.get("type") or "default"
    if kind == "linear":
        return frequency / rope["factor"], 1.0
    if kind == "llama3":
        return scale_like_llama31(frequency, rope), 1.0
    if kind == "longrope":
        new = config["max_position_embeddings"]
        old = config["original_max_position_embeddings"]
        factors = rope["long_factor" if new > old else "short_factor"]
        scale = math.sqrt(1 + math.log(new / old) / math.log(old))
        return (frequency / np.array(factors),
                rope.get("attention_factor", scale if new > old else 1.0))
    return frequency, 1.0


def split_fused(s, tensors):
    """attn_qkv and ffn_gate_up as the tensors that they hold."""
    query = s["heads"] * s["head_dim"]
    kv = s["kv_heads"] * s["head_dim"]
    result = {}
    for name, value in tensors.items():
        if ".attn_qkv." in name:
            parts = np.split(value, [query, query + kv])
            names = ["attn_q", "attn_k", "attn_v"]
        elif ".ffn_gate_up." in name:
            parts, names = np.split(value, 2), ["ffn_gate", "ffn_up"]
        else:
            result[name] = value
            continue
        prefix, _, last = name.rsplit(".", 2)
        result.update({f"{prefix}.{n}.{last}": p
                       for n, p in zip(names, parts)})
    return result


def scale_like_llama31(frequency, rope):
    """Long waves are slowed by the factor, short ones kept, the others
    blended by where the original context falls."""
    turns = rope["original_max_position_embeddings"] * frequency / (2 * np.pi)
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    kept = np.clip((turns - low) / (high - low), 0, 1)
    return frequency * (kept + (1 - kept) / rope["factor"])


def read_gguf(path):
    import gguf
    reader = gguf.GGUFReader(path)
    arch = reader.fields["general.architecture"].contents()

    def key(name, default=None):
        field = reader.fields.get(f"{arch}.{name}")
        return default if field is None else field.contents()

    tensors = {}
    for tensor in reader.tensors:
        kind = tensor.tensor_type.name
        if kind == "BF16":
            value = bfloat16_to_float64(
                np.ascontiguousarray(tensor.data).view(np.uint16))
        elif tensor.data.dtype == np.uint8:
            value = gguf.quants.dequantize(
                tensor.data, tensor.tensor_type).astype(np.float64)
        else:
            value = tensor.data.astype(np.float64)
        tensors[tensor.name] = value.reshape(tensor.shape[::-1])
    heads = key("attention.head_count")
    dim = key("attention.key_length", key("embedding_length") // heads)
    turning = key("rope.dimension_count", dim)
    exponent = -np.arange(0, turning, 2) / turning
    frequency = key("rope.freq_base") ** exponent
    if key("rope.scaling.type") == "linear":
        frequency = frequency / key("rope.scaling.factor")
    if "rope_freqs.weight" in tensors:
        frequency = frequency / tensors["rope_freqs.weight"]
    if "rope_factors_long.weight" in tensors:
        long = (key("context_length")
                > key("rope.scaling.original_context_length"))
        frequency = frequency / tensors[
            f"rope_factors_{'long' if long else 'short'}.weight"]
    layers, gemma = key("block_count"), arch == "gemma3"
    slides = [not gemma or (layer + 1) % 6 != 0 for layer in range(layers)]
    scale = key("rope.scaling.attn_factor", 1.0)
    tables = [(frequency, scale),
              (10000.0 ** exponent if gemma else frequency, scale)]
    if arch == "phi3":  # gate and up are one tensor under the name of up
        tensors = {name.replace("ffn_up", "ffn_gate_up"): value
                   for name, value in tensors.items()}
    settings = {
        "layers": layers, "heads": heads,
        "kv_heads": key("attention.head_count_kv"), "head_dim": dim,
        "eps": key("attention.layer_norm_rms_epsilon"),
        "rotary": [tables[slide] for slide in slides],
        "windows": [(key("attention.sliding_window") or None) if slide
                    else None for slide in slides],
        "interleaved": arch == "llama", "gelu": gemma,
        "embedding_scale": key("embedding_length") ** 0.5 if gemma else 1.0,
        "score_scale": dim ** -0.5, "softcap": None,
    }
    return settings, split_fused(settings, tensors)


def forward(s, tensors, tokens):
    """Logits of every position, float64, one head at a time."""
    positions = np.arange(len(tokens))[:, None]

    def norm(x, weight):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + s["eps"]) * weight

    def rotate(x, frequency, scale):
        cos = scale * np.cos(positions * frequency)
        sin = scale * np.sin(positions * frequency)
        y = x.copy()
        half = frequency.size
        first, second = ((slice(0, 2 * half, 2), slice(1, 2 * half, 2))
                         if s["interleaved"]
                         else (slice(0, half), slice(half, 2 * half)))
        y[:, first] = x[:, first] * cos - x[:, second] * sin
        y[:, second] = x[:, second] * cos + x[:, first] * sin
        return y

    distance = np.subtract.outer(np.arange(len(tokens)),
                                 np.arange(len(tokens)))

    def activation(x):
        if s["gelu"]:
            return 0.5 * x * (1 + np.tanh(
                math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))
        return x / (1 + np.exp(-x))

    x = tensors["token_embd.weight"][tokens] * s["embedding_scale"]
    dim, group = s["head_dim"], s["heads"] // s["kv_heads"]
    for layer in range(s["layers"]):
        t = {name.split(".", 2)[2]: value for name, value in tensors.items()
             if name.startswith(f"blk.{layer}.")}

        visible = distance >= 0
        if s["windows"][layer] is not None:
            visible &= distance < s["windows"][layer]

        def added(y, name):
            return norm(y, t[name]) if name in t else y

        def linear(y, name):
            return y @ t[name + ".weight"].T + t.get(name + ".bias", 0.0)

        def head(y, index, normed=None):
            y = y[:, index * dim:(index + 1) * dim]
            if normed is None:
                return y
            if normed + ".weight" in t:
                y = norm(y, t[normed + ".weight"])
            return rotate(y, *s["rotary"][layer])

        h = norm(x, t["attn_norm.weight"])
        q, k, v = (linear(h, n) for n in ("attn_q", "attn_k", "attn_v"))
        mixed = []
        for index in range(s["heads"]):
            scores = (head(q, index, "attn_q_norm")
                      @ head(k, index // group, "attn_k_norm").T)
            scores = np.where(visible, scores * s["score_scale"], -np.inf)
            p = np.exp(scores - scores.max(1, keepdims=True))
            mixed.append(p / p.sum(1, keepdims=True)
                         @ head(v, index // group))
        x = x + added(linear(np.concatenate(mixed, 1), "attn_output"),
                      "post_attention_norm.weight")
        h = norm(x, t["ffn_norm.weight"])
        gate = linear(h, "ffn_gate")
        x = x + added(linear(activation(gate) * linear(h, "ffn_up"),
                             "ffn_down"), "post_ffw_norm.weight")
    head_weight = tensors.get("output.weight", tensors["token_embd.weight"])
    logits = norm(x, tensors["output_norm.weight"]) @ head_weight.T
    cap = s["softcap"]
    return cap * np.tanh(logits / cap) if cap else logits


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("references", type=Path, nargs="?",
                        default=HERE.parents[1] / "numerics" / "references")
    root = parser.parse_args().references
    manifest = json.loads((root / "manifest.json").read_text())
    models = {name: record["model"]
              for name, record in manifest["references"].items()}
    for folder in sorted((root / "blocks").iterdir()):
        models[f"blocks/{folder.name}"] = f"blocks/{folder.name}/model.gguf"
    for folder in sorted((root / "quantized").iterdir()):
        models[f"quantized/{folder.name}"] = f"quantized/{folder.name}"
    failures = 0
    for name, model in models.items():
        model = root / model
        settings, tensors = (read_gguf(model) if model.suffix == ".gguf"
                             else read_hugging_face(model))
        expected = np.load(root / name / "expected_logits.npy")
        logits = forward(settings, tensors,
                         np.load(root / name / "tokens.npy"))
        worst = (np.abs(logits - expected).max(1)
                 / np.abs(expected).max(1)).max()
        good = logits.shape == expected.shape and worst < LIMIT
        failures += not good
        print(f"{'ok  ' if good else 'FAIL'} {worst:.1e}  {name}")
    print(f"{len(models)} references, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
