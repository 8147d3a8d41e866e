# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""usage: damage.py FOLDER COPY TENSOR ELEMENT VALUE

Copies a model with statistics and sets an element of one of its tensors; if it is
one of a matrix, the one across the diagonal too.
"""
import json
import shutil
import struct
import sys

folder, copy, name, element, value = sys.argv[1:]
shutil.copytree(folder, copy)
path = copy + ("/weights" if name.endswith("weight") else "/statistics/statistics")
tensor = json.load(open(path + ".json"))["tensors"][name]
elements = [int(element)]
if len(tensor["shape"]) == 2 and tensor["shape"][0] == tensor["shape"][1]:
    row, column = divmod(int(element), tensor["shape"][1])
    elements.append(column * tensor["shape"][1] + row)
with open(path + ".bin", "r+b") as data:
    for element in elements:
        data.seek(tensor["offset"] + 4 * element)
        data.write(struct.pack("<f", float(value)))
