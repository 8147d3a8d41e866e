# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Copies the first layers of a Llama checkpoint, with random MLPs of another width.

    wide-checkpoint.py MODEL FOLDER COLUMNS LAYERS

What down_proj reads has so many columns: its Gram matrix, and what GPTQ makes of it,
are most of the memory and of the time that rounding takes.
"""
import json
import os
import random
import shutil
import struct
import sys
from array import array

model, folder, columns, layers = *sys.argv[1:3], *map(int, sys.argv[3:])
os.makedirs(folder)
for name in os.listdir(model):
    if name != "model.safetensors":
        shutil.copyfile(f"{model}/{name}", f"{folder}/{name}")
with open(f"{folder}/config.json") as file:
    config = json.load(file)
hidden = config["hidden_size"]
config.update(intermediate_size=columns, num_hidden_layers=layers)
with open(f"{folder}/config.json", "w") as file:
    json.dump(config, file)
with open(f"{model}/model.safetensors", "rb") as file:
    data = file.read()
size, = struct.unpack_from("<Q", data)
header, body = json.loads(data[8:8 + size]), data[8 + size:]
random.seed(1)
shapes = {"gate_proj": [columns, hidden], "up_proj": [columns, hidden],
          "down_proj": [hidden, columns]}
out, chunks, at = {}, [], 0
for name, tensor in header.items():
    if name == "__metadata__":
        continue
    if ".layers." in name and int(name.split(".layers.")[1].split(".")[0]) >= layers:
        continue
    begin, end = tensor["data_offsets"]
    chunk, dtype, shape = body[begin:end], tensor["dtype"], tensor["shape"]
    for kind, wide in shapes.items():
        if f".{kind}." in name:
            dtype, shape = "F32", wide
            chunk = array("f", (random.gauss(0, 0.05) for _ in range(
                hidden * columns))).tobytes()
    out[name] = {"dtype": dtype, "shape": shape,
                 "data_offsets": [at, at + len(chunk)]}
    chunks.append(chunk)
    at += len(chunk)
text = json.dumps(out).encode()
text += b" " * (-len(text) % 8)
with open(f"{folder}/model.safetensors", "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + b"".join(chunks))
