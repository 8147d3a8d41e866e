#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tensors that others store pruned weights in, for test/interpreter/unpack_test.cpp.

    python3 test/scripts/compress/sparse_tensors.py > test/interpreter/references/sparse_tensors.json

Bitmasks are compressed-tensors' (0.9.4; later versions have none), weights with
masks those of torch.nn.utils.prune.
"""
import json

import torch
from compressed_tensors.compressors.sparse_compressors.sparse_24_bitmask import (
    Sparse24BitMaskTensor)
from torch.nn.utils import prune

NAMES = {torch.float32: "f32", torch.float16: "f16", torch.bfloat16: "bf16",
         torch.uint8: "u8", torch.int64: "i64", torch.bool: "bool"}


def stored(tensor):
    return {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape),
            "bytes": bytes(tensor.contiguous().view(torch.uint8).flatten().tolist()).hex()}


torch.manual_seed(5)
out = []
for dtype in (torch.float32, torch.float16, torch.bfloat16):
    for rows, columns in ((3, 8), (20, 20)):
        w = torch.randn(rows, columns).to(dtype)
        packed = Sparse24BitMaskTensor.from_dense(w)
        tensors = {name: stored(t) for name, t in packed.dict("w").items()}
        out.append({"packing": "sparse24", "dtype": NAMES[dtype], "tensors": tensors,
                    "dense": stored(packed.decompress())})
        module = torch.nn.Linear(columns, rows, bias=False).to(dtype)
        module.weight.data = w
        prune.l1_unstructured(module, "weight", amount=0.4)
        prune.random_structured(module, "weight", amount=0.25, dim=0)
        masks = [module.weight_mask] + ([module.weight_mask.bool()] if rows == 3 else [])
        for mask in masks:
            tensors = {"w.weight_orig": stored(module.weight_orig.data),
                       "w.weight_mask": stored(mask)}
            out.append({"packing": "masked", "dtype": NAMES[dtype], "tensors": tensors,
                        "dense": stored(module.weight.detach())})
print("[" + ",\n".join(json.dumps(case) for case in out) + "]")
