#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Copies a model of one safetensors file, with layer LAYER in bf16.

    mixed-layers.py IN OUT LAYER
"""
import json
import os
import shutil
import struct
import sys

source, target, layer = sys.argv[1:]
os.makedirs(target)
for name in os.listdir(source):
    shutil.copyfile(f"{source}/{name}", f"{target}/{name}")
path = f"{target}/model.safetensors"
data = open(path, "rb").read()
size = struct.unpack_from("<Q", data)[0]
header, body = json.loads(data[8:8 + size]), data[8 + size:]
out, chunks, at = {}, [], 0
for name, tensor in header.items():
    if name == "__metadata__":
        out[name] = tensor
        continue
    begin, end = tensor["data_offsets"]
    chunk = body[begin:end]
    if f".layers.{layer}." in name:
        assert tensor["dtype"] == "F32", tensor["dtype"]
        # The upper halves: truncated, not rounded.
        chunk = b"".join(chunk[i + 2:i + 4] for i in range(0, len(chunk), 4))
        tensor = dict(tensor, dtype="BF16")
    out[name] = dict(tensor, data_offsets=[at, at + len(chunk)])
    chunks.append(chunk)
    at += len(chunk)
text = json.dumps(out).encode()
text += b" " * (-len(text) % 8)
with open(path, "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + b"".join(chunks))
