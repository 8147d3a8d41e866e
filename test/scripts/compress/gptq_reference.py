#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Codes that GPTQ must find, for test/transforms/gptq_test.cpp.

    python3 test/scripts/compress/gptq_reference.py > test/transforms/references/gptq.json

Independent of the compiler: float64, the inverse of H explicitly and the update of
Optimal Brain Surgeon column by column, no Cholesky factor, no blocks. The choice of
a scale is that of #adze.int (32 candidates around the largest magnitude) in
float32, as its page says. Weights and inputs are made of a generator that the test
repeats, with values that float32 holds exactly, so that only results are stored.
"""
import json

import numpy as np

F = np.float32
RATIOS = [1.12, 1.07, 1.02, 1.00, 0.96, 0.92, 0.88, 0.84,
          0.80, 0.76, 0.72, 0.68, 0.63, 0.58, 0.52, 0.46]
STEPS = [0, -1, 1, -2, 2, -3, 3, -4, 4, -5, 5, -6, 6, -7, 7, -8]


def integers(seed, count, span):
    out, state = [], seed
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append((state >> 33) % (2 * span + 1) - span)
    return np.array(out, dtype=np.int64)


def make(case):
    """The weight and the Gram matrix of a case."""
    n, k, samples = case["rows"], case["columns"], case["samples"]
    a = integers(case["seed"], samples * k, 8).reshape(samples, k)
    x = a * np.where(np.arange(k) % 11 == 5, 6, 1)  # a few large columns
    x += np.roll(a, 1, axis=1) + 2 * np.roll(a, 3, axis=1)  # that depend on others
    for column in case.get("unseen", []):
        x[:, column] = 0
    # Heavy tails: products of two.
    b = integers(case["seed"] + 1, 2 * n * k, 1000).reshape(2, n, k)
    w = (b[0] * b[1]).astype(np.float64) / 2**20
    for row in case.get("zero_rows", []):
        w[row] = 0
    return w, (x.T @ x).astype(np.float64) / 64


def to_storage(values, storage):
    if storage == "f32":
        return values
    if storage == "f16":
        return values.astype(np.float16).astype(F)
    u = values.view(np.uint32)
    return ((u + 0x7FFF + (u >> 16 & 1)) & np.uint32(0xFFFF0000)).astype(np.uint32).view(F)


def try_scales(x, scale, low_high, bits, storage, zeros, unit):
    scale = to_storage(scale.astype(F), storage)
    inverse = F(1) / scale
    most = F(2**bits - 1)
    zero = np.full(16, 2**(bits - 1), dtype=F)
    if zeros:
        middle = F(0.5) * low_high[0] + F(0.5) * low_high[1]
        zero = np.clip(np.rint(F(0.5) * most - middle * inverse), F(0), most).astype(F)
    sums = [np.zeros(16, dtype=F) for _ in range(4)]
    whole = len(x) // 4 * 4
    for i, value in enumerate(x):
        v = value * inverse
        d = v - np.clip(np.rint(v), -zero, most - zero)
        chain = i % 4 if i < whole else 0
        sums[chain] = sums[chain] + d * d
    ratio = scale * (F(1) / unit)
    error = ((sums[0] + sums[1]) + (sums[2] + sums[3])) * (ratio * ratio)
    # Errors that are alike to 2^-19 are equal, and the first one wins.
    best = np.argmin((error.view(np.uint32) & ~np.uint32(15)) | np.arange(16, dtype=np.uint32))
    return scale[best], zero[best]


def choose_scale(x, bits, storage, zeros):
    x = x.astype(F)
    low, high = min(x.min(), F(0)), max(x.max(), F(0))
    if zeros:
        extent, steps = high * F(0.5) - low * F(0.5), F(0.5 * (2**bits - 1))
    else:
        extent, steps = (-high if high > -low else -low), F(2**(bits - 1))
    finest = F(extent / steps)
    if finest == 0:
        return F(0), F(2**(bits - 1))
    spec = ((low, high), bits, storage, zeros, finest)
    center, _ = try_scales(x, finest * np.array(RATIOS, dtype=F), *spec)
    return try_scales(x, center + center / F(256) * np.array(STEPS, dtype=F), *spec)


def gptq(w, gram, case):
    n, k = w.shape
    bits, storage, zeros = case["bits"], case["scale"], case["zeros"]
    group = case["group"] or k
    order = np.arange(k)
    if case["act_order"]:
        order = np.argsort(-np.diag(gram), kind="stable")
    added = case["damping"] * np.diag(gram).mean()
    inverse = np.linalg.inv((gram + added * np.eye(k))[np.ix_(order, order)])
    inverse = (inverse + inverse.T) / 2
    values = w[:, order].copy()
    groups = -(-k // group)
    scale, zero = np.zeros((n, groups)), np.zeros((n, groups))

    def choose(g, block):
        for row in range(n):
            scale[row, g], zero[row, g] = choose_scale(block[row], bits, storage, zeros)

    if case["act_order"]:
        for g in range(groups):
            choose(g, w[:, g * group:(g + 1) * group])
    codes = np.zeros((n, k), dtype=np.int64)
    for i, column in enumerate(order):
        g = column // group
        if not case["act_order"] and i % group == 0:
            choose(g, values[:, i:i + group])
        s, z = scale[:, g], zero[:, g]
        safe = np.where(s == 0, 1, s)
        # What is exactly zero stays so: a pruned weight stays pruned.
        code = np.clip(np.rint(values[:, i] / safe) + z, 0, 2**bits - 1)
        code = np.where((s == 0) | (w[:, column] == 0), z, code)
        codes[:, column] = code
        error = (values[:, i] - s * (code - z)) / inverse[i, i]
        values[:, i:] -= np.outer(error, inverse[i, i:])
        values[:, i] = s * (code - z)
        inverse[i + 1:, i + 1:] -= np.outer(inverse[i + 1:, i], inverse[i, i + 1:]) / inverse[i, i]
    change = np.empty_like(w)
    change[:, order] = values
    change = w - change
    return codes, scale, zero, np.trace(change @ gram @ change.T)


def main():
    plain = {"samples": 160, "damping": 0.01, "act_order": False, "zeros": False,
             "bits": 4, "group": 16, "scale": "bf16"}
    cases = [
        {"name": "groups", "seed": 1, "rows": 6, "columns": 40, "zero_rows": [2]},
        {"name": "zero points in order of inputs", "seed": 2, "rows": 6, "columns": 48,
         "zeros": True, "act_order": True},
        {"name": "eight bits, whole rows", "seed": 3, "rows": 5, "columns": 70, "bits": 8,
         "group": 0, "scale": "f32"},
        {"name": "few samples, much damping", "seed": 4, "rows": 5, "columns": 80, "group": 32,
         "scale": "f16", "samples": 20, "damping": 0.1, "act_order": True},
        {"name": "unseen columns", "seed": 5, "rows": 4, "columns": 64, "group": 32,
         "unseen": [0, 17, 40], "act_order": True},
        {"name": "several blocks", "seed": 6, "rows": 3, "columns": 300, "group": 48,
         "samples": 500},
        {"name": "groups longer than blocks", "seed": 7, "rows": 3, "columns": 400,
         "group": 192, "samples": 500, "zeros": True},
        {"name": "more rows than a chunk", "seed": 8, "rows": 131, "columns": 24,
         "act_order": True},
    ]
    out = []
    for case in cases:
        case = {**plain, **case}
        w, gram = make(case)
        codes, scale, zero, error = gptq(w, gram, case)
        digits = 1 if case["bits"] == 4 else 2
        case["codes"] = ["".join(f"{c:0{digits}x}" for c in row) for row in codes]
        case["scales"] = scale.tolist()
        case["zero_codes"] = zero.astype(int).tolist()
        case["error"] = error
        case["energy"] = np.trace(w @ gram @ w.T)
        out.append(case)
    print("[" + ",\n".join(json.dumps(case) for case in out) + "]")


if __name__ == "__main__":
    main()
