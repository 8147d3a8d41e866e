# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A checkpoint with zeros in it, stored in one of the ways that people store it.

    prune_checkpoint.py FOLDER OUTPUT zeros|blocks|masked|masked-bool|sparse24

The projections of FOLDER, a Hugging Face directory in bf16, keep 2 of 4 columns
(those of even and odd quads differ), or with `blocks` lose every other block of 16
rows by 32 columns, row 1 and column 2. `zeros` stores that as it is, `masked` as
torch.nn.utils.prune does, `sparse24` as compressed-tensors.
"""
import json
import os
import shutil
import struct
import sys

import numpy as np

folder, output, how = sys.argv[1:]
shutil.copytree(folder, output, dirs_exist_ok=True)
path = os.path.join(output, "model.safetensors")
data = open(path, "rb").read()
size, = struct.unpack("<Q", data[:8])
header = json.loads(data[8:8 + size])
tensors = {}
for name, entry in header.items():
    if name == "__metadata__":
        continue
    begin, end = entry["data_offsets"]
    raw = np.frombuffer(data[8 + size + begin:8 + size + end], np.uint8)
    if not name.endswith("proj.weight"):
        tensors[name] = (entry["dtype"], entry["shape"], raw)
        continue
    n, k = entry["shape"]
    w = raw.view(np.uint16).reshape(n, k)
    i, j = np.indices((n, k))
    if how == "blocks":
        kept = ((i // 16 + j // 32) % 2 == 0) & (i != 1) & (j != 2)
    else:
        kept = np.where((i + j // 4) % 2 == 0, j % 4 < 2, j % 3 == 0)
        quads = kept.reshape(n, k // 4, 4)
        quads[quads.sum(axis=2) != 2] = [True, False, False, True]
        kept = quads.reshape(n, k)
    stem = name.removesuffix(".weight")
    if how in ("zeros", "blocks"):
        tensors[name] = ("BF16", [n, k], np.where(kept, w, 0).astype(np.uint16))
    elif how.startswith("masked"):
        tensors[name + "_orig"] = ("BF16", [n, k], w)
        if how == "masked-bool":
            tensors[name + "_mask"] = ("BOOL", [n, k], kept.astype(np.uint8))
        else:
            tensors[name + "_mask"] = ("BF16", [n, k], np.where(kept, 0x3f80, 0).astype(np.uint16))
    else:
        tensors[stem + ".shape"] = ("I64", [2, 1], np.array([n, k], np.int64))
        tensors[stem + ".compressed"] = ("BF16", [n, k // 2], w[kept])
        tensors[stem + ".bitmask"] = ("U8", [n, -(-k // 8)],
                                      np.packbits(kept, axis=1, bitorder="little"))
header, blob = {}, b""
for name, (dtype, shape, values) in tensors.items():
    raw = values.tobytes()
    header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(blob), len(blob) + len(raw)]}
    blob += raw
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
with open(path, "wb") as out:
    out.write(struct.pack("<Q", len(text)) + text + blob)
if how == "sparse24":
    path = os.path.join(output, "config.json")
    config = json.load(open(path))
    config["quantization_config"] = {
        "quant_method": "compressed-tensors", "format": "dense", "config_groups": {},
        "ignore": [], "kv_cache_scheme": None, "quantization_status": "frozen",
        "sparsity_config": {"format": "sparse-24-bitmask", "sparsity_structure": "2:4",
                            "global_sparsity": 0.5, "ignore": ["lm_head"],
                            "registry_requires_subclass": False, "targets": ["Linear"]}}
    json.dump(config, open(path, "w"))
