# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""usage: set-numbers.py MODEL COPY TENSOR VALUE [ELEMENT]

Copies the folder of a model in one safetensors file of f32 and sets one element of
a tensor, or all of them.
"""
import json
import os
import shutil
import struct
import sys

model, copy, name, value = sys.argv[1:5]
shutil.copytree(model, copy)
path = copy + "/model.safetensors"
os.chmod(copy, 0o755)
os.chmod(path, 0o644)
with open(path, "r+b") as file:
    length = struct.unpack("<Q", file.read(8))[0]
    tensor = json.loads(file.read(length))[name]
    assert tensor["dtype"] == "F32", tensor
    begin, end = tensor["data_offsets"]
    places = range((end - begin) // 4)
    if len(sys.argv) > 5:
        places = [int(sys.argv[5])]
    for place in places:
        file.seek(8 + length + begin + 4 * place)
        file.write(struct.pack("<f", float(value)))
