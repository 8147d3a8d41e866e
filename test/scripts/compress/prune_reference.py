#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Masks that pruning must find, for test/transforms/prune_test.cpp.

    python3 test/scripts/compress/prune_reference.py > test/transforms/references/prune.json

Independent of the compiler: float64, sorted lists, the inverse of H explicitly and
the update of Optimal Brain Surgeon column by column. SparseGPT compares 128 columns
of a row (fewer where groups of codes say so); blocks it chooses before the sweep.
With a format, what is kept is rounded to codes in the same sweep: the scale of a
group is chosen when the sweep comes to it, from what will be kept as things are
then. Weights and inputs are those of gptq_reference.py.
"""
import json

import numpy as np

from gptq_reference import choose_scale, make


def lowest(scores, count):
    """The indices of the lowest scores, of equal ones the first."""
    return sorted(range(len(scores)), key=lambda i: (scores[i], i))[:count]


def blocks_of(shape, block):
    (n, k), (r, c) = shape, block
    return [[(slice(a, a + r), slice(b, b + c)) for b in range(0, k, c)]
            for a in range(0, n, r)]


def direct_mask(scores, case, by_row):
    """One-shot masks: magnitude, Wanda, and blocks of SparseGPT."""
    n, k = scores.shape
    mask = np.zeros((n, k), dtype=bool)
    if "keep" in case:
        for row in range(n):
            for at in range(0, k, case["of"]):
                group = list(scores[row, at:at + case["of"]])
                for i in lowest(group, case["of"] - case["keep"]):
                    mask[row, at + i] = True
    elif "block" in case:
        strips = blocks_of(scores.shape, case["block"])
        if not by_row:
            strips = [[block for strip in strips for block in strip]]
        for strip in strips:
            means = [np.mean(scores[block]**2) for block in strip]
            for i in lowest(means, round(case["amount"] * len(strip))):
                mask[strip[i]] = True
    elif by_row:
        for row in range(n):
            mask[row, lowest(list(scores[row]), round(case["amount"] * k))] = True
    else:
        mask.flat[lowest(list(scores.flat), round(case["amount"] * n * k))] = True
    return mask


def window_mask(w, divisor, zero, case, begin):
    """Of the columns from `begin` on, in one row."""
    scores = [-1 if z else (x / np.sqrt(d))**2 for x, d, z in zip(w, divisor, zero)]
    mask = zero.copy()
    if "keep" in case:
        mask[lowest(scores, len(w) - case["keep"])] = True
    else:
        end = begin + len(w)
        count = round(case["amount"] * end) - round(case["amount"] * begin)
        mask[lowest(scores, count)] = True
    return mask


def sparsegpt(w, gram, case):
    n, k = w.shape
    added = case["damping"] * np.diag(gram).mean()
    inverse = np.linalg.inv(gram + added * np.eye(k))
    inverse = (inverse + inverse.T) / 2
    group = case.get("group", 0) or k
    together = case["of"] if "keep" in case else 128
    if "bits" in case and "amount" in case and together % group and group % together \
            and group < k:
        together = group
    # What remains of the inverse when the sweep comes to each column.
    lines, left = [], inverse.copy()
    for i in range(k):
        lines.append(left[i].copy())
        left[i + 1:, i + 1:] -= np.outer(left[i + 1:, i], left[i, i + 1:]) / left[i, i]
    divisor = np.array([lines[i][i] for i in range(k)])

    zero = w == 0
    if "block" in case:
        fixed = direct_mask(np.abs(w) / np.sqrt(np.diag(inverse)), case, True) | zero
    values, mask = w.copy(), np.zeros((n, k), dtype=bool)
    codes = np.zeros((n, k), dtype=int)
    scales = np.zeros((n, -(-k // group)))
    zeros = np.zeros((n, -(-k // group)), dtype=int)
    for i in range(k):
        for row in range(n):
            if "block" in case:
                mask[row, i] = fixed[row, i]
            elif i % together == 0:
                part = slice(i, min(i + together, k))
                mask[row, part] = window_mask(values[row, part], divisor[part],
                                              zero[row, part], case, i)
            if "bits" in case and i % group == 0:
                end = min(i + group, k)
                kept = values[row, i:end].copy()
                for at in range(i, end, together):
                    part = slice(at, min(at + together, end))
                    if "block" in case:
                        gone = fixed[row, part]
                    elif at == i:
                        gone = mask[row, part]
                    else:
                        gone = window_mask(values[row, part], divisor[part],
                                           zero[row, part], case, at)
                    kept[part.start - i:part.stop - i][gone] = 0
                scales[row, i // group], zeros[row, i // group] = choose_scale(
                    kept, case["bits"], case["scale"], case["zeros"])
        target = values[:, i].copy()
        if "bits" in case:
            s, z = scales[:, i // group], zeros[:, i // group]
            code = np.clip(np.rint(target / np.where(s == 0, 1, s)) + z, 0,
                           2**case["bits"] - 1)
            code = np.where((s == 0) | mask[:, i], z, code).astype(int)
            codes[:, i], target = code, s * (code - z)
        target[mask[:, i]] = 0
        error = (values[:, i] - target) / lines[i][i]
        values[:, i + 1:] -= np.outer(error, lines[i][i + 1:])
        values[:, i] = target
    change = w - values
    return mask, codes, scales, zeros, np.trace(change @ gram @ change.T)


def hex_rows(bits):
    return ["".join("01"[bool(b)] for b in row) for row in bits]


def main():
    plain = {"samples": 400, "damping": 0.01, "seed": 11, "rows": 6, "columns": 96}
    codes = {"bits": 4, "group": 32, "scale": "bf16", "zeros": False}
    kinds = [{"amount": 0.5}, {"amount": 0.7}, {"amount": 0.0}, {"amount": 1.0},
             {"keep": 2, "of": 4}, {"keep": 4, "of": 8}, {"keep": 1, "of": 3},
             {"amount": 0.5, "block": [2, 8]}, {"amount": 0.6, "block": [4, 36]}]
    cases = [{"method": method, **kind}
             for method in ("magnitude", "wanda", "sparsegpt") for kind in kinds]
    cases += [
        {"method": "sparsegpt", "amount": 0.5, "columns": 300, "rows": 4},
        {"method": "sparsegpt", "amount": 0.5, "columns": 40, "zero_rows": [2],
         "unseen": [0, 17]},
        {"method": "sparsegpt", "keep": 2, "of": 4, "rows": 131, "columns": 24},
        {"method": "sparsegpt", "keep": 1, "of": 7, "columns": 280, "rows": 3},
        {"method": "sparsegpt", "amount": 0.5, "damping": 0.1, "samples": 20},
        {"method": "wanda", "amount": 0.5, "zero_rows": [0], "unseen": [3]},
        # Masks and codes in one sweep.
        {"method": "sparsegpt", "amount": 0.5, **codes},
        {"method": "sparsegpt", "amount": 0.5, **codes, "group": 48, "zeros": True},
        {"method": "sparsegpt", "amount": 0.4, **codes, "group": 256, "columns": 600,
         "rows": 3},
        {"method": "sparsegpt", "keep": 2, "of": 4, **codes, "zeros": True},
        {"method": "sparsegpt", "keep": 4, "of": 8, **codes, "group": 16, "scale": "f16"},
        {"method": "sparsegpt", "keep": 2, "of": 4, "bits": 8, "group": 0, "scale": "f32",
         "zeros": False, "columns": 300, "rows": 3},
        {"method": "sparsegpt", "amount": 0.5, "block": [2, 8], **codes},
    ]
    out = []
    for number, case in enumerate(cases):
        case = {**plain, **case}
        case["seed"] += number % 5
        w, gram = make(case)
        case["energy"] = np.trace(w @ gram @ w.T)
        if case["method"] == "sparsegpt":
            mask, code, scale, zero, case["error"] = sparsegpt(w, gram, case)
            if "bits" in case:
                digits = 1 if case["bits"] == 4 else 2
                case["codes"] = ["".join(f"{c:0{digits}x}" for c in row) for row in code]
                case["scales"] = scale.tolist()
                case["zero_codes"] = zero.tolist()
        else:
            norm = np.sqrt(np.diag(gram)) if case["method"] == "wanda" else 1.0
            mask = direct_mask(np.abs(w) * norm, case, case["method"] == "wanda")
            change = np.where(mask, w, 0)
            case["error"] = np.trace(change @ gram @ change.T)
        case["mask"] = hex_rows(mask)
        out.append(case)
    print("[" + ",\n".join(json.dumps(case) for case in out) + "]")


if __name__ == "__main__":
    main()
