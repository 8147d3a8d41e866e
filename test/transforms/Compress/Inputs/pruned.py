# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks what adze-prune has stored, and what it reports, against the weights.

    pruned.py FOLDER MODULE ZEROS METHOD [NAME]

The weights of FOLDER, the module that adze-prune made, what it was asked for, and
which weights to look at (default: all).
"""
import json
import os
import re
import sys

import numpy as np

folder, module, zeros, method = sys.argv[1:5]
only = sys.argv[5:]
text = open(module).read()
report = json.loads(re.search(r'adze.pruning = "(.*?)"[,}]', text)[1].replace("\\22", '"'))
table = re.search(r'adze.table = "(.*?)"', text)[1]


def read(path, name):
    entry = json.load(open(path))["tensors"][name]
    file = os.path.join(os.path.dirname(path), entry["file"])
    values = np.fromfile(file, np.float32, int(np.prod(entry["shape"])), offset=entry["offset"])
    return values.reshape(entry["shape"]).astype(np.float64)


statistics = os.path.join(folder, "statistics", "statistics.json")
readers = json.load(open(statistics))["inputs"]
total = pruned = 0
amounts = []
for weight in report["weights"]:
    name = weight["tensor"]
    if only and name.split(".")[2] not in only:
        continue
    w = read(os.path.join(folder, "weights.json"), name)
    after = read(table, name.replace(".weight", ".pruned.weight"))
    gone = after == 0
    total, pruned = total + gone.size, pruned + gone.sum()
    amounts.append(gone.mean())
    assert abs(weight["zeros"] - gone.mean()) < 1e-9, weight
    relative = np.linalg.norm(w - after) / np.linalg.norm(w)
    assert abs(weight["relative"] - relative) < 1e-5, (weight, relative)
    gram = read(statistics, readers[name] + "/gram")
    if "output" in weight:
        energy = lambda x: np.trace(x @ gram @ x.T)
        output = energy(w - after) / energy(w)
        assert abs(weight["output"] - output) < 1e-4 * output + 1e-7, (weight, output)
        masked = energy(np.where(gone, w, 0)) / energy(w)
        assert (output < 0.95 * masked) == (method == "sparsegpt"), (output, masked)
    if method != "sparsegpt":
        assert (after[~gone] == w[~gone]).all(), name
    n, k = w.shape
    scores = abs(w)
    if method in ("wanda", "sensitivity"):
        scores = scores * np.sqrt(np.diag(gram))
    if "x" in zeros:
        amount, block = zeros.split(":")
        r, c = map(int, block.split("x"))
        blocks = gone.reshape(n // r, r, k // c, c).all(axis=(1, 3))
        assert (blocks.repeat(r, axis=0).repeat(c, axis=1) == gone).all(), name
        if method == "magnitude":
            assert blocks.sum() == round(float(amount) * blocks.size), name
        else:
            assert (blocks.sum(axis=1) == round(float(amount) * blocks.shape[1])).all(), name
    elif ":" in zeros:
        keep, of = map(int, zeros.split(":"))
        groups = gone.reshape(n, k // of, of)
        assert (groups.sum(axis=2) >= of - keep).all(), name
        if method != "sparsegpt":
            ranks = scores.reshape(groups.shape).argsort(axis=2, kind="stable")
            lost = np.take_along_axis(groups, ranks, axis=2)[:, :, :of - keep]
            assert lost.all(), name
    elif method in ("wanda", "sensitivity"):
        counts = gone.sum(axis=1)
        assert (counts == counts[0]).all(), name
        for row, lost in zip(scores, gone):
            assert row[lost].max() <= row[~lost].min(), name
    elif method in ("magnitude", "global"):
        assert scores[gone].max() <= scores[~gone].min(), name
assert total, "nothing was looked at"
if ":" not in zeros:
    slack = len(amounts) * 32 if method in ("wanda", "sensitivity") else 1
    assert abs(pruned - float(zeros) * total) <= slack, (pruned, total)
if method in ("global", "sensitivity"):
    assert max(amounts) - min(amounts) > 0.01, amounts
