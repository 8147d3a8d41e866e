#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Weights and statistics of the module that test/transforms/Compress/gptq.mlir is.

    python3 test/scripts/compress/small_model.py test/transforms/Compress/Inputs/gptq

Prints what GPTQ must say of each weight (int4:g16, act-order, damping 0.01), by
the independent implementation in gptq_reference.py.
"""
import json
import os
import sys

import numpy as np

from gptq_reference import choose_scale, gptq, integers

# What adze-gptq says is the identity of these weights.
MODEL = "d11932d199787cda1d86e85f709cdd2d5093e82a5877c49d0cbf029894cfc7bc"
ROWS = {"q": (24, 32), "k": (16, 32), "down": (32, 48)}
INPUT = {"q": "q", "k": "q", "down": "down"}


def plain(w, group):
    out = np.empty_like(w)
    for row, values in enumerate(w):
        for at in range(0, len(values), group):
            scale, zero = choose_scale(values[at:at + group], 4, "bf16", False)
            code = np.clip(np.rint(values[at:at + group] / scale) + zero, 0, 15)
            out[row, at:at + group] = scale * (code - zero)
    return out


def main():
    folder = sys.argv[1]
    os.makedirs(os.path.join(folder, "statistics"), exist_ok=True)
    tensors, data = {}, b""
    stats, stats_data, readers = {}, b"", {}

    def add(table, blob, file, name, values):
        raw = values.tobytes()
        table[name] = {"file": file, "offset": len(blob),
                       "dtype": {"f": "f32", "i": "i64"}[values.dtype.kind],
                       "shape": list(values.shape), "bytes": len(raw)}
        return blob + raw

    for layer in range(2):
        grams = {}
        for i, (name, (n, k)) in enumerate(ROWS.items()):
            seed = 100 * layer + i + 1
            weight = f"layers.{layer}.{name}.weight"
            b = integers(seed, 2 * n * k, 1000).reshape(2, n, k)
            w = (b[0] * b[1]).astype(np.float32) / 2**20
            data = add(tensors, data, "weights.bin", weight, w)
            source = f"layers.{layer}.{INPUT[name]}.weight"
            readers[weight] = source
            if source == weight:
                a = integers(seed + 50, 96 * k, 8).reshape(96, k)
                x = a * np.where(np.arange(k) % 11 == 5, 6, 1) + np.roll(a, 1, axis=1)
                x = (x / 8).astype(np.float32)
                gram = x.T @ x
                grams[name] = gram
                for what, values in [("gram", gram), ("sum_squares", np.diag(gram).copy()),
                                     ("abs_max", np.abs(x).max(axis=0)),
                                     ("abs_sum", np.abs(x).sum(axis=0)),
                                     ("count", np.array([96], dtype=np.int64))]:
                    stats_data = add(stats, stats_data, "statistics.bin",
                                     f"{source}/{what}", values)
            gram = grams[INPUT[name]].astype(np.float64)
            w = w.astype(np.float64)
            case = {"bits": 4, "scale": "bf16", "zeros": False, "group": 16,
                    "act_order": True, "damping": 0.01}
            codes, scale, zero, error = gptq(w, gram, case)
            made = (codes - zero.repeat(16, axis=1)) * scale.repeat(16, axis=1)
            whole, other = np.trace(w @ gram @ w.T), w - plain(w, 16)
            print(f"{weight}: error {np.linalg.norm(w - made) / np.linalg.norm(w):.3g} of the "
                  f"weight, {error / whole:.3g} of what it computes "
                  f"({np.trace(other @ gram @ other.T) / whole:.3g} with plain rounding)")
    with open(os.path.join(folder, "weights.bin"), "wb") as out:
        out.write(data)
    with open(os.path.join(folder, "statistics", "statistics.bin"), "wb") as out:
        out.write(stats_data)
    with open(os.path.join(folder, "weights.json"), "w") as out:
        json.dump({"version": 1, "tensors": tensors}, out, indent=0)
    with open(os.path.join(folder, "statistics", "statistics.json"), "w") as out:
        json.dump({"version": 1, "kind": "statistics", "complete": True, "model": MODEL,
                   "text": "0" * 64, "tokens": 32, "sequences": 3, "inputs": readers,
                   "tensors": stats}, out, indent=0)


main()
