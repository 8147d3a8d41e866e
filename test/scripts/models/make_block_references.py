#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Make test/numerics/references/blocks: small random llamas in the block types
of GGUF, and the logits of their dequantized weights in float64.

    pip install gguf==0.19.0 numpy
    python3 test/scripts/models/make_block_references.py

The `gguf` package dequantizes, check_references.py computes the logits: nothing
of Adze is involved. Blocks are random bytes, not rounded weights, so that every
code and every sub scale occurs. `k-mixed-...` have another type in every
tensor, `layers-...` another one in some layers, as llama.cpp's Q4_K_M and
Q3_K_M have; the others have one type.
"""

import shutil
import sys
from pathlib import Path

import gguf
import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as T

import check_references
import reference_cases
import write_gguf

OUT = Path(__file__).resolve().parents[2] / "numerics/references/blocks"
# Where a block has its f16 scale and minimum, and how large the minimum must be
# beside the scale for values around zero.
HALVES = {T.Q4_0: (0,), T.Q4_1: (0, 2, -7.5), T.Q5_0: (0,),
          T.Q5_1: (0, 2, -15.5), T.Q8_0: (0,), T.Q2_K: (80, 82, 1.5),
          T.Q3_K: (108,), T.Q4_K: (0, 2, 7.5), T.Q5_K: (0, 2, 15.5),
          T.Q6_K: (208,), T.IQ4_NL: (0,), T.IQ4_XS: (0,), T.MXFP4: None}
SUPER = [T.Q2_K, T.Q3_K, T.Q4_K, T.Q5_K, T.Q6_K, T.IQ4_XS]


def random_blocks(kind, weight, random):
    """Blocks whose values spread as those of `weight` do."""
    if kind == T.F16:
        return weight.astype(np.float16)
    elements, size = GGML_QUANT_SIZES[kind]
    rows, columns = weight.shape
    data = random.integers(0, 256, (rows, columns // elements, size),
                           dtype=np.uint8)

    def put(scale):
        if HALVES[kind] is None:  # an exponent
            exponent = int(np.round(np.log2(scale))) + 128
            data[..., 0] = exponent + random.integers(-1, 2, data.shape[:2])
            return
        at, *minimum = HALVES[kind]
        # Within a factor of 1.5 of each other, of both signs.
        scales = scale * random.uniform(0.8, 1.2, data.shape[:2])
        scales *= np.where(random.integers(0, 2, data.shape[:2]), 1, -1)
        data[..., at:at + 2] = (scales.astype(np.float16)[..., None]
                                .view(np.uint8))
        if minimum:
            at, ratio = minimum
            data[..., at:at + 2] = ((scales * ratio).astype(np.float16)
                                    [..., None].view(np.uint8))

    put(2.0 ** -8)
    flat = data.reshape(rows, -1)
    spread = gguf.quants.dequantize(flat, kind).std()
    put(2.0 ** -8 * weight.std() / spread)
    return data.reshape(rows, -1)


def store(name, case, kind_of):
    random = np.random.default_rng(case.seed)
    folder = OUT / name

    def encode(tensor, weight):
        kind = kind_of(tensor)
        return kind, random_blocks(kind, weight, random)

    write_gguf.write(case, "float16", folder / "model.gguf", encode)
    tokens = reference_cases.make_tokens(case)
    settings, tensors = check_references.read_gguf(folder / "model.gguf")
    logits = check_references.forward(settings, tensors, tokens)
    assert np.isfinite(logits).all() and 0.3 < logits.std() < 8, (
        name, logits.std())
    np.save(folder / "tokens.npy", tokens)
    np.save(folder / "expected_logits.npy", logits.astype(np.float32))
    size = (folder / "model.gguf").stat().st_size
    print(f"{name}: {size / 1e3:.0f} kB, logits {logits.std():.2f}")


def mixed(shift):
    seen = {}
    return lambda tensor: SUPER[
        (seen.setdefault(tensor, len(seen)) + shift) % len(SUPER)]


def by_layer(base, exceptions):
    """`base`, but for tensors whose names hold one of the keys."""
    return lambda tensor: next(
        (kind for part, kind in exceptions.items() if part in tensor), base)


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    for kind in HALVES:
        elements = GGML_QUANT_SIZES[kind][0]
        if elements == 32 or kind == T.Q4_K:
            store(f"{kind.name.lower()}", reference_cases.BLOCK_CASES[elements],
                  lambda tensor: kind)
    for shift in (0, 3):
        store(f"k-mixed-{shift}", reference_cases.BLOCK_CASES[256],
              mixed(shift))
    # Every other layer is finer in v and down; rows that no block of 256
    # divides fall back to blocks of 32.
    store("layers-k-m", reference_cases.LAYER_BLOCK_CASES[256], by_layer(
        T.Q4_K, {"o_proj": T.Q5_0, "0.self_attn.v": T.Q6_K,
                 "0.mlp.down": T.Q6_K, "2.self_attn.v": T.Q6_K,
                 "2.mlp.down": T.Q6_K, "3.mlp.down": T.Q5_K}))
    store("layers-32", reference_cases.LAYER_BLOCK_CASES[32], by_layer(
        T.Q4_0, {"1.mlp": T.Q5_1, "2.self_attn": T.Q8_0, "3.mlp": T.Q5_1,
                 "embed": T.F16, "4.self_attn.q": T.F16}))


if __name__ == "__main__":
    sys.exit(main())
