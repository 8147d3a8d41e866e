#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What bf16 dot products should give: expected_logits_bf16_dots.npy.

A processor with bf16 dots multiplies pairs of bf16, so the activation that a
linear reads is rounded to bf16 first. This script runs the NumPy float64
forward pass of check_references.py with exactly that rounding on every bf16
reference. The tests then hold the bf16 variants to 2e-3 of these values,
instead of to a wide tolerance around the unrounded ones.

    python3 test/scripts/models/round_references.py
"""

from pathlib import Path

import numpy as np

import check_references as exact

REFERENCES = exact.HERE.parents[1] / "numerics" / "references"


def round_to_bfloat16(values):
    bits = np.ascontiguousarray(values.astype(np.float32)).view(np.uint32)
    bits = bits.astype(np.uint64)
    bits = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 << 16).astype(np.uint32)
    return bits.view(np.float32).astype(np.float64).reshape(values.shape)


class RoundingWeight(np.ndarray):
    """A weight that rounds what it is multiplied with: activation @ weight.T."""

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        plain = [np.asarray(x) for x in inputs]
        if ufunc is np.matmul:
            plain[0] = round_to_bfloat16(plain[0])
        return getattr(ufunc, method)(*plain, **kwargs)


def rounding(tensors):
    return {name: value.view(RoundingWeight) if value.ndim == 2
            else value for name, value in tensors.items()}


def main():
    for folder in sorted([*REFERENCES.glob("hf/*bf16*"),
                          *REFERENCES.glob("gguf/*bf16*")]):
        settings, tensors = (exact.read_gguf(folder / "model.gguf")
                             if folder.parent.name == "gguf"
                             else exact.read_hugging_face(folder))
        tokens = np.load(folder / "tokens.npy")
        embedding = tensors["token_embd.weight"]
        rounded = rounding(tensors)
        # Rows are looked up, not multiplied.
        rounded.setdefault("output.weight",
                           embedding.view(RoundingWeight))
        rounded["token_embd.weight"] = embedding
        logits = exact.forward(settings, rounded, tokens)
        want = np.load(folder / "expected_logits.npy")
        error = np.abs(logits - want).max(1) / np.abs(want).max(1)
        print(f"{folder.name}: rounding moves the logits by {error.max():.4f}")
        np.save(folder / "expected_logits_bf16_dots.npy",
                logits.astype(np.float32))


if __name__ == "__main__":
    main()
