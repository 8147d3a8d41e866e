#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Make test/numerics/references/quantized: small random models as GPTQ, AWQ and
compressed-tensors store them, and the logits of their values in float64.

    pip install gguf==0.19.0 numpy
    python3 test/scripts/models/make_quantized_references.py

Codes, scales, zero points and groups are drawn at random, so that every code
occurs, and packed as the formats are published. check_references.py decodes the
files from their bytes, by an implementation of its own, and computes the
logits; this script compares its decoded weights with the numbers drawn. Nothing
of Adze is involved.
"""

import json
import shutil
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

import check_references
import reference_cases

OUT = Path(__file__).resolve().parents[2] / "numerics/references/quantized"


@dataclass
class Drawn:
    """One matrix: codes [N, K], scales and zero points [N, groups], and the
    group of each k. Small floats are bytes, and their values the codes."""
    codes: np.ndarray
    scales: np.ndarray
    zeros: np.ndarray
    groups: np.ndarray
    raw: np.ndarray = None

    def values(self):
        return (self.scales.astype(np.float64)[:, self.groups]
                * (self.codes - self.zeros[:, self.groups]))


@dataclass
class Scheme:
    method: str          # gptq, awq, compressed-tensors
    bits: int = 4
    group: int = 32      # -1: whole rows
    symmetric: bool = True
    ordered: bool = False
    own_orders: bool = False  # one for each projection
    scale: str = "float16"
    one_scale: bool = False
    version: str = ""    # checkpoint_format of GPTQ, format of compressed-tensors
    head: bool = False   # lm_head too
    byte_zeros: bool = False
    exceptions: dict = field(default_factory=dict)  # part of a name: Scheme


def round_to(values, dtype):
    if dtype == "bfloat16":
        return check_references.round_bfloat16(values)
    return values.astype(dtype).astype(np.float64)


def e4m3(code):
    """1 sign, 4 exponent, 3 mantissa bits, a bias of 7, no infinities."""
    sign, exponent, mantissa = code >> 7, code >> 3 & 15, code & 7
    if not exponent:
        return (-1.0) ** sign * mantissa * 2.0 ** -9
    return (-1.0) ** sign * (8 + mantissa) * 2.0 ** (exponent - 10)


def draw_floats(weight, scheme, random):
    rows, columns = weight.shape
    raw = random.integers(0, 255, weight.shape)
    raw[raw == 127] = 0  # that and 255 are NaN
    codes = np.array([e4m3(code) for code in range(255)])[raw]
    scales = random.uniform(0.7, 1.3, (rows, 1)) * weight.std() / codes.std()
    if scheme.one_scale:
        scales[:] = scales[0, 0]
    return Drawn(codes, round_to(scales, scheme.scale), np.zeros((rows, 1)),
                 np.zeros(columns, int), raw)


def draw(weight, scheme, random, order):
    if scheme.version == "float-quantized":
        return draw_floats(weight, scheme, random)
    rows, columns = weight.shape
    group = columns if scheme.group == -1 else scheme.group
    count = -(-columns // group)
    top, middle = 2 ** scheme.bits, 2 ** (scheme.bits - 1)
    codes = random.integers(0, top, weight.shape)
    zeros = np.full((rows, count), middle)
    if not scheme.symmetric:
        # A quarter of the range to each side; the ends, which GPTQ's first
        # format and signed storage treat specially, occur too.
        zeros = random.integers(middle // 2, middle + middle // 2,
                                (rows, count))
        zeros[0, 0], zeros[1, 0] = 1, top - 1
    scales = random.uniform(0.7, 1.3, (rows, count))
    scales *= weight.std() / (top / np.sqrt(12))
    if scheme.one_scale:
        scales[:] = scales[0, 0]
    groups = np.arange(columns) // group
    if scheme.ordered:
        groups = groups[order.setdefault(columns, random.permutation(columns))]
    return Drawn(codes, round_to(scales, scheme.scale), zeros, groups)


def pack_words(codes, bits, axis, places=None):
    """Neighbours along `axis` to int32 words; `places[i]` is which of them the
    i-th part of a word, from the low end, holds."""
    codes = np.moveaxis(np.asarray(codes, np.uint32), axis, -1)
    per_word = 32 // bits
    padding = -codes.shape[-1] % per_word
    codes = np.pad(codes, [(0, 0)] * (codes.ndim - 1) + [(0, padding)])
    parts = codes.reshape(*codes.shape[:-1], -1, per_word)
    words = np.zeros(parts.shape[:-1], np.uint32)
    for i, place in enumerate(places or range(per_word)):
        words |= parts[..., place] << np.uint32(i * bits)
    return np.moveaxis(words, -1, axis).view(np.int32)


def tensors_of(name, drawn, scheme):
    """The tensors of one matrix as (values, type of safetensors)."""
    name = name.removesuffix(".weight")
    scales = drawn.scales, {"float16": "F16", "bfloat16": "BF16",
                            "float32": "F32"}[scheme.scale]
    if scheme.method == "gptq":
        less = 0 if scheme.version == "gptq_v2" else 1
        zeros = (drawn.zeros - less) % 2 ** scheme.bits
        return {f"{name}.qweight": (pack_words(drawn.codes.T, scheme.bits, 0),
                                    "I32"),
                f"{name}.qzeros": (pack_words(zeros.T, scheme.bits, 1), "I32"),
                f"{name}.scales": (scales[0].T, scales[1]),
                f"{name}.g_idx": (drawn.groups, "I32")}
    if scheme.method == "awq":
        places = [0, 2, 4, 6, 1, 3, 5, 7]
        return {f"{name}.qweight": (pack_words(drawn.codes.T, 4, 1, places),
                                    "I32"),
                f"{name}.qzeros": (pack_words(drawn.zeros.T, 4, 1, places),
                                   "I32"),
                f"{name}.scales": (scales[0].T, scales[1])}
    middle = 2 ** (scheme.bits - 1)
    if scheme.one_scale:
        scales = scales[0][0, :1], scales[1]
    made = {f"{name}.weight_scale": scales}
    if scheme.version == "float-quantized":
        made[f"{name}.weight"] = drawn.raw, "F8_E4M3"
    elif scheme.version == "int-quantized":
        made[f"{name}.weight"] = drawn.codes - middle, "I8"
    else:
        made[f"{name}.weight_packed"] = (
            pack_words(drawn.codes, scheme.bits, 1), "I32")
        made[f"{name}.weight_shape"] = np.array(drawn.codes.shape), "I64"
    if not scheme.symmetric:
        packs = scheme.version == "pack-quantized" and not scheme.byte_zeros
        made[f"{name}.weight_zero_point"] = (
            (pack_words(drawn.zeros, scheme.bits, 0), "I32") if packs
            else (drawn.zeros - middle, "I8"))
    if scheme.ordered:
        made[f"{name}.weight_g_idx"] = drawn.groups, "I32"
    return made


def describe(scheme):
    """The quantization_config."""
    if scheme.method == "gptq":
        return {"quant_method": "gptq", "bits": scheme.bits,
                "group_size": scheme.group, "sym": scheme.symmetric,
                "desc_act": scheme.ordered, "lm_head": scheme.head,
                "checkpoint_format": scheme.version or "gptq",
                "damp_percent": 0.01, "true_sequential": True}
    if scheme.method == "awq":
        return {"quant_method": "awq", "bits": 4, "group_size": scheme.group,
                "zero_point": True, "version": "gemm",
                "modules_to_not_convert": None}

    def group_of(one, targets):
        strategy = ("tensor" if one.one_scale else
                    "channel" if one.group == -1 else "group")
        kind = "float" if one.version == "float-quantized" else "int"
        weights = {"num_bits": one.bits, "type": kind, "dynamic": False,
                   "symmetric": one.symmetric, "strategy": strategy,
                   "group_size": one.group if one.group != -1 else None,
                   "block_structure": None, "observer": "minmax",
                   "observer_kwargs": {},
                   "actorder": "group" if one.ordered else None}
        return {"targets": targets, "weights": weights,
                "input_activations": None, "output_activations": None,
                "format": one.version}

    groups = {"group_0": group_of(scheme, ["Linear"])}
    for i, (part, one) in enumerate(scheme.exceptions.items()):
        groups[f"group_{i + 1}"] = group_of(
            one, [f"re:.*{part.replace('.', '[.]')}.*"])
    return {"quant_method": "compressed-tensors", "format": scheme.version,
            "config_groups": groups, "kv_cache_scheme": None,
            "ignore": [] if scheme.head else ["lm_head"],
            "quantization_status": "compressed"}


def encode(values, kind):
    if kind == "BF16":
        return (values.astype(np.float32).view(np.uint32) >> 16).astype(
            np.uint16)
    return values.astype({"F16": np.float16, "F32": np.float32, "I8": np.int8,
                          "F8_E4M3": np.uint8, "I32": np.int32, "I64": np.int64}[kind])


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, (values, kind) in tensors.items():
        raw = np.ascontiguousarray(encode(values, kind)).tobytes()
        header[name] = {"dtype": kind, "shape": list(values.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def store(name, case, scheme):
    random = np.random.default_rng(case.seed)
    folder = OUT / name
    folder.mkdir(parents=True)
    config = {**case.config, "torch_dtype": "float16",
              "quantization_config": describe(scheme)}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    tensors, expected = {}, {}
    orders = {}
    for tensor, weight in reference_cases.make_weights(case).items():
        isQuantized = (weight.ndim == 2 and "embed" not in tensor
                       and (scheme.head or "lm_head" not in tensor))
        if not isQuantized:
            tensors[tensor] = weight, "F16"
            continue
        own = next((one for part, one in scheme.exceptions.items()
                    if part in tensor), scheme)
        # What reads one vector has one order of its elements.
        reads = tensor if own.own_orders else tensor.rsplit(".", 2)[0] + (
            "o" if "o_proj" in tensor else "")
        order = orders.setdefault(reads, {})
        drawn = draw(weight, own, random, order)
        expected[tensor] = drawn.values()
        tensors.update(tensors_of(tensor, drawn, own))
    write_safetensors(folder / "model.safetensors", tensors)

    decoded = check_references.read_checkpoint(folder)
    for tensor, values in expected.items():
        assert np.array_equal(decoded[tensor], values), (name, tensor)
    tokens = reference_cases.make_tokens(case)
    settings, tensors = check_references.read_hugging_face(folder)
    logits = check_references.forward(settings, tensors, tokens)
    assert np.isfinite(logits).all() and 0.3 < logits.std() < 8, (
        name, logits.std())
    np.save(folder / "tokens.npy", tokens)
    np.save(folder / "expected_logits.npy", logits.astype(np.float32))
    size = (folder / "model.safetensors").stat().st_size
    print(f"{name}: {size / 1e3:.0f} kB, logits {logits.std():.2f}")


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    cases = reference_cases.QUANTIZED_CASES
    llama, qwen2, phi3 = cases["llama"], cases["qwen2"], cases["phi3"]
    gptq = Scheme("gptq")
    packed = Scheme("compressed-tensors", version="pack-quantized")
    bytes_ = Scheme("compressed-tensors", version="int-quantized", bits=8,
                    group=-1, scale="bfloat16")
    store("gptq-g32", llama, gptq)
    # 96 is no multiple of 64: the last group is short.
    store("gptq-zeros-g64", qwen2, replace(gptq, symmetric=False, group=64))
    store("gptq-v2-zeros-rows", llama,
          replace(gptq, symmetric=False, group=-1, version="gptq_v2"))
    store("gptq-8-g16-zeros", llama,
          replace(gptq, bits=8, group=16, symmetric=False, scale="bfloat16"))
    store("gptq-8-rows", phi3, replace(gptq, bits=8, group=-1))
    store("gptq-order-g32", llama, replace(gptq, ordered=True, head=True))
    store("gptq-order-zeros-g64", phi3,
          replace(gptq, ordered=True, symmetric=False, group=64))
    awq = Scheme("awq", symmetric=False)
    store("awq-g32", llama, awq)
    store("awq-fused-g32", phi3, awq)
    store("int8-channels", llama, bytes_)
    store("int8-tensors-zeros", llama,
          replace(bytes_, one_scale=True, symmetric=False, scale="float32"))
    store("packed-4-g32", llama, replace(packed, scale="bfloat16"))
    store("packed-4-zeros-order", qwen2,
          replace(packed, symmetric=False, ordered=True, own_orders=True))
    floats = replace(bytes_, version="float-quantized")
    store("fp8-channels", llama, floats)
    store("fp8-tensors", phi3, replace(floats, one_scale=True, head=True,
                                       scale="float32"))
    # Another scheme in some layers and modules, zero points as bytes, the head.
    store("packed-mixed", llama, replace(
        packed, head=True, symmetric=False, byte_zeros=True, exceptions={
            "layers.1.mlp.down_proj": replace(packed, bits=8, group=-1),
            "self_attn.v_proj": replace(bytes_, scale="float16")}))


if __name__ == "__main__":
    sys.exit(main())
