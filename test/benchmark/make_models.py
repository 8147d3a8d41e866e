#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Random-weight checkpoints in the shapes of real models, for benchmarks.

    python3 test/benchmark/make_models.py tinyllama-1.1b smollm-135m

writes Hugging Face directories (config.json, model.safetensors; no tokenizer)
into a cache outside the repository and prints their paths. A model that is
already there is left alone. Speed does not depend on the values, so all
tensors are windows of one block of normal random numbers (standard deviation
0.02, norms about one); the same arguments always give the same bytes.
With --zero-blocks 0.5 that share of the blocks of 16 rows by 32 columns of the
layers' projections is zero, drawn block by block, as a threshold for a whole
tensor has it: what adze-choose-sparse finds. With --even each 16 rows have as
many of them, as Wanda and SparseGPT choose blocks.
Needs NumPy only; runs at the speed of the disk.
"""

import argparse
import json
import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np

# A bit under 64 MB of bf16. The odd count keeps rows of equal tensors apart.
BLOCK_ELEMENTS = 32 * 1024 * 1024 - 1
SEED = 20240501

MODELS = {
    "tinyllama-1.1b": {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama",
        "hidden_size": 2048, "intermediate_size": 5632,
        "num_hidden_layers": 22, "num_attention_heads": 32,
        "num_key_value_heads": 4, "vocab_size": 32000,
        "max_position_embeddings": 2048, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "tie_word_embeddings": False,
        "bos_token_id": 1, "eos_token_id": 2,
    },
    "llama-3.2-1b": {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama",
        "hidden_size": 2048, "intermediate_size": 8192,
        "num_hidden_layers": 16, "num_attention_heads": 32,
        "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 128256,
        "max_position_embeddings": 131072, "rms_norm_eps": 1e-5,
        "rope_theta": 500000.0, "rope_scaling": {
            "rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192},
        "tie_word_embeddings": True,
        "bos_token_id": 128000, "eos_token_id": 128001,
    },
    "qwen3-0.6b": {
        "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3",
        "hidden_size": 1024, "intermediate_size": 3072,
        "num_hidden_layers": 28, "num_attention_heads": 16,
        "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936,
        "max_position_embeddings": 40960, "rms_norm_eps": 1e-6,
        "rope_theta": 1000000.0, "tie_word_embeddings": True,
        "attention_bias": False,
        "bos_token_id": 151643, "eos_token_id": 151645,
    },
    "smollm-135m": {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama",
        "hidden_size": 576, "intermediate_size": 1536,
        "num_hidden_layers": 30, "num_attention_heads": 9,
        "num_key_value_heads": 3, "vocab_size": 49152,
        "max_position_embeddings": 2048, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "tie_word_embeddings": True,
        "bos_token_id": 0, "eos_token_id": 0,
    },
}

DTYPES = {"bf16": ("BF16", "bfloat16", 2), "f16": ("F16", "float16", 2),
          "f32": ("F32", "float32", 4)}


def tensor_shapes(c):
    """Names and shapes in the order in which the file holds them."""
    hidden, inner = c["hidden_size"], c["intermediate_size"]
    heads, kv_heads = c["num_attention_heads"], c["num_key_value_heads"]
    dim = c.get("head_dim", hidden // heads)
    yield "model.embed_tokens.weight", (c["vocab_size"], hidden)
    for i in range(c["num_hidden_layers"]):
        p = f"model.layers.{i}."
        yield p + "input_layernorm.weight", (hidden,)
        yield p + "self_attn.q_proj.weight", (heads * dim, hidden)
        yield p + "self_attn.k_proj.weight", (kv_heads * dim, hidden)
        yield p + "self_attn.v_proj.weight", (kv_heads * dim, hidden)
        yield p + "self_attn.o_proj.weight", (hidden, heads * dim)
        if c["model_type"] == "qwen3":
            yield p + "self_attn.q_norm.weight", (dim,)
            yield p + "self_attn.k_norm.weight", (dim,)
        yield p + "post_attention_layernorm.weight", (hidden,)
        yield p + "mlp.gate_proj.weight", (inner, hidden)
        yield p + "mlp.up_proj.weight", (inner, hidden)
        yield p + "mlp.down_proj.weight", (hidden, inner)
    yield "model.norm.weight", (hidden,)
    if not c["tie_word_embeddings"]:
        yield "lm_head.weight", (c["vocab_size"], hidden)


def convert(values, dtype):
    """float32 to the stored type; bf16 rounds to nearest even."""
    if dtype == "f32":
        return values
    if dtype == "f16":
        return values.astype(np.float16)
    bits = values.view(np.uint32)
    bits += 0x7FFF + ((bits >> 16) & 1)
    return (bits >> 16).astype(np.uint16)


class Source:
    """Hands out tensors of any size from one block of random values."""

    def __init__(self, dtype, seed, zero_blocks=0.0, even=False):
        # What Generator.spawn gives, which NumPy 1.24 (Debian 12) has not.
        sequence = np.random.SeedSequence(seed)
        rng = np.random.default_rng(sequence)
        self.zero_blocks, self.even = zero_blocks, even
        self.mask_rng = np.random.default_rng(sequence.spawn(1)[0])
        values = rng.standard_normal(BLOCK_ELEMENTS, dtype=np.float32)
        values *= 0.02
        norms = rng.uniform(0.9, 1.1, 1 << 16).astype(np.float32)
        self.block = convert(values, dtype)
        self.norms = convert(norms, dtype)
        self.offset = 0

    def write(self, file, name, shape):
        if self.zero_blocks and name.endswith("_proj.weight"):
            return self.write_sparse(file, shape)
        count = int(np.prod(shape))
        if len(shape) == 1:
            file.write(self.norms[:count])
            return
        while count:
            part = self.block[self.offset:self.offset + count]
            file.write(part)
            count -= len(part)
            self.offset = (self.offset + len(part)) % BLOCK_ELEMENTS


    def write_sparse(self, file, shape):
        rows, columns = shape
        for first in range(0, rows, 16):
            values = np.empty((min(16, rows - first), columns),
                              self.block.dtype)
            flat, done = values.reshape(-1), 0
            while done < flat.size:
                part = self.block[self.offset:self.offset + flat.size - done]
                flat[done:done + len(part)] = part
                done += len(part)
                self.offset = (self.offset + len(part)) % BLOCK_ELEMENTS
            blocks = self.mask_rng.random(-(-columns // 32))
            if self.even:
                blocks = blocks.argsort().argsort() / len(blocks)
            values[:, np.repeat(blocks < self.zero_blocks, 32)[:columns]] = 0
            file.write(values)


def write_safetensors(path, tensors, dtype, source):
    tag, _, width = DTYPES[dtype]
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in tensors:
        size = int(np.prod(shape)) * width
        header[name] = {"dtype": tag, "shape": list(shape),
                        "data_offsets": [offset, offset + size]}
        offset += size
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    with open(path, "wb") as file:
        file.write(len(encoded).to_bytes(8, "little"))
        file.write(encoded)
        for name, shape in tensors:
            source.write(file, name, shape)
    return offset


def split_into_shards(tensors, width, limit):
    shards, size = [[]], 0
    for name, shape in tensors:
        bytes_ = int(np.prod(shape)) * width
        if shards[-1] and limit and size + bytes_ > limit:
            shards.append([])
            size = 0
        shards[-1].append((name, shape))
        size += bytes_
    return shards


def make(name, folder, dtype, shard_bytes, seed, zero_blocks, even):
    """Write beside, then rename: an interrupted run leaves no half model."""
    beside = folder.with_name(folder.name + ".new")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    config = {**MODELS[name], "hidden_act": "silu",
              "torch_dtype": DTYPES[dtype][1]}
    (beside / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (beside / "generation_config.json").write_text(json.dumps(
        {k: config[k] for k in ("bos_token_id", "eos_token_id")}) + "\n")
    source = Source(dtype, seed, zero_blocks, even)
    shards = split_into_shards(list(tensor_shapes(config)),
                               DTYPES[dtype][2], shard_bytes)
    total, weight_map = 0, {}
    for index, tensors in enumerate(shards):
        file = ("model.safetensors" if len(shards) == 1 else
                f"model-{index + 1:05}-of-{len(shards):05}.safetensors")
        total += write_safetensors(beside / file, tensors, dtype, source)
        weight_map.update({tensor: file for tensor, _ in tensors})
    if len(shards) > 1:
        (beside / "model.safetensors.index.json").write_text(json.dumps(
            {"metadata": {"total_size": total}, "weight_map": weight_map},
            indent=1) + "\n")
    beside.rename(folder)
    return total


def main():
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL",
                        help="one or more of " + ", ".join(MODELS) +
                        " (default: all)")
    parser.add_argument("--out", type=Path, default=cache / "adze-bench",
                        help="cache folder (default: %(default)s)")
    parser.add_argument("--dtype", choices=DTYPES, default="bf16")
    parser.add_argument("--shard-bytes", type=int, default=0, metavar="N",
                        help="shards of at most N bytes (default: one file)")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--zero-blocks", type=float, default=0, metavar="P",
                        help="the share of blocks that are zero")
    parser.add_argument("--even", action="store_true",
                        help="as many of them in all 16 rows of a panel")
    parser.add_argument("--force", action="store_true",
                        help="replace models that are already there")
    a = parser.parse_args()
    unknown = [m for m in a.models if m not in MODELS]
    if not 0 <= a.zero_blocks <= 1:
        parser.error("--zero-blocks is from 0 to 1")
    if unknown:
        parser.error(f"unknown model {unknown[0]!r}; known: "
                     + ", ".join(MODELS))

    for name in a.models or MODELS:
        suffix = "" if a.seed == SEED else f"-seed{a.seed}"
        suffix += f"-shards{a.shard_bytes}" if a.shard_bytes else ""
        if a.zero_blocks:
            suffix += f"-{'even' if a.even else 'blocks'}{a.zero_blocks:g}"
        folder = a.out / f"{name}-{a.dtype}{suffix}"
        if a.force:
            shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            begin = time.monotonic()
            total = make(name, folder, a.dtype, a.shard_bytes, a.seed,
                         a.zero_blocks, a.even)
            seconds = time.monotonic() - begin
            print(f"{name}: {total / 1e9:.2f} GB in {seconds:.1f} s",
                  file=sys.stderr)
        print(folder)


if __name__ == "__main__":
    main()
