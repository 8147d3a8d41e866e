# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks what adze-prune-structure has chosen, by the weights and statistics.

    structure.py FOLDER MODULE NEURONS HEADS [statistics | columns]

The weights of FOLDER (Inputs/scale), the module that was made, and how many neurons and
heads are to be gone in each layer. `columns`: that what is left of inputs is told by the
table, in order, and is what was not pruned.
"""
import json
import os
import re
import sys

import numpy as np

folder, module, neurons, heads = sys.argv[1:5]
how = sys.argv[5] if len(sys.argv) > 5 else ""
text = open(module).read()
table = re.search(r'adze.table = "(.*?)"', text)[1]


def read(path, name, dtype=np.float32):
    entry = json.load(open(path))["tensors"][name]
    file = os.path.join(os.path.dirname(path), entry["file"])
    values = np.fromfile(file, dtype, int(np.prod(entry["shape"])), offset=entry["offset"])
    return values.reshape(entry["shape"]).astype(np.float64)


checked = 0
for layer in range(2):
    for name, unit, sharing, count in (("down", 1, 48, int(neurons)), ("o", 8, 2, int(heads))):
        tensor = f"layers.{layer}.{name}.weight"
        w = read(os.path.join(folder, "weights.json"), tensor)
        if how == "columns":
            kept = read(table, tensor + "/columns", np.int32).astype(int)
            pruned = read(table, tensor.replace(".weight", ".pruned.weight"))
            reduced = read(table, tensor.replace(".weight", ".reduced.weight"))
            assert (np.diff(kept) > 0).all() and len(kept) == 16 + 16 * (name == "down"), kept
            assert (reduced == pruned[:, kept]).all(), tensor
            assert set(np.flatnonzero(pruned.any(axis=0))) <= set(kept), tensor
            checked += 1
            continue
        if not count:
            continue
        squares = np.ones(w.shape[1])
        if how == "statistics":
            path = os.path.join(folder, "statistics", "statistics.json")
            squares = read(path, tensor + "/sum_squares")
        after = read(table, tensor.replace(".weight", ".pruned.weight"))
        gone = (after == 0).all(axis=0)
        assert (after[:, ~gone] == w[:, ~gone]).all(), tensor
        units = gone.reshape(-1, unit)
        assert (units.all(axis=1) == units.any(axis=1)).all(), tensor
        units = units[:, 0].reshape(-1, sharing)
        scores = (squares * (w * w).sum(axis=0)).reshape(-1, unit).sum(axis=1)
        scores = scores.reshape(-1, sharing)
        assert units.sum() == count and (units.sum(axis=1) == units.sum(axis=1)[0]).all(), units
        for row, lost in zip(scores, units):
            assert row[lost].max() <= row[~lost].min(), tensor
        checked += 1
assert checked == (4 if how == "columns" or int(neurons) else 2), checked
