# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""usage: formats.py FOLDER

Makes weights of which it is known what they lose: those of layer 0 are codes of four
bits times a scale, those of layer 1 and of the others any numbers, those of `b` with the
least and the largest in each 16 columns, and those of `large` are too large for f16.
Those of `halves.0` are numbers of f16 and not of bf16, those of `halves.1`, of which eight
bits lose more, the other way round. Of `tall` one number is too large for f16, in a row
that is not measured.
"""
import json
import os
import random
import struct
import sys

ROWS, COLUMNS = 32, 64
numbers = random.Random(3)
codes = lambda: 0.5 * numbers.randint(-7, 7)
any_number = lambda: numbers.uniform(-1, 1)
tensors = {
    "layers.0.a.weight": codes, "layers.1.a.weight": any_number, "b.weight": any_number,
    "shown.weight": any_number, "short.weight": any_number,
    "large.weight": lambda: 1e6 * any_number(),
    "halves.0.weight": lambda: numbers.randint(1025, 2047) / 1024,
    "halves.1.weight": lambda: 2.0 ** -20 * numbers.randint(129, 255) / 128,
    "tall.weight": lambda: numbers.randint(1025, 2047) / 1024}
shapes = {"short.weight": [128, 16], "tall.weight": [128, COLUMNS]}

folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
entries = {}
with open(os.path.join(folder, "weights.bin"), "wb") as data:
    for name, number in tensors.items():
        shape = shapes.get(name, [ROWS, COLUMNS])
        values = [number() for _ in range(shape[0] * shape[1])]
        if number is codes:
            values[::16] = [3.5] * (len(values) // 16)
        if name == "b.weight":
            values[::16], values[1::16] = [[x] * (len(values) // 16) for x in (1, -1)]
        if name == "halves.1.weight":
            values[::16] = [16 * x for x in values[::16]]
        if name == "tall.weight":
            values[shape[1] + 5] = 1e5
        entries[name] = {"file": "weights.bin", "offset": data.tell(), "dtype": "f32",
                         "shape": shape, "bytes": 4 * len(values)}
        data.write(struct.pack(f"<{len(values)}f", *values))
with open(os.path.join(folder, "weights.json"), "w") as file:
    json.dump({"version": 1, "tensors": entries}, file)
