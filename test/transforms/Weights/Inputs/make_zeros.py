# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""usage: make_zeros.py FOLDER

Writes weights.json and weights.bin: matrices of 64 x 128, and one of 48 x 128,
with zeros of several kinds, 4 and 3 panels of 4 blocks of 16 x 32 each.
"""
import json
import os
import struct
import sys

ROWS, COLUMNS = 64, 128


def matrix(is_zero, rows=ROWS):
    return [0.0 if is_zero(r, k) else 1.0 + (r * 7 + k * 3) % 11
            for r in range(rows) for k in range(COLUMNS)]


def block(r, k):
    return r // 16 * 4 + k // 32


# Of 16 blocks in layer 0 those of the second half of K are zero; in layer 1 each
# panel keeps another number of them, 3 at most.
half0 = matrix(lambda r, k: k >= 64)
half1 = matrix(lambda r, k: k // 32 >= (3, 2, 1, 0)[r // 16])
tensors = {
    "layers.0.half": half0, "layers.1.half": half1, "embedding": half0,
    "head": half0, "few": matrix(lambda r, k: block(r, k) in (0, 5, 10)),
    "one": matrix(lambda r, k: block(r, k) == 3),
    "scattered": matrix(lambda r, k: (r + k) % 2 == 0),
    "third": matrix(lambda r, k: (r * 7 + k * 3) % 20 < 7),
    "uneven": matrix(lambda r, k: (r * 7 + k * 3) % 10 < (9 if k < 64 else 2)),
    "dense": matrix(lambda r, k: False),
    "three": matrix(lambda r, k: k // 32 >= (3, 1, 2)[r // 16], rows=48),
}
folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
table, offset = {}, 0
with open(folder + "/weights.bin", "wb") as data:
    for name, values in tensors.items():
        size = data.write(struct.pack(f"<{len(values)}f", *values))
        table[name] = {"file": "weights.bin", "offset": offset, "dtype": "f32",
                       "shape": [len(values) // COLUMNS, COLUMNS], "bytes": size}
        offset += size
with open(folder + "/weights.json", "w") as file:
    json.dump({"version": 1, "tensors": table}, file)
