# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Copies a Llama checkpoint with a quarter of its neurons, and a group of its heads, dead.

    dead-checkpoint.py MODEL FOLDER

Columns of down_proj and o_proj are set to zero, other ones in each layer. What is a
zero in all floating point formats is bytes of zero.
"""
import json
import os
import shutil
import struct
import sys

model, folder = sys.argv[1:]
os.makedirs(folder, exist_ok=True)
for name in os.listdir(model):
    shutil.copy(os.path.join(model, name), folder)
config = json.load(open(os.path.join(model, "config.json")))
inner, heads = config["intermediate_size"], config["num_attention_heads"]
sharing = heads // config["num_key_value_heads"]
path = os.path.join(folder, "model.safetensors")
data = bytearray(open(path, "rb").read())
size, = struct.unpack_from("<Q", data)
header = json.loads(data[8:8 + size])


def clear(name, columns):
    tensor = header[name]
    begin, end = (8 + size + offset for offset in tensor["data_offsets"])
    rows, count = tensor["shape"]
    width = (end - begin) // (rows * count)
    for row in range(rows):
        for column in columns:
            at = begin + (row * count + column) * width
            data[at:at + width] = bytes(width)


for layer in range(config["num_hidden_layers"]):
    prefix = f"model.layers.{layer}."
    clear(prefix + "mlp.down_proj.weight", [(7 * i + layer) % inner for i in range(inner // 4)])
    head_dim = config["hidden_size"] // heads
    group = layer % (heads // sharing)
    clear(prefix + "self_attn.o_proj.weight",
          range(group * sharing * head_dim, (group + 1) * sharing * head_dim))
open(path, "wb").write(data)
