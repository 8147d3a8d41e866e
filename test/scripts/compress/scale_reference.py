#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Weights, statistics and factors of the module in Inputs/scale.

    python3 test/scripts/compress/scale_reference.py test/transforms/Compress/Inputs/scale

Independent of the compiler: AWQ's and SmoothQuant's factors in float64 as their
papers have them, with codes of plain rounding (int4:g16) for AWQ's search, and the
codes that GPTQ finds for the scaled weights and Gram matrices. Writes the model's
weights, its statistics, and expected.json: for each method and tensor the exponent,
the factors, the losses, and the codes.
"""
import json
import os
import sys

import numpy as np

from gptq_reference import choose_scale, gptq, integers

# What adze-awq says is the identity of these weights.
MODEL = "7321e20705b135046c54ac206ebff5527930d4864abf6d14475fa332dfe82f70"
F = np.float32
HEADS, KV_HEADS, SIZE = 4, 2, 8
MATRICES = {"q": (32, 32), "k": (16, 32), "v": (16, 32), "o": (32, 32),
            "gate": (48, 32), "up": (48, 32), "down": (32, 48)}
VECTORS = {"n1": 32, "n2": 32}
GROUPS = {"q": ["q", "k", "v"], "o": ["o"], "gate": ["gate", "up"], "down": ["down"]}
PRODUCER = {"o": "v", "down": "up"}
CASE = {"bits": 4, "scale": "bf16", "zeros": False, "group": 16, "act_order": True,
        "damping": 0.01}


def plain(w):
    """What plain rounding leaves of float32 values."""
    out = np.empty(w.shape)
    for row, values in enumerate(w.astype(F)):
        for at in range(0, len(values), 16):
            block = values[at:at + 16]
            scale, zero = choose_scale(block, 4, "bf16", False)
            # As the encoder does: times the inverse, in float32.
            code = np.clip(np.rint(block * (F(1) / scale)) + zero, 0, 15)
            out[row, at:at + 16] = np.float64(scale) * (code - zero)
    return out


def shared(columns, kind):
    """Numbers of columns as those of what makes them."""
    return columns.reshape(KV_HEADS, HEADS // KV_HEADS, SIZE) if kind == "o" else columns


def spread(factors, kind):
    if kind != "o":
        return factors
    return np.repeat(factors.reshape(KV_HEADS, 1, SIZE), HEADS // KV_HEADS, axis=1).reshape(-1)


def loss(ws, gram, s):
    total = 0
    for w in ws:
        scaled = w.astype(F) * s.astype(F) if s is not None else w
        change = w - plain(scaled) / (s.astype(F) if s is not None else 1)
        total += np.trace(change @ gram @ change.T)
    return total


def awq(kind, ws, x, gram):
    mean = np.abs(x).mean(axis=0)
    if kind == "o":
        mean = shared(mean, kind).mean(axis=1).reshape(-1)
    best = None
    for step in range(20):
        alpha = step / 20
        power = np.maximum(mean**alpha, 1e-4)
        s = power / np.sqrt(power.max() * power.min())
        found = loss(ws, gram, spread(s, kind))
        if best is None or found < best[0]:
            best = (found, alpha, s)
    return best


def smooth(kind, ws, x, gram):
    xs, w = np.abs(x).max(axis=0), np.max([np.abs(w).max(axis=0) for w in ws], axis=0)
    if kind == "o":
        xs, w = (shared(v, kind).max(axis=1).reshape(-1) for v in (xs, w))
    s = np.sqrt(xs) / np.sqrt(w)
    return loss(ws, gram, spread(s, kind)), 0.5, s


def main():
    folder = sys.argv[1]
    os.makedirs(os.path.join(folder, "statistics"), exist_ok=True)
    tensors, data, stats, stats_data, readers = {}, b"", {}, b"", {}
    expected = {"awq": [], "smoothquant": []}

    def add(table, blob, file, name, values):
        raw = values.tobytes()
        table[name] = {"file": file, "offset": len(blob),
                       "dtype": {"f": "f32", "i": "i64"}[values.dtype.kind],
                       "shape": list(values.shape), "bytes": len(raw)}
        return blob + raw

    for layer in range(2):
        seed = 1000 * layer
        weights = {}
        for i, (name, (n, k)) in enumerate(MATRICES.items()):
            b = integers(seed + i + 1, 2 * n * k, 1000).reshape(2, n, k)
            weights[name] = (b[0] * b[1]).astype(F) / 2**20
            data = add(tensors, data, "weights.bin", f"layers.{layer}.{name}.weight",
                       weights[name])
        for i, (name, n) in enumerate(VECTORS.items()):
            values = integers(seed + 20 + i, n, 100).astype(F) / 64 + 2
            data = add(tensors, data, "weights.bin", f"layers.{layer}.{name}.weight", values)
        data = add(tensors, data, "weights.bin", f"layers.{layer}.v.bias",
                   integers(seed + 30, 16, 100).astype(F) / 64)
        scaled, grams = {m: dict(weights) for m in expected}, {}
        for i, (kind, names) in enumerate(GROUPS.items()):
            k = MATRICES[kind][1]
            source = f"layers.{layer}.{kind}.weight"
            a = integers(seed + 50 + i, 96 * k, 8).reshape(96, k)
            x = a * np.where(np.arange(k) % 11 == 5, 6, 1) + np.roll(a, 1, axis=1)
            x = (x / 8).astype(F)
            gram = x.T @ x
            for what, values in [("gram", gram), ("sum_squares", np.diag(gram).copy()),
                                 ("abs_max", np.abs(x).max(axis=0)),
                                 ("abs_sum", np.abs(x).sum(axis=0)),
                                 ("count", np.array([96], dtype=np.int64))]:
                stats_data = add(stats, stats_data, "statistics.bin", f"{source}/{what}", values)
            for name in names:
                readers[f"layers.{layer}.{name}.weight"] = source
            ws = [weights[name].astype(np.float64) for name in names]
            x, gram = x.astype(np.float64), gram.astype(np.float64)
            whole = sum(np.trace(w @ gram @ w.T) for w in ws)
            for method, choose in [("awq", awq), ("smoothquant", smooth)]:
                found, alpha, s = choose(kind, ws, x, gram)
                columns = spread(s, kind).astype(F)
                wide = columns.astype(np.float64)
                divided = (gram / np.outer(wide, wide)).astype(F).astype(np.float64)
                made = {"input": source, "alpha": alpha, "factors": s.tolist(),
                        "output": found / whole, "plain": loss(ws, gram, None) / whole,
                        "weights": {}}
                for name in names:
                    scaled[method][name] = scaled[method][name] * columns
                    grams[method, name] = made, divided
                if kind in PRODUCER:
                    made_by = scaled[method][PRODUCER[kind]]
                    scaled[method][PRODUCER[kind]] = made_by / s.astype(F)[:, None]
                expected[method].append(made)
        for (method, name), (made, gram) in grams.items():
            codes = gptq(scaled[method][name].astype(np.float64), gram, CASE)[0]
            made["weights"][f"layers.{layer}.{name}.weight"] = [
                "".join(f"{c:x}" for c in row) for row in codes]
    for name, content in [("weights.bin", data), ("statistics/statistics.bin", stats_data)]:
        with open(os.path.join(folder, name), "wb") as out:
            out.write(content)
    for name, content in [
            ("weights.json", {"version": 1, "tensors": tensors}),
            ("statistics/statistics.json",
             {"version": 1, "kind": "statistics", "complete": True, "model": MODEL,
              "text": "0" * 64, "tokens": 32, "sequences": 3, "inputs": readers,
              "tensors": stats})]:
        with open(os.path.join(folder, name), "w") as out:
            json.dump(content, out, indent=0)
    with open(os.path.join(folder, "expected.json"), "w") as out:
        out.write(json.dumps(expected).replace('{"input"', '\n{"input"') + "\n")


if __name__ == "__main__":
    main()
