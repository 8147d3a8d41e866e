#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Masks of torch.nn.utils.prune, for test/transforms/prune_test.cpp.

    python3 test/scripts/compress/torch_masks.py > test/transforms/references/torch_masks.json

Weights are (i * 7919 mod 10007 - 5003 + 0.25) / 1024 for element i: no two of one
magnitude, among which PyTorch leaves open who goes. Made with torch 2.15.
"""
import json

import torch
from torch.nn.utils import prune


def weight(rows, columns):
    i = torch.arange(rows * columns, dtype=torch.int64)
    return ((i * 7919 % 10007 - 5003 + 0.25) / 1024).reshape(rows, columns).float()


out = []
for rows, columns in [(5, 1), (2, 3), (7, 9), (16, 48)]:
    for amount in (0.0, 0.1, 0.25, 0.4, 0.5, 0.75, 0.9, 1.0):
        module = torch.nn.Linear(columns, rows, bias=False)
        module.weight.data = weight(rows, columns)
        prune.l1_unstructured(module, "weight", amount=amount)
        kept = module.weight_mask.to(torch.int64)
        out.append({"rows": rows, "columns": columns, "amount": amount,
                    "mask": ["".join(str(1 - int(x)) for x in row) for row in kept]})
print("[" + ",\n".join(json.dumps(case) for case in out) + "]")
